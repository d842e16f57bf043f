//! The transport protocol, and what an SML file may be.

use crate::support::*;
use plugin_sml::{
    MAX_TELEGRAM,
    decoder::Decoder,
    reject::{Flaw, Reason},
};
use telegram::{Decoder as _, Telegram as _};
use telegram_testing::accepted;

fn registers(bytes: &[u8]) -> Vec<Vec<String>> {
    accepted(&decode(bytes)).into_iter().map(texts).collect()
}

fn reasons(bytes: &[u8]) -> Vec<(u64, Reason)> {
    decode(bytes)
        .into_iter()
        .filter_map(Result::err)
        .map(|rejected| (rejected.offset, rejected.reason))
        .collect()
}

/// The only register of a telegram with this entry.
fn one(entry: Entry) -> String {
    let found = registers(&telegram(b"id", &[entry]));
    assert_eq!(found[0].len(), 1);
    found[0][0].clone()
}

#[test]
fn a_register_comes_out_with_all_that_it_has() {
    assert_eq!(
        registers(&simple(123_456, -711)),
        [[
            "1-0:96.50.1*1=XYZ ",
            "1-0:96.1.0*255=0a0158595a0000bc614e ",
            "1-0:1.8.0*255=12345.6 Wh 1c0104 17 None",
            "1-0:16.7.0*255=-7.11 W",
        ]]
    );
    Decoder::default().push(&simple(1, 2), &mut |found| {
        let telegram = found.unwrap();
        assert_eq!(telegram.ident(), Some("1XYZ0012345678"));
        assert!(telegram.is_checksummed());
    });
}

#[test]
fn times_are_seconds_of_the_meter_or_of_everybody() {
    let at = |time| one(Entry::text(ID, b"x").time(time));
    let (choice, moment) = (|choice| unsigned(choice, 1), || unsigned(1_700_000_000, 4));
    assert_eq!(at(list(&[&choice(1), &moment()])), "1-0:96.1.0*255=x  1700000000 None");
    assert_eq!(at(moment()), "1-0:96.1.0*255=x  1700000000 None");
    let utc = "1-0:96.1.0*255=x  1700000000 Some(2023-11-14T22:13:20Z)";
    assert_eq!(at(list(&[&choice(2), &moment()])), utc);
    let local = list(&[&moment(), &signed(60, 2), &signed(0, 2)]);
    assert_eq!(at(list(&[&choice(3), &local])), utc);
    for unset in [0, 86_400, u64::from(u32::MAX)] {
        let clock = list(&[&choice(2), &unsigned(unset, 4)]);
        assert_eq!(at(clock), format!("1-0:96.1.0*255=x  {unset} None"));
    }
    for none in
        [vec![ABSENT], list(&[]), list(&[&choice(1)]), list(&[&choice(3), &list(&[])]), octets(b"now")]
    {
        assert_eq!(at(none), "1-0:96.1.0*255=x ");
    }
}

#[test]
fn the_clock_of_a_meter_does_not_date_what_it_measures_now() {
    let clock = list(&[&unsigned(2, 1), &unsigned(1_700_000_000, 4)]);
    let at = |name| one(Entry::number(name, 30, 0, unsigned(5, 2)).time(clock.clone()));
    assert_eq!(at(POWER), "1-0:16.7.0*255=5 Wh 1700000000 None");
    assert_eq!(at(IMPORT), "1-0:1.8.0*255=5 Wh 1700000000 None");
    // A highest power, a value of last month, and a gas meter's counter have times of their own.
    for name in [[1, 0, 1, 6, 0, 255], [1, 0, 1, 8, 0, 1], [7, 0, 3, 1, 0, 255]] {
        assert!(at(name).ends_with(" 1700000000 Some(2023-11-14T22:13:20Z)"), "{name:?}");
    }
}

#[test]
fn values_are_numbers_or_text() {
    let value = |value| one(Entry { value, ..Entry::number(POWER, 27, -1, vec![]) });
    assert_eq!(value(signed(-1, 1)), "1-0:16.7.0*255=-0.1 W");
    assert_eq!(value(signed(-1_000_000_000_000, 6)), "1-0:16.7.0*255=-100000000000.0 W");
    assert_eq!(value(unsigned(255, 1)), "1-0:16.7.0*255=25.5 W");
    assert_eq!(value(unsigned(u64::MAX, 8)), "1-0:16.7.0*255=18446744073709551615e-1 W");
    assert_eq!(value(plain(4, &[0])), "1-0:16.7.0*255=false W");
    assert_eq!(value(plain(4, &[1])), "1-0:16.7.0*255=true W");
    assert_eq!(value(octets(b"--")), "1-0:16.7.0*255=-- W");
    assert_eq!(value(octets(&[0xde, 0xad])), "1-0:16.7.0*255=dead W");
}

#[test]
fn what_counts_energy_has_a_unit_of_energy() {
    let energy = |unit| one(Entry::number(IMPORT, unit, -1, unsigned(123, 4)));
    assert_eq!(energy(30), "1-0:1.8.0*255=12.3 Wh");
    assert_eq!(energy(32), "1-0:1.8.0*255=12.3 varh");
    assert_eq!(energy(35), "1-0:1.8.0*255=123e-1 V");
    assert_eq!(energy(255), "1-0:1.8.0*255=123e-1 ");
    assert_eq!(one(Entry::number(IMPORT, 27, -1, signed(-5, 4))), "1-0:1.8.0*255=-5e-1 W");
    let absent = Entry { unit: vec![ABSENT], ..Entry::number(IMPORT, 30, 0, unsigned(123, 4)) };
    assert_eq!(one(absent), "1-0:1.8.0*255=123 ");
}

#[test]
fn an_unknown_unit_is_not_the_one_that_the_code_suggests() {
    let voltage =
        |unit| one(Entry { unit, ..Entry::number([1, 0, 32, 7, 0, 255], 35, -1, unsigned(2301, 2)) });
    assert_eq!(voltage(unsigned(35, 1)), "1-0:32.7.0*255=230.1 V");
    assert_eq!(voltage(unsigned(35, 4)), "1-0:32.7.0*255=230.1 V");
    assert_eq!(voltage(signed(35, 1)), "1-0:32.7.0*255=230.1 V");
    assert_eq!(voltage(unsigned(36, 1)), "1-0:32.7.0*255=230.1 V/m");
    for unknown in [58, 200, 70_000] {
        assert_eq!(voltage(unsigned(unknown, 4)), "1-0:32.7.0*255=230.1 ?", "{unknown}");
    }
    for none in [unsigned(255, 1), unsigned(0, 1), vec![ABSENT]] {
        assert_eq!(voltage(none), "1-0:32.7.0*255=230.1 ");
    }
}

#[test]
fn one_bad_entry_costs_itself_only() {
    let good = Entry::number(POWER, 27, 0, signed(5, 2));
    for bad in [
        Entry { name: octets(&[1, 0, 1, 8, 0]), ..good.clone() },
        Entry { name: unsigned(1, 4), ..good.clone() },
        Entry { value: plain(6, &[]), ..good.clone() },
        Entry { value: plain(5, &[0; 9]), ..good.clone() },
        Entry { value: list(&[]), ..good.clone() },
        Entry { value: plain(4, &[]), ..good.clone() },
        Entry { scaler: octets(b"-1"), ..good.clone() },
    ] {
        assert_eq!(registers(&telegram(b"id", &[bad, good.clone()])), [["1-0:16.7.0*255=5 W"]]);
    }
}

#[test]
fn a_telegram_that_is_cut_off_does_not_take_the_next_one_along() {
    let whole = simple(1, 2);
    for cut in 8..whole.len() {
        let found = decode(&[&whole[..cut], &whole].concat());
        assert_eq!(found.len(), 2, "cut at {cut}: {found:?}");
        assert!(found[0].is_err(), "cut at {cut}");
        assert_eq!(found[1].as_ref().unwrap().offset, cut as u64);
    }
    assert_eq!(reasons(&whole[..whole.len() - 1]), [(0, Reason::NoEnd)]);
    assert_eq!(reasons(&[&whole[..100], &whole].concat()), [(0, Reason::NoEnd)]);
}

#[test]
fn a_file_is_a_telegram_only_where_all_of_it_is_right() {
    let messages = |checksum| messages(b"id", &[Entry::text(ID, b"x")], checksum);
    let wrong: Checksum = |bytes| x25(bytes).map(|byte| byte ^ 1);
    let reason = |bytes: &[u8]| {
        let reasons = reasons(bytes);
        assert_eq!((reasons.len(), reasons[0].0), (1, 0));
        reasons[0].1
    };
    let flaw = |messages: &[u8]| match reason(&transport(messages, x25)) {
        Reason::Structure { flaw, .. } => flaw,
        other => panic!("{other}"),
    };
    assert!(decode(&transport(&messages(x25), x25))[0].is_ok());
    assert!(matches!(reason(&transport(&messages(x25), wrong)), Reason::Crc { .. }));
    assert!(matches!(reason(&transport(&messages(wrong), x25)), Reason::MessageCrc { .. }));
    assert!(matches!(reason(&transport(&messages(kermit), x25)), Reason::MessageCrc { .. }));
    assert_eq!(reason(&transport(b"", x25)), Reason::Empty);
    assert_eq!(reason(&transport(&message(1, 0xff01, &list(&[]), x25), x25)), Reason::Empty);
    assert_eq!(flaw(&octets(b"x")), Flaw::NoList);
    assert_eq!(flaw(&list(&[&[ABSENT]])), Flaw::Count);
    let absent = [&[0x76][..], &[ABSENT; 3], &list(&[&[ABSENT], &[ABSENT]]), &[ABSENT, 0]].concat();
    assert_eq!(flaw(&absent), Flaw::NoCrc);
    let mut endless = message(1, 0x0201, &list(&[]), x25);
    *endless.last_mut().unwrap() = 1;
    assert_eq!(flaw(&endless), Flaw::NoEnd);
    let escape = [&simple(1, 2)[..20], &[0x1b, 0x1b, 0x1b, 0x1b, 2, 3, 4, 5]].concat();
    assert_eq!(reason(&escape), Reason::Escape([2, 3, 4, 5]));
}

#[test]
fn a_telegram_may_be_as_long_as_it_may_be() {
    let long = |len: usize| {
        let mut file = messages(b"id", &[Entry::text(ID, b"x")], x25);
        file.resize(len - 16, 0); // start and end sequence
        transport(&file, x25)
    };
    assert_eq!(long(MAX_TELEGRAM).len(), MAX_TELEGRAM);
    assert_eq!(registers(&long(MAX_TELEGRAM)).len(), 1);
    let found = decode(&[long(MAX_TELEGRAM + 4), simple(1, 2)].concat());
    assert_eq!(found[0].as_ref().unwrap_err().reason, Reason::TooLong);
    assert!(found.len() == 2 && found[1].is_ok(), "{found:?}");
}

#[test]
fn a_reset_decoder_forgets_a_part_of_a_telegram() {
    let mut decoder = Decoder::default();
    let whole = simple(1, 2);
    let mut offsets = Vec::new();
    decoder.push(&whole[..50], &mut |_| panic!("nothing yet"));
    assert!(decoder.scanner().is_pending());
    decoder.scanner().reset();
    assert!(!decoder.scanner().is_pending());
    decoder.push(&whole, &mut |found| offsets.push(found.unwrap().offset()));
    assert_eq!(offsets, [50]);
    assert!(!decoder.scanner().is_pending());
    decoder.push(b"\x1b\x1b", &mut |_| panic!("nothing yet"));
    assert!(decoder.scanner().is_pending(), "it may be a start sequence");
    decoder.scanner().finish();
    assert!(decoder.next().is_none() && !decoder.scanner().is_pending());
}
