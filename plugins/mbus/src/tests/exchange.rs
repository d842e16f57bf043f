//! One request and its reply.

use std::time::Duration;

use mbus::request;
use simulator::mbus::{MbusBus, long_frame, water_records};

use super::line::{SimulatedLine, timing};
use crate::exchange::{Reply, ask};

const REQUEST: [u8; 5] = [0x10, 0x7b, 0x06, 0x81, 0x16];

fn frame() -> Vec<u8> {
    long_frame(0x08, 6, 0x78, &water_records(42))
}

async fn reply_to(bytes: Option<Vec<u8>>) -> Reply {
    let mut line = SimulatedLine::scripted([bytes]);
    ask(&mut line, timing(), &REQUEST).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn echoes_noise_and_false_starts_are_skipped() {
    let whole = frame();
    for before in [
        vec![],
        // Idle noise, a stray start byte.
        vec![0x00, 0xff, 0x68],
        // A false start that announces more than comes.
        vec![0x68, 0xf0, 0xf0, 0x68, 0x08],
        // A second echo.
        REQUEST.to_vec(),
    ] {
        let bytes = [&before[..], &whole].concat();
        assert_eq!(reply_to(Some(bytes)).await, Reply::Frame(whole.clone()), "{before:02x?}");
    }
    assert_eq!(reply_to(Some(vec![0xe5])).await, Reply::Ack);
    assert_eq!(reply_to(None).await, Reply::Silence);
}

#[tokio::test(start_paused = true)]
async fn bytes_without_a_frame_are_damage_and_not_silence() {
    let mut damaged = frame();
    damaged[9] ^= 1;
    let mut cut = frame();
    cut.truncate(10);
    for bytes in [damaged, cut, vec![0xe7]] {
        assert_eq!(reply_to(Some(bytes.clone())).await, Reply::Damaged, "{bytes:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_not_taken_for_that_of_the_next_request() {
    let mut line = SimulatedLine::scripted([None, Some(vec![0xe5])]);
    assert_eq!(ask(&mut line, timing(), &REQUEST).await.unwrap(), Reply::Silence);
    line.arrive(Duration::from_millis(1), &frame());
    assert_eq!(ask(&mut line, timing(), &request::reset(7)).await.unwrap(), Reply::Ack);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_babbles_does_not_hold_the_bus_for_ever() {
    let mut line = SimulatedLine::new(MbusBus::new([]));
    line.arrive(Duration::ZERO, &[0x55; 20_000]);
    let reply = tokio::time::timeout(Duration::from_secs(60), ask(&mut line, timing(), &REQUEST)).await;
    assert_eq!(reply.unwrap().unwrap(), Reply::Damaged);
}
