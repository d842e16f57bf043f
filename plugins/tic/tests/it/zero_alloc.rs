//! A meter's thousandth telegram costs no allocation.

use plugin_tic::decoder::Decoder;
use simulator::Moment;
use telegram_testing::allocations;
use test_meters::{tic, uart::seven_e_one};

/// A long telegram of the mode standard; in odd seconds with parity bits.
fn telegram(second: u64) -> Vec<u8> {
    let sample = Moment::sample();
    let moment = Moment { second, import: sample.import + second as i64 * 50_000, ..sample };
    let mut bytes = tic::standard(&moment);
    if second % 2 == 1 {
        seven_e_one(&mut bytes);
    }
    bytes
}

#[test]
fn telegrams_are_decoded_and_judged_without_allocations() {
    allocations::none_for_telegrams::<Decoder>(10, telegram);
}

#[test]
fn wrong_groups_cost_no_allocations_either() {
    let mut damaged = tic::standard(&Moment::sample());
    let place = damaged.windows(4).position(|four| four == b"EAST").unwrap();
    damaged[place + 6] ^= 1;
    let cut = damaged[..200].to_vec();
    let aborted = [&damaged[..200], b"\x04"].concat();
    // A group, an end that is missing, and one that came early.
    allocations::none_for_rejected::<Decoder>(&[damaged, cut, aborted].concat(), 3 * 101);
}

#[test]
fn a_batch_costs_its_readings_only() {
    // The list of readings, and the one text that is longer than 23 bytes.
    assert_eq!(allocations::of_a_batch::<Decoder>(&telegram(0)), 2);
}
