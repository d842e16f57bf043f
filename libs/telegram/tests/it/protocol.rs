//! Protocols that are recognized by their bytes, as receivers make them of a signal that is not the expected one.

use simulator::{Household, ebz, ebz::DataSet};
use telegram::{Protocol, Recognizer};
use test_meters::{
    foreign, p1, sml,
    uart::{Unstopped, read_8e1_as_8n1, read_at, read_inverted, seven_e_one},
};

const DRIVERS: [Unstopped; 3] = [Unstopped::Nul, Unstopped::Lost, Unstopped::AsSampled];

/// Telegrams of a P1 port: the same text with eight bits and no parity, and with seven and an even one.
fn telegrams() -> [Vec<u8>; 2] {
    let mut household = Household::new(1);
    let mut telegram = |version| p1::telegram(&household.advance(), version).into_bytes();
    let (plain, mut even) = (telegram(p1::Version::V5), telegram(p1::Version::V2).repeat(2));
    seven_e_one(&mut even);
    [plain, even]
}

#[test]
fn an_inverted_p1_signal_is_recognized_from_any_bit_on_and_with_pauses() {
    for (text, pauses) in telegrams().iter().zip([&[0, 1, 3, 8, 12][..], &[0, 1, 3]]) {
        for phase in (0..10).chain([137, 3388]) {
            for pause in pauses {
                for driver in DRIVERS {
                    let received = read_inverted(text, phase, *pause, driver);
                    assert_eq!(
                        Protocol::of(&received),
                        Some(Protocol::InvertedText),
                        "from bit {phase} on, {pause} eighths of a bit between characters, {driver:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_other_signal_is_taken_for_an_inverted_one() {
    let [plain, even] = telegrams();
    let moment = Household::new(1).advance();
    let mut d0 = ebz::telegram(&moment, DataSet::Full).into_bytes();
    seven_e_one(&mut d0);
    let sml = sml::telegram(&moment, DataSet::Full);
    let mut noise = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(5000)
    .collect();
    let constants = (0..=255).map(|byte| vec![byte; 50]);
    let meters = [plain, even, d0, sml, foreign::hdlc(), foreign::dlms_over_mbus(), foreign::tic(), noise];
    let bauds = [300, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
    let garbled = meters.iter().flat_map(|sent| {
        bauds
            .into_iter()
            .map(|baud| read_at(sent, 9600, baud))
            .chain(DRIVERS.map(|driver| read_8e1_as_8n1(sent, driver)))
    });
    for received in garbled.chain(constants) {
        let found = Protocol::of(&received);
        assert_ne!(
            found,
            Some(Protocol::InvertedText),
            "{}",
            received[..received.len().min(200)].escape_ascii()
        );
    }
}

#[test]
fn frames_of_8e1_are_recognized_where_the_receiver_delivers_their_characters() {
    for (message, protocol) in
        [(foreign::dlms_over_mbus(), Protocol::DlmsOverMbus), (foreign::hdlc(), Protocol::Hdlc)]
    {
        assert_eq!(Protocol::of(&read_8e1_as_8n1(&message, Unstopped::AsSampled)), Some(protocol));
        // All others need a port that expects the parity bit: half of the characters is missing.
        assert_eq!(Protocol::of(&read_8e1_as_8n1(&message, Unstopped::Lost)), None);
    }
}

#[test]
fn a_protocol_is_recognized_wherever_its_bytes_are_cut() {
    let [plain, _] = telegrams();
    for (bytes, protocol) in [
        (plain.clone(), Protocol::Iec62056_21),
        (read_inverted(&plain, 3, 0, Unstopped::Nul), Protocol::InvertedText),
        (foreign::hdlc(), Protocol::Hdlc),
    ] {
        for size in [1, 7, 64] {
            let mut recognizer = Recognizer::default();
            let found = bytes.chunks(size).find_map(|chunk| recognizer.heard(chunk));
            assert_eq!(found, Some(protocol), "in pieces of {size}");
        }
    }
}
