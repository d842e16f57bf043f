//! Arbitrary bytes into `plugin = "d0"`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_d0::{D0, decoder::Decoder};

fuzz_target!(|bytes: &[u8]| fuzz::meter::<D0, Decoder>(bytes));
