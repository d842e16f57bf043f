//! The telegrams in `tests/telegrams`: `<maker>_<model>.txt` as on the wire, and in the `.json` beside it
//! what `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use framework::{Decoded, Plugin as _, json};
use meter::{Decoder as _, Telegram as _, decode};
use plugin_d0::{D0, decoder::Decoder, framing::Framing, telegram::Check};

fn telegrams() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/telegrams");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
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
                printed.extend(json::telegram(D0::KIND, ident.as_deref(), &readings));
            }
            Decoded::Rejected { reason, .. } => panic!("{name}: {reason}"),
        });
        let printed = String::from_utf8(printed).unwrap();
        let expected = fs::read_to_string(path.with_extension("json")).unwrap_or_default();
        assert_eq!(printed, expected, "{name}: this was printed:\n{printed}");
    }
}

#[test]
fn framing_and_check_are_those_of_the_meter() {
    use Check::{Bcc, Crc16};
    use Framing::{Eight, SevenEven};
    let expected = [
        ("answer_without_end_mark", Eight, Bcc, 0, 37),
        ("degrees_utf8", Eight, Check::None, 0, 90),
        ("easymeter_q3d", Eight, Check::None, 0, 307),
        ("ebz_dd3", Eight, Check::None, 0, 404),
        ("ebz_dd3", Eight, Check::None, 406, 402),
        ("ebz_dd3_7e1", SevenEven, Check::None, 150, 402),
        ("ebz_dd3_reduced", Eight, Check::None, 0, 193),
        ("elster_tariffs", SevenEven, Bcc, 0, 392),
        ("heat_many_sets", Eight, Bcc, 0, 239),
        ("itron_blanks", SevenEven, Check::None, 0, 158),
        ("kamstrup_heat", SevenEven, Bcc, 0, 123),
        ("landisgyr_e350", Eight, Bcc, 5, 348),
        ("message_only_7e1", SevenEven, Bcc, 0, 203),
        ("p1_belgium", Eight, Crc16, 0, 683),
        ("p1_crc16", Eight, Crc16, 0, 171),
        ("p1_dsmr2_gas_7e1", SevenEven, Check::None, 0, 346),
        ("p1_log_and_gas", Eight, Crc16, 0, 490),
    ];
    let mut found = Vec::new();
    for (name, path) in telegrams() {
        Decoder::default().push(&fs::read(&path).unwrap(), &mut |telegram| {
            let telegram = telegram.unwrap();
            found.push((
                name.clone(),
                telegram.framing(),
                telegram.check(),
                telegram.offset(),
                telegram.len(),
            ));
        });
    }
    found.sort_by(|a, b| (&a.0, a.3).cmp(&(&b.0, b.3)));
    let shown: Vec<_> = found.iter().map(|(name, a, b, c, d)| (name.as_str(), *a, *b, *c, *d)).collect();
    assert_eq!(shown, expected);
}
