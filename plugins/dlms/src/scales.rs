//! Scales that are not sent, and faults of meters: a table by list name, meter type and title.

/// Scale of numbers that come without one: 10^n of the unit, `None` where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scales {
    /// Energies, of Wh, varh or VAh.
    pub energy: Option<i8>,
    /// Powers, of W, var or VA.
    pub power: Option<i8>,
    /// Voltages, of V.
    pub voltage: Option<i8>,
    /// Currents, of A.
    pub current: Option<i8>,
    /// Power factors.
    pub power_factor: Option<i8>,
}

/// Kind of meter, as its list shows it.
struct Row {
    /// Beginning of the name of the list.
    list: &'static str,
    /// End of the meter's type, or all of it.
    model: &'static str,
    scales: Scales,
}

/// Meters that push whole watts and watt hours, and whose other scales are not known.
const USUAL: Scales =
    Scales { energy: Some(0), power: Some(0), voltage: None, current: None, power_factor: None };
/// Norwegian lists of Kamstrup ("HAN-NVE interface description" 3.1).
const KAMSTRUP_NO: Scales = Scales { energy: Some(1), voltage: Some(0), current: Some(-2), ..USUAL };

/// The first row that fits counts.
const TABLE: &[Row] = &[
    Row { list: "Kamstrup_V0001", model: "040", scales: KAMSTRUP_NO },
    // The maker's printed examples name no type.
    Row { list: "Kamstrup_V0001", model: "000000000000000000", scales: KAMSTRUP_NO },
    Row { list: "Kamstrup_V0001", model: "090", scales: Scales { energy: Some(0), ..KAMSTRUP_NO } },
    // Elsewhere the scale of energies and currents depends on the meter's configuration (5512-2584).
    Row { list: "Kamstrup_V0001", model: "", scales: Scales { energy: None, voltage: Some(0), ..USUAL } },
    // "HAN OBIS codes KFM_001"; its current is printed with one decimal there, and sent with three.
    Row { list: "KFM_001", model: "", scales: Scales { voltage: Some(-1), current: Some(-3), ..USUAL } },
    Row { list: "", model: "", scales: USUAL },
];

/// Names of lists in which some codes are written `06 09` in place of `09 06`.
const SWAPPED_TAGS: &[&str] = &["EMBRIQ_"];

/// Returns whether codes of the list in this message may have swapped tags.
pub(crate) fn may_have_swapped_tags(message: &[u8]) -> bool {
    SWAPPED_TAGS.iter().any(|name| message.windows(name.len()).any(|window| window == name.as_bytes()))
}

impl Scales {
    /// Returns the scales of a meter whose list has this name, and that is of this type.
    pub(crate) fn of(list: &str, model: &str) -> Self {
        let row = TABLE.iter().find(|row| list.starts_with(row.list) && model.ends_with(row.model));
        row.map_or(USUAL, |row| row.scales)
    }

    /// Returns these scales where they are known, else the others.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            energy: self.energy.or(others.energy),
            power: self.power.or(others.power),
            voltage: self.voltage.or(others.voltage),
            current: self.current.or(others.current),
            power_factor: self.power_factor.or(others.power_factor),
        }
    }

    /// Returns scale and unit of a code, if they are known.
    pub(crate) fn of_code(&self, [a, _, c, d, ..]: [u8; 6]) -> Option<(i8, Option<&'static str>)> {
        if a != 1 {
            return None;
        }
        // The same quantities of all phases together, and of each one.
        let quantity = if (21..=80).contains(&c) { (c - 21) % 20 + 1 } else { c };
        let (scale, unit) = match (quantity, d) {
            (11, 7) => (self.current, "A"),
            (12, 7) => (self.voltage, "V"),
            (13, 7) => return self.power_factor.map(|scale| (scale, None)),
            (1 | 2 | 15 | 16, 8) => (self.energy, "Wh"),
            (1 | 2 | 15 | 16, 7) => (self.power, "W"),
            (3..=8, 8) => (self.energy, "varh"),
            (3..=8, 7) => (self.power, "var"),
            (9 | 10, 8) => (self.energy, "VAh"),
            (9 | 10, 7) => (self.power, "VA"),
            _ => return None,
        };
        scale.map(|scale| (scale, Some(unit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_table_is_found_and_a_configured_scale_goes_first() {
        let shown = |list: &str, model: &str, c, d| {
            Scales::of(list, model)
                .of_code([1, 1, c, d, 0, 255])
                .map(|(scale, unit)| (scale, unit.unwrap_or_default()))
        };
        for (list, model, c, d, expected) in [
            ("Kamstrup_V0001", "6861111BN242101040", 1, 8, Some((1, "Wh"))),
            ("Kamstrup_V0001", "6861111BN242101040", 51, 7, Some((-2, "A"))),
            ("Kamstrup_V0001", "000000000000000000", 4, 8, Some((1, "varh"))),
            ("Kamstrup_V0001", "6841138BN245101090", 1, 8, Some((0, "Wh"))),
            ("Kamstrup_V0001", "", 1, 8, None),
            ("Kamstrup_V0001", "", 31, 7, None),
            ("Kamstrup_V0001", "", 21, 7, Some((0, "W"))),
            ("Kamstrup_V0001", "", 72, 7, Some((0, "V"))),
            ("KFM_001", "MA304H4", 71, 7, Some((-3, "A"))),
            ("KFM_001", "MA304H4", 32, 7, Some((-1, "V"))),
            ("", "", 1, 8, Some((0, "Wh"))),
            ("", "", 63, 7, Some((0, "var"))),
            ("", "", 32, 7, None),
            ("", "", 13, 7, None),
            ("", "", 96, 1, None),
        ] {
            assert_eq!(shown(list, model, c, d), expected, "{list} {model} {c}.{d}");
        }
        let written = Scales { energy: Some(-3), ..Scales::default() };
        assert_eq!(written.or(KAMSTRUP_NO), Scales { energy: Some(-3), ..KAMSTRUP_NO });
    }
}
