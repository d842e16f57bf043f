//! The telegrams in `tests/telegrams`: `<maker>_<model>.bin` as on the wire, and in the `.json` beside it
//! what `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use framework::{Decoded, Plugin as _, json};
use meter::{Decoder as _, Telegram as _, decode};
use plugin_sml::{Sml, decoder::Decoder};

fn telegrams() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/telegrams");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
        .collect()
}

#[test]
fn each_telegram_decodes_as_expected() {
    let telegrams = telegrams();
    assert!(!telegrams.is_empty());
    for (name, path) in telegrams {
        let mut printed = Vec::new();
        decode::<Decoder>(&fs::read(&path).unwrap(), &mut |found| match found {
            Decoded::Telegram { ident, readings, .. } => {
                printed.extend(json::telegram(Sml::KIND, ident.as_deref(), &readings));
            }
            Decoded::Rejected { reason, .. } => panic!("{name}: {reason}"),
        });
        let printed = String::from_utf8(printed).unwrap();
        let expected = fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        assert_eq!(printed, expected, "{name}: this was printed:\n{printed}");
    }
}

#[test]
fn quirks_are_those_of_the_meter() {
    let expected = [
        ("dzg_dvs74", "unsigned power", 0, 240),
        ("ebz_dd3", "none", 0, 336),
        ("ebz_dd3", "none", 336, 336),
        ("emh_ehz", "power sign in status", 3, 312),
        ("escapes_doubled", "none", 0, 184),
        ("holley_dtz541", "crc", 0, 488),
        ("iskra_mt631_locked", "none", 0, 208),
    ];
    let mut found = Vec::new();
    for (name, path) in telegrams() {
        Decoder::default().push(&fs::read(&path).unwrap(), &mut |telegram| {
            let telegram = telegram.unwrap();
            found.push((name.clone(), telegram.nature(), telegram.offset(), telegram.len()));
        });
    }
    found.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
    let shown: Vec<_> = found.iter().map(|(name, a, b, c)| (name.as_str(), *a, *b, *c)).collect();
    assert_eq!(shown, expected);
}
