//! DLMS telegrams: exactly the readings that the corpus expects, also through the program and without their owner.

use std::{fs, path::Path};

use framework::{Decimal, SourcePlugin as _, Value as Read};
use libtest_mimic::{Failed, Trial};
use plugin_dlms::Dlms;
use serde_json::Value;
use telegram::{Decoded, DecodedReading, Keys, Member};

use crate::{
    program::output,
    shared::{each_expected, path},
};

/// Kinds of damaged telegrams.
const KINDS: &[&str] = &["dlms-hdlc", "dlms-mbus", "dlms-p1", "dlms-raw", "dlms-llc"];

pub(crate) fn trials() -> Vec<Trial> {
    let is_dlms = |trial: &Trial| trial.name().contains("/dlms-");
    let recorded = each_expected("dlms::recorded", "corpus/dlms", &[], recorded);
    let mut damaged = each_expected("dlms::damaged", "corpus/malformed", KINDS, damaged);
    damaged.retain(|trial| is_dlms(trial) || trial.has_ignored_flag());
    [recorded, damaged].into_iter().flatten().collect()
}

/// Telegram that was accepted.
struct Accepted {
    offset: u64,
    ident: Option<String>,
    members: Vec<Member>,
    readings: Vec<DecodedReading>,
}

/// Reads the key in the file beside a recording.
fn key(folder: &str, file: &Value, name: &str) -> Option<String> {
    Some(path(&format!("corpus/{folder}/{}", file[name].as_str()?)).display().to_string())
}

fn keys(folder: &str, file: &Value) -> Keys {
    let read =
        |name| key(folder, file, name).map(|path| fs::read_to_string(path).unwrap().trim().parse().unwrap());
    Keys { key: read("key_file"), authentication_key: read("auth_key_file") }
}

/// Decodes all of `bytes`; returns the accepted telegrams, and the number of rejected ones.
fn decode(bytes: &[u8], keys: &Keys) -> (Vec<Accepted>, usize) {
    let (mut accepted, mut rejected) = (Vec::new(), 0);
    (telegram_testing::protocol(Dlms::KIND).decode)(bytes, keys, &mut |found| match found {
        Decoded::Telegram { offset, ident, members, readings } => {
            accepted.push(Accepted { offset, ident, members, readings });
        }
        Decoded::Rejected { .. } => rejected += 1,
    });
    (accepted, rejected)
}

/// A file of `dlms`: what a meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let keys = keys("dlms", file);
    let (accepted, rejected) = decode(bytes, &keys);
    let telegrams = file["telegrams"].as_array().unwrap();
    let verdict =
        |verdict: &str| telegrams.iter().filter(|telegram| telegram["accept"] == verdict).collect::<Vec<_>>();
    let good = verdict("yes");
    if !verdict("policy").is_empty() {
        // Decided in the plugin's README: each such telegram is read or rejected as a whole, and no value is a guess.
        assert_eq!(accepted.len() + rejected, telegrams.len());
        for (telegram, expected) in accepted.iter().zip(telegrams) {
            no_wrong_value(telegram, expected["readings"].as_array().unwrap());
        }
        return Ok(());
    }
    assert_eq!(accepted.len(), good.len());
    for (telegram, expected) in accepted.iter().zip(&good) {
        assert_eq!(telegram.offset, expected["offset"].as_u64().unwrap());
        same_readings(telegram, expected["readings"].as_array().unwrap());
        let member = |name: &str| {
            telegram.members.iter().find(|(known, _)| *known == name).map(|(_, value)| shown(value))
        };
        assert_eq!(member("framing").as_deref(), expected["framing"].as_str());
        assert_eq!(member("timestamp").as_deref(), expected["timestamp"].as_str());
        if let Some(number) = expected["meter_id"].as_str() {
            assert_eq!(telegram.ident.as_deref(), Some(number));
        }
        if let Some(security) = expected["security"].as_object() {
            assert_eq!(member("system_title").as_deref(), security["system_title"].as_str());
            assert_eq!(member("security_control").as_deref(), security["control"].as_str());
            assert_eq!(
                member("frame_counter"),
                security["frame_counter"].as_u64().map(|counter| counter.to_string())
            );
        }
    }
    if good.is_empty() {
        assert!(rejected > 0, "what is not read is told of");
    } else {
        same_without_owner(bytes, &keys, &accepted);
    }
    Ok(())
}

/// Anonymised, every number that is measured is as it was.
fn same_without_owner(bytes: &[u8], keys: &Keys, accepted: &[Accepted]) {
    let hidden = telegram_testing::protocol(Dlms::KIND).anonymise.unwrap()(bytes, keys).unwrap();
    let (again, _) = decode(&hidden.bytes, &Keys::PUBLIC);
    let numbers = |telegrams: &[Accepted]| {
        let readings = telegrams.iter().flat_map(|telegram| &telegram.readings);
        readings
            .filter(|decoded| decoded.reading.unit.is_some())
            .map(|decoded| decoded.reading.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers(&again), numbers(accepted));
    // An ident line without a long number names the model alone.
    let has_number = |ident: &str| ident.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 4);
    for (old, new) in
        accepted.iter().zip(&again).filter(|(old, _)| old.ident.as_deref().is_some_and(has_number))
    {
        assert_ne!(old.ident, new.ident);
    }
}

/// A file of `malformed`: what was done to a telegram, and what may still come out.
fn damaged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let (accepted, _) = decode(bytes, &keys("malformed", file));
    if let Some(count) = file["telegrams_that_must_come_out"].as_u64() {
        assert_eq!(accepted.len() as u64, count);
    }
    match file["expect"].as_str().unwrap() {
        "reject" => assert!(accepted.is_empty()),
        "last_only" | "accept" => {
            let last = accepted.last().expect("a telegram");
            for expected in file["readings"].as_array().unwrap() {
                let code = expected["obis"].as_str().unwrap();
                let decoded = last.readings.iter().find(|decoded| decoded.reading.name == code).expect(code);
                same_value(decoded, expected);
            }
        }
        "partial" | "either" => {}
        other => return Err(format!("unknown expectation `{other}`").into()),
    }
    for code in file["must_not_come_out_as_a_number"].as_array().into_iter().flatten() {
        let codes = accepted.iter().flat_map(|telegram| &telegram.readings);
        assert!(codes.into_iter().all(|decoded| decoded.reading.name != code.as_str().unwrap()), "{code}");
    }
    Ok(())
}

fn shown(value: &Read) -> String {
    match value {
        Read::Number(number) => number.to_string(),
        Read::Text(text) => text.to_string(),
    }
}

fn same_readings(telegram: &Accepted, expected: &[Value]) {
    assert_eq!(telegram.readings.len(), expected.len());
    for (decoded, expected) in telegram.readings.iter().zip(expected) {
        match expected["obis"].as_str() {
            Some(code) => assert_eq!(decoded.reading.name, code),
            None => assert_eq!(
                decoded.members,
                [("position", Read::Number(expected["position"].as_u64().unwrap().into()))]
            ),
        }
        same_value(decoded, expected);
    }
}

fn same_value(decoded: &DecodedReading, expected: &Value) {
    let (reading, value) = (&decoded.reading, expected["value"].as_str().unwrap());
    assert_eq!(reading.unit.as_deref(), expected["unit"].as_str(), "{expected}");
    match reading.value {
        Read::Number(number) => {
            let expected =
                Decimal::parse(value.as_bytes()).unwrap_or_else(|| panic!("{expected} is not a number"));
            assert_eq!(number.compare(expected), std::cmp::Ordering::Equal, "{reading:?}");
        }
        _ => assert_eq!(shown(&reading.value), value),
    }
}

/// All that came out is what was sent.
fn no_wrong_value(telegram: &Accepted, expected: &[Value]) {
    for decoded in &telegram.readings {
        let sent = expected
            .iter()
            .find(|expected| expected["obis"].as_str() == Some(&decoded.reading.name))
            .unwrap();
        let digits = sent["decimal"].as_str().or(sent["value"].as_str()).unwrap();
        match decoded.reading.value {
            Read::Number(number) => assert_eq!(number.to_string(), digits),
            _ => assert_eq!(shown(&decoded.reading.value), sent["value"].as_str().unwrap()),
        }
    }
}

/// The program prints each telegram, with the keys from their files; what it cannot read it describes.
pub(crate) fn printed(recording: &Path) -> Result<(), Failed> {
    let expected: Value = serde_json::from_slice(&fs::read(path("corpus/dlms/expected.json"))?)?;
    let file = &expected["files"][recording.file_name().unwrap().to_str().unwrap()];
    let mut args = vec!["decode".to_owned()];
    for (argument, name) in [("--key-file", "key_file"), ("--auth-key-file", "auth_key_file")] {
        args.extend(key("dlms", file, name).into_iter().flat_map(|path| [argument.to_owned(), path]));
    }
    args.push(recording.display().to_string());
    let decoded = output(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let lines = String::from_utf8(decoded.stdout)?.lines().count();
    let good =
        file["telegrams"].as_array().unwrap().iter().filter(|telegram| telegram["accept"] == "yes").count();
    let policy = file["telegrams"].as_array().unwrap().iter().any(|telegram| telegram["accept"] == "policy");
    assert!(lines == good || policy, "{lines} lines");
    assert_eq!(decoded.status.success(), lines > 0);
    assert!(lines > 0 || !decoded.stderr.is_empty());
    Ok(())
}
