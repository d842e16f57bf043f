//! Bytes of anything else: nothing of them is an answer of a wired meter.

use std::{fs, path::Path};

use crate::decode::decoded;

const MEGABYTE: usize = 1_000_000;

/// Random numbers (xorshift).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn random_bytes_and_random_text_have_no_answers() {
    let mut state = 88_172_645_463_325_252;
    let bytes: Vec<u8> = (0..MEGABYTE).map(|_| (random(&mut state) >> 32) as u8).collect();
    assert_eq!(decoded(&bytes).0, [""; 0]);
    let text: Vec<u8> = bytes.iter().map(|byte| b' ' + byte % 95).collect();
    assert_eq!(decoded(&text).0, [""; 0]);
}

#[test]
fn telegrams_of_other_protocols_have_no_answers() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for plugin in fs::read_dir(plugins).unwrap() {
        let Ok(files) = fs::read_dir(plugin.unwrap().path().join("tests/telegrams")) else { continue };
        for file in files {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "txt" || extension == "bin") {
                assert_eq!(decoded(&fs::read(&file).unwrap()).0, [""; 0], "{}", file.display());
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} files");
}
