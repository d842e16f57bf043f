//! How fast telegrams are decoded, judged and made into batches: `cargo bench -p plugin-d0`.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use framework::Timestamp;
use meter::{Converter, Decoder as _, Guard, Telegram as _};
use plugin_d0::{decoder::Decoder, telegram::Telegram};
use simulator::{House, p1};

const TELEGRAMS: usize = 20_000;

fn main() {
    let plain = recording(false);
    let seven_even = recording(true);
    let dsmr = dsmr();
    for (name, bytes) in [("plain", &plain), ("7E1", &seven_even), ("DSMR", &dsmr)] {
        let mut decoder = Decoder::default();
        let mut work = || {
            decode(&mut decoder, bytes, &mut |telegram| {
                black_box(telegram.registers().filter_map(|register| register.number).count());
            });
        };
        let best = best_of(&mut work);
        let allocations = measure(work).count_total as usize / TELEGRAMS;
        let rate = bytes.len() as f64 / best.as_secs_f64() / 1e6;
        let len = bytes.len() / TELEGRAMS;
        println!("decode {name}: {rate:.0} MB/s, {len} bytes and {allocations} allocations per telegram");
    }
    for (name, bytes) in [("plain", &plain), ("DSMR", &dsmr)] {
        judge_and_convert(name, &bytes[..bytes.len() / TELEGRAMS]);
    }
}

/// One telegram, over and over: it is plausible every time.
fn judge_and_convert(name: &str, bytes: &[u8]) {
    let mut guard = Guard::default();
    let mut converter = Converter::default();
    decode(&mut Decoder::default(), bytes, &mut |telegram| {
        let now = Duration::from_secs(1);
        each(&format!("judge {name}"), &mut || drop(black_box(guard.judge(telegram, now))));
        let batch = &mut || drop(black_box(converter.batch(telegram, Timestamp::UNIX_EPOCH)));
        each(&format!("batch {name}"), batch);
    });
}

/// Prints what `work` costs for one telegram.
fn each(name: &str, work: &mut dyn FnMut()) {
    let mut work = || (0..TELEGRAMS).for_each(|_| work());
    let nanos = best_of(&mut work).as_nanos() / TELEGRAMS as u128;
    let allocations = measure(work).count_total as usize / TELEGRAMS;
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

/// Telegrams in the manner of an eBZ DD3, one second apart.
fn recording(parity: bool) -> Vec<u8> {
    let mut text = String::new();
    for second in 0..TELEGRAMS {
        text.push_str(&format!(
            "/EBZ5DD32R06ETA_107\r\n\r\n\
             1-0:0.0.0*255(1EBZ0100000042)\r\n\
             1-0:96.1.0*255(1EBZ0100000042)\r\n\
             1-0:1.8.0*255(002714.{:08}*kWh)\r\n\
             1-0:2.8.0*255(000001.20600000*kWh)\r\n\
             1-0:16.7.0*255(000{}.26*W)\r\n\
             1-0:36.7.0*255(000157.64*W)\r\n\
             1-0:56.7.0*255(000015.64*W)\r\n\
             1-0:76.7.0*255(000037.98*W)\r\n\
             1-0:96.5.0*255(001C0104)\r\n\
             0-0:96.8.0*255({:08X})\r\n\
             !\r\n",
            second * 6,
            200 + second % 100,
            0x02FA_B8BF + second,
        ));
    }
    let mut bytes = text.into_bytes();
    if parity {
        bytes.iter_mut().for_each(|byte| *byte |= (byte.count_ones() as u8 & 1) << 7);
    }
    bytes
}

/// Telegrams in the manner of DSMR 5, one second apart.
fn dsmr() -> Vec<u8> {
    let mut house = House::new(1);
    (0..TELEGRAMS).flat_map(|_| p1::telegram(&house.advance(), p1::Version::V5).into_bytes()).collect()
}
