//! Speed of decoding, judging and converting telegrams.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use framework::Timestamp;
use telegram::{Converter, Decoder, Guard, Telegram as _};

/// Number of telegrams in a recording, and of repetitions of a step.
pub const TELEGRAMS: u64 = 20_000;

/// Prints the speed of decoding a recording of [`TELEGRAMS`].
///
/// # Panics
/// Panics when one of them is rejected.
pub fn decode<D: Decoder + Default>(name: &str, recording: &[u8]) {
    decode_by(D::default, name, recording);
}

/// The same by decoders that have keys: `decoder` returns the one of each repetition, as frame counters must rise.
///
/// # Panics
/// Panics when a telegram is rejected.
pub fn decode_by<D: Decoder>(mut decoder: impl FnMut() -> D, name: &str, recording: &[u8]) {
    let mut work = || {
        each_telegram(&mut decoder(), recording, &mut |telegram| {
            black_box(telegram.registers().filter_map(|register| register.number).count());
        });
    };
    let best = best_of(&mut work);
    let allocations = measure(work).count_total / TELEGRAMS;
    let rate = recording.len() as f64 / best.as_secs_f64() / 1e6;
    let len = recording.len() as u64 / TELEGRAMS;
    println!("decode {name}: {rate:.0} MB/s, {len} bytes and {allocations} allocations per telegram");
}

/// Prints the time of judging and of converting one telegram, which is plausible every time.
///
/// # Panics
/// Panics when it is rejected.
pub fn judge_and_convert<D: Decoder + Default>(name: &str, telegram: &[u8]) {
    let mut guard = Guard::default();
    let mut converter = Converter::default();
    each_telegram(&mut D::default(), telegram, &mut |telegram| {
        let now = Duration::from_secs(1);
        step(&format!("judge {name}"), &mut || drop(black_box(guard.judge(telegram, now))));
        let batch = &mut || drop(black_box(converter.batch(telegram, Timestamp::UNIX_EPOCH)));
        step(&format!("batch {name}"), batch);
    });
}

/// Prints the cost of `work` for one telegram.
fn step(name: &str, work: &mut dyn FnMut()) {
    let mut work = || (0..TELEGRAMS).for_each(|_| work());
    let nanos = best_of(&mut work).as_nanos() / u128::from(TELEGRAMS);
    let allocations = measure(work).count_total / TELEGRAMS;
    println!("{name}: {nanos} ns, {allocations} allocations per telegram");
}

/// Returns the shortest time of `work`: the others were disturbed.
fn best_of(work: &mut dyn FnMut()) -> Duration {
    (0..15)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn each_telegram<D: Decoder>(decoder: &mut D, bytes: &[u8], each: &mut dyn FnMut(&D::Telegram<'_>)) {
    let mut count = 0;
    decoder.push(bytes, &mut |found| {
        match found {
            Ok(telegram) => each(&telegram),
            Err(rejected) => panic!("{rejected}"),
        }
        count += 1;
    });
    assert!(count > 0);
}
