//! Wired M-Bus: answers of meters, damaged ones, and whole conversations.

use std::fs;

use framework::{Decimal, SourcePlugin as _, Value as Named};
use libtest_mimic::{Failed, Trial};
use mbus::{Answer, Selection, frame, request};
use plugin_mbus::Mbus;
use serde_json::Value;
use telegram::{Decoded, DecodedReading, Keys, Member};
use telegram_testing::protocol;

use crate::shared::{each_expected, path, whole};

/// Kinds of records that are a value.
const VALUES: [&str; 5] = ["number", "text", "date", "datetime", "hex"];

pub(crate) fn trials() -> Vec<Trial> {
    let recorded = each_expected("mbus::recorded", "corpus/mbus", &[], recorded);
    let damaged = each_expected("mbus::damaged", "corpus/malformed", &["mbus-wired"], damaged);
    let dialogues = whole("mbus::dialogues", "corpus", dialogues);
    [recorded, damaged, vec![dialogues]].into_iter().flatten().collect()
}

/// Members of a telegram, and its readings.
type Accepted = (Vec<Member>, Vec<DecodedReading>);

/// Returns the telegrams with their readings, and the reasons of what is left out.
fn decode(bytes: &[u8]) -> (Vec<Accepted>, Vec<String>) {
    let (mut telegrams, mut reasons) = (Vec::new(), Vec::new());
    (protocol(Mbus::KIND).decode)(bytes, &Keys::default(), &mut |found| match found {
        Decoded::Telegram { members, readings, .. } => telegrams.push((members, readings)),
        Decoded::Rejected { reason, .. } => reasons.push(reason),
    });
    (telegrams, reasons)
}

/// A file of `mbus`: what a wired meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    if file["link"] != "wired" {
        return Ok(());
    }
    let (telegrams, reasons) = decode(bytes);
    let records = file["records"].as_array().cloned().unwrap_or_default();
    match file["accept"].as_str() {
        Some("yes") => {
            let [(members, readings)] = &telegrams[..] else { panic!("{} telegrams", telegrams.len()) };
            same_header(members, file);
            let (values, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_value);
            same_readings(readings, &values);
            assert_eq!(reasons.len(), others.len(), "each that is no value is told of: {reasons:?}");
        }
        Some("no") => {
            assert!(telegrams.is_empty(), "{telegrams:?}");
            // Bytes that do not even look like a frame need no reason.
            assert!(!reasons.is_empty() || bytes.len() < 9);
        }
        // The fixed structure is read.
        Some("policy") if file["counters"].is_array() => {
            let [(_, readings)] = &telegrams[..] else { panic!("{} telegrams", telegrams.len()) };
            let counters = file["counters"].as_array().unwrap();
            assert_eq!(readings.len(), counters.len());
        }
        // The records before a defect count, and the defect is told of.
        Some("policy") => {
            let [(_, readings)] = &telegrams[..] else { panic!("{} telegrams", telegrams.len()) };
            same_readings(readings, &records);
            assert_eq!(reasons.len(), 1, "{reasons:?}");
        }
        other => return Err(format!("unknown verdict {other:?}").into()),
    }
    Ok(())
}

fn is_value(record: &Value) -> bool {
    VALUES.contains(&record["kind"].as_str().unwrap())
}

fn same_header(members: &[Member], file: &Value) {
    let member = |name: &str| members.iter().find(|(known, _)| *known == name).map(|(_, value)| shown(value));
    let secondary = &file["secondary"];
    for (name, expected) in [
        ("id", &secondary["id"]),
        ("manufacturer", &secondary["manufacturer"]),
        ("version", &secondary["version"]),
        ("medium", &secondary["medium"]),
        ("access", &file["access"]),
        ("status", &file["status"]),
    ] {
        let expected = match expected {
            Value::Null => continue,
            Value::String(text) => text.to_uppercase(),
            other => other.to_string(),
        };
        assert_eq!(member(name), Some(expected), "{name}");
    }
    let more = file["more_records_follow"].as_bool().unwrap_or_default();
    assert_eq!(member("more_records_follow").is_some(), more);
    assert_eq!(member("manufacturer_data").as_deref(), file["manufacturer_data"].as_str());
}

fn shown(value: &Named) -> String {
    match value {
        Named::Number(number) => number.to_string(),
        Named::Text(text) => text.to_string(),
    }
}

fn same_readings(readings: &[DecodedReading], expected: &[Value]) {
    assert_eq!(readings.len(), expected.len(), "{readings:#?}");
    for (DecodedReading { members, reading }, expected) in readings.iter().zip(expected) {
        let member =
            |name: &str| members.iter().find(|(known, _)| *known == name).map(|(_, value)| shown(value));
        for name in ["function", "quantity"] {
            assert_eq!(member(name).as_deref(), expected[name].as_str(), "{expected}");
        }
        for name in ["storage", "tariff", "subunit"] {
            let expected = expected[name].as_u64().unwrap_or_default();
            assert_eq!(member(name), Some(expected.to_string()), "{name}");
        }
        assert_eq!(member("manufacturer_vife").as_deref(), expected["manufacturer_vife"].as_str());
        let has_qualifiers = expected["qualifiers"].as_array().is_some_and(|words| !words.is_empty());
        assert_eq!(member("qualifiers").is_some(), has_qualifiers, "{expected}");
        assert_eq!(
            reading.unit.as_deref().unwrap_or_default(),
            expected["unit"].as_str().unwrap_or_default()
        );
        let value = expected["value"].as_str().unwrap();
        match (&reading.value, expected["kind"].as_str()) {
            (Named::Number(number), Some("number")) => {
                let expected = Decimal::parse(value.as_bytes()).unwrap();
                assert!(number.compare(expected).is_eq(), "{number} is not {expected}");
            }
            (Named::Text(text), Some("text" | "date" | "datetime" | "hex")) => assert_eq!(text, value),
            _ => panic!("{reading:?} is not {expected}"),
        }
    }
}

/// A file of `malformed`.
fn damaged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let (telegrams, reasons) = decode(bytes);
    let readings: Vec<_> = telegrams.iter().flat_map(|(_, readings)| readings).cloned().collect();
    let expected = file["readings"].as_array().or(file["readings_before_the_fault"].as_array());
    match file["expect"].as_str() {
        Some("reject") => assert!(telegrams.is_empty(), "{telegrams:?}"),
        Some("accept" | "last_only") => {
            assert_eq!(telegrams.len(), 1);
            same_readings(&readings, expected.unwrap());
        }
        Some("partial") => {
            assert!(!reasons.is_empty(), "it is told of");
            let values: Vec<_> =
                expected.into_iter().flatten().filter(|record| is_value(record)).cloned().collect();
            same_readings(&readings, &values);
        }
        // Requests in an answer and an answer without records: no number comes out.
        Some("either") => assert!(readings.is_empty(), "{readings:?}"),
        other => return Err(format!("unknown verdict {other:?}").into()),
    }
    for absent in file["must_not_come_out"].as_array().into_iter().flatten() {
        let absent = absent.as_str().unwrap();
        assert!(readings.iter().all(|reading| shown(&reading.reading.value) != absent), "{absent}");
    }
    Ok(())
}

fn bytes(hex: &Value) -> Option<Vec<u8>> {
    let hex = hex.as_str()?;
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).ok()).collect()
}

/// Requests are those of the conversations, and answers are judged as they say.
fn dialogues() -> Result<(), Failed> {
    let file: Value = serde_json::from_slice(&fs::read(path("corpus/mbus/dialogues.json"))?)?;
    let expected: Value = serde_json::from_slice(&fs::read(path("corpus/mbus/expected.json"))?)?;
    for dialogue in file["dialogues"].as_array().unwrap() {
        let name = &dialogue["name"];
        for step in dialogue["steps"].as_array().unwrap() {
            let sent = bytes(&step["send"]).unwrap();
            assert_eq!(made(&sent), sent, "{name}: we would send the same");
            let Some(answer) = bytes(&step["answer"]) else { continue };
            let address = sent[if sent[0] == 0x10 { 2 } else { 5 }];
            // The converter's echo is a request, and no answer.
            let readings = frame::all(&answer).filter_map(|(_, frame)| Answer::parse(frame).ok());
            let readings: Vec<_> =
                readings.filter(|answer| address == request::SELECTED || answer.address == address).collect();
            let is_expected = step["readings_of"].is_string();
            assert_eq!(readings.len(), usize::from(is_expected), "{name}: {step}");
            if is_expected {
                let (telegrams, _) = decode(&answer);
                let records = &expected["files"][step["readings_of"].as_str().unwrap()]["records"];
                same_readings(&telegrams[0].1, records.as_array().unwrap());
            }
        }
    }
    Ok(())
}

/// Returns our request for what these bytes ask.
fn made(sent: &[u8]) -> Vec<u8> {
    match *sent {
        [0x10, 0x40, address, ..] => request::reset(address).into(),
        [0x10, control, address, ..] => request::read(address, control == 0x7b).into(),
        [_, _, _, _, _, _, 0x52, a, b, c, d, e, f, version, medium, ..] => {
            let manufacturer = u16::from_le_bytes([e, f]);
            let id = u32::from_le_bytes([a, b, c, d]);
            request::select(Selection { id, manufacturer, version, medium }).into()
        }
        [_, _, _, _, _, address, ci, ..] => request::command(address, ci).into(),
        _ => panic!("{sent:02x?}"),
    }
}
