//! Bytes on a meter's line, JSON over HTTP.

use std::{io::Write as _, net::TcpListener, time::Duration};

use crate::program::*;
use simulator::Pty;
use test_meters::faults;

const SECTION: &str = "/data/smartmeter_d0";

fn value(json: &serde_json::Value, name: &str) -> String {
    json[name]["value"].to_string()
}

#[test]
fn a_telegram_is_served_with_every_register_and_digit() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.path()));
    let (status, error) = program.get(SECTION);
    assert_eq!((status, error["error"]["code"].as_str()), (503, Some("no_reading_yet")));
    assert_eq!(program.get("/health").0, 503);

    send(&meter, &seven_e_one(telegram("002714.12830185", "-000458.90")));
    let data = program.until(SECTION, "delivered", |json| json["POWER_IMPORT"].is_object());
    let text = program.text("/data");
    for expected in [
        r#""POWER_IMPORT":{"OBIS_Code":"1.8.0","unit":"kWh","value":2714.12830185}"#,
        r#""POWER_EXPORT":{"OBIS_Code":"2.8.0","unit":"kWh","value":1.206}"#,
        r#""CURRENT_POWER_SUM":{"OBIS_Code":"16.7.0","unit":"W","value":-458.9}"#,
        r#""value":"001C0104""#,
        r#""value":"1EBZ0100000042""#,
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(data["stale"].is_null());
    assert_eq!(program.text("/data/smartmeter_d0/POWER_IMPORT/value"), "2714.12830185");
    let (status, health) = program.get("/health");
    assert_eq!(status, 200);
    let meter = &health["sources"]["smartmeter_d0"];
    assert_eq!(
        (&meter["state"], &meter["facts"]["framing"]),
        (&"delivering".into(), &"7E1".into()),
        "{meter}"
    );
    assert_eq!(health["simulated"], false);
}

#[test]
fn a_meter_without_parity_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.path()));
    send(&meter, &telegram("000001.00000000", "000010.00"));
    program.until(SECTION, "delivered", |json| json["POWER_IMPORT"].is_object());
    assert_eq!(program.get("/health").1["sources"]["smartmeter_d0"]["facts"]["framing"], "8N1");
}

#[test]
fn a_meter_behind_tcp_is_read_and_read_again_after_a_break() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp://{}", server.local_addr().unwrap());
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", port.as_ref()));
    for import in ["000001.00000000", "000001.00000001"] {
        let (mut connection, _) = server.accept().unwrap();
        connection.write_all(&telegram(import, "000010.00")).unwrap();
        let expected = import.trim_start_matches('0').to_owned();
        let expected = if expected.ends_with("00") { "1.0".to_owned() } else { expected };
        program.until(SECTION, "delivered", |json| value(json, "POWER_IMPORT") == expected);
    }
    assert!(program.count("smartmeter_d0", "reopened") >= 1);
}

#[test]
fn an_unplugged_head_is_read_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("ttyUSB0");
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", &link));
    // Without the device the program serves, and names what is missing.
    let waiting = |json: &serde_json::Value| json["sources"]["smartmeter_d0"]["state"] == "waiting";
    let health = program.until("/health", "waiting", waiting);
    let error = health["sources"]["smartmeter_d0"]["last_error"]["message"].to_string();
    assert!(error.contains("ttyUSB0") && error.contains("plugged in"), "{error}");

    for import in ["000001.00000001", "000001.00000002", "000001.00000003"] {
        let head = Pty::open().unwrap().held().unwrap().linked(&link).unwrap();
        send(&head, &telegram(import, "000010.00"));
        let expected = import.trim_start_matches('0');
        program.until(SECTION, "delivered", |json| value(json, "POWER_IMPORT") == expected);
        drop(head);
        program.until("/health", "waiting", waiting);
    }
    let log = program.log();
    assert!(log.matches("is not available").count() <= 2, "a repeating fault fills the log:\n{log}");
}

#[test]
fn the_next_good_telegram_is_read_after_any_garbage() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.path()));
    let mut number = 1_000_000;
    let mut good = |program: &Program, spoilt: &dyn Fn(&[u8]) -> Vec<u8>| {
        number += 1;
        let import = format!("{:06}.{:08}", number / 1000, number % 1000);
        let expected: f64 = import.parse().unwrap();
        let next = seven_e_one(telegram(&import, "000010.00"));
        send(&meter, &spoilt(&next));
        program.until(SECTION, "read", |json| json["POWER_IMPORT"]["value"].as_f64() == Some(expected));
    };
    good(&program, &|next| next.to_vec());
    good(&program, &|next| [faults::half(next), next].concat());
    good(&program, &|next| faults::after_nuls(next));
    good(&program, &|next| [&faults::endless_line(1 << 20)[..], b"\r\n", next].concat());
    good(&program, &|next| [&[0xff; 4000][..], next].concat());
    good(&program, &|next| [&[b'/'; 100_000][..], b"\r\n", next].concat());
    good(&program, &|next| faults::glued(next));
    good(&program, &|next| [&faults::bit_error(next, 100)[..], next].concat());
    good(&program, &|next| (0..=255u8).cycle().take(50_000).chain(next.iter().copied()).collect());
    assert!(program.count("smartmeter_d0", "rejected") >= 3, "{}", program.text("/health"));
    assert_eq!(program.count("smartmeter_d0", "panics"), 0);
}

#[test]
fn a_silent_meter_turns_stale_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (quiet, lively) = (line(), line());
    let sources =
        format!("{}stale_after = \"200ms\"\n{}", d0("quiet", quiet.path()), d0("lively", lively.path()));
    let program = Program::with_config(folder.path(), &sources);
    send(&quiet, &telegram("000001.00000000", "000010.00"));
    program.until("/data/quiet", "stale", |json| json["stale"] == true);
    send(&lively, &telegram("000001.00000000", "000010.00"));
    let data = program.until("/data", "delivered", |json| json["lively"].is_object());
    assert_eq!(data["quiet"]["stale"], true);
    assert!(data["lively"]["stale"].is_null());
    let (status, health) = program.get("/health");
    assert_eq!((status, &health["sources"]["quiet"]["state"]), (503, &"stale".into()));
    // It sends again, so that nothing is stale any more.
    send(&quiet, &telegram("000001.00000001", "000010.00"));
    program
        .until("/data/quiet", "fresh", |json| json["POWER_IMPORT"]["value"].as_f64() == Some(1.000_000_01));
}

#[test]
fn an_interval_keeps_the_newest_telegram() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(
        folder.path(),
        &format!("{}interval = \"1s\"\n", d0("smartmeter_d0", meter.path())),
    );
    for n in 0..5 {
        send(&meter, &telegram(&format!("000001.0000000{n}"), "000010.00"));
    }
    program.until(SECTION, "the newest", |json| json["POWER_IMPORT"]["value"].as_f64() == Some(1.000_000_04));
    assert_eq!(program.count("smartmeter_d0", "batches"), 2);
    assert_eq!(program.count("smartmeter_d0", "superseded"), 3);
}

#[test]
fn every_telegram_is_an_event() {
    use std::io::{BufRead as _, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.path()));
    let mut stream = std::net::TcpStream::connect(program.url("").trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "HTTP/1.1 200 OK");
    for n in 1..=5 {
        send(&meter, &telegram(&format!("000001.0000000{n}"), "000010.00"));
        let event = lines.by_ref().find(|line| line.starts_with("data:")).unwrap();
        assert!(event.contains(&format!("1.0000000{n}")), "{event}");
    }
}
