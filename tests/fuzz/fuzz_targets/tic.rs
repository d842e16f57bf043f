//! Arbitrary bytes into `plugin = "tic"`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_tic::{Tic, decoder::Decoder};
use telegram::{Decoder as _, Telegram as _};

fuzz_target!(|bytes: &[u8]| {
    fuzz::meter::<Tic, Decoder>(bytes);
    Decoder::completing().push(bytes, &mut |found| {
        if let Ok(telegram) = found {
            assert!(telegram.registers().all(|register| !register.code.is_empty()));
        }
    });
});
