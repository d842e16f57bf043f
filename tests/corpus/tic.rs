//! Telegrams of French meters, recorded and damaged: exactly the groups that the corpus expects.

use libtest_mimic::{Failed, Trial};
use plugin_tic::{decoder::Decoder, reject::Reason};
use serde_json::Value;
use telegram_testing::{Found, Owned, Shown, accepted, decode, decode_all_ways};

use crate::shared::each_expected;

pub(crate) fn trials() -> Vec<Trial> {
    let recorded = each_expected("tic::recorded", "corpus/tic", &[], recorded);
    let kinds = ["tic-historique", "tic-standard"];
    let damaged = each_expected("tic::damaged", "corpus/malformed", &kinds, damaged);
    [recorded, damaged].into_iter().flatten().collect()
}

/// A file of `tic`: what a meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    // Ours are strict: a telegram counts with its begin and its end only.
    let is_good = |telegram: &&Value| telegram["accept"] == "yes";
    let telegrams = file["telegrams"].as_array().unwrap();
    let good: Vec<_> = telegrams.iter().filter(is_good).collect();
    let accepted = accepted(&found);
    assert_eq!(accepted.len(), good.len(), "{found:?}");
    for (telegram, expected) in accepted.iter().zip(good) {
        assert_eq!(telegram.offset, expected["offset"].as_u64().unwrap());
        assert_eq!(telegram.offset + telegram.len as u64, expected["end"].as_u64().unwrap());
        assert_eq!(telegram.variant, expected["mode"].as_str().unwrap());
        let readings = expected["readings"].as_array().unwrap();
        assert_eq!(telegram.registers.len(), readings.len(), "{telegram:?}");
        for (register, expected) in telegram.registers.iter().zip(readings) {
            same(register, expected);
            assert_eq!(Some(&*register.value), expected["value"].as_str());
        }
    }
    // Damage is said where it is, and only there.
    let is_policy = |telegram: &Value| telegram["accept"] == "policy";
    assert_eq!(
        found.iter().any(Result::is_err),
        telegrams.iter().any(|telegram| is_policy(telegram) && telegram["frame"] != "no STX, ETX"),
        "{found:?}"
    );
    same_without_owner(bytes, &found);
    Ok(())
}

/// A group as expected, with its number as such.
fn same(register: &Shown, expected: &Value) {
    let label = &register.code;
    assert_eq!(Some(label.as_str()), expected["label"].as_str());
    assert_eq!(register.unit.as_deref(), expected["unit"].as_str(), "{label}");
    assert_eq!(register.number.is_some(), expected["unit"].is_string(), "{label}");
    let decimal = expected["decimal"].as_str().or(expected["value"].as_str());
    if let Some(number) = register.number {
        assert_eq!(Some(&*number.to_string()), decimal, "{label}");
    }
    if let Some(stamp) = expected["stamp"].as_str() {
        let (sent, utc) = register.time.clone().unwrap();
        assert_eq!((&*sent, utc.is_some()), (stamp, stamp.starts_with(['E', 'H'])), "{label}");
    }
}

/// Anonymised, all is as it was but for the numbers of the meter and of the delivery point.
fn same_without_owner(bytes: &[u8], found: &[Found<Reason>]) {
    let (_, bytes) = telegram_testing::anonymised("tic", bytes);
    let anonymous = decode(Decoder::default(), &bytes, &[]);
    let shape = |found: &[Found<Reason>]| {
        let registers =
            |t: &&Owned| t.registers.iter().map(|r| (r.code.clone(), r.number)).collect::<Vec<_>>();
        accepted(found).iter().map(registers).collect::<Vec<_>>()
    };
    assert_eq!(shape(&anonymous), shape(found));
    for register in accepted(&anonymous).iter().flat_map(|telegram| &telegram.registers) {
        let is_number = ["ADCO", "ADSC", "PRM"].contains(&&*register.code);
        assert!(!is_number || register.value.bytes().all(|byte| byte == b'0'), "{register:?}");
    }
}

/// A file of `malformed`: what was done to telegrams, and what may still come out.
fn damaged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let accepted = accepted(&found);
    if let Some(count) = file["telegrams_that_must_come_out"].as_u64() {
        assert_eq!(accepted.len() as u64, count, "{found:?}");
    }
    match file["expect"].as_str().unwrap() {
        "reject" => assert!(accepted.is_empty(), "{found:?}"),
        "last_only" | "accept" => {
            let last = accepted.last().expect("a telegram");
            let readings = file["readings"].as_array().unwrap();
            assert_eq!(last.registers.len(), readings.len(), "{last:?}");
            last.registers.iter().zip(readings).for_each(|(register, expected)| same(register, expected));
        }
        "partial" => {
            assert_eq!(accepted.len(), 1, "{found:?}");
            assert!(found.iter().any(Result::is_err), "what was left out is said");
            for expected in file["readings"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let of_label = |register: &&Shown| Some(&*register.code) == expected["label"].as_str();
                same(accepted[0].registers.iter().find(of_label).expect("the others stay"), expected);
            }
            let impossible =
                |(sent, utc): &(String, Option<_>)| utc.is_none() && sent.starts_with(['E', 'H']);
            assert!(accepted[0].registers.iter().all(|r| !r.time.as_ref().is_some_and(impossible)));
        }
        // Nothing comes from a cooked terminal; of a label that occurs twice neither does.
        "either" => {
            let registers = accepted.iter().flat_map(|telegram| &telegram.registers);
            assert_eq!(registers.filter(|register| register.code == "EAST").count(), 0, "{found:?}");
            assert!(found.iter().any(Result::is_err));
        }
        other => return Err(format!("unknown expectation `{other}`").into()),
    }
    let forbidden = file["must_not_come_out_as_a_number"].as_array().map(Vec::as_slice).unwrap_or_default();
    for register in accepted.iter().flat_map(|telegram| &telegram.registers) {
        assert!(!forbidden.iter().any(|label| *label == *register.code), "{register:?}");
    }
    Ok(())
}
