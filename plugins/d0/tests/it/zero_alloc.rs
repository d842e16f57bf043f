//! A meter's thousandth telegram costs no allocation.

use plugin_d0::decoder::Decoder;
use telegram_testing::allocations;

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
    allocations::none_for_telegrams::<Decoder>(10, telegram);
}

#[test]
fn rejected_telegrams_cost_no_allocations_either() {
    let damaged = b"/XYZ5AB12\r\n1.8.0(1*kWh)\r\n1.8.0)(\r\n!\r\n/XYZ5AB12\r\n1.8.0(1\r\n";
    // The last one that is cut off has none after it.
    allocations::none_for_rejected::<Decoder>(damaged, 2 * 101 - 1);
}

#[test]
fn a_batch_costs_its_readings_only() {
    // The list of readings, and the list of what stands beside the one maximum.
    assert_eq!(allocations::of_a_batch::<Decoder>(&telegram(0)), 2);
}
