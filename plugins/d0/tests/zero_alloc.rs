//! A meter's thousandth telegram costs no allocation.

use std::time::Duration;

use allocation_counter::measure;
use framework::Timestamp;
use meter::{Converter, Decoder as _, Guard};
use plugin_d0::decoder::Decoder;

fn telegram(second: u64) -> Vec<u8> {
    let text = format!(
        "/XYZ5AB12\r\n\r\n1-0:0.0.0*255(1XYZ0100000042)\r\n1-0:1.8.0*255(002714.{:08}*kWh)\r\n\
         1-0:16.7.0*255(000211.26*W)\r\n1.6.0(1.5*kW)(2401010000)\r\n1-0:96.5.0*255(001C0104)\r\n!\r\n",
        second * 6
    );
    let odd_seconds_have_parity = |byte: u8| byte | ((byte.count_ones() as u8 & 1 & second as u8) << 7);
    text.bytes().map(odd_seconds_have_parity).collect()
}

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
    for second in 0..10 {
        read(second, &telegram(second));
    }
    let telegrams: Vec<_> = (10..1000).map(|second| (second, telegram(second))).collect();
    let counted = measure(|| telegrams.iter().for_each(|(second, bytes)| read(*second, bytes)));
    assert_eq!(counted.count_total, 0);
    assert_eq!(accepted, 1000);
}

#[test]
fn rejected_telegrams_cost_no_allocations_either() {
    let mut decoder = Decoder::default();
    let mut rejected = 0;
    let mut read = |bytes: &[u8]| decoder.push(bytes, &mut |found| rejected += usize::from(found.is_err()));
    let damaged = b"/XYZ5AB12\r\n1.8.0(1*kWh)\r\n1.8.0)(\r\n!\r\n/XYZ5AB12\r\n1.8.0(1\r\n";
    read(damaged);
    let counted = measure(|| (0..100).for_each(|_| read(damaged)));
    assert_eq!(counted.count_total, 0);
    assert_eq!(rejected, 201);
}

#[test]
fn a_batch_costs_its_readings_only() {
    let mut decoder = Decoder::default();
    let mut converter = Converter::default();
    decoder.push(&telegram(0), &mut |found| {
        let telegram = found.expect("a good telegram");
        converter.batch(&telegram, Timestamp::UNIX_EPOCH);
        let counted = measure(|| drop(converter.batch(&telegram, Timestamp::UNIX_EPOCH)));
        // The list of readings, and the list of what stands beside the one maximum.
        assert_eq!(counted.count_total, 2);
    });
}
