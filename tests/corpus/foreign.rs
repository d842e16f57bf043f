//! Telegrams of one protocol, as the plugins of the others see them.

use std::{fs, path::Path};

use libtest_mimic::{Failed, Trial};
use plugin_wmbus as _;
use telegram::{Decoded, Keys, Protocol};
use telegram_testing::protocol;
use test_meters::uart::seven_e_one;

use crate::{dlms, program::output, shared::each_file};

pub(crate) fn trials() -> Vec<Trial> {
    let is_bin = |name: &str| name.ends_with(".bin");
    let is_text = |name: &str| name.ends_with(".txt");
    let is_frame = |name: &str| is_bin(name) && frame(name).is_some();
    let begins = |prefixes: &'static [&str]| {
        move |name: &str| {
            (is_bin(name) || is_text(name)) && prefixes.iter().any(|prefix| name.starts_with(prefix))
        }
    };
    let is_dlms = begins(&["hdlc-", "mbus-", "p1-", "llc-", "raw-"]);
    let encrypted = begins(&["own-05", "own-07"]);
    [
        each_file("foreign::recognized", "corpus/dlms", is_frame, recognized),
        each_file("foreign::text_is_no_frame", "corpus/d0", is_text, text_is_no_frame),
        each_file("foreign::text_is_no_frame", "corpus/dsmr", is_text, text_is_no_frame),
        each_file("foreign::text_is_no_frame", "corpus/malformed", is_text, text_is_no_frame),
        each_file("foreign::sml_is_no_frame", "corpus/sml", is_bin, sml_is_no_frame),
        nobody_elses(),
        each_file("dlms::printed", "corpus/dlms", is_dlms, dlms::printed),
        each_file("foreign::decode_names_it", "field", encrypted, decode_names_it),
        each_file("foreign::decode_names_the_crc", "field", begins(&["own-15"]), decode_names_the_crc),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns trials over all files that are not of M-Bus, by wire or by radio, and over those that are.
fn nobody_elses() -> Vec<Trial> {
    let is_telegram =
        |name: &str| !name.ends_with(".json") && !name.ends_with(".key") && !name.ends_with(".auth");
    let name = "foreign::is_not_taken_for_mbus";
    let others = ["d0", "dsmr", "sml", "dlms", "tic"]
        .map(|folder| each_file(name, &format!("corpus/{folder}"), is_telegram, not_mbus));
    let is_other = |name: &str| is_telegram(name) && !name.starts_with("mbus-");
    let is_mbus = |name: &str| is_telegram(name) && name.starts_with("mbus-");
    let recorded = |name: &str| is_telegram(name) && (name.ends_with(".bin") || name.starts_with("stick-"));
    let name = "foreign::mbus_is_taken_for_nothing_else";
    let mut trials: Vec<_> = others.into_iter().flatten().collect();
    trials.extend(each_file("foreign::is_not_taken_for_mbus", "corpus/malformed", is_other, not_mbus));
    trials.extend(each_file(name, "corpus/malformed", is_mbus, only_mbus));
    trials.extend(each_file(name, "corpus/mbus", recorded, only_mbus));
    trials
}

/// Returns the number of telegrams that a plugin accepts, without a key and with the file's.
fn accepted(kind: &str, path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    let key = fs::read_to_string(path.with_extension("key")).ok().and_then(|text| text.parse().ok());
    let count = |keys: Keys| {
        let mut count = 0;
        (protocol(kind).decode)(&bytes, &keys, &mut |found| {
            count += usize::from(matches!(found, Decoded::Telegram { .. }));
        });
        count
    };
    count(Keys::default()) + count(Keys { key, ..Keys::default() })
}

fn not_mbus(path: &Path) -> Result<(), Failed> {
    for kind in ["mbus", "wmbus"] {
        assert_eq!(accepted(kind, path), 0, "{kind}");
    }
    Ok(())
}

fn only_mbus(path: &Path) -> Result<(), Failed> {
    for kind in ["d0", "sml", "dlms", "tic"] {
        assert_eq!(accepted(kind, path), 0, "{kind}");
    }
    Ok(())
}

/// Returns the protocol of a file by its name.
fn frame(name: &str) -> Option<Protocol> {
    match name.split('-').next() {
        Some("hdlc") => Some(Protocol::Hdlc),
        Some("mbus") => Some(Protocol::DlmsOverMbus),
        Some("p1") => Some(Protocol::EncryptedP1),
        _ => None,
    }
}

fn recognized(path: &Path) -> Result<(), Failed> {
    let expected = frame(path.file_name().unwrap().to_str().unwrap());
    assert_eq!(Protocol::of(&fs::read(path)?), expected);
    Ok(())
}

fn text_is_no_frame(path: &Path) -> Result<(), Failed> {
    let mut bytes = fs::read(path)?;
    let text = |found| matches!(found, None | Some(Protocol::Iec62056_21));
    assert!(text(Protocol::of(&bytes)));
    if bytes.is_ascii() {
        seven_e_one(&mut bytes);
        assert!(text(Protocol::of(&bytes)), "in 7E1");
    }
    Ok(())
}

fn sml_is_no_frame(path: &Path) -> Result<(), Failed> {
    let found = Protocol::of(&fs::read(path)?);
    assert!(matches!(found, None | Some(Protocol::Sml)), "{found:?}");
    Ok(())
}

fn decode_names_it(path: &Path) -> Result<(), Failed> {
    decode_says(path, "DLMS")
}

fn decode_names_the_crc(path: &Path) -> Result<(), Failed> {
    decode_says(path, "at byte 0: the CRC is ")
}

fn decode_says(path: &Path, expected: &str) -> Result<(), Failed> {
    let decoded = output(&["decode", path.to_str().unwrap()]);
    let said = String::from_utf8(decoded.stderr)?;
    assert!(said.contains(expected), "{said}");
    Ok(())
}
