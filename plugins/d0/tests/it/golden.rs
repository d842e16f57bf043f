//! The telegrams in `tests/telegrams`: `<maker>_<model>.txt` as on the wire, and in the `.json` beside it
//! what `smartmeter decode` prints for it, a line for each telegram. The numbers in them are invented.

use plugin_d0::{D0, decoder::Decoder, framing::Framing, telegram::Check};
use telegram::Telegram as _;
use telegram_testing::{files, golden};

use crate::damage;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegrams");

#[test]
fn each_telegram_decodes_as_expected() {
    golden::check::<D0>(FOLDER, "txt");
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
    let found = golden::each::<Decoder, _>(FOLDER, "txt", |telegram| {
        (telegram.framing, telegram.check, telegram.offset(), telegram.len())
    });
    let expected =
        expected.map(|(name, framing, check, offset, len)| (name.to_owned(), (framing, check, offset, len)));
    assert_eq!(found, expected);
}

#[test]
fn seven_even_lets_no_wrong_bit_pass() -> Result<(), String> {
    damage::seven_even(files(FOLDER, "txt"))
}

#[test]
fn a_block_check_lets_nothing_but_swapped_bytes_pass() -> Result<(), String> {
    damage::block_check(files(FOLDER, "txt"))
}

#[test]
fn a_crc_lets_no_wrong_number_pass() -> Result<(), String> {
    damage::crc(files(FOLDER, "txt"))
}

#[test]
fn what_passes_without_parity_and_check_is_measured() -> Result<(), String> {
    damage::unchecked(files(FOLDER, "txt"))
}
