//! Effect of damage on the line: telegrams are damaged at one place each, some ten thousand times.
//!
//! `SMARTMETER_CASES` sets the number of cases, `SMARTMETER_SEED` makes them other ones.

use std::{env, time::Duration};

use framework::{Reading, SourceContext};
use plugin_dlms::decoder::{Decoder, Options};
use telegram::{DEFAULT_MAX_POWER, Keys, Reader};
use telegram_testing::read;
use test_meters::faults::{Damage, Random};

use crate::support::*;

/// Cases where `SMARTMETER_CASES` says nothing.
const CASES: usize = 1000;

fn variable(name: &str) -> Option<usize> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn reader() -> Reader<Decoder> {
    let cx = SourceContext::new(framework::Context::new("meter", "/nonexistent"), Duration::from_secs(60));
    let options = Options { keys: Keys::PUBLIC, ..Options::default() };
    Reader::new(Decoder::new(options), DEFAULT_MAX_POWER, &cx)
}

fn batches(reader: &mut Reader<Decoder>, bytes: &[u8], second: u64) -> Vec<Vec<Reading>> {
    let mut found = read(reader, bytes, Duration::from_secs(second));
    // Meters pause between telegrams.
    reader.pause();
    found.extend(read(reader, &[], Duration::from_secs(second)));
    found.into_iter().filter_map(Result::ok).map(|batch| batch.readings).collect()
}

/// Damages a telegram of each second, after which a good one follows; returns the number of wrong telegrams that passed
/// the decoder, and that passed the guard too.
fn wrong(name: &str, telegram: impl Fn(u32) -> Vec<u8>) -> (usize, usize) {
    let cases = variable("SMARTMETER_CASES").unwrap_or(CASES);
    let seed = variable("SMARTMETER_SEED").unwrap_or(1) as u64;
    let mut random = Random::new(seed);
    let mut guarded = reader();
    // The meter has been read for a while.
    for second in 0..5 {
        batches(&mut guarded, &telegram(2 * second + 1), second.into());
    }
    let (mut passed, mut held, mut lost) = (0, 0, 0);
    // A telegram may come out after the next one has begun.
    let mut good: Vec<Vec<Reading>> = Vec::new();
    for case in 5..cases as u32 + 5 {
        let (sent, next) = (telegram(2 * case + 1), telegram(2 * case + 2));
        let damage = Damage::any(sent.len(), &mut random);
        let damaged = damage.done_to(&sent);
        good.drain(..good.len().saturating_sub(6));
        good.extend([&sent, &next].map(|bytes| batches(&mut reader(), bytes, 0).pop().expect("a good one")));
        let is_wrong = |found: &[Vec<Reading>]| {
            // What is held back is missing, and the rest must be as it was sent.
            found.iter().any(|readings| {
                !good.iter().any(|good| readings.iter().all(|reading| good.contains(reading)))
            })
        };
        let mut alone = reader();
        let found = [batches(&mut alone, &damaged, 0), batches(&mut alone, &next, 0)].concat();
        passed += usize::from(is_wrong(&found));
        let now = u64::from(case);
        let found = [batches(&mut guarded, &damaged, now), batches(&mut guarded, &next, now)].concat();
        held += usize::from(is_wrong(&found));
        lost += usize::from(!found.iter().any(|readings| Some(readings) == good.last()));
    }
    println!(
        "DLMS, {name}: of {cases} damaged telegrams {passed} passed with a wrong value, {held} of them the guard too; {lost} good \
         ones after were lost"
    );
    (passed, held)
}

#[test]
fn no_damage_passes_a_check_sequence_or_a_tag() {
    let plain = |second| notification(&TIME, objects(second));
    assert_eq!(wrong("hdlc, plain", |second| hdlc(&plain(second))), (0, 0));
    let sealed = |second| ciphered(0x30, ISKRA, second, &plain(second));
    assert_eq!(wrong("hdlc, with tag", |second| hdlc_segments(&sealed(second), 120)), (0, 0));
    assert_eq!(wrong("m-bus, with tag", |second| mbus(&sealed(second), 245).concat()), (0, 0));
    assert_eq!(wrong("p1, with tag", sealed), (0, 0));
}

#[test]
fn the_guard_holds_back_most_of_what_passes_without_a_tag() {
    let sealed = |second| ciphered(0x20, KAIFA, second, &notification(&TIME, objects(second)));
    let (passed, held) = wrong("m-bus, without tag", |second| mbus(&sealed(second), 245).concat());
    assert!(held <= passed);
    let (passed, held) = wrong("raw, plain", |second| notification(&TIME, objects(second)));
    assert!(held <= passed);
}
