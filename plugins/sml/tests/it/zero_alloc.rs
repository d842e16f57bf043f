//! A meter's thousandth telegram costs no allocation.

use plugin_sml::decoder::Decoder;
use telegram_testing::allocations;

use crate::support::*;

#[test]
fn telegrams_are_decoded_and_judged_without_allocations() {
    // 1b1b1b1b in one of the first 30 is sent twice.
    allocations::none_for_telegrams::<Decoder>(30, |second| simple(0x1b_1b1b_1b00 + second, 711));
}

#[test]
fn rejected_telegrams_cost_no_allocations_either() {
    let mut damaged = simple(1, 2);
    damaged[50] ^= 1;
    let cut = simple(1, 2)[..99].to_vec();
    let damaged = [damaged, cut, transport(b"\x73", x25)].concat();
    allocations::none_for_rejected::<Decoder>(&damaged, 3 * 101);
}

#[test]
fn a_batch_costs_its_readings_only() {
    assert_eq!(allocations::of_a_batch::<Decoder>(&simple(1, 2)), 1, "the list of readings");
}
