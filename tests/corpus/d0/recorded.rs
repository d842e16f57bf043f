//! Recorded and damaged telegrams: exactly the registers that the corpus expects.

use std::collections::BTreeMap;

use libtest_mimic::{Failed, Trial};
use plugin_d0::{data_line::read_line, decoder::Decoder};
use serde_json::Value;
use telegram_testing::{Shown, accepted, decode_all_ways};

use crate::shared::each_expected;

/// Files without a kind, and those for this plugin.
const KINDS: &[&str] = &["d0", "dsmr"];

pub(crate) fn trials() -> Vec<Trial> {
    [
        each_expected("d0::recorded", "corpus/d0", KINDS, recorded),
        each_expected("d0::recorded", "corpus/dsmr", KINDS, judged),
        each_expected("d0::recorded", "corpus/malformed", KINDS, damaged),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A file of `d0`: what a meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let telegrams = file["telegrams"].as_array().unwrap();
    match telegrams[0]["accept"].as_str().unwrap().split(':').next().unwrap() {
        "yes" => {
            let accepted = accepted(&found);
            assert_eq!(accepted.len(), telegrams.len(), "{found:?}");
            assert_eq!(found.len(), telegrams.len(), "nothing is rejected: {found:?}");
            for (telegram, expected) in accepted.into_iter().zip(telegrams) {
                assert_eq!(telegram.offset, expected["offset"].as_u64().unwrap());
                assert_eq!(telegram.ident.as_deref(), expected["ident"].as_str());
                same_readings(&telegram.registers, expected["readings"].as_array().unwrap());
            }
        }
        // Ours are strict: a promised check character must be there and be the standard's.
        "no" | "policy" => {
            assert!(accepted(&found).is_empty(), "{found:?}");
            assert!(!found.is_empty(), "it must be seen to be counted");
        }
        "excerpt" => {
            let mut registers = Vec::new();
            // A reader must not make a complete telegram of it, but its lines are good.
            for line in String::from_utf8_lossy(bytes).lines() {
                let line = line.trim_end_matches('\r').trim_start_matches('\u{2}');
                let junk = |line: &str| line.is_empty() || "/!\u{3}".contains(&line[..1]);
                match read_line(line) {
                    Some(read) => registers.extend(read.into_iter().map(Shown::from)),
                    None if junk(line) || is_junk(&telegrams[0], line) => {}
                    None => return Err(format!("`{line}` is a data line").into()),
                }
            }
            same_readings(&registers, telegrams[0]["readings"].as_array().unwrap());
        }
        other => return Err(format!("unknown verdict `{other}`").into()),
    }
    Ok(())
}

/// A file of `dsmr`: what a meter sent at its P1 port.
fn judged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let telegrams = file["telegrams"].as_array().unwrap().iter();
    let expected: Vec<_> = telegrams.filter(|telegram| telegram["accept"] == "yes").collect();
    let accepted = accepted(&found);
    let offsets: Vec<_> = accepted.iter().map(|telegram| telegram.offset).collect();
    let expected_offsets: Vec<_> = expected.iter().map(|t| t["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, expected_offsets);
    for (telegram, expected) in accepted.into_iter().zip(expected) {
        assert_eq!(telegram.ident.as_deref(), expected["ident"].as_str());
        same_readings(&telegram.registers, expected["readings"].as_array().unwrap());
    }
    Ok(())
}

fn is_junk(telegram: &Value, line: &str) -> bool {
    telegram["junk_lines"].as_array().is_some_and(|junk| junk.iter().any(|junk| junk == line))
}

fn same_readings(registers: &[Shown], expected: &[Value]) {
    let codes =
        |registers: &[Shown]| registers.iter().map(|register| register.code.clone()).collect::<Vec<_>>();
    let expected_codes: Vec<_> = expected.iter().map(|r| r["obis"].as_str().unwrap().to_owned()).collect();
    assert_eq!(codes(registers), expected_codes);
    for (register, expected) in registers.iter().zip(expected) {
        same_reading(register, expected);
    }
}

fn same_reading(register: &Shown, expected: &Value) {
    let Shown { code, value, unit, number, time, more, .. } = register;
    let number = number.map(|number| number.to_string());
    assert_eq!(value, expected["value"].as_str().unwrap(), "{code}");
    assert_eq!(unit.as_deref(), expected["unit"].as_str(), "{code}");
    let decimal = expected["decimal"]
        .as_str()
        .map(|decimal| framework::Decimal::parse(decimal.as_bytes()).expect("a decimal").to_string());
    if expected["measurement"] == true || number.is_some() {
        assert_eq!(number, decimal, "{code}");
    }
    let sent = time.as_ref().map(|(sent, _)| sent.as_str());
    match expected["timestamp"].as_str() {
        // The clock's value is a time itself.
        None if code == "0-0:1.0.0" => assert!(sent.is_none_or(|sent| sent == value)),
        timestamp => assert_eq!(sent, timestamp, "{code}"),
    }
    if let Some((sent, utc)) = time {
        assert_eq!(utc.map(|utc| utc.to_string()), moment(sent), "{code}");
    }
    let groups = expected["more_groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let groups: Vec<_> = groups
        .iter()
        .map(|group| match group["unit"].as_str() {
            Some(unit) => format!("{}*{unit}", group["value"].as_str().unwrap()),
            None => group["value"].as_str().unwrap().to_owned(),
        })
        .collect();
    if let Some(of) = expected["ref"].as_str() {
        // Status, interval and count are not among what is expected, but they are not thrown away.
        assert_eq!(more.len(), 4, "{code}");
        assert_eq!(more.last().map(String::as_str), Some(of), "{code}");
    } else if expected.get("more_groups").is_some() || !more.is_empty() {
        assert_eq!(more, &groups, "{code}");
    }
}

/// Returns a time with its `S` or `W` in UTC, computed in another way than by the decoder.
fn moment(sent: &str) -> Option<String> {
    let (time, zone) = match sent.split_at_checked(12)? {
        (time, "S") => (time, "+0200"),
        (time, "W") => (time, "+0100"),
        _ => return None,
    };
    jiff::Timestamp::strptime("%Y%m%d%H%M%S%z", format!("20{time}{zone}")).ok().map(|utc| utc.to_string())
}

/// A file of `malformed`: what was done to a telegram, and what may still come out.
fn damaged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let accepted = accepted(&found);
    if let Some(count) = file["telegrams_that_must_come_out"].as_u64() {
        assert_eq!(accepted.len() as u64, count, "{found:?}");
    }
    let expect = file["expect"].as_str().unwrap();
    match expect {
        "reject" => assert!(accepted.is_empty()),
        "last_only" | "accept" => {
            let last = accepted.last().expect("a telegram");
            assert_eq!(found.last(), Some(&Ok((*last).clone())), "nothing after it");
            let by_code: BTreeMap<_, _> = last.registers.iter().map(|r| (r.code.as_str(), r)).collect();
            for reading in file["readings"].as_array().unwrap() {
                let register = by_code[reading["obis"].as_str().unwrap()];
                assert_eq!(register.value, reading["value"].as_str().unwrap());
                assert_eq!(register.unit.as_deref(), reading["unit"].as_str());
                if let Some(timestamp) = reading["timestamp"].as_str() {
                    assert_eq!(register.time.as_ref().map(|(sent, _)| sent.as_str()), Some(timestamp));
                }
            }
        }
        "partial" | "either" => {}
        other => return Err(format!("unknown expectation `{other}`").into()),
    }
    for code in file["must_not_come_out_as_a_number"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for telegram in &accepted {
            let mut called =
                telegram.registers.iter().filter(|register| register.code == code.as_str().unwrap());
            assert!(called.all(|register| register.number.is_none()), "{code}");
        }
    }
    Ok(())
}
