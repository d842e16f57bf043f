//! Speed of decoding, judging and converting telegrams: `cargo bench -p plugin-dlms`.

#[path = "../tests/it/support.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a bench uses a part of it")]
mod support;

use support::*;
use telegram_testing::speed::{self, TELEGRAMS};

fn main() {
    let plain = |second: u64| notification(&TIME, objects(second as u32));
    let sealed = |control, title, second: u64| ciphered(control, title, second as u32 + 1, &plain(second));
    let recording = |telegram: &dyn Fn(u64) -> Vec<u8>| (0..TELEGRAMS).flat_map(telegram).collect::<Vec<_>>();
    for (name, bytes) in [
        ("hdlc, plain", recording(&|second| hdlc(&plain(second)))),
        ("hdlc, encrypted with tag", recording(&|second| hdlc(&sealed(0x30, ISKRA, second)))),
        (
            "m-bus, encrypted without tag",
            recording(&|second| mbus(&sealed(0x20, KAIFA, second), 245).concat()),
        ),
        (
            "blocks, encrypted with tag",
            recording(&|second| hdlc_blocks(&sealed(0x30, LANDISGYR, second), 120).concat()),
        ),
    ] {
        speed::decode::<Keyed>(name, &bytes);
    }
    speed::judge_and_convert::<Keyed>("hdlc", &hdlc(&plain(0)));
}
