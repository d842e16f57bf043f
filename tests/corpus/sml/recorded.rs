//! Recorded and damaged telegrams: exactly the registers that the corpus expects.

use framework::{Decimal, SourcePlugin as _};
use libtest_mimic::{Failed, Trial};
use plugin_sml::{
    Sml,
    decoder::Decoder,
    quirks::{Crc, Quirks},
    reject::{Reason, Rejected},
};
use serde_json::Value;
use telegram_testing::{Found, Owned, Shown, accepted, decode, decode_all_ways};

use crate::shared::each_expected;

pub(crate) fn trials() -> Vec<Trial> {
    let recorded = each_expected("sml::recorded", "corpus/sml", &["sml"], recorded);
    let damaged = each_expected("sml::recorded", "corpus/malformed", &["sml"], damaged);
    [recorded, damaged].into_iter().flatten().collect()
}

/// A file of `sml`: what a meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let frames = file["frames"].as_array().unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for frame in frames {
        // Ours are strict: both checksums must be right. One maker's firmware is known to err.
        match frame["accept"].as_str().unwrap() {
            "yes" | "vendor" => good.push(frame),
            "no" | "policy" => bad.push(frame["start"].as_u64().unwrap()),
            other => return Err(format!("unknown verdict `{other}`").into()),
        }
    }
    let accepted = accepted(&found);
    assert_eq!(accepted.len(), good.len(), "{found:?}");
    for (telegram, frame) in accepted.into_iter().zip(good) {
        assert_eq!(telegram.offset, frame["start"].as_u64().unwrap());
        assert_eq!(telegram.offset + telegram.len as u64, frame["end"].as_u64().unwrap());
        assert_eq!(telegram.variant.contains("crc"), frame["accept"] == "vendor");
        same_readings(&telegram.registers, frame["readings"].as_array().unwrap());
    }
    let rejected: Vec<_> = found.iter().filter_map(|found| found.as_ref().err()).collect();
    let offsets: Vec<_> = rejected.iter().map(|rejected| rejected.offset).collect();
    assert_eq!(offsets, bad, "{rejected:?}");
    same_without_owner(bytes, &found);
    // The standard's checksum alone: no quirk makes a good telegram bad or a bad one good.
    let strict = Quirks { crc: Crc::X25, ..Quirks::default() };
    let strict = decode(Decoder::new(strict), bytes, &[]).iter().filter(|found| found.is_ok()).count();
    assert_eq!(strict, frames.iter().filter(|frame| frame["accept"] == "yes").count());
    Ok(())
}

/// Anonymised, all is as it was but for texts.
fn same_without_owner(bytes: &[u8], found: &[Found<Reason>]) {
    let (count, bytes) = telegram_testing::anonymised(Sml::KIND, bytes);
    assert!(count > 0 || accepted(found).is_empty());
    let anonymous = decode(Decoder::default(), &bytes, &[]);
    let shape = |found: &Found<Reason>| match found {
        Ok(telegram) => Ok((
            (telegram.offset, telegram.len, telegram.variant),
            telegram
                .registers
                .iter()
                .map(|r| (r.code.clone(), r.number, r.status, r.value.len()))
                .collect::<Vec<_>>(),
        )),
        Err(rejected) => Err(rejected.offset),
    };
    let shapes = |found: &[Found<Reason>]| found.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(shapes(&anonymous), shapes(found));
    let idents =
        |found: &[Found<Reason>]| accepted(found).iter().filter_map(|t| t.ident.clone()).collect::<Vec<_>>();
    for (old, new) in idents(found).iter().zip(idents(&anonymous)) {
        assert_ne!(*old, new);
    }
}

fn same_readings(registers: &[Shown], expected: &[Value]) {
    let codes: Vec<_> = registers.iter().map(|register| register.code.as_str()).collect();
    let expected_codes: Vec<_> = expected.iter().map(|r| r["obis"].as_str().unwrap()).collect();
    assert_eq!(codes, expected_codes);
    for (register, expected) in registers.iter().zip(expected) {
        let code = &register.code;
        assert_eq!(register.status, expected["status"].as_u64(), "{code}");
        assert_eq!(register.unit.as_deref(), expected["unit"].as_str(), "{code}");
        let time = expected["val_time"].as_u64().map(|time| time.to_string());
        assert_eq!(register.time.as_ref().map(|(sent, _)| sent), time.as_ref(), "{code}: {expected}");
        if expected["kind"] == "octets" {
            let text = expected["ascii"].as_str().or(expected["hex"].as_str());
            assert_eq!((Some(register.value.as_str()), register.number), (text, None), "{code}");
        } else {
            let truth = expected["true_value_according_to_source"].as_str().or(expected["value"].as_str());
            let number = Decimal::parse(truth.unwrap().as_bytes()).expect("a decimal");
            assert_eq!((register.number, register.value.as_str()), (Some(number), ""), "{code}");
        }
    }
}

/// A file of `malformed`: what was done to a telegram, and what may still come out.
fn damaged(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways::<Decoder>(bytes);
    let accepted = accepted(&found);
    if let Some(count) = file["telegrams_that_must_come_out"].as_u64() {
        assert_eq!(accepted.len() as u64, count, "{found:?}");
    }
    match file["expect"].as_str().unwrap() {
        "reject" => {
            assert!(accepted.is_empty());
            // Hexadecimal digits are not a telegram at all; all others are seen, so they are counted.
            assert_eq!(found.is_empty(), file["defect"].as_str().unwrap().contains("hex text"), "{found:?}");
        }
        "last_only" | "accept" => {
            let last = accepted.last().expect("a telegram");
            assert_eq!(found.last(), Some(&Ok((*last).clone())), "nothing after it");
            assert!(
                found[..found.len() - 1].iter().all(|found| found.is_err() || file["expect"] == "accept"),
                "{found:?}"
            );
            of_last(last, file);
        }
        "partial" => assert_eq!(accepted.len(), 1, "the other registers are good: {found:?}"),
        "either" => {
            if file["defect"].as_str().unwrap().starts_with("CRC of the list message") {
                assert!(matches!(found[..], [Err(Rejected { reason: Reason::MessageCrc { .. }, .. })]));
            } else {
                of_last(accepted.last().expect("a telegram"), file);
            }
        }
        other => return Err(format!("unknown expectation `{other}`").into()),
    }
    let unit = |register: &Shown| matches!(register.unit.as_deref(), Some("Wh" | "varh" | "VAh"));
    for register in accepted.iter().flat_map(|telegram| &telegram.registers) {
        let energy = register.code.starts_with("1-0:1.8.") || register.code.starts_with("1-0:2.8.");
        assert!(!energy || register.number.is_none() || unit(register), "{register:?}");
    }
    for code in file["must_not_come_out_as_a_number"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for telegram in &accepted {
            for register in
                telegram.registers.iter().filter(|register| register.code == code.as_str().unwrap())
            {
                assert_eq!(register.number, None, "{code}");
            }
        }
    }
    Ok(())
}

/// The readings that the last telegram must have.
fn of_last(last: &Owned, file: &Value) {
    for reading in file["readings"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let code = reading["obis"].as_str().unwrap();
        let register = last.registers.iter().find(|register| register.code == code).expect("the register");
        if let Some(value) = reading["value"].as_str() {
            match register.number {
                Some(number) => assert_eq!(number.to_string(), value, "{code}"),
                // More digits than a number has here: they are shown, and are nothing to count with.
                None => {
                    assert_eq!(Decimal::parse(value.as_bytes()), None, "{code}");
                    assert_eq!(register.value, format!("{}e-1", value.replace('.', "")), "{code}");
                }
            }
            assert_eq!(register.unit.as_deref(), reading["unit"].as_str());
        } else {
            assert_eq!(register.number, None, "{code}");
        }
    }
}
