//! The telegrams in `tests/telegrams`: `<maker>_<model>.bin` as on the wire, and in the `.json` beside it what
//! `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented; they are encrypted with
//! the public keys.

use framework::SourcePlugin as _;
use plugin_dlms::Dlms;
use telegram::{Decoded, Keys, json_line};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegrams");

/// Returns what `smartmeter decode` prints.
///
/// # Panics
/// Panics when something is rejected.
pub(crate) fn printed(bytes: &[u8], keys: &Keys) -> String {
    let mut printed = Vec::new();
    plugin_dlms::decode(bytes, keys, &mut |found| match found {
        Decoded::Telegram { ident, members, readings, .. } => {
            printed.extend(json_line(Dlms::KIND, ident.as_deref(), &members, &readings));
        }
        Decoded::Rejected { offset, reason, .. } => panic!("byte {offset}: {reason}"),
    });
    String::from_utf8(printed).unwrap()
}

#[test]
fn each_telegram_decodes_as_expected() {
    let files = telegram_testing::files(FOLDER, "bin");
    assert!(files.len() >= 17);
    for (path, bytes) in files {
        let expected = std::fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        let printed = printed(&bytes, &Keys::PUBLIC);
        assert_eq!(printed, expected, "{}: this was printed:\n{printed}", path.display());
    }
}
