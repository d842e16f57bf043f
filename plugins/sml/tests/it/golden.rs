//! The telegrams in `tests/telegrams`: `<maker>_<model>.bin` as on the wire, and in the `.json` beside it
//! what `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented.

use plugin_sml::{Sml, decoder::Decoder};
use telegram::Telegram as _;
use telegram_testing::{files, golden};

use crate::{damage, second_reader};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegrams");

#[test]
fn each_telegram_decodes_as_expected() {
    golden::check::<Sml>(FOLDER, "bin");
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
    let found = golden::each::<Decoder, _>(FOLDER, "bin", |telegram| {
        (telegram.variant(), telegram.offset(), telegram.len())
    });
    let expected = expected.map(|(name, variant, offset, len)| (name.to_owned(), (variant, offset, len)));
    assert_eq!(found, expected);
}

#[test]
fn no_damage_lets_a_wrong_value_through() {
    damage::judge(files(FOLDER, "bin"));
}

#[test]
fn two_readers_agree() {
    second_reader::judge(files(FOLDER, "bin"));
}
