//! Arbitrary files as recordings.

#![no_main]

use libfuzzer_sys::fuzz_target;
use transport::{MAX_CHUNK, Recording};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(mut recording) = Recording::new(bytes, 9600) {
        while let Ok(Some(chunk)) = recording.next_chunk() {
            assert!(chunk.bytes.len() <= MAX_CHUNK);
        }
    }
});
