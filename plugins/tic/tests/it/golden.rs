//! The telegrams in `tests/telegrams`: `<maker>_<model>.bin` as on the wire, and in the `.json` beside it what
//! `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented.

use plugin_tic::{Tic, decoder::Decoder, labels::Mode};
use telegram::Telegram as _;
use telegram_testing::golden;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegrams");

#[test]
fn each_telegram_decodes_as_expected() {
    golden::check::<Tic>(FOLDER, "bin");
}

#[test]
fn mode_and_length_are_those_of_the_meter() {
    use Mode::{Historique, Standard};
    let expected = [
        ("electronic_ejp", Historique, 0, 198),
        ("electronic_off_peak", Historique, 0, 170),
        ("linky_historique_base", Historique, 0, 152),
        ("linky_historique_base", Historique, 152, 152),
        ("linky_historique_tempo_7e1", Historique, 0, 287),
        ("linky_historique_three_phase", Historique, 0, 78),
        ("linky_historique_three_phase", Historique, 78, 233),
        ("linky_standard", Standard, 0, 865),
        ("linky_standard", Standard, 865, 865),
        ("linky_standard_degraded_clock", Standard, 0, 865),
        ("linky_standard_producer_7e1", Standard, 2, 1389),
    ];
    let found = golden::each::<Decoder, _>(FOLDER, "bin", |telegram| {
        (telegram.mode, telegram.offset(), telegram.len())
    });
    let expected = expected.map(|(name, mode, offset, len)| (name.to_owned(), (mode, offset, len)));
    assert_eq!(found, expected);
}
