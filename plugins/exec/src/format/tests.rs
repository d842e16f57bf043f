use framework::Kind;

use super::*;

fn parser(format: Format, tags: Option<&[&str]>) -> Parser {
    Parser { format, tags: tags.map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect()) }
}

/// A line as one text: its time, and each reading.
fn shown(line: &Line) -> String {
    let mut text = line.time.map(|time| format!("@{time} ")).unwrap_or_default();
    for reading in &line.readings {
        let value = serde_json::to_string(&reading.value).unwrap();
        let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let kind = reading.kind.map(|kind| format!(" {kind}")).unwrap_or_default();
        let obis = reading.obis.map(|obis| format!(" {obis}")).unwrap_or_default();
        text += &format!("{}={value}{unit}{kind}{obis}; ", reading.name);
    }
    text.trim_end_matches("; ").to_owned()
}

fn check(parser: &Parser, rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        let parsed = parser.line(line.as_bytes());
        assert_eq!(parsed.as_ref().map(shown).as_deref(), Ok(*expected), "{line}");
    }
}

fn check_refused(parser: &Parser, rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        let error = parser.line(line.as_bytes()).unwrap_err();
        assert_eq!(error, *expected, "{line}");
    }
}

#[test]
fn json_lines_keep_every_digit_and_their_units() {
    check(
        &parser(Format::Json, None),
        &[
            ("", ""),
            ("  \r", ""),
            ("{}", ""),
            (r#"{"power": 12.30}"#, "power=12.3"),
            (
                r#"{"n": 9223372036854775807, "d": 0.000000000000000001}"#,
                "n=9223372036854775807; d=0.000000000000000001",
            ),
            (
                r#"{"b": 2, "a": 1, "state": "on", "open": true, "no": false}"#,
                "b=2; a=1; state=\"on\"; open=1 state; no=0 state",
            ),
            (r#"{"gone": null, "a": 1}"#, "a=1"),
            (
                r#"{"time": "2026-01-31T12:00:00Z", "POWER": {"value": 12.3, "unit": "W", "kind": "gauge"}, "state": "on"}"#,
                "@2026-01-31T12:00:00Z POWER=12.3 W gauge; state=\"on\"",
            ),
            (
                r#"{"time": 1769860800.5, "E": {"value": 4457.153, "unit": "kWh", "obis": "1-0:1.8.0"}}"#,
                "@2026-01-31T12:00:00.5Z E=4457.153 kWh 1-0:1.8.0",
            ),
            (
                r#"{"E": {"value": "4457.1530", "unit": "kWh"}, "id": {"value": "12.5"}}"#,
                "E=4457.153 kWh; id=\"12.5\"",
            ),
            (r#"{"E": {"value": null, "unit": "kWh"}, "M": {"unit": null, "value": 1}}"#, "M=1"),
            (
                r#"{"pv": {"east": {"power": 5}, "west": {"power": {"value": 7, "unit": "W"}}}}"#,
                "pv_east_power=5; pv_west_power=7 W",
            ),
            (r#"{"phases": [1.5, 2.5, {"u": 3}]}"#, "phases_0=1.5; phases_1=2.5; phases_2_u=3"),
            (r#"{"a b/c": 1, "1-0:1.8.0*255": 2, "Wärme": 3}"#, "a_b_c=1; 1-0:1.8.0*255=2; Wärme=3"),
            // The scheduler keeps the first, and counts the second.
            (r#"{"a": 1, "a": 2}"#, "a=1; a=2"),
            (r#"{"a b": 1, "a_b": 2}"#, "a_b=1; a_b=2"),
            (
                r#"{"big": 18446744073709551616, "small": 1.5e-3, "huge": 1e300}"#,
                "big=\"18446744073709551616\"; small=0.0015; huge=\"1e300\"",
            ),
            (r#"{"quote": "a\"b\u00e9"}"#, "quote=\"a\\\"bé\""),
        ],
    );
}

#[test]
fn a_line_that_is_not_as_expected_is_refused_with_the_remedy() {
    check_refused(
        &parser(Format::Json, None),
        &[
            ("hello", "not valid JSON: expected value at line 1 column 1: `hello`"),
            ("12.3", "expected an object such as {\"power\": 12.3}: `12.3`"),
            ("[1]", "expected an object such as {\"power\": 12.3}: `[1]`"),
            (
                r#"{"a": NaN}"#,
                "`NaN` is not valid JSON: leave such a reading out, or write null: `{\"a\": NaN}`",
            ),
            (
                r#"{"a": -Infinity}"#,
                "`-Infinity` is not valid JSON: leave such a reading out, or write null: `{\"a\": -Infinity}`",
            ),
            ("{'a': 1}", "not valid JSON: texts are in double quotes: `{'a': 1}`"),
            (r#"{"a": None}"#, "`None` is not valid JSON: in Python, print `json.dumps(…)`: `{\"a\": None}`"),
            (
                r#"{"time": "noon"}"#,
                "`time` is `\"noon\"`, expected a time such as \"2026-01-31T12:00:00Z\", or seconds since 1970: `{\"time\": \"noon\"}`",
            ),
            (
                r#"{"a": {"value": 1, "kind": "gage"}}"#,
                "`kind` of `a` is \"gage\", expected one of `counter`, `net`, `gauge`, `maximum`, `state`: `{\"a\": {\"value\": 1, \"kind\": \"gage\"}}`",
            ),
            (
                r#"{"a": {"value": 1, "units": "W"}}"#,
                "unknown member `units` of `a`, expected `value`, `unit`, `kind`, `obis`: `{\"a\": {\"value\": 1, \"units\": \"W\"}}`",
            ),
            (
                r#"{"a": {"value": "x", "kind": "gauge"}}"#,
                "`value` of `a` is `x`, expected a number such as 12.5: `{\"a\": {\"value\": \"x\", \"kind\": \"gauge\"}}`",
            ),
            (
                r#"{"p": {"value": "12,5", "unit": "W"}}"#,
                "`value` of `p` is `12,5`, expected a number such as 12.5: `{\"p\": {\"value\": \"12,5\", \"unit\": \"W\"}}`",
            ),
            (r#"{"": 1}"#, "a reading without a name: `{\"\": 1}`"),
        ],
    );
    let json = parser(Format::Json, None);
    let error = |line: &str| json.line(line.as_bytes()).unwrap_err();
    assert!(
        error(&format!("{{\"{}\": 1}}", "n".repeat(200))).starts_with("a name of more than 128 bytes, `nnn")
    );
    assert!(
        error(&format!("{{\"a\": \"{}\"}}", "t".repeat(2000)))
            .starts_with("the text of `a` has more than 1024")
    );
    let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    assert!(!error(&deep).is_empty());
    let many: Vec<_> = (0..1001).map(|n| format!("\"n{n}\": 1")).collect();
    let many = error(&format!("{{{}}}", many.join(",")));
    assert!(many.starts_with("more than 1000 readings: select those that are needed"), "{many}");
    assert!(json.line(b"{\"a\": \"\xff\"}").unwrap_err().starts_with("not valid UTF-8"));
}

#[test]
fn flat_json_joins_names_and_puts_tags_before_them() {
    // As rtl_433 and rtlamr write them.
    let thermometer = r#"{"time": "2026-01-31T12:00:00Z", "model": "Acurite-Tower", "id": 4242, "channel": "A", "battery_ok": 1, "temperature_C": 21.30, "humidity": 45, "mic": "CHECKSUM"}"#;
    let meter = r#"{"Time":"2026-01-31T12:00:00.25Z","Offset":0,"Length":0,"Type":"SCM","Message":{"ID":1000042,"Type":7,"Consumption":5012}}"#;
    check(
        &parser(Format::FlatJson, None),
        &[(r#"{"model": "x", "a": {"value": 5}, "list": [1]}"#, "model=\"x\"; a_value=5; list_0=1")],
    );
    check(
        &parser(Format::FlatJson, Some(&["model", "id"])),
        &[
            (
                thermometer,
                "@2026-01-31T12:00:00Z Acurite-Tower_4242_channel=\"A\"; Acurite-Tower_4242_battery_ok=1; Acurite-Tower_4242_temperature_C=21.3; Acurite-Tower_4242_humidity=45; Acurite-Tower_4242_mic=\"CHECKSUM\"",
            ),
            (r#"{"model": "Rain", "rain_mm": 1.5}"#, "Rain_rain_mm=1.5"),
        ],
    );
    check(
        &parser(Format::FlatJson, Some(&["Message_ID"])),
        &[(
            meter,
            "@2026-01-31T12:00:00.25Z 1000042_Offset=0; 1000042_Length=0; 1000042_Type=\"SCM\"; 1000042_Message_Type=7; 1000042_Message_Consumption=5012",
        )],
    );
}

#[test]
fn influx_lines_are_named_by_measurement_tags_and_field() {
    let cpu = "cpu,cpu=cpu0,host=pi usage_idle=98.25,usage_user=1.5 1769860800000000000";
    check(
        &parser(Format::Influx, None),
        &[
            ("# comment", ""),
            (cpu, "@2026-01-31T12:00:00Z cpu_cpu0_usage_idle=98.25; cpu_cpu0_usage_user=1.5"),
            ("temperature,room=kitchen value=21.50", "temperature_kitchen=21.5"),
            (
                "m i=-5i,u=18446744073709551615u,b=t,c=FALSE,e=1.5e3",
                "m_i=-5; m_u=\"18446744073709551615\"; m_b=1 state; m_c=0 state; m_e=1500",
            ),
            (r#"m s="a \"b\", c\\d=e",n=1"#, r#"m_s="a \"b\", c\\d=e"; m_n=1"#),
            (r"my\ disk,path=/mnt\,a\=b\ c free=5i", "my_disk__mnt_a_b_c_free=5"),
            ("m,host=pi a=1i   1769860800000000000  ", "@2026-01-31T12:00:00Z m_a=1"),
        ],
    );
    check(
        &parser(Format::Influx, Some(&["host", "missing"])),
        &[(cpu, "@2026-01-31T12:00:00Z cpu_pi_usage_idle=98.25; cpu_pi_usage_user=1.5")],
    );
    check(&parser(Format::Influx, Some(&[])), &[("m,a=b value=1", "m=1")]);
    check_refused(
        &parser(Format::Influx, None),
        &[
            ("hello", "the field `` has no value: `hello`"),
            (
                ",a=b c=1",
                "a line without a measurement, expected `measurement,tag=value field=1.5`: `,a=b c=1`",
            ),
            ("m,a c=1", "the tag `a` has no value: `m,a c=1`"),
            ("m c", "the field `c` has no value: `m c`"),
            ("m c=", "`m_c` is ``, expected a number, true, false or a text in quotes: `m c=`"),
            (
                "m c=1.2.3",
                "`m_c` is `1.2.3`, expected a number, true, false or a text in quotes: `m c=1.2.3`",
            ),
            ("m c=NaN", "`m_c` is `NaN`, expected a number, true, false or a text in quotes: `m c=NaN`"),
            (r#"m c="x"#, "the text of `m_c` does not end: a `\"` is missing: `m c=\"x`"),
            ("m c=1 soon", "the time `soon` is not nanoseconds since 1970: `m c=1 soon`"),
        ],
    );
}

#[test]
fn the_output_of_a_run_is_one_batch() {
    let json = parser(Format::Json, None);
    let all = |output: &str| json.output(output.as_bytes()).as_ref().map(shown).map_err(Clone::clone);
    assert_eq!(all("").as_deref(), Ok(""));
    assert_eq!(all("{\n  \"a\": 1,\n  \"b\": 2\n}\n").as_deref(), Ok("a=1; b=2"));
    assert_eq!(
        all("{\"a\": 1, \"time\": 1769860800}\n{\"b\": 2}\n{\"a\": 3}").as_deref(),
        Ok("@2026-01-31T12:00:00Z a=3; b=2")
    );
    // Names that repeat in one line stay two.
    assert_eq!(all("{\"a\": 1}\n{\"a\": 2, \"a\": 3}").as_deref(), Ok("a=2; a=3"));
    let comma = "{\"p\": {\"value\": \"12,5\", \"unit\": \"W\"}}";
    assert_eq!(all(&format!("{comma}\n{{\"b\": 1}}")).as_deref(), Ok("b=1"));
    assert_eq!(all(comma).unwrap_err(), "`value` of `p` is `12,5`, expected a number such as 12.5");
    assert!(all("{\"a\": 1}\nTraceback\n").unwrap_err().starts_with("not valid JSON"));
    let influx = parser(Format::Influx, None);
    let output = influx.output(b"a,t=1 x=1\n\na,t=2 x=2\n").unwrap();
    assert_eq!(shown(&output), "a_1_x=1; a_2_x=2");
}

#[test]
fn lines_of_one_time_belong_together() {
    let influx = parser(Format::Influx, None);
    let line = |text: &str| influx.line(text.as_bytes()).unwrap();
    let mut joined = line("cpu,cpu=cpu0 idle=1 1769860800000000000");
    assert_eq!(joined.join(line("cpu,cpu=cpu1 idle=2 1769860800000000000")), None);
    assert_eq!(joined.readings.len(), 2);
    let repeated = line("cpu,cpu=cpu0 idle=3 1769860800000000000");
    assert_eq!(joined.join(line("cpu,cpu=cpu0 idle=3 1769860800000000000")), Some(repeated));
    let later = line("cpu,cpu=cpu2 idle=4 1769860801000000000");
    assert_eq!(joined.join(line("cpu,cpu=cpu2 idle=4 1769860801000000000")), Some(later));
    assert_eq!(shown(&joined), "@2026-01-31T12:00:00Z cpu_cpu0_idle=1; cpu_cpu1_idle=2");
}

#[test]
fn a_flag_is_a_state() {
    let line = parser(Format::Json, None).line(b"{\"open\": true}").unwrap();
    assert_eq!(line.readings[0].meaning().kind, Kind::State);
}

proptest::proptest! {
    #[test]
    fn no_line_panics(line in proptest::collection::vec(proptest::num::u8::ANY, 0..200), cut in "[{}\\[\\]:,\"a0.=\\\\ NI]{0,80}") {
        for format in [Format::Json, Format::FlatJson, Format::Influx] {
            let parser = parser(format, Some(&["a", "a_a"]));
            let _ = (parser.line(&line), parser.output(&line), parser.line(cut.as_bytes()), parser.output(cut.as_bytes()));
        }
    }
}
