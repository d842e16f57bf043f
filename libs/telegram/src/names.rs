//! Names of registers in `/data`.

use framework::{Obis, Text};

/// Registers `C.D.E` and their names.
///
/// An energy register (D = 8) of a tariff has the same name with the suffix `_T1` … `_T63`. The letters that some
/// meters send stand for their numbers: `C.1.0` is 96.1.0, `F.F` is 97.97.0.
pub const NAMES: &[([u8; 3], &str)] = &[
    ([1, 8, 0], "POWER_IMPORT"),
    ([2, 8, 0], "POWER_EXPORT"),
    ([3, 8, 0], "REACTIVE_IMPORT"),
    ([4, 8, 0], "REACTIVE_EXPORT"),
    ([15, 8, 0], "POWER_ABSOLUTE"),
    ([16, 8, 0], "POWER_SUM"),
    ([16, 7, 0], "CURRENT_POWER_SUM"),
    ([36, 7, 0], "CURRENT_POWER_L1"),
    ([56, 7, 0], "CURRENT_POWER_L2"),
    ([76, 7, 0], "CURRENT_POWER_L3"),
    ([1, 7, 0], "CURRENT_POWER_IMPORT"),
    ([21, 7, 0], "CURRENT_POWER_IMPORT_L1"),
    ([41, 7, 0], "CURRENT_POWER_IMPORT_L2"),
    ([61, 7, 0], "CURRENT_POWER_IMPORT_L3"),
    ([2, 7, 0], "CURRENT_POWER_EXPORT"),
    ([22, 7, 0], "CURRENT_POWER_EXPORT_L1"),
    ([42, 7, 0], "CURRENT_POWER_EXPORT_L2"),
    ([62, 7, 0], "CURRENT_POWER_EXPORT_L3"),
    ([15, 7, 0], "CURRENT_POWER_ABSOLUTE"),
    ([3, 7, 0], "CURRENT_REACTIVE_IMPORT"),
    ([4, 7, 0], "CURRENT_REACTIVE_EXPORT"),
    ([9, 7, 0], "CURRENT_APPARENT_POWER"),
    ([1, 4, 0], "AVERAGE_POWER_IMPORT"),
    ([2, 4, 0], "AVERAGE_POWER_EXPORT"),
    ([1, 6, 0], "MAX_POWER_IMPORT"),
    ([2, 6, 0], "MAX_POWER_EXPORT"),
    ([32, 7, 0], "VOLTAGE_L1"),
    ([52, 7, 0], "VOLTAGE_L2"),
    ([72, 7, 0], "VOLTAGE_L3"),
    ([31, 7, 0], "CURRENT_L1"),
    ([51, 7, 0], "CURRENT_L2"),
    ([71, 7, 0], "CURRENT_L3"),
    ([91, 7, 0], "CURRENT_N"),
    ([14, 7, 0], "FREQUENCY"),
    ([13, 7, 0], "POWER_FACTOR"),
    ([33, 7, 0], "POWER_FACTOR_L1"),
    ([53, 7, 0], "POWER_FACTOR_L2"),
    ([73, 7, 0], "POWER_FACTOR_L3"),
    ([81, 7, 1], "ANGLE_U2_U1"),
    ([81, 7, 2], "ANGLE_U3_U1"),
    ([81, 7, 4], "ANGLE_I1_U1"),
    ([81, 7, 15], "ANGLE_I2_U2"),
    ([81, 7, 26], "ANGLE_I3_U3"),
    ([0, 0, 0], "METER_NUMBER"),
    ([96, 1, 0], "METER_ID"),
    ([96, 1, 1], "EQUIPMENT_ID"),
    ([0, 2, 0], "FIRMWARE"),
    ([1, 0, 0], "METER_CLOCK"),
    ([0, 9, 1], "METER_TIME"),
    ([0, 9, 2], "METER_DATE"),
    ([96, 5, 0], "STATUS"),
    ([96, 8, 0], "OPERATING_TIME"),
    ([96, 14, 0], "TARIFF"),
    ([97, 97, 0], "ERROR"),
];

/// Returns the name of a register; `None` where the table has none for it.
///
/// The medium must fit: 1 or none for electricity; 0, 1 or none for abstract registers, of channel 0 (a gas meter's
/// number on channel 1 is not this meter's). The value must be the present one: F is none, 255 or 0.
pub fn name(obis: Obis) -> Option<Text> {
    let (c, d, e) = obis.cde();
    let electrical = (1..96).contains(&c) && d > 0;
    let fits = match obis.medium() {
        None | Some(1) => true,
        Some(0) => !electrical && matches!(obis.channel(), None | Some(0)),
        Some(_) => false,
    };
    if !fits || !matches!(obis.history(), None | Some(0)) {
        return None;
    }
    // Older EasyMeters write 255 where there are no tariffs.
    let e = if e == 255 { 0 } else { e };
    let find = |code| NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    match find([c, d, e]) {
        Some(name) => Some(Text::new_static(name)),
        None if d == 8 && e < 64 => find([c, 8, 0]).map(|name| Text::from(format!("{name}_T{e}"))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str) -> Option<String> {
        name(Obis::parse(code.as_bytes()).unwrap()).map(Into::into)
    }

    #[test]
    fn the_names_of_the_original() {
        for (code, expected) in [
            ("1-0:1.8.0*255", "POWER_IMPORT"),
            ("1-0:2.8.0*255", "POWER_EXPORT"),
            ("1-0:16.7.0*255", "CURRENT_POWER_SUM"),
            ("1-0:36.7.0*255", "CURRENT_POWER_L1"),
            ("1-0:56.7.0*255", "CURRENT_POWER_L2"),
            ("1-0:76.7.0*255", "CURRENT_POWER_L3"),
        ] {
            assert_eq!(named(code).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_forms_of_a_code_have_one_name() {
        for (code, expected) in [
            ("1.8.0", Some("POWER_IMPORT")),
            ("1.8.0*00", Some("POWER_IMPORT")),
            ("1-1:1.8.0", Some("POWER_IMPORT")),
            ("1.8", Some("POWER_IMPORT")),
            ("1-0:1.8.1*255", Some("POWER_IMPORT_T1")),
            ("2.8.63", Some("POWER_EXPORT_T63")),
            ("32.7", Some("VOLTAGE_L1")),
            ("1-0:21.7.255*255", Some("CURRENT_POWER_IMPORT_L1")),
            ("F.F", Some("ERROR")),
            ("1-0:97.97.0*255", Some("ERROR")),
            ("0-0:C.1.0*255", Some("METER_ID")),
            ("0:0.0.0*255", Some("METER_NUMBER")),
            ("0-0:96.8.0*255", Some("OPERATING_TIME")),
            ("0-0:1.0.0", Some("METER_CLOCK")),
            ("0-0:96.14.0", Some("TARIFF")),
            // Another medium, another device, another time, another quantity.
            ("6-0:1.8.0*255", None),
            ("0-0:1.8.0*255", None),
            ("0-1:96.1.0", None),
            ("1-0:1.8.0*96", None),
            ("1.8.0*01", None),
            ("1.8.64", None),
            ("16.7.1", None),
            ("6.8", None),
        ] {
            assert_eq!(named(code).as_deref(), expected, "{code}");
        }
    }

    #[test]
    fn a_name_stands_for_one_register() {
        for (i, (code, name)) in NAMES.iter().enumerate() {
            for (other_code, other_name) in &NAMES[..i] {
                assert_ne!(code, other_code);
                assert_ne!(name, other_name);
            }
        }
    }
}
