//! Bytes of anything else: nothing of them is an answer of a wired meter.

use telegram_testing::foreign::{noise, telegrams};

use crate::decode::decoded;

#[test]
fn random_bytes_and_random_text_have_no_answers() {
    let bytes = noise();
    assert_eq!(decoded(&bytes).0, [""; 0]);
    let text: Vec<u8> = bytes.iter().map(|byte| b' ' + byte % 95).collect();
    assert_eq!(decoded(&text).0, [""; 0]);
}

#[test]
fn telegrams_of_other_protocols_have_no_answers() {
    for (path, bytes) in telegrams() {
        assert_eq!(decoded(&bytes).0, [""; 0], "{}", path.display());
    }
}
