//! Telegrams by radio: exactly the records that the corpus expects, of each receiver, and none of what is damaged.

use std::{collections::BTreeMap, fs, path::Path};

use libtest_mimic::{Failed, Trial};
use mbus::{
    Record, Value,
    radio::{AesKey, Decoder, Failure, Framing, Receiver, Reception},
};
use serde_json::Value as Json;

use crate::shared::{path, whole};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        whole("wmbus::recorded", "corpus/mbus", recorded),
        whole("wmbus::sticks", "corpus/mbus", sticks),
        whole("wmbus::damaged", "corpus/malformed", damaged),
    ]
}

/// What was found at one place.
type Found = Result<Vec<Shown>, String>;

/// A record as the corpus has it.
#[derive(Debug, PartialEq)]
struct Shown {
    function: String,
    storage: u64,
    tariff: u64,
    subunit: u64,
    head: String,
    data: String,
    /// A number, a text or a time, as it is printed; `None` where there is no value.
    value: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn shown(record: &Record<'_>) -> Shown {
    Shown {
        function: record.function.as_str().to_owned(),
        storage: record.storage,
        tariff: record.tariff.into(),
        subunit: record.subunit.into(),
        head: hex(record.head),
        data: hex(record.data),
        value: match record.value {
            Value::None | Value::Absent(_) => None,
            value => Some(value.to_string()),
        },
    }
}

/// The key beside a file.
fn key(file: &Path) -> Option<AesKey> {
    let text = fs::read_to_string(file.with_extension("key")).ok()?;
    text.parse::<telegram::Key>().ok().map(|key| *key.reveal())
}

/// Everything in a recording, with the receiver that is found by itself.
fn decode(decoder: &mut Decoder, bytes: &[u8], key: Option<AesKey>) -> Vec<Found> {
    let mut all = Vec::new();
    let receiver = Receiver::of(bytes).unwrap_or(Receiver::Bare);
    Framing::new(receiver).decode(bytes, &mut |reception| {
        all.push(match reception {
            Err(unreceived) => Err(unreceived.reason.to_string()),
            Ok(Reception { frame, format, .. }) => match decoder.open(frame, format, |_| key) {
                Ok(telegram) => {
                    Ok(mbus::records(telegram.records).flatten().map(|record| shown(&record)).collect())
                }
                Err(Failure { reason, .. }) => Err(reason.to_string()),
            },
        });
    });
    all
}

/// The files of a folder's `expected.json` that begin like this.
fn files(folder: &str, start: &str) -> BTreeMap<String, Json> {
    let expected: Json =
        serde_json::from_slice(&fs::read(path(folder).join("expected.json")).unwrap()).unwrap();
    let files = expected["files"].as_object().unwrap().clone();
    let files: BTreeMap<_, _> = files.into_iter().filter(|(name, _)| name.starts_with(start)).collect();
    assert!(!files.is_empty(), "{folder} has no files of radio");
    files
}

/// Compares with the records of the corpus.
fn same(name: &str, found: &[Shown], expected: &Json) {
    let expected = expected["records"].as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        let text = |key: &str| expected[key].as_str().unwrap_or_default();
        assert_eq!((&*found.head, &*found.data), (text("dib_vib"), text("data")), "{name}");
        let numbers = ["storage", "tariff", "subunit"].map(|key| expected[key].as_u64().unwrap());
        assert_eq!([found.storage, found.tariff, found.subunit], numbers, "{name}");
        assert_eq!(found.function, text("function"), "{name}");
        let has_value = !matches!(text("kind"), "error" | "no_time" | "invalid" | "record_error" | "none");
        let is_policy = expected["policy"].is_string();
        assert!(is_policy || found.value.is_some() == has_value, "{name}: {found:?} {expected}");
        if text("kind") == "number" && !is_policy {
            let plain = |text: &str| framework::Decimal::parse(text.as_bytes()).unwrap();
            let (found, expected) = (found.value.as_deref().unwrap(), text("value"));
            assert!(plain(found).compare(plain(expected)).is_eq(), "{name}: {found} {expected}");
        }
    }
}

fn recorded() -> Result<(), Failed> {
    let files = files("corpus/mbus", "wireless-");
    for (name, expected) in &files {
        let file = path("corpus/mbus").join(name);
        let mut decoder = Decoder::default();
        if let Some(before) = expected["needs"].as_str() {
            let before = path("corpus/mbus").join(format!("wireless-{before}.bin"));
            decode(&mut decoder, &fs::read(&before).unwrap(), key(&before));
        }
        let found = decode(&mut decoder, &fs::read(&file).unwrap(), key(&file));
        match (&found[..], expected["accept"].as_str().unwrap()) {
            ([Ok(records)], "yes") => same(name, records, expected),
            // Nothing of a telegram that is encrypted in parts, and nothing of a sign of life.
            ([Err(_)], "no" | "policy") => {}
            other => return Err(format!("{name}: {other:?}").into()),
        }
        if expected["key_is_wrong"] == true {
            assert!(found[0].as_ref().unwrap_err().starts_with("wrong key: "), "{found:?}");
        }
    }
    Ok(())
}

fn sticks() -> Result<(), Failed> {
    let folder = path("corpus/mbus");
    let all = files("corpus/mbus", "wireless-");
    let sticks: Json = serde_json::from_slice(&fs::read(folder.join("sticks.json")).unwrap()).unwrap();
    for (name, stick) in sticks["files"].as_object().unwrap() {
        let bytes = fs::read(folder.join(name)).unwrap();
        let telegrams: Vec<_> =
            stick["telegrams"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        // The telegrams of all sticks have one key.
        let key = telegrams.iter().find_map(|name| key(&folder.join(name)));
        let found = decode(&mut Decoder::default(), &bytes, key);
        let read: Vec<_> = found.iter().filter_map(|found| found.as_ref().ok()).collect();
        assert_eq!(read.len(), telegrams.len(), "{name}: {found:?}");
        for (records, telegram) in read.into_iter().zip(telegrams) {
            same(name, records, &all[telegram]);
        }
        if let Some(rssi) = stick["rssi_dbm"].as_array() {
            let mut strengths = Vec::new();
            Framing::new(Receiver::of(&bytes).unwrap())
                .decode(&bytes, &mut |found| strengths.push(found.unwrap().rssi));
            let rssi: Vec<_> = rssi.iter().map(|dbm| Some(dbm.as_i64().unwrap() as i16)).collect();
            assert_eq!(strengths, rssi, "{name}");
        }
    }
    Ok(())
}

fn damaged() -> Result<(), Failed> {
    for (name, expected) in files("corpus/malformed", "mbus-radio-") {
        let file = path("corpus/malformed").join(&name);
        let found = decode(&mut Decoder::default(), &fs::read(&file).unwrap(), key(&file));
        let read = found.iter().filter(|found| found.is_ok()).count() as u64;
        assert_eq!(Some(read), expected["telegrams_that_must_come_out"].as_u64(), "{name}: {found:?}");
    }
    Ok(())
}
