use framework::Decimal;

use super::*;

fn one(line: &str) -> Register<'_> {
    let registers = read_line(line).unwrap_or_else(|| panic!("{line}"));
    assert_eq!(registers.len(), 1, "{line}");
    registers[0]
}

#[test]
fn a_register_has_code_value_and_unit() {
    let register = one("1-0:1.8.0*255(000125.25688570*kWh)");
    assert_eq!(register.code, "1-0:1.8.0*255");
    assert_eq!(register.obis, Obis::parse(b"1-0:1.8.0*255"));
    assert_eq!(register.value, "000125.25688570");
    assert_eq!(register.unit, Some("kWh"));
    assert_eq!(register.number, Decimal::parse(b"125.25688570"));
    assert_eq!(register.more().count(), 0);
}

#[test]
fn many_sets_stand_on_one_line() {
    let registers =
        read_line("6.8(0029.055*MWh)F(0)6.8.1()9.4(088*C&082*C)9.36(2017-01-18&01:36:47)").unwrap();
    let shown: Vec<_> = registers.iter().map(|r| (r.code, r.value, r.unit)).collect();
    assert_eq!(
        shown,
        [
            ("6.8", "0029.055", Some("MWh")),
            ("F", "0", None),
            ("6.8.1", "", None),
            ("9.4", "088*C&082*C", None),
            ("9.36", "2017-01-18&01:36:47", None),
        ]
    );
}

#[test]
fn further_groups_are_kept() {
    let register = one("P.98(1041007095703)(00002000)()(0)");
    assert_eq!(register.more().collect::<Vec<_>>(), ["00002000", "", "0"]);
    let register = one("1.6.0(02.468*kW)(1703100930)");
    assert_eq!(register.more().collect::<Vec<_>>(), ["1703100930"]);
    assert_eq!(read_line("(0.18374)(0.00078)").map(|r| r.len()), Some(0));
}

#[test]
fn units_come_in_odd_forms() {
    assert_eq!(one("1.8.0(013925.5*)").unit, Some(""));
    let blank = one("1.8.0(0054321 kWh)");
    assert_eq!((blank.value, blank.unit), ("0054321", Some("kWh")));
    assert_eq!(one("33.25(0.87*P/S)").unit, Some("P/S"));
    // Text that only looks alike.
    for line in ["0.2.0(V 1 A)", "0.0( 18438636)", "0.9.1(12 34)", "C.1( A)", "C.1(1 abcdef)"] {
        assert_eq!(one(line).unit, None, "{line}");
    }
}

#[test]
fn only_measurements_are_numbers() {
    let number = |line| one(line).number.map(|number| number.to_string());
    for (line, expected) in [
        ("1.8.0(019446.38)", Some("19446.38")),
        ("1-0:1.8.0*255(000016)", Some("16")),
        ("13.7(0.99)", Some("0.99")),
        ("13.7(1)", None),
        ("13.7(-.--)", None),
        ("1.8.0(   20000*kWh)", Some("20000")),
        ("31.7.0(+000.8*A)", Some("0.8")),
        ("1.7.0(1e9*W)", None),
        ("6.8(032A.871*GJ)", None),
        ("1.8.0(*)", None),
        ("1.8.0(13*)", Some("13")),
        ("82.8.1(0000)", None),
        ("0-0:96.8.0*255(00104443)", None),
        ("F.F(00)", None),
        ("ET0PE(16907.94)", None),
    ] {
        assert_eq!(number(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn what_is_no_data_line() {
    for line in [
        "1.8.0",
        "1.8.0(",
        "1.8.0(1",
        "1.8.0((1)",
        "1.8.0)*(",
        "1.8.0(1))",
        "1.8.0(1)x",
        "1.8.0(1) x",
        "1.8 .0(1)",
        "1.8.0(1) .0(2)",
        ".8.0(1)",
        ":1.8.0(1)",
        "-0:1.8.0(1)",
        "*255(1)",
        "#1.8.0(1)",
        "_(1)",
        "\"F.F(00)",
        "r:S;.7.0*255(1)",
        "r:S.7.0*255(1)",
        "b.8.0(1)",
        "B1.8.0(1*kWh)",
        "1.8.0.(1*kWh)",
        "1-0:1.8000.0(1)",
        "1.8.0(1\u{0}2)",
        "1.8.0(1\u{7f})",
        "1.8.0(1ä2*kWh)",
        "...",
        "(1",
        "h",
    ] {
        assert_eq!(read_line(line), None, "{line}");
    }
    assert_eq!(one("C.1(Zähler)").value, "Zähler");
}

#[test]
fn the_end_mark_may_follow_a_bracket() {
    let mut registers = Registers::default();
    for (line, end) in [
        ("!", End::Mark(0)),
        ("0.2.2(:G11)!", End::Mark(11)),
        ("0.2.2(:G!1)!/EBZ5", End::Mark(11)),
        ("0.2.2(:G!1)", End::Line),
    ] {
        assert_eq!(registers.read(line.as_bytes(), 0), Some(end), "{line}");
    }
}

#[test]
fn remembered_codes_are_compared_not_guessed() {
    let mut registers = Registers::default();
    for (line, code) in [("1.8.0(1*kWh)", "1.8.0"), ("1.8.0*01(2*kWh)", "1.8.0*01"), ("1.8(3*kWh)", "1.8")] {
        registers.clear();
        registers.read(line.as_bytes(), 0).unwrap();
        let register = registers.iter(line).next().unwrap();
        assert_eq!((register.code, register.obis), (code, Obis::parse(code.as_bytes())));
    }
}
