//! How fast telegrams are decoded, judged and made into batches: `cargo bench -p plugin-sml`.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use framework::Timestamp;
use meter::{Converter, Decoder as _, Guard, Telegram as _};
use plugin_sml::{decoder::Decoder, telegram::Telegram};
use support::*;

const TELEGRAMS: u64 = 20_000;

fn main() {
    for (name, telegram) in
        [("basic meter", basic as fn(u64) -> Vec<u8>), ("many registers and a key", large)]
    {
        let bytes: Vec<u8> = (0..TELEGRAMS).flat_map(telegram).collect();
        let mut decoder = Decoder::default();
        let mut work = || {
            decode(&mut decoder, &bytes, &mut |telegram| {
                black_box(telegram.registers().filter_map(|register| register.number).count());
            });
        };
        let best = best_of(&mut work);
        let allocations = measure(work).count_total / TELEGRAMS;
        let rate = bytes.len() as f64 / best.as_secs_f64() / 1e6;
        let len = bytes.len() as u64 / TELEGRAMS;
        println!("decode {name}, {len} bytes: {rate:.0} MB/s, {allocations} allocations per telegram");
    }
    // What follows on one telegram, over and over: it is plausible every time.
    let mut guard = Guard::default();
    let mut converter = Converter::default();
    decode(&mut Decoder::default(), &large(0), &mut |telegram| {
        let now = Duration::from_secs(1);
        each("judge", &mut || drop(black_box(guard.judge(telegram, now))));
        each("batch", &mut || drop(black_box(converter.batch(telegram, Timestamp::UNIX_EPOCH))));
    });
}

/// Prints what `work` costs for one telegram.
fn each(name: &str, work: &mut dyn FnMut()) {
    let mut work = || (0..TELEGRAMS).for_each(|_| work());
    let nanos = best_of(&mut work).as_nanos() / u128::from(TELEGRAMS);
    let allocations = measure(work).count_total / TELEGRAMS;
    println!("{name}: {nanos} ns, {allocations} allocations per telegram");
}

/// The shortest time that `work` took: the others were disturbed.
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

/// Reads `bytes` as a port would: into the decoder's own space.
fn decode(decoder: &mut Decoder, mut bytes: &[u8], each: &mut dyn FnMut(&Telegram<'_>)) {
    let mut count = 0;
    while !bytes.is_empty() {
        let space = decoder.space();
        let read = space.len().min(bytes.len());
        space[..read].copy_from_slice(&bytes[..read]);
        decoder.filled(read);
        bytes = &bytes[read..];
        while let Some(found) = decoder.next() {
            match found {
                Ok(telegram) => each(&telegram),
                Err(rejected) => panic!("{rejected}"),
            }
            count += 1;
        }
    }
    assert!(count > 0);
}

/// A telegram with two numbers in it.
fn basic(second: u64) -> Vec<u8> {
    simple(123_456_789 + second, 711)
}

/// Telegrams in the manner of an eBZ DD3, one second apart.
fn large(second: u64) -> Vec<u8> {
    let id = b"\x09\x01EBZ\x01\x00\x00\x00\x2a";
    let energy = |c, e, value| Entry::number([1, 0, c, 8, e, 255], 30, -5, unsigned(value, 8));
    let power = |c, value| Entry::number([1, 0, c, 7, 0, 255], 27, -2, signed(value, 4));
    telegram(
        id,
        &[
            Entry::text(MAKER_EDL, b"EBZ"),
            Entry::text([1, 0, 0, 0, 9, 255], id),
            energy(1, 0, 27_141_283_018 + second * 6).status(0x10180, 3),
            energy(1, 1, 27_041_283_018 + second * 6),
            energy(1, 2, 100_000_000),
            energy(2, 0, 230_700_000).status(0x10180, 3),
            power(16, 44_333),
            power(36, 15_764),
            power(56, 1564),
            power(76, 3798),
            Entry::text(KEY, &[0xa5; 48]).time(seconds(second as u32)),
        ],
    )
}
