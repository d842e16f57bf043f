//! Arbitrary bytes into `plugin = "wmbus"`: what each receiver delivers, and each layer of a telegram.
//!
//! A byte chooses the receiver, or that the rest is a telegram whose length and control byte are right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mbus::radio::{Decoder, Format, Framing, Receiver};
use plugin_wmbus as _;
use telegram::{Keys, protocols};

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let key = Keys::PUBLIC.key.map(|key| *key.reveal());
    let mut decoder = Decoder::default();
    match Receiver::ALL.get(usize::from(choice)) {
        Some(&receiver) => Framing::new(receiver).decode(rest, &mut |found| {
            if let Ok(reception) = found {
                let _ = decoder.open(reception.frame, reception.format, |_| key);
            }
        }),
        None => {
            // Telegrams of 100 bytes: an earlier one teaches the layout of compact ones.
            for piece in rest.chunks(100) {
                let mut telegram = piece.to_vec();
                if let [length, control, ..] = &mut telegram[..] {
                    (*length, *control) = ((piece.len() - 1) as u8, 0x44);
                }
                let format = if choice & 1 == 0 { Format::Bare } else { Format::A };
                let _ = decoder.open(&telegram, format, |_| key.filter(|_| choice & 2 == 0));
            }
        }
    }
    for protocol in protocols() {
        (protocol.decode)(rest, &Keys::PUBLIC, &mut |_| {});
        if let Some(describe) = protocol.describe {
            let _ = describe(rest, &Keys::default());
        }
    }
});
