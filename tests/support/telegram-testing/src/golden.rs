//! Golden telegrams: files as on the wire, each with a `.json` beside it that has the output of `smartmeter decode`, a
//! line for each telegram. Keys are in a `.key` and an `.auth` beside it.

use std::{fs, path::Path};

use framework::SourcePlugin;
use telegram::{Decoded, Decoder, Keys, json_line};

/// Checks that each file with this extension decodes to the content of the one beside it.
///
/// # Panics
/// Panics with the output when one does not, and when there is no file.
pub fn check<P: SourcePlugin>(folder: impl AsRef<Path>, extension: &str) {
    let files = crate::files(folder, extension);
    assert!(!files.is_empty());
    for (path, bytes) in files {
        let name = path.file_stem().unwrap().display();
        let mut printed = Vec::new();
        let keys = keys(&path);
        (crate::protocol(P::KIND).decode)(&bytes, &keys, &mut |found| match found {
            Decoded::Telegram { ident, members, readings, .. } => {
                printed.extend(json_line(P::KIND, ident.as_deref(), &members, &readings));
            }
            Decoded::Rejected { reason, .. } => panic!("{name}: {reason}"),
        });
        let printed = String::from_utf8(printed).unwrap();
        let expected = fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        assert_eq!(printed, expected, "{name}: this was printed:\n{printed}");
    }
}

/// Returns the keys beside a file.
///
/// # Panics
/// Panics when a file is there and has no key.
pub fn keys(path: &Path) -> Keys {
    let key = |extension: &str| {
        let text = fs::read_to_string(path.with_extension(extension)).ok()?;
        Some(text.parse().expect("a key"))
    };
    Keys { key: key("key"), authentication_key: key("auth") }
}

/// Returns the name of each telegram in these files, and the result of `show`.
///
/// # Panics
/// Panics when one is rejected.
pub fn each<D: Decoder + Default, T>(
    folder: impl AsRef<Path>,
    extension: &str,
    show: impl Fn(&D::Telegram<'_>) -> T,
) -> Vec<(String, T)> {
    let mut found = Vec::new();
    for (path, bytes) in crate::files(folder, extension) {
        let name = path.file_stem().unwrap().to_string_lossy();
        D::default().push(&bytes, &mut |telegram| {
            found.push((name.clone().into_owned(), show(&telegram.unwrap())));
        });
    }
    found
}
