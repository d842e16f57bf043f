//! Arbitrary bytes into `plugin = "sml"`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_sml::{Sml, decoder::Decoder};

fuzz_target!(|bytes: &[u8]| fuzz::meter::<Sml, Decoder>(bytes));
