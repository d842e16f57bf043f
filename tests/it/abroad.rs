//! Meters of other countries at real pseudo terminals, which garble what is read at another speed or parity.

use std::{fs, path::Path, time::Duration};

use crate::program::*;
use serde_json::Value as Json;
use simulator::{
    Household, Moment, Pty, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
    tic::{self, Contract},
};
use test_meters::uart;

/// Austrian meter: M-Bus at 2400 baud, 8E1, encrypted without a tag.
fn austrian() -> PushingMeter {
    let mut meter = DlmsMeter::new(Framing::Mbus).encrypted([0x42; 16], None);
    pushing(uart::at_8e1(Pty::open().unwrap(), 2400), 2400, move |moment| meter.telegram(moment))
}

fn pushing(
    line: Pty,
    baud: u32,
    mut telegram: impl FnMut(&Moment) -> Vec<u8> + Send + 'static,
) -> PushingMeter {
    let timing = Timing { interval: Duration::from_millis(2000), baud: Some(baud) };
    let mut household = Household::new(1);
    PushingMeter::start(line, timing, move || telegram(&household.advance())).unwrap()
}

fn section(name: &str, plugin: &str, port: &Path, keys: &str) -> String {
    format!("[sources.{name}]\nplugin = \"{plugin}\"\nport = {:?}\n{keys}\n", port.display().to_string())
}

/// Returns the last error of a source.
fn error(health: &Json, source: &str) -> String {
    health["sources"][source]["last_error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_encrypted_meter_and_a_linky_are_read_on_lines_that_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("guek");
    fs::write(&key_file, "42".repeat(16)).unwrap();
    let dlms = austrian();
    let linky = pushing(uart::at(Pty::open().unwrap(), 1200), 1200, |moment| {
        seven_e_one(tic::historique(moment, Contract::OffPeak))
    });
    let sections = section("austrian", "dlms", dlms.port(), &format!("key_file = {key_file:?}"))
        + &section("linky", "tic", linky.port(), "");
    let program = Program::with_config(folder.path(), &sections);
    let data = program.until("/data", "both are read", |json| {
        json["austrian"]["POWER_IMPORT"]["value"].is_number()
            && json["linky"]["POWER_IMPORT"]["value"].is_number()
    });
    assert_eq!(data["austrian"]["POWER_IMPORT"]["unit"], "Wh");
    let health = program.get("/health").1;
    let facts = |source: &str| health["sources"][source]["facts"].clone();
    assert_eq!(facts("austrian")["baud"], "2400, 8E1", "{health:#}");
    assert_eq!(facts("linky")["baud"], "1200", "{health:#}");
}

#[test]
fn a_missing_key_and_a_wrong_one_are_told_of_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let meters = [austrian(), austrian()];
    let line = "baud = 2400\nparity = \"even\"\n";
    let sections = section("missing", "dlms", meters[0].port(), line)
        + &section("wrong", "dlms", meters[1].port(), &format!("{line}key = \"{}\"", "24".repeat(16)));
    let program = Program::with_config(folder.path(), &sections);
    let health = program.until("/health", "both are told of", |json| {
        ["missing", "wrong"].iter().all(|source| !error(json, source).is_empty())
    });
    for (source, expected) in [
        (
            "missing",
            &["Landis+Gyr", "4C475A100000002A", "ask your grid operator", "GUEK", "write `key = "][..],
        ),
        ("wrong", &["4C475A100000002A", "wrong key?"]),
    ] {
        let error = error(&health, source);
        for words in expected {
            assert!(error.contains(words), "{source}: {words}: {error}");
        }
    }
    assert!(!health.to_string().contains("242424") && !program.log().contains("242424"), "a key is shown");
}
