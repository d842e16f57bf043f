//! Records: every coding, table and qualifier, and what is no value.

use mbus::{Defect, Order, Record, Records, Value, naming, records};

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// Returns name, value and unit of each record; of one without a value the kind of its absence.
fn shown(hex: &str) -> Vec<String> {
    let data = bytes(hex);
    records(&data).map(|record| show(&record.unwrap())).collect()
}

fn show(record: &Record<'_>) -> String {
    let value = match record.value {
        Value::Absent(absent) => format!("<{}>", absent.kind()),
        Value::None => "<none>".to_owned(),
        value => value.to_string(),
    };
    format!("{} {value} {}", naming::name(record, None), record.unit).trim_end().to_owned()
}

fn one(hex: &str) -> String {
    let all = shown(hex);
    assert_eq!(all.len(), 1, "{hex}: {all:?}");
    all[0].clone()
}

/// A table test: bytes of a record, and what it is.
fn check(rows: &[(&str, &str)]) {
    for (hex, expected) in rows {
        assert_eq!(one(hex), *expected, "{hex}");
    }
}

#[test]
fn numbers_of_every_coding_are_exact() {
    check(&[
        ("01 13 ff", "volume -0.001 m3"),
        ("02 13 d2 04", "volume 1.234 m3"),
        ("03 13 ff ff 7f", "volume 8388.607 m3"),
        ("04 13 d2 02 96 49", "volume 1234567.89 m3"),
        ("06 03 ff ff ff ff ff 7f", "energy 140737488355327 Wh"),
        ("07 03 ff ff ff ff ff ff ff 7f", "energy 9223372036854775807 Wh"),
        ("05 2b 9a 99 a9 40", "power 5.3 W"),
        ("05 2e 00 00 20 c0", "power -2500 W"),
        ("09 13 42", "volume 0.042 m3"),
        ("0a 5a 35 06", "flow_temperature 63.5 °C"),
        ("0b 3b 50 02 00", "volume_flow 0.25 m3/h"),
        ("0c 06 78 56 34 12", "energy 12345678000 Wh"),
        ("0e 06 12 90 78 56 34 12", "energy 123456789012000 Wh"),
        ("0d fd 3a c2 34 12", "dimensionless 1234"),
        ("0d fd 3a d2 34 12", "dimensionless -1234"),
        ("0d 13 e2 d2 04", "volume 1.234 m3"),
        ("0d fd 3b e3 01 02 03", "wmbus_data_container 010203"),
        ("00 13", "volume <none> m3"),
    ]);
}

#[test]
fn a_sign_in_bcd_is_an_f_in_front_and_other_letters_are_no_number() {
    check(&[
        ("0a 2b 50 f1", "power -150 W"),
        ("0c 2b 00 50 00 f0", "power -5000 W"),
        ("0a 2b dd dd", "power <error> W"),
        ("0a 2b 0a 00", "power <error> W"),
        ("0a 2b 00 ff", "power <error> W"),
        ("0a 2b 00 a1", "power <error> W"),
        // A number on a meter may have letters.
        ("0c 78 ef cd ab 00", "fabrication_number 00ABCDEF"),
        ("0c 78 78 56 34 02", "fabrication_number 02345678"),
    ]);
}

#[test]
fn what_stands_for_no_value_is_none() {
    check(&[
        ("01 13 80", "volume <invalid> m3"),
        ("02 5a 00 80", "flow_temperature <invalid> °C"),
        ("04 03 00 00 00 80", "energy <invalid> Wh"),
        ("05 5b 00 00 c0 7f", "flow_temperature <invalid> °C"),
        ("05 5b 00 00 80 ff", "flow_temperature <invalid> °C"),
        ("05 5b 99 76 96 7e", "flow_temperature <invalid> °C"),
        ("02 da 15 d2 04", "flow_temperature_record_error_15 <record_error> °C"),
        ("07 0f ff ff ff ff ff ff ff 7f", "energy <invalid> J"),
        // Flags are bits, not a negative number.
        ("01 fd 17 80", "error_flags 128"),
        ("02 fd 17 ff ff", "error_flags 65535"),
        ("07 fd 17 ff ff ff ff ff ff ff ff", "error_flags ffffffffffffffff"),
    ]);
}

#[test]
fn dates_and_times_are_points_in_time_or_none() {
    check(&[
        ("02 6c 1d 02", "date 2000-02-29"),
        ("02 6c ff 1c", "date 2015-12-31"),
        ("02 6c 41 cc", "date 1998-12-01"),
        ("04 6d 3b 17 5c 32", "datetime 2026-02-28T23:59"),
        ("04 6d 00 20 61 11", "datetime 2011-01-01T00:00"),
        ("06 6d 1e 3b 17 5c 32 00", "datetime 2026-02-28T23:59:30"),
        ("03 6d 1e 3b 17", "datetime 23:59:30"),
        ("02 6c 00 00", "date <no_time>"),
        ("02 6c ff ff", "date <no_time>"),
        ("02 6c 1e 02", "date <no_time>"), // 30 February
        ("02 6c 1f 01", "date 2000-01-31"),
        ("02 6c 20 12", "date <no_time>"), // every day of February
        ("02 6c 1f 0c", "date 2000-12-31"),
        ("02 6c e1 f1", "date <no_time>"), // 1 January of every year
        ("02 6c 01 1f", "date <no_time>"), // the first of every month
        ("02 6c 01 0d", "date <no_time>"),
        ("04 6d 80 00 41 31", "datetime <no_time>"), // marked as invalid
        ("04 6d 3f 1f ff ff", "datetime <no_time>"),
        ("04 6d 00 18 41 31", "datetime <no_time>"), // 24 h
        ("04 6d 3c 00 41 31", "datetime <no_time>"), // 60 min
        ("04 6d 00 00 00 00", "datetime <no_time>"),
        ("03 6d ff ff ff", "datetime <no_time>"),
        ("04 ed 39 00 06 41 33", "datetime_start 2026-03-01T06:00"),
    ]);
}

#[test]
fn storage_tariff_subunit_and_function_are_in_the_name() {
    check(&[
        ("04 03 01 00 00 00", "energy 1 Wh"),
        ("44 03 01 00 00 00", "energy_storage1 1 Wh"),
        ("84 01 03 01 00 00 00", "energy_storage2 1 Wh"),
        ("c4 01 03 01 00 00 00", "energy_storage3 1 Wh"),
        ("84 10 03 01 00 00 00", "energy_tariff1 1 Wh"),
        ("84 20 03 01 00 00 00", "energy_tariff2 1 Wh"),
        ("84 40 13 01 00 00 00", "volume_subunit1 0.001 m3"),
        ("84 80 40 13 01 00 00 00", "volume_subunit2 0.001 m3"),
        ("14 2b 01 00 00 00", "power_max 1 W"),
        ("24 2b 01 00 00 00", "power_min 1 W"),
        ("34 2b 01 00 00 00", "power_error 1 W"),
        ("c1 f1 b0 f0 30 03 07", "energy_tariff255_subunit5_storage3 7 Wh"),
        (
            "c4 ff ff ff ff ff ff ff ff ff 0f 13 01 00 00 00",
            "volume_tariff262143_subunit511_storage2199023255551 0.001 m3",
        ),
    ]);
}

#[test]
fn tables_of_value_information_are_complete() {
    check(&[
        ("01 00 07", "energy 0.007 Wh"),
        ("01 0f 07", "energy 70000000 J"),
        ("01 17 07", "volume 70 m3"),
        ("01 1b 07", "mass 7 kg"),
        ("01 22 07", "on_time 7 h"),
        ("01 27 07", "operating_time 7 d"),
        ("01 30 07", "power 7 J/h"),
        ("01 47 07", "volume_flow 7 m3/min"),
        ("01 4f 07", "volume_flow 0.07 m3/s"),
        ("01 53 07", "mass_flow 7 kg/h"),
        ("01 5e 07", "return_temperature 0.7 °C"),
        ("01 61 07", "temperature_difference 0.07 K"),
        ("01 65 07", "external_temperature 0.07 °C"),
        ("01 6a 07", "pressure 0.7 bar"),
        ("01 6e 07", "hca_units 7 HCA"),
        ("01 71 07", "averaging_duration 7 min"),
        ("01 7a 07", "bus_address 7"),
        ("01 fb 00 07", "energy 0.7 MWh"),
        ("01 fb 02 07", "reactive_energy 7 kvarh"),
        ("01 fb 05 07", "apparent_energy 70 kVAh"),
        ("01 fb 09 07", "energy 7 GJ"),
        ("01 fb 0d 07", "energy 7 Mcal"),
        ("01 fb 10 07", "volume 700 m3"),
        ("01 fb 16 07", "reactive_power 0.7 kvar"),
        ("01 fb 19 07", "mass 7000 t"),
        ("01 fb 1a 07", "relative_humidity 0.7 %"),
        ("01 fb 21 07", "volume 0.7 ft3"),
        ("01 fb 28 07", "power 0.7 MW"),
        ("01 fb 2b 07", "phase_angle_current 0.7 °"),
        ("01 fb 2d 07", "frequency 0.07 Hz"),
        ("01 fb 37 07", "apparent_power 7 kVA"),
        ("01 fb 7b 07", "cumulated_maximum_power 7 W"),
        ("01 fd 48 07", "voltage 0.7 V"),
        ("01 fd 59 07", "current 0.007 A"),
        ("02 fd 0a 2d 2c", "manufacturer KAM"),
        ("01 fd 0e 07", "firmware_version 7"),
        ("09 fd 0e 07", "firmware_version 07"),
        ("01 fd 71 c4", "rf_level -60 dBm"),
        ("02 fd 74 68 01", "remaining_battery_days 360 d"),
        ("01 fd 60 07", "reset_counter 7"),
        ("02 fd 30 1d 02", "tariff_start 2000-02-29"),
        ("02 fc 03 48 52 25 74 2a 15", "rh 54.18 %RH"),
        ("0d 7c 03 44 49 2e 04 44 43 42 41", "id ABCD .ID"),
    ]);
}

#[test]
fn qualifiers_scale_shift_replace_and_name() {
    check(&[
        ("04 93 70 e8 03 00 00", "volume 0.000001 m3"),
        ("04 93 76 e8 03 00 00", "volume 1.0 m3"),
        ("04 93 7d 03 00 00 00", "volume 3 m3"),
        ("02 e5 79 05 00", "external_temperature 0.06 °C"),
        ("04 be 50 71 bb b0 00", "volume_flow_first_lower_limit_exceed_duration 11582321 s"),
        ("04 be 5d 02 00 00 00", "volume_flow_last_upper_limit_exceed_duration 2 min"),
        ("04 be 49 02 00 00 00", "volume_flow_upper_limit_exceeds 2"),
        ("04 be 48 02 00 00 00", "volume_flow_upper_limit 2 m3/h"),
        ("02 be 42 1d 02", "volume_flow_first_lower_limit_exceed_begin 2000-02-29"),
        ("04 83 3b 02 00 00 00", "energy_positive 2 Wh"),
        ("04 83 3c 02 00 00 00", "energy_negative 2 Wh"),
        ("04 93 3a 02 00 00 00", "volume_uncorrected 0.002 m3"),
        ("04 93 22 02 00 00 00", "volume_per_hour 0.002 m3"),
        ("02 fd c8 fc 01 08 09", "voltage_l1 231.2 V"),
        ("02 fd c8 fc 05 08 09", "voltage_l1_l2 231.2 V"),
        ("42 ec 7e ff 1c", "date_future_storage1 2015-12-31"),
        ("02 ac ff 01 09 00", "power_maker_01 90 W"),
        ("02 ff 68 09 00", "manufacturer_specific_maker_68 9"),
        ("0e 84 00 50 00 00 00 00 00", "energy 500 Wh"),
        ("0d 93 1f e4 01 02 03 04", "volume_compact_profile 01020304 m3"),
    ]);
}

#[test]
fn an_unknown_quantity_costs_one_record_and_not_the_others() {
    for unknown in
        ["01 ef 01 07", "01 6f 07", "01 fd 7c 07", "02 fb 06 07 00", "01 fd fd 01 07", "0c 7b 07 00 00 00"]
    {
        let all = shown(&format!("{unknown} 01 13 09"));
        assert_eq!((all.len(), all[1].as_str()), (2, "volume 0.009 m3"), "{unknown}: {all:?}");
        assert!(all[0].starts_with("reserved"), "{all:?}");
    }
}

#[test]
fn fillers_are_skipped_and_data_of_the_maker_are_kept_as_they_are() {
    let data = bytes("2f 2f 01 13 07 2f 0f 01 13 09");
    let mut all = records(&data);
    assert_eq!(all.by_ref().filter_map(Result::ok).count(), 1);
    assert_eq!((all.manufacturer_data(), all.more_follow()), (Some(&bytes("01 13 09")[..]), false));
    let data = bytes("01 13 07 1f");
    let mut all = records(&data);
    assert_eq!(all.by_ref().count(), 1);
    assert_eq!((all.manufacturer_data(), all.more_follow()), (Some(&[][..]), true));
}

#[test]
fn records_before_a_defect_count_and_nothing_after_it() {
    for (hex, defect) in [
        ("04 03 01 02", Defect::EndInData { expected: 4, found: 2 }),
        ("0d 03 bf 41", Defect::EndInData { expected: 191, found: 1 }),
        ("0d 03 f9 41", Defect::Length(0xf9)),
        ("04 7c ff 41", Defect::EndInData { expected: 255, found: 1 }),
        ("84 80 80", Defect::EndInDif),
        ("84", Defect::EndInDif),
        ("04", Defect::EndInVif),
        ("04 83", Defect::EndInVif),
        ("84 80 80 80 80 80 80 80 80 80 80 01 03 07", Defect::DifChain),
        ("01 83 80 80 80 80 80 80 80 80 80 80 3b 07", Defect::VifChain),
        ("3f 01 13 09", Defect::Reserved(0x3f)),
        ("7f 01 13 09", Defect::Reserved(0x7f)),
        ("8f 01 13 09", Defect::Reserved(0x8f)),
    ] {
        let data = bytes(&format!("01 13 07 {hex}"));
        let mut all = records(&data);
        assert_eq!(show(&all.next().unwrap().unwrap()), "volume 0.007 m3");
        assert_eq!(all.next(), Some(Err(defect)), "{hex}");
        assert_eq!(all.position(), 3, "{hex}");
        assert_eq!(all.next(), None, "{hex}");
    }
}

#[test]
fn the_high_byte_may_come_first() {
    let data = bytes("04 13 00 06 79 32 02 5a 00 d5 02 6c 02 1d 0c 78 12 34 56 78");
    let all: Vec<_> = Records::new(&data, Order::HighFirst).map(|record| show(&record.unwrap())).collect();
    assert_eq!(
        all,
        ["volume 424.242 m3", "flow_temperature 21.3 °C", "date 2000-02-29", "fabrication_number 12345678"]
    );
}
