//! Recorded and damaged telegrams that are not part of this project (their licences differ): one trial
//! per file where the folder beside the workspace exists, one ignored trial where it does not.

#![allow(clippy::unwrap_used, reason = "a test without the harness is not seen to be one")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use framework::{Decimal, Plugin as _};
use libtest_mimic::{Arguments, Failed, Trial};
use meter::{Decoder as _, Register, Telegram as _};
use plugin_sml::{
    Sml,
    decoder::Decoder,
    quirks::{Crc, Quirks},
    reject::{Reason, Rejected},
    telegram::Telegram,
};
use serde_json::Value;

fn main() {
    let args = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let trials = if folder.is_dir() {
        let mut trials = trials(&folder, "sml", recorded);
        trials.extend(self::trials(&folder, "malformed", damaged));
        trials
    } else {
        vec![Trial::test("corpus (needs ../shared/corpus)", || Ok(())).with_ignored_flag(true)]
    };
    libtest_mimic::run(&args, trials).exit();
}

fn trials(corpus: &Path, kind: &str, test: fn(&[u8], &Value) -> Result<(), Failed>) -> Vec<Trial> {
    let folder = corpus.join(kind);
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let files = expected["files"].as_object().unwrap();
    let ours = files.iter().filter(|(_, file)| matches!(file["kind"].as_str(), None | Some("sml")));
    ours.map(|(name, file)| {
        let (path, file): (PathBuf, Value) = (folder.join(name), file.clone());
        Trial::test(format!("{kind}/{name}"), move || test(&fs::read(&path).unwrap(), &file))
    })
    .collect()
}

/// A telegram as found, or why there is none.
type Found = Result<Owned, Rejected>;

#[derive(Clone, Debug, PartialEq)]
struct Owned {
    offset: u64,
    len: usize,
    ident: Option<String>,
    quirk: &'static str,
    registers: Vec<Shown>,
}

#[derive(Clone, Debug, PartialEq)]
struct Shown {
    code: String,
    value: String,
    unit: Option<String>,
    number: Option<Decimal>,
    status: Option<u64>,
    time: Option<String>,
}

fn shown(register: &Register<'_>) -> Shown {
    Shown {
        code: register.code.to_owned(),
        value: register.value.to_owned(),
        unit: register.unit.map(str::to_owned),
        number: register.number,
        status: register.status,
        time: register.time.map(|time| time.sent.to_owned()),
    }
}

fn owned(found: Result<Telegram<'_>, Rejected>) -> Found {
    found.map(|telegram| Owned {
        offset: telegram.offset(),
        len: telegram.len(),
        ident: telegram.ident().map(str::to_owned),
        quirk: telegram.nature(),
        registers: telegram.registers().map(|register| shown(&register)).collect(),
    })
}

/// Decodes `bytes`, handed over in chunks of the sizes that `size` gives.
fn decode(mut bytes: &[u8], quirks: Quirks, mut size: impl FnMut() -> usize) -> Vec<Found> {
    let mut decoder = Decoder::new(quirks);
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at(size().min(bytes.len()));
        decoder.push(chunk, &mut |found| all.push(owned(found)));
        bytes = rest;
    }
    decoder.finish();
    while let Some(found) = decoder.next() {
        all.push(owned(found));
    }
    assert!(!decoder.pending());
    all
}

/// Decodes `bytes` at once, byte by byte and in odd chunks: the result must be the same.
fn decode_all_ways(bytes: &[u8]) -> Vec<Found> {
    let decode = |size: &mut dyn FnMut() -> usize| decode(bytes, Quirks::default(), size);
    let at_once = decode(&mut || usize::MAX);
    assert_eq!(decode(&mut || 1), at_once, "byte by byte");
    for seed in 1..20 {
        let mut state: u64 = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % 97 + 1
        };
        assert_eq!(decode(&mut random), at_once, "chunks {seed}");
    }
    at_once
}

fn accepted(found: &[Found]) -> Vec<&Owned> {
    found.iter().filter_map(|found| found.as_ref().ok()).collect()
}

/// A file of `sml`: what a meter sent.
fn recorded(bytes: &[u8], file: &Value) -> Result<(), Failed> {
    let found = decode_all_ways(bytes);
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
        assert_eq!(telegram.quirk.contains("crc"), frame["accept"] == "vendor");
        same_readings(&telegram.registers, frame["readings"].as_array().unwrap());
    }
    let rejected: Vec<_> = found.iter().filter_map(|found| found.as_ref().err()).collect();
    let offsets: Vec<_> = rejected.iter().map(|rejected| rejected.offset).collect();
    assert_eq!(offsets, bad, "{rejected:?}");
    same_without_owner(bytes, &found);
    // The standard's checksum alone: no quirk makes a good telegram bad or a bad one good.
    let strict = Quirks { crc: Crc::X25, ..Quirks::default() };
    let strict = decode(bytes, strict, || usize::MAX).iter().filter(|found| found.is_ok()).count();
    assert_eq!(strict, frames.iter().filter(|frame| frame["accept"] == "yes").count());
    Ok(())
}

/// Anonymised, all is as it was but for texts.
fn same_without_owner(bytes: &[u8], found: &[Found]) {
    let mut bytes = bytes.to_vec();
    let count = Sml::ANONYMISE.unwrap()(&mut bytes);
    assert!(count > 0 || accepted(found).is_empty());
    let anonymous = decode(&bytes, Quirks::default(), || usize::MAX);
    let shape = |found: &Found| match found {
        Ok(telegram) => Ok((
            (telegram.offset, telegram.len, telegram.quirk),
            telegram
                .registers
                .iter()
                .map(|r| (r.code.clone(), r.number, r.status, r.value.len()))
                .collect::<Vec<_>>(),
        )),
        Err(rejected) => Err(rejected.offset),
    };
    let shapes = |found: &[Found]| found.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(shapes(&anonymous), shapes(found));
    let idents = |found: &[Found]| accepted(found).iter().filter_map(|t| t.ident.clone()).collect::<Vec<_>>();
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
        assert_eq!(register.time, time, "{code}: {expected}");
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
    let found = decode_all_ways(bytes);
    let accepted = accepted(&found);
    if let Some(count) = file["telegrams_that_must_come_out"].as_u64() {
        assert_eq!(accepted.len() as u64, count, "{found:?}");
    }
    match file["expect"].as_str().unwrap() {
        "reject" => {
            assert!(accepted.is_empty());
            // Hexadecimal digits are no telegram at all; all others are seen, so they are counted.
            assert_eq!(found.is_empty(), file["defect"].as_str().unwrap().contains("hex text"), "{found:?}");
        }
        "last_only" | "accept" => {
            let last = accepted.last().expect("a telegram");
            assert_eq!(found.last(), Some(&Ok((*last).clone())), "nothing behind it");
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
