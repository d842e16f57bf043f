//! The frame counter over a restart.

use plugin_dlms::{
    counter::FrameCounter,
    decoder::{Decoder, Options},
    reject::Reason,
};
use telegram::Keys;

use crate::support::*;

#[test]
fn a_telegram_of_the_run_before_is_dropped() {
    let telegram = |counter| hdlc(&ciphered(0x30, ISKRA, counter, &notification(&TIME, objects(counter))));
    let run = |counter: &FrameCounter, bytes: &[u8]| {
        let options = Options { keys: Keys::PUBLIC, counter: counter.clone(), ..Options::default() };
        telegram_testing::decode(Decoder::new(options), bytes, &[]).remove(0)
    };
    let first = FrameCounter::default();
    assert!(run(&first, &telegram(500)).is_ok());
    let second = FrameCounter::default();
    second.resume(&first.last().unwrap().state());
    let replayed = run(&second, &telegram(500)).unwrap_err();
    assert!(matches!(replayed.reason, Reason::Replay { last: 500, .. }));
    assert!(run(&second, &telegram(501)).is_ok());
}
