//! Meters whose records need help: names for what only the maker's documents say.
//!
//! A line is data: maker, device type, the generic name, and what it becomes. Anything that is not here has its
//! generic name.

use crate::SecondaryAddress;

/// Line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    maker: &'static str,
    device_type: u8,
    name: &'static str,
    /// Name instead of the generic one.
    pub(crate) becomes: &'static str,
    /// Unit instead of the coded one.
    pub(crate) unit: Option<&'static str>,
}

/// Returns the line for a reading of a meter.
pub(crate) fn line(address: SecondaryAddress, name: &str) -> Option<&'static Line> {
    // Most names have nothing of the maker's in them.
    if !name.contains("_maker_") {
        return None;
    }
    let maker = address.manufacturer.to_string();
    let mut lines = PHASES.iter().chain(REACTIVE);
    lines.find(|line| line.name == name && line.device_type == address.medium && line.maker == maker)
}

const fn line_of(
    maker: &'static str,
    device_type: u8,
    name: &'static str,
    becomes: &'static str,
    unit: Option<&'static str>,
) -> Line {
    Line { maker, device_type, name, becomes, unit }
}

/// Lines of makers that name the phase in a VIFE of their own: of the sum and of L1, L2 and L3.
macro_rules! phases {
    ($($maker:literal $total:literal $l1:literal $l2:literal $l3:literal;)*) => {
        &[$(
            line_of($maker, 2, concat!("power_maker_", $total), "power", None),
            line_of($maker, 2, concat!("power_maker_", $l1), "power_l1", None),
            line_of($maker, 2, concat!("power_maker_", $l2), "power_l2", None),
            line_of($maker, 2, concat!("power_maker_", $l3), "power_l3", None),
            line_of($maker, 2, concat!("voltage_maker_", $l1), "voltage_l1", None),
            line_of($maker, 2, concat!("voltage_maker_", $l2), "voltage_l2", None),
            line_of($maker, 2, concat!("voltage_maker_", $l3), "voltage_l3", None),
            line_of($maker, 2, concat!("current_maker_", $l1), "current_l1", None),
            line_of($maker, 2, concat!("current_maker_", $l2), "current_l2", None),
            line_of($maker, 2, concat!("current_maker_", $l3), "current_l3", None),
        )*]
    };
}

/// Lines of makers that code reactive power as an active one of the second subunit.
macro_rules! reactive {
    ($($maker:literal $total:literal $l1:literal $l2:literal $l3:literal;)*) => {
        &[$(
            line_of($maker, 2, concat!("power_maker_", $total, "_subunit1"), "reactive_power", Some("var")),
            line_of($maker, 2, concat!("power_maker_", $l1, "_subunit1"), "reactive_power_l1", Some("var")),
            line_of($maker, 2, concat!("power_maker_", $l2, "_subunit1"), "reactive_power_l2", Some("var")),
            line_of($maker, 2, concat!("power_maker_", $l3, "_subunit1"), "reactive_power_l3", Some("var")),
        )*]
    };
}

static PHASES: &[Line] = phases! {
    "SBC" "00" "01" "02" "03";
    "FIN" "00" "01" "02" "03";
    "ABB" "8000" "8100" "8200" "8300";
};

static REACTIVE: &[Line] = reactive! {
    "SBC" "00" "01" "02" "03";
    "FIN" "00" "01" "02" "03";
};
