//! Allocations of decoders, guard and converter.

use std::time::Duration;

use allocation_counter::measure;
use framework::Timestamp;
use telegram::{Converter, Decoder, Guard};

/// Checks that a thousand telegrams, except the first `warm_up` ones, are decoded and judged without an allocation.
/// `telegram` makes the one of each second.
///
/// # Panics
/// Panics when they are not, and when one of them is not good and plausible.
pub fn none_for_telegrams<D: Decoder + Default>(warm_up: u64, telegram: impl FnMut(u64) -> Vec<u8>) {
    none_for_telegrams_by(D::default(), warm_up, telegram);
}

/// The same for a decoder that has keys.
///
/// # Panics
/// Panics when they are not, and when one of them is not good and plausible.
pub fn none_for_telegrams_by<D: Decoder>(
    mut decoder: D,
    warm_up: u64,
    mut telegram: impl FnMut(u64) -> Vec<u8>,
) {
    let mut guard = Guard::default();
    let mut accepted = 0;
    let mut read = |second: u64, bytes: &[u8]| {
        for chunk in bytes.chunks(50) {
            decoder.push(chunk, &mut |found| {
                let telegram = found.expect("a good telegram");
                let held = guard.judge(&telegram, Duration::from_secs(second)).expect("a plausible one");
                assert!(held.is_empty());
                accepted += 1;
            });
        }
    };
    for second in 0..warm_up {
        read(second, &telegram(second));
    }
    let telegrams: Vec<_> = (warm_up..1000).map(|second| (second, telegram(second))).collect();
    let counted = measure(|| telegrams.iter().for_each(|(second, bytes)| read(*second, bytes)));
    assert_eq!(counted.count_total, 0);
    assert_eq!(accepted, 1000);
}

/// Checks that `damaged`, read 101 times, has the `expected` number of rejections, and costs no allocation after the
/// first time.
///
/// # Panics
/// Panics when it does not.
pub fn none_for_rejected<D: Decoder + Default>(damaged: &[u8], expected: usize) {
    let mut decoder = D::default();
    let mut rejected = 0;
    let mut read = || decoder.push(damaged, &mut |found| rejected += usize::from(found.is_err()));
    read();
    let counted = measure(|| (0..100).for_each(|_| read()));
    assert_eq!(counted.count_total, 0);
    assert_eq!(rejected, expected);
}

/// Returns the number of allocations of a batch that is not the first one of its meter.
///
/// # Panics
/// Panics when `telegram` is rejected.
pub fn of_a_batch<D: Decoder + Default>(telegram: &[u8]) -> u64 {
    let mut converter = Converter::default();
    let mut count = None;
    D::default().push(telegram, &mut |found| {
        let telegram = found.expect("a good telegram");
        converter.batch(&telegram, Timestamp::UNIX_EPOCH);
        let counted = measure(|| drop(converter.batch(&telegram, Timestamp::UNIX_EPOCH)));
        count = Some(counted.count_total);
    });
    count.expect("a telegram")
}
