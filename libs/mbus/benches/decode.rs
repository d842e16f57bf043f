//! Speed of decoding wired answers: `cargo bench -p mbus`.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::unwrap_used, reason = "a bench must fail visibly")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use mbus::{Answer, Content, Value, frame};

/// Answers in a recording.
const ANSWERS: usize = 20_000;

/// An answer of a heat meter: twelve records, of which four are BCD and two are times.
fn answer(n: u32) -> Vec<u8> {
    let mut data = vec![0x78, 0x56, 0x34, 0x12, 0x2d, 0x2c, 0x1b, 0x04, n as u8, 0, 0, 0];
    let digits = (n % 10_000).to_string().bytes().fold(0, |bcd, digit| bcd << 4 | u32::from(digit - b'0'));
    for head in [&[0x0c, 0x06][..], &[0x0c, 0x14], &[0x4c, 0x06], &[0x0c, 0x78]] {
        data.extend_from_slice(head);
        data.extend(digits.to_le_bytes());
    }
    for head in [&[0x04, 0x2b][..], &[0x04, 0x3b], &[0x84, 0x10, 0x06]] {
        data.extend_from_slice(head);
        data.extend(n.to_le_bytes());
    }
    data.extend([0x02, 0x5a, 0x7b, 0x02, 0x02, 0x5e, 0x10, 0x01, 0x02, 0x62, 0x6b, 0x01]);
    data.extend([0x42, 0x6c, 0xff, 0x1c, 0x04, 0x6d, 0x3b, 0x17, 0x5c, 0x32]);
    let len = data.len() as u8 + 3;
    let mut frame = vec![0x68, len, len, 0x68, 0x08, 5, 0x72];
    frame.extend(data);
    let sum = frame[4..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend([sum, 0x16]);
    frame
}

fn main() {
    let recording: Vec<u8> = (0..ANSWERS as u32).flat_map(answer).collect();
    let decode = || {
        let mut numbers = 0;
        for (_, frame) in frame::all(&recording) {
            let Content::Records(records) = Answer::parse(frame).unwrap().content else { continue };
            for record in records {
                numbers += usize::from(matches!(black_box(record.unwrap()).value, Value::Number(_)));
            }
        }
        assert_eq!(numbers, 9 * ANSWERS);
    };
    // The best of some runs: the others were disturbed.
    let best = (0..15).map(|_| time(decode)).min().unwrap_or_default();
    let rate = recording.len() as f64 / best.as_secs_f64() / 1e6;
    println!("decode wired answers: {rate:.0} MB/s, {} bytes each", recording.len() / ANSWERS);
}

fn time(work: impl Fn()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
