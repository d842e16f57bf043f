//! Known faults of meters: corrections by the table and by the configuration.

use crate::support::*;
use plugin_sml::{
    quirks::{Crc, PowerSign, Quirks},
    reject::{Reason, Rejected},
};
use telegram_testing::Found;

/// A DZG meter with this number.
fn dzg(number: u32, status: u64, power: Vec<u8>) -> Vec<u8> {
    let id = [&b"\x0a\x01DZG\x00"[..], &number.to_be_bytes()].concat();
    let import = Entry::number(IMPORT, 30, -1, unsigned(1234, 4)).status(status, 4);
    telegram(&id, &[Entry::text(MAKER, b"DZG"), import, Entry::number(POWER, 27, -2, power)])
}

/// An EMH meter of this kind.
fn emh(maker: [u8; 6], status: u64, power: (u8, i64)) -> Vec<u8> {
    let import = Entry::number(IMPORT, 30, -1, unsigned(1234, 5)).status(status, 4);
    let power = Entry::number([1, 0, power.0, 7, 0, 255], 27, -1, signed(power.1, 4));
    telegram(b"\x06EMH\x01\x02\x03\x04\x05\x06", &[Entry::text(maker, b"EMH"), import, power])
}

/// The quirks and the last register, which is a power.
fn power(bytes: &[u8], quirks: Quirks) -> (&'static str, String) {
    let found = decode_with(quirks, bytes);
    let telegram = found[0].as_ref().unwrap();
    (telegram.variant, texts(telegram).last().unwrap().split_once('=').unwrap().1.to_owned())
}

const IN: u64 = 0x001c_0104;
const OUT: u64 = 0x001c_0904;

#[test]
fn some_dzg_meters_send_unsigned_powers_as_signed_ones() {
    let auto = Quirks::default();
    let short = || signed(-29_912, 2);
    for (number, quirk, expected) in [
        (42_000_000, "unsigned power", "356.24 W"),
        (48_999_999, "unsigned power", "356.24 W"),
        (55_000_000, "unsigned power", "356.24 W"),
        (58_999_999, "unsigned power", "356.24 W"),
        (41_999_999, "none", "-299.12 W"),
        (49_000_000, "none", "-299.12 W"),
        (60_694_611, "none", "-299.12 W"),
    ] {
        assert_eq!(power(&dzg(number, IN, short()), auto), (quirk, expected.to_owned()), "{number}");
    }
    let erring = |status, value| power(&dzg(42_000_000, status, value), auto).1;
    assert_eq!(erring(IN, signed(-56, 1)), "2.0 W");
    assert_eq!(erring(IN, signed(-1, 3)), "167772.15 W");
    assert_eq!(erring(IN, signed(12_345, 2)), "123.45 W");
    assert_eq!(erring(IN, signed(-29_912, 4)), "-299.12 W", "wide enough for a sign");
    assert_eq!(erring(OUT, short()), "-299.12 W", "the status word agrees with the sign");
}

#[test]
fn unsigned_powers_can_be_configured() {
    let quirks = |unsigned_power| Quirks { unsigned_power: Some(unsigned_power), ..Quirks::default() };
    let bytes = dzg(60_000_000, IN, signed(-29_912, 2));
    assert_eq!(power(&bytes, quirks(true)), ("unsigned power", "356.24 W".to_owned()));
    let bytes = dzg(42_000_000, IN, signed(-29_912, 2));
    assert_eq!(power(&bytes, quirks(false)), ("none", "-299.12 W".to_owned()));
}

#[test]
fn some_emh_meters_tell_the_direction_in_the_status_word() {
    let auto = Quirks::default();
    for (maker, status, sent, quirk, expected) in [
        (MAKER_EDL, 0x1a2, (15, 1371), "power sign in status", "-137.1 W"),
        (MAKER_EDL, 0x182, (15, 1371), "power sign in status", "137.1 W"),
        (MAKER_EDL, 0x101a2, (16, 1371), "power sign in status", "-137.1 W"),
        (MAKER_EDL, 0x101a2, (16, -1371), "power sign in status", "-137.1 W"),
        (MAKER_EDL, 0x1a2, (14, 500), "power sign in status", "50.0 W"),
        (MAKER, OUT, (16, 1371), "none", "137.1 W"),
    ] {
        let found = power(&emh(maker, status, sent), auto);
        assert_eq!(found, (quirk, expected.to_owned()), "{status:x} {sent:?}");
    }
}

#[test]
fn the_place_of_the_direction_can_be_configured() {
    let quirks = |power_sign| Quirks { power_sign, ..Quirks::default() };
    let edl = emh(MAKER_EDL, 0x1a2, (16, 1371));
    assert_eq!(power(&edl, quirks(PowerSign::Value)), ("none", "137.1 W".to_owned()));
    // The status word of EDL meters is known by its lowest byte, whether or not they name their maker.
    for (status, expected) in
        [(OUT, "-137.1 W"), (IN, "137.1 W"), (IN | 0x20, "137.1 W"), (0x1a2, "-137.1 W"), (0x182, "137.1 W")]
    {
        let later = emh(MAKER, status, (16, 1371));
        let found = power(&later, quirks(PowerSign::Status));
        assert_eq!(found, ("power sign in status", expected.to_owned()), "{status:x}");
    }
}

#[test]
fn holley_may_use_the_other_checksum_and_nobody_else() {
    let entries = |maker: &[u8]| [Entry::text(MAKER, maker), Entry::number(POWER, 27, 0, signed(188, 2))];
    let sent = |maker: &[u8], checksum| {
        transport(
            &messages(&[b"\x0a\x01", maker, &[2, 0, 1, 2, 3]].concat(), &entries(maker), checksum),
            checksum,
        )
    };
    let crc = |crc| Quirks { crc, ..Quirks::default() };
    let found = |bytes: &[u8], crc_key| decode_with(crc(crc_key), bytes);
    let good = |quirk| Ok((0, quirk, 2));
    let count = |found: Vec<Found<Reason>>| {
        assert_eq!(found.len(), 1);
        found[0].clone().map(|telegram| (telegram.offset, telegram.variant, telegram.registers.len()))
    };
    let rejected = |found: Vec<Found<Reason>>| {
        assert!(matches!(found[..], [Err(Rejected { reason: Reason::Crc { .. }, .. })]), "{found:?}");
    };
    let (holley, other) = (sent(b"HLY", kermit), sent(b"XYZ", kermit));
    assert_eq!(count(found(&holley, Crc::Auto)), good("crc"));
    assert_eq!(count(found(&other, Crc::Kermit)), good("crc"));
    rejected(found(&other, Crc::Auto));
    rejected(found(&holley, Crc::X25));
    let newer = sent(b"HLY", x25);
    assert_eq!(count(found(&newer, Crc::Auto)), good("none"));
    assert_eq!(count(found(&newer, Crc::X25)), good("none"));
    rejected(found(&newer, Crc::Kermit));
}
