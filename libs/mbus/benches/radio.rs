//! Telegrams by radio, decoded on one core: `cargo bench -p mbus`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "the figures are printed")]

use std::{hint::black_box, time::Instant};

use mbus::radio::{Decoder, Format};
use test_meters::radio::{Frame, KEY, RadioMeter, Security, frame};

fn main() {
    let record: (&[u8], &[u8]) = (&[0x04, 0x13], &[0xD2, 0x04, 0, 0]);
    for (count, security) in [
        (36, Security::Plain),
        (36, Security::Mode5 { plain: 0 }),
        (30, Security::Mode7),
        (36, Security::LinkLayer),
    ] {
        let mut meter = RadioMeter::water(0x1234_5678);
        let records = vec![record; count];
        let frames: Vec<_> =
            (0..1000).map(|_| frame(Frame::A, &meter.telegram(security, &records))).collect();
        let bytes: usize = frames.iter().map(Vec::len).sum();
        let mut best = f64::MAX;
        for _ in 0..60 {
            let (mut decoder, mut bare) = (Decoder::default(), Vec::new());
            let start = Instant::now();
            for frame in &frames {
                bare.clear();
                Format::A.unframe(frame, &mut bare).unwrap();
                let telegram = decoder.open(&bare, Format::A, |_| Some(KEY)).unwrap();
                assert_eq!(mbus::records(black_box(telegram.records)).count(), count);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("{security:?}: {:.0} MB/s", bytes as f64 / best / 1e6);
    }
}
