//! Speed of decoding, judging and converting telegrams: `cargo bench -p plugin-sml`.

#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "a bench uses a part of it")]
mod support;

use plugin_sml::decoder::Decoder;
use support::*;
use telegram_testing::speed::{self, TELEGRAMS};

fn main() {
    for (name, telegram) in
        [("basic meter", basic as fn(u64) -> Vec<u8>), ("many registers and a key", large)]
    {
        speed::decode::<Decoder>(name, &(0..TELEGRAMS).flat_map(telegram).collect::<Vec<_>>());
    }
    speed::judge_and_convert::<Decoder>("many registers and a key", &large(0));
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
