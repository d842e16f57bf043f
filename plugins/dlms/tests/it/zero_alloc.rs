//! A meter's thousandth telegram costs no allocation.

use telegram_testing::allocations;

use crate::support::*;

#[test]
fn encrypted_telegrams_are_decoded_and_judged_without_allocations() {
    allocations::none_for_telegrams::<Keyed>(5, |second| {
        let second = second as u32;
        hdlc_segments(&ciphered(0x30, ISKRA, second + 1, &notification(&TIME, objects(second))), 120)
    });
    allocations::none_for_telegrams::<Keyed>(5, |second| {
        let second = second as u32;
        mbus(&ciphered(0x20, KAIFA, second + 1, &notification(&TIME, objects(second))), 245).concat()
    });
    allocations::none_for_telegrams::<Keyed>(5, |second| {
        let second = second as u32;
        hdlc_blocks(&ciphered(0x30, LANDISGYR, second + 1, &notification(&TIME, positional(second))), 60)
            .concat()
    });
}

#[test]
fn rejected_telegrams_cost_no_allocations_either() {
    let mut damaged = hdlc(&notification(&TIME, objects(0)));
    damaged[50] ^= 1;
    let wrong_key = hdlc(&ciphered_with(other_keys(), 0x30, ISKRA, 1, &notification(&TIME, objects(0))));
    let cut = hdlc(&notification(&TIME, objects(0)))[..99].to_vec();
    allocations::none_for_rejected::<Keyed>(&[cut, damaged, wrong_key, hdlc(b"\x0f")].concat(), 4 * 101);
}
