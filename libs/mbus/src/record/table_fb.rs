//! Second extension table of value information, behind VIF FB (EN 13757-3, 6.4.5).

use super::information::Entry;

/// Returns the line of the table.
pub(super) fn entry(code: u8) -> Entry {
    let n = |bits: u8, offset: i8| (code & bits) as i8 + offset;
    match code {
        0x00..=0x01 => Entry::new("energy", "MWh", n(1, -1)),
        0x02..=0x03 => Entry::new("reactive_energy", "kvarh", n(1, 0)),
        0x04..=0x05 => Entry::new("apparent_energy", "kVAh", n(1, 0)),
        0x08..=0x09 => Entry::new("energy", "GJ", n(1, -1)),
        0x0c..=0x0f => Entry::new("energy", "Mcal", n(3, -1)),
        0x10..=0x11 => Entry::new("volume", "m3", n(1, 2)),
        0x14..=0x17 => Entry::new("reactive_power", "kvar", n(3, -3)),
        0x18..=0x19 => Entry::new("mass", "t", n(1, 2)),
        0x1a..=0x1b => Entry::new("relative_humidity", "%", n(1, -1)),
        0x20 => Entry::new("volume", "ft3", 0),
        0x21 => Entry::new("volume", "ft3", -1),
        0x22 => Entry::new("volume", "gal", -1),
        0x23 => Entry::new("volume", "gal", 0),
        0x24 => Entry::new("volume_flow", "gal/min", -3),
        0x25 => Entry::new("volume_flow", "gal/min", 0),
        0x26 => Entry::new("volume_flow", "gal/h", 0),
        0x28..=0x29 => Entry::new("power", "MW", n(1, -1)),
        0x2a => Entry::new("phase_angle_voltage", "°", -1),
        0x2b => Entry::new("phase_angle_current", "°", -1),
        0x2c..=0x2f => Entry::new("frequency", "Hz", n(3, -3)),
        0x30..=0x31 => Entry::new("power", "GJ/h", n(1, -1)),
        0x34..=0x37 => Entry::new("apparent_power", "kVA", n(3, -3)),
        0x58..=0x5b => Entry::new("flow_temperature", "°F", n(3, -3)),
        0x5c..=0x5f => Entry::new("return_temperature", "°F", n(3, -3)),
        0x60..=0x63 => Entry::new("temperature_difference", "°F", n(3, -3)),
        0x64..=0x67 => Entry::new("external_temperature", "°F", n(3, -3)),
        0x70..=0x73 => Entry::new("temperature_limit", "°F", n(3, -3)),
        0x74..=0x77 => Entry::new("temperature_limit", "°C", n(3, -3)),
        0x78..=0x7f => Entry::new("cumulated_maximum_power", "W", n(7, -3)),
        _ => Entry::new("reserved", "", 0),
    }
}
