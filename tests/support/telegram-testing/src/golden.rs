//! Telegrams in files, as on the wire, and in the `.json` beside each what `smartmeter decode` prints for it: a line
//! for each telegram.

use std::{fs, path::Path};

use framework::SourcePlugin;
use telegram::{Decoded, Decoder, json_line};

/// Checks that each file with this extension decodes as the one beside it says.
///
/// # Panics
/// Where one does not, with what was printed, and where there is no file.
pub fn check<P: SourcePlugin, D: Decoder + Default>(folder: impl AsRef<Path>, extension: &str) {
    let files = crate::files(folder, extension);
    assert!(!files.is_empty());
    for (path, bytes) in files {
        let name = path.file_stem().unwrap().display();
        let mut printed = Vec::new();
        telegram::decode::<D>(&bytes, &mut |found| match found {
            Decoded::Telegram { ident, readings, .. } => {
                printed.extend(json_line(P::KIND, ident.as_deref(), &readings));
            }
            Decoded::Rejected { reason, .. } => panic!("{name}: {reason}"),
        });
        let printed = String::from_utf8(printed).unwrap();
        let expected = fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        assert_eq!(printed, expected, "{name}: this was printed:\n{printed}");
    }
}
