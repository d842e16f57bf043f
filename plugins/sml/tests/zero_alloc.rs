//! A meter's thousandth telegram costs no allocation.

mod support;

use std::time::Duration;

use allocation_counter::measure;
use framework::Timestamp;
use meter::{Converter, Decoder as _, Guard};
use plugin_sml::decoder::Decoder;
use support::*;

#[test]
fn telegrams_are_decoded_and_judged_without_allocations() {
    let mut decoder = Decoder::default();
    let mut guard = Guard::default();
    let mut accepted = 0;
    let mut read = |second: u64, bytes: &[u8]| {
        for chunk in bytes.chunks(50) {
            decoder.space()[..chunk.len()].copy_from_slice(chunk);
            decoder.filled(chunk.len());
            while let Some(found) = decoder.next() {
                let telegram = found.expect("a good telegram");
                guard.judge(&telegram, Duration::from_secs(second)).expect("a plausible one");
                accepted += 1;
            }
        }
    };
    // 1b1b1b1b in one of them is sent twice.
    let telegram = |second: u64| simple(0x1b_1b1b_1b00 + second, 711);
    for second in 0..30 {
        read(second, &telegram(second));
    }
    let telegrams: Vec<_> = (30..1000).map(|second| (second, telegram(second))).collect();
    let counted = measure(|| telegrams.iter().for_each(|(second, bytes)| read(*second, bytes)));
    assert_eq!(counted.count_total, 0);
    assert_eq!(accepted, 1000);
}

#[test]
fn rejected_telegrams_cost_no_allocations_either() {
    let mut decoder = Decoder::default();
    let mut rejected = 0;
    let mut read = |bytes: &[u8]| decoder.push(bytes, &mut |found| rejected += usize::from(found.is_err()));
    let mut damaged = simple(1, 2);
    damaged[50] ^= 1;
    let cut = simple(1, 2)[..99].to_vec();
    let damaged = [damaged, cut, transport(b"\x73", x25)].concat();
    read(&damaged);
    let counted = measure(|| (0..100).for_each(|_| read(&damaged)));
    assert_eq!(counted.count_total, 0);
    assert_eq!(rejected, 303);
}

#[test]
fn a_batch_costs_its_readings_only() {
    let mut decoder = Decoder::default();
    let mut converter = Converter::default();
    decoder.push(&simple(1, 2), &mut |found| {
        let telegram = found.expect("a good telegram");
        converter.batch(&telegram, Timestamp::UNIX_EPOCH);
        let counted = measure(|| drop(converter.batch(&telegram, Timestamp::UNIX_EPOCH)));
        assert_eq!(counted.count_total, 1, "the list of readings");
    });
}
