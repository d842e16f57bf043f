//! Known faults of meters: corrections by the table and by the configuration.

use std::path::Path;

use crate::support::*;
use framework::testing;
use plugin_sml::{
    Sml,
    quirks::{Crc, PowerSign, Quirks},
    reject::{Reason, Rejected},
};
use proptest::{collection::vec, prelude::*, sample::select};
use telegram_testing::{Found, Owned};

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
fn an_unsigned_power_is_learnt_where_the_counter_of_import_rises() {
    // Status word, energies, value of two bytes.
    let sent = |telegrams: &[(u64, [u64; 2], i64)]| -> Vec<Vec<u8>> {
        let telegram = |(status, [import, export], power): &(u64, [u64; 2], i64)| {
            let import = Entry::number(IMPORT, 30, -1, unsigned(*import, 4)).status(*status, 4);
            let export = Entry::number([1, 0, 2, 8, 0, 255], 30, -1, unsigned(*export, 4));
            let power = Entry::number(POWER, 27, -2, signed(*power, 2));
            telegram(b"\x0a\x01XYZ\x00\x00\x00\x00\x17", &[import, export, power])
        };
        telegrams.iter().map(telegram).collect()
    };
    let found = |telegrams: &[(u64, [u64; 2], i64)]| powers(&sent(telegrams), Quirks::default());
    let rising: Vec<_> = (0..5).map(|i| (IN, [10 + i, 7], -29_912)).collect();
    let shown = |text: &str| vec![text.to_owned()];
    assert_eq!(found(&rising)[2], ("none", shown("-299.12 W")));
    assert_eq!(found(&rising)[3..], vec![("unsigned power", shown("356.24 W")); 2]);
    // The status word agrees with the sign, or the counter of feed-in rises, or none does.
    let feeding = [&rising[..], &[(OUT, [15, 7], -29_912)]].concat();
    assert_eq!(found(&feeding)[5], ("unsigned power", shown("-299.12 W")));
    for step in [[0, 1], [0, 0], [1, 1]] {
        let other: Vec<_> = (0..9).map(|i| (IN, [10 + i * step[0], 7 + i * step[1]], -29_912)).collect();
        assert!(found(&other).iter().all(|found| *found == ("none", shown("-299.12 W"))), "{step:?}");
    }
    let config = Quirks { unsigned_power: Some(false), ..Quirks::default() };
    assert!(powers(&sent(&rising), config).iter().all(|(quirk, _)| *quirk == "none"));
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

/// A meter of no known maker, with these counters, total and phases.
fn unknown(status: u64, energies: [u64; 2], power: i64, phases: &[i64]) -> Vec<u8> {
    let mut entries = vec![
        Entry::text(MAKER, b"XYZ"),
        Entry::number(IMPORT, 30, -1, unsigned(energies[0], 5)).status(status, 4),
        Entry::number([1, 0, 2, 8, 0, 255], 30, -1, unsigned(energies[1], 5)),
    ];
    entries.extend(
        [36, 56, 76]
            .iter()
            .zip(phases)
            .map(|(group, power)| Entry::number([1, 0, *group, 7, 0, 255], 27, 0, signed(*power, 4))),
    );
    entries.push(Entry::number(POWER, 27, 0, signed(power, 4)));
    telegram(b"\x0a\x01XYZ\x00\x00\x00\x00\x17", &entries)
}

/// The quirk and the powers of each telegram, by one decoder: phases, then total.
fn powers(telegrams: &[Vec<u8>], quirks: Quirks) -> Vec<(&'static str, Vec<String>)> {
    let found = decode_with(quirks, &telegrams.concat());
    let shown = |telegram: &Owned| {
        let powers = texts(telegram).into_iter().filter(|text| text.contains(".7.0*255="));
        (telegram.variant, powers.map(|text| text.split_once('=').unwrap().1.to_owned()).collect())
    };
    found.iter().map(|found| shown(found.as_ref().unwrap())).collect()
}

const STATUS: &str = "power sign in status";
/// EDL meters that feed in and draw.
const EDL: [u64; 2] = [0x1a2, 0x182];
/// The same of basic meters.
const BASIC: [u64; 2] = [OUT, IN];

/// Telegrams of a kind (status, import, export, power), and what must come out.
type Shown = (&'static str, Option<&'static str>);

fn check(what: &str, telegrams: &[(u64, [u64; 2], i64)], expected: &[Shown]) {
    let sent: Vec<_> =
        telegrams.iter().map(|(status, energies, power)| unknown(*status, *energies, *power, &[])).collect();
    let found = powers(&sent, Quirks::default());
    let found: Vec<_> =
        found.iter().map(|(quirk, powers)| (*quirk, powers.first().map(String::as_str))).collect();
    assert_eq!(found, expected, "{what}");
}

#[test]
fn a_power_without_a_sign_gets_that_of_the_status_word_on_any_maker() {
    for [out, inward] in [EDL, BASIC] {
        let (minus, plus) = ((STATUS, Some("-425 W")), (STATUS, Some("425 W")));
        let (doubtful, as_sent) = (("none", None), ("none", Some("425 W")));
        check(
            "no counter rises: a few telegrams are proof",
            &[(out, [10, 20], 425), (out, [10, 20], 425), (out, [10, 20], 425), (inward, [10, 20], 425)],
            &[as_sent, doubtful, minus, plus],
        );
        check(
            "feed-in is counted: proof at once",
            &[(inward, [10, 20], 425), (out, [10, 20], 425), (out, [10, 21], 425), (out, [10, 21], 425)],
            &[as_sent, as_sent, minus, minus],
        );
        check(
            "zero has no sign, and breaks no row",
            &[(out, [10, 20], 425), (out, [10, 20], 0), (out, [10, 20], 425), (out, [10, 20], 425)],
            &[as_sent, ("none", Some("0 W")), as_sent, minus],
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_shows_a_learnt_sign_as_its_quirk_and_loses_no_telegram() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    let sent = (0..6).map(|second| unknown(OUT, [10, 20 + second / 4], 425, &[]));
    std::fs::write(&file, sent.flatten().collect::<Vec<_>>()).unwrap();
    let config = format!("[sources.m]\nplugin = \"sml\"\nport = \"replay:{}\"\n", file.display());
    let mut source = testing::source::<Sml>(&config, Path::new("/nonexistent"));
    source.acquisition.open().await.unwrap();
    let mut powers = Vec::new();
    for _ in 0..6 {
        let batch = source.acquisition.acquire().await.unwrap().unwrap();
        let power = batch.readings.iter().find(|reading| reading.name == "CURRENT_POWER_SUM");
        powers.push(power.map(|reading| serde_json::to_string(&reading.value).unwrap()));
    }
    let shown = |text: &str| Some(text.to_owned());
    let minus = shown("-425");
    assert_eq!(powers, [shown("425"), None, minus.clone(), minus.clone(), minus.clone(), minus]);
    let facts = source.context.stats().facts();
    assert!(facts.iter().any(|(name, fact)| *name == "quirk" && fact == STATUS), "{facts:?}");
}

#[test]
fn a_power_with_a_sign_keeps_it_whatever_the_status_word_shows() {
    for [out, inward] in [EDL, BASIC] {
        let (doubtful, as_sent) = (("none", None), ("none", Some("425 W")));
        let minus = ("none", Some("-425 W"));
        check(
            "it was negative before",
            &[(out, [10, 20], -425), (out, [10, 20], 425), (out, [10, 20], 425), (out, [10, 20], 425)],
            &[minus, as_sent, as_sent, as_sent],
        );
        check(
            "it is negative after all",
            &[(out, [10, 20], 425), (out, [10, 20], 425), (out, [10, 20], 425), (out, [10, 20], -425)]
                .map(|(status, energies, power)| (status, energies, power)),
            &[as_sent, doubtful, (STATUS, Some("-425 W")), minus],
        );
        let late = [(out, [10, 20], 425), (inward, [10, 20], 425)];
        check("a late status word is no proof", &[late; 4].concat(), &[as_sent; 8]);
        check(
            "energy is counted as drawn: the status word means something else",
            &(0..5).map(|i| (out, [10 + i, 20], 425)).collect::<Vec<_>>(),
            &[as_sent, doubtful, as_sent, as_sent, as_sent],
        );
    }
}

/// Telegrams of a meter whose household has these powers, one a second, and whose counters have steps of this many
/// watt seconds.
fn household(
    powers: &[i64],
    is_signed: bool,
    [out, inward]: [u64; 2],
    step: i64,
    lag: usize,
) -> Vec<Vec<u8>> {
    let (mut energies, mut sent) = ([0i64; 2], Vec::new());
    for (second, power) in powers.iter().enumerate() {
        energies[usize::from(*power < 0)] += power.abs();
        let status = if powers[second.saturating_sub(lag)] < 0 { out } else { inward };
        let shown = if is_signed { *power } else { power.abs() };
        sent.push(unknown(status, energies.map(|energy| (energy / step) as u64), shown, &[]));
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sign_is_ever_changed_on_a_meter_that_sends_signs(
        drawn in vec(-3000i64..3000, 1..60),
        status in select(vec![EDL, BASIC]),
        step in select(vec![1, 360, 3_600_000]),
        lag in 0usize..2,
    ) {
        let found = powers(&household(&drawn, true, status, step, lag), Quirks::default());
        for ((quirk, shown), power) in found.iter().zip(&drawn) {
            prop_assert_eq!(*quirk, "none");
            prop_assert_eq!(shown, &vec![format!("{power} W")]);
        }
    }

    #[test]
    fn a_meter_without_signs_is_wrong_at_most_once_in_each_feeding_before_the_proof(
        runs in vec((1usize..8, 1i64..3000, any::<bool>()), 1..12),
        status in select(vec![EDL, BASIC]),
        step in select(vec![1, 360, 3_600_000]),
    ) {
        let drawn: Vec<i64> = runs
            .iter()
            .flat_map(|(length, power, out)| vec![if *out { -power } else { *power }; *length])
            .collect();
        let found = powers(&household(&drawn, false, status, step, 0), Quirks::default());
        let mut is_proven = false;
        for (second, (quirk, shown)) in found.iter().enumerate() {
            prop_assert!(!is_proven || *quirk == STATUS, "it forgot");
            is_proven = *quirk == STATUS;
            let is_first = drawn[second] < 0 && (second == 0 || drawn[second - 1] >= 0);
            match shown.first() {
                Some(shown) if is_first && !is_proven => prop_assert_eq!(shown, &format!("{} W", -drawn[second])),
                Some(shown) => prop_assert_eq!(shown, &format!("{} W", drawn[second])),
                None => prop_assert!(drawn[second] < 0 && !is_first),
            }
        }
    }
}

#[test]
fn another_meter_has_to_prove_it_again() {
    let other = |number: u8| {
        let import = Entry::number(IMPORT, 30, -1, unsigned(10, 5)).status(OUT, 4);
        let power = Entry::number(POWER, 27, 0, signed(425, 4));
        telegram(&[&b"\x0a\x01XYZ\x00\x00\x00\x00"[..], &[number]].concat(), &[import, power])
    };
    let telegrams: Vec<_> = [1, 1, 1, 2].map(other).into();
    let quirks: Vec<_> = powers(&telegrams, Quirks::default()).iter().map(|(quirk, _)| *quirk).collect();
    assert_eq!(quirks, ["none", "none", STATUS, "none"]);
}

#[test]
fn phases_without_a_sign_get_theirs_too_or_are_left_out() {
    for (status, total, phases, expected) in [
        // The status word of basic meters has a bit for each.
        (OUT | 0x3000, 425, [300, 200, 75], &["-300 W", "-200 W", "75 W", "-425 W"][..]),
        (OUT | 0x7000, 575, [300, 200, 75], &["-300 W", "-200 W", "-75 W", "-575 W"]),
        // That of EDL meters has none, so their sum tells.
        (EDL[0], 575, [300, 200, 75], &["-300 W", "-200 W", "-75 W", "-575 W"]),
        (EDL[0], 425, [300, 200, 75], &["-425 W"]),
        // They have signs of their own.
        (EDL[0], 425, [-300, -200, 75], &["-300 W", "-200 W", "75 W", "-425 W"]),
    ] {
        let sent = vec![unknown(status, [10, 20], total, &phases); 3];
        let found = powers(&sent, Quirks::default());
        assert_eq!(
            found[2],
            (STATUS, expected.iter().map(|text| (*text).to_owned()).collect()),
            "{phases:?}"
        );
    }
    let sent = [
        &vec![unknown(OUT, [10, 20], 425, &[]); 3][..],
        &[unknown(IN | 0x2000, [10, 20], 425, &[500, 100, 25])],
    ];
    let found = powers(&sent.concat(), Quirks::default());
    assert_eq!(found[3].1, ["500 W", "-100 W", "25 W", "425 W"], "one phase feeds in, and all draw");
}

#[test]
fn a_power_of_import_that_stands_for_both_directions_gets_its_sign_too() {
    let sent = |with_export: bool| {
        let watts = |group, value| Entry::number([1, 0, group, 7, 0, 255], 27, 0, signed(value, 4));
        let import = Entry::number(IMPORT, 30, -1, unsigned(10, 5)).status(EDL[0], 4);
        let mut entries = vec![import, watts(1, 575), watts(21, 300), watts(41, 200), watts(61, 75)];
        entries.extend(with_export.then(|| watts(2, 0)));
        vec![telegram(b"\x0a\x01XYZ\x00\x00\x00\x00\x17", &entries); 3]
    };
    let found = powers(&sent(false), Quirks::default());
    assert_eq!(found[2], (STATUS, ["-575 W", "-300 W", "-200 W", "-75 W"].map(str::to_owned).into()));
    assert_eq!(powers(&sent(true), Quirks::default())[2].0, "none", "each direction has its register");
}

#[test]
fn a_learnt_sign_can_be_switched_off() {
    let sent = vec![unknown(OUT, [10, 20], 425, &[]); 5];
    let value = Quirks { power_sign: PowerSign::Value, ..Quirks::default() };
    assert!(powers(&sent, value).iter().all(|found| *found == ("none", vec!["425 W".to_owned()])));
    let status = Quirks { power_sign: PowerSign::Status, ..Quirks::default() };
    assert!(powers(&sent, status).iter().all(|found| *found == (STATUS, vec!["-425 W".to_owned()])));
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
