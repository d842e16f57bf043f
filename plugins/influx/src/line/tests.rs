use framework::{Batch, Obis, Timestamp};
use proptest::prelude::*;

use super::*;

fn number(name: &str, text: &str) -> Reading {
    Reading::number(name, Decimal::parse(text.as_bytes()).unwrap())
}

fn record(section: &str, readings: Vec<Reading>) -> Record {
    let taken_at: Timestamp = "2026-11-23T07:52:59.168513Z".parse().unwrap();
    Record { section: section.into(), batch: Batch { taken_at, readings } }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn line(lines: &Lines, record: &Record) -> String {
    let mut out = Vec::new();
    lines.write(&mut out, record);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_record_is_a_line_with_every_digit() {
    let lines = Lines::new("smartmeter", &map(&[("a", "1"), ("z", "2")]), Names::own(&map(&[])));
    let readings = vec![
        number("POWER_IMPORT", "4457.15300000"),
        number("pulses", "13756570"),
        number("power", "-0.05"),
        Reading::text("id", "1EBZ"),
    ];
    assert_eq!(
        line(&lines, &record("grid", readings)),
        "smartmeter,a=1,section=grid,z=2 POWER_IMPORT=4457.153,pulses=13756570,power=-0.05 1795420379168513000\n"
    );
    assert_eq!(line(&lines, &record("grid", vec![Reading::text("id", "1EBZ")])), "");
}

#[test]
fn names_may_hold_anything() {
    let tags = map(&[("my tag", "a=b, c\\"), ("n\n", "\"q\"")]);
    let lines = Lines::new("#a b,c=d\\", &tags, Names::own(&map(&[])));
    let readings = vec![
        number("a b,c=d", "1"),
        number("back\\", "2"),
        number("", "3"),
        number("q\"\n", "4"),
        number("time", "5"),
        number("section", "6"),
        number("my tag", "7"),
        number("größe", "8"),
    ];
    assert_eq!(
        line(&lines, &record("o g", readings)),
        "_a\\ b\\,c=d_,my\\ tag=a\\=b\\,\\ c_,n_=_q_,section=o\\ g a\\ b\\,c\\=d=1,back_=2,_=3,q__=4,time_=5,\
         section_=6,my\\ tag_=7,größe=8 1795420379168513000\n"
    );
}

#[test]
fn readings_may_have_other_names() {
    let fields = map(&[("POWER", "power"), ("pv/POWER", "sun"), ("COUNT", "power")]);
    let lines = Lines::new("m", &map(&[]), Names::own(&fields));
    let readings = || vec![number("POWER", "1"), number("COUNT", "2"), number("OTHER", "3")];
    assert_eq!(
        line(&lines, &record("grid", readings())),
        "m,section=grid power=1,OTHER=3 1795420379168513000\n"
    );
    assert_eq!(
        line(&lines, &record("pv", readings())),
        "m,section=pv sun=1,power=2,OTHER=3 1795420379168513000\n"
    );
}

#[test]
fn the_preset_has_the_names_and_units_of_the_original() {
    let lines = Lines::new("power", &map(&[]), Names::Original);
    let register = |code: &str, value, unit: &str| {
        number("X", value).obis(Obis::parse(code.as_bytes()).unwrap()).unit(unit)
    };
    let readings = vec![
        register("1-0:1.8.0*255", "4457.153", "KWh"),
        register("1-0:1.8.1*255", "1.0", "kWh"),
        register("1.8.0*01", "2.0", "kWh"),
        register("7-0:1.8.0", "3.0", "kWh"),
        register("16.7.0", "0.3125", "kW"),
        register("2.8.0", "12345", "Wh"),
        number("temperature", "20.5"),
    ];
    assert_eq!(
        line(&lines, &record("grid", readings)),
        "power total_import=4457.153,current_import=312.5,total_export=12.345 1795420379168513000\n"
    );
    let pulses = vec![
        number("count", "13756570").unit("Wh"),
        number("power", "1234.5").unit("W"),
        number("pulses", "13756570"),
    ];
    assert_eq!(line(&lines, &record("heat", pulses)), "power heatpump=13756.57 1795420379168513000\n");
    assert_eq!(line(&lines, &record("heat", vec![number("power", "1")])), "");
}

#[test]
fn extreme_numbers_do_not_panic() {
    let lines = Lines::new("power", &map(&[]), Names::Original);
    for (code, unit) in [("1.8.0", "Wh"), ("16.7.0", "kW")] {
        for decimal in [(i64::MAX, 0), (i64::MIN, 18), (1, 17)] {
            let value = Decimal::new(decimal.0, decimal.1).unwrap();
            let reading = Reading::number("X", value).obis(Obis::parse(code.as_bytes()).unwrap()).unit(unit);
            line(&lines, &record("grid", vec![reading]));
        }
    }
}

proptest! {
    /// Reads a line with one rule only: a backslash escapes a comma, a blank or an equals sign.
    #[test]
    fn a_line_has_three_parts_and_as_many_fields_as_readings(
        section in "\\PC*|[,= \\\\\"\n]{1,5}",
        names in proptest::collection::btree_set("\\PC*|[,= \\\\\"\n#]{0,5}", 1..5),
    ) {
        let lines = Lines::new(&section, &map(&[("tag", &section)]), Names::own(&map(&[])));
        let readings = names.iter().map(|name| number(name, "1.5")).collect();
        let text = line(&lines, &record(&section, readings));
        let mut plain = text.strip_suffix('\n').unwrap().to_owned();
        prop_assert!(!plain.contains('\n') && !plain.starts_with('#'));
        for escaped in ["\\,", "\\=", "\\ "] {
            plain = plain.replace(escaped, "x");
        }
        prop_assert!(!plain.contains('\\'));
        let parts: Vec<_> = plain.split(' ').collect();
        prop_assert_eq!(parts.len(), 3);
        prop_assert_eq!(parts[0].split(',').count(), 3);
        let fields: Vec<_> = parts[1].split(',').collect();
        prop_assert_eq!(fields.len(), names.len());
        for field in fields {
            let (name, value) = field.split_once('=').unwrap();
            prop_assert!(!name.is_empty());
            prop_assert_eq!(value, "1.5");
        }
    }
}

#[test]
fn renamed_readings_are_listed() {
    let fields = map(&[("POWER_IMPORT", "import"), ("garage/count", "garage")]);
    let lines = Lines::new("smartmeter", &map(&[]), Names::own(&fields));
    assert_eq!(lines.named(), [("".into(), "POWER_IMPORT".into()), ("garage".into(), "count".into())]);
    assert_eq!(Lines::new("power", &map(&[]), Names::Original).named(), []);
}
