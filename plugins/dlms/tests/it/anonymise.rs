//! Recordings without the number of their meter.

use framework::SourcePlugin as _;
use plugin_dlms::Dlms;
use telegram::{Anonymised, Keys};

use crate::{golden, support::*};

fn anonymise(bytes: &[u8], keys: Keys) -> Result<Anonymised, String> {
    telegram_testing::protocol(Dlms::KIND).anonymise.unwrap()(bytes, &keys)
}

/// What is printed of the values, without what names the meter.
fn values(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let number = |reading: &serde_json::Value| {
        reading["value"].is_number().then(|| reading.to_string()).filter(|text| !text.contains(":0.0."))
    };
    lines
        .flat_map(|line| line["readings"].as_array().unwrap().iter().filter_map(number).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_meter_is_anonymised_and_keeps_its_values() {
    for (path, bytes) in telegram_testing::files(golden::FOLDER, "bin") {
        let name = path.display();
        let hidden = anonymise(&bytes, Keys::PUBLIC).unwrap();
        assert_eq!(hidden.bytes.len(), bytes.len(), "{name}");
        assert!(hidden.places > 0, "{name}");
        let (before, after) =
            (golden::printed(&bytes, &Keys::PUBLIC), golden::printed(&hidden.bytes, &Keys::PUBLIC));
        assert_eq!(values(&after), values(&before), "{name}");
        assert!(
            !after.contains("00042") && !after.contains("00043") && !after.contains("00044"),
            "{name}: {after}"
        );
        assert!(!after.contains("67500000") && !after.contains("677300"), "{name}: {after}");
    }
}

#[test]
fn a_recording_is_encrypted_again_with_public_keys() {
    let message = ciphered_with(other_keys(), 0x30, KAIFA, 77, &notification(&TIME, objects(0)));
    let bytes = hdlc_segments(&message, 100);
    let hidden = anonymise(&bytes, other_keys()).unwrap();
    let printed = golden::printed(&hidden.bytes, &Keys::PUBLIC);
    assert!(printed.contains("\"tag\":\"verified\"") && printed.contains("4B464D0000000000"), "{printed}");
    assert!(printed.contains("0XYZ0000000000"), "{printed}");
    let error = anonymise(&bytes, Keys::default()).unwrap_err();
    assert_eq!(error, "a telegram is encrypted: give its keys with `--key` and `--auth-key`");
    assert!(anonymise(&bytes, Keys::PUBLIC).is_err(), "with wrong keys nothing can be overwritten");
}

#[test]
fn the_same_number_in_a_damaged_telegram_goes_too() {
    let good = hdlc(&notification(&TIME, objects(0)));
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    let hidden = anonymise(&[good, damaged].concat(), Keys::default()).unwrap();
    assert!(!hidden.bytes.windows(5).any(|window| window == b"00042"));
}
