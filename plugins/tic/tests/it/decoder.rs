//! Groups of a telegram: which are right, and what is said of those that are not.

use plugin_tic::{
    decoder::Decoder,
    reject::{Flaw, Reason},
};
use telegram::{Decoder as _, Telegram as _};
use telegram_testing::{accepted, decode_all_ways};
use test_meters::tic::{group, stamped_group, standard_group, telegram};

/// Returns labels and values of the one telegram in these bytes, and what is said of its groups.
fn read(bytes: &[u8]) -> (Vec<(String, String)>, Vec<String>) {
    let found = decode_all_ways::<Decoder>(bytes);
    let registers = match accepted(&found)[..] {
        [] => Vec::new(),
        [telegram] => telegram.registers.iter().map(|r| (r.code.clone(), r.value.clone())).collect(),
        _ => panic!("{found:?}"),
    };
    (registers, found.iter().filter_map(|found| found.as_ref().err()).map(ToString::to_string).collect())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_wrong_group_is_left_out_and_told_of_and_the_others_stay() {
    let good = group("IINST", "003");
    let of = |bad: &[u8]| telegram([good.clone(), bad.to_vec(), group("PAPP", "00740")]);
    let bit_six = |mut group: Vec<u8>| {
        let place = group.iter().rposition(|byte| *byte == b'4').unwrap();
        group[place] ^= 0x40;
        group
    };
    for (bad, said) in [
        (&b"\nBASE 002714128 A\r"[..], "group `BASE` is left out: its check character is `A`, expected `$`"),
        (b"\nBASE 002714128\r", "it has no separator where one belongs"),
        (b"\nX\r", "group `X` is left out: it has no separator where one belongs"),
        (&group("BASE", "02714128"), "it has 8 characters, expected 9"),
        (&group("BASE", "00271 128"), "it has a character that this label's never have"),
        (&bit_six(group("ISOUSC", "40")), "it has a character that this label's never have"),
        (&group("EAST", "002714128"), "no French meter sends this label"),
        (&group("}PR`PzSOUSC", "20"), "group `}PR`PzSOU` is left out: no French meter sends this label"),
        (&standard_group("EAST", "002714128"), "it is one of the mode standard"),
        (b"\nBASE 002714", "it does not end with a carriage return"),
        (b"BASE 002714128 $\r", "it does not begin with a line feed"),
        (&group("PTEC", "XX.."), "it has a character that this label's never have"),
        (&group("OPTARIF", "BBR\x07"), "it has a character that this label's never have"),
        (&group("IINST", "004"), "it occurs twice, and nothing tells which is right"),
    ] {
        let (registers, rejected) = read(&of(bad));
        let all = [("IINST", "003"), ("PAPP", "00740")];
        let twice = said.contains("twice");
        assert_eq!(registers, pairs(&all[usize::from(twice)..]), "{}", bad.escape_ascii());
        assert!(rejected.len() == 1 && rejected[0].contains(said), "{rejected:?}");
    }
}

#[test]
fn a_wrong_group_is_found_at_its_place() {
    let bytes = [&b"noise"[..], &telegram([group("IINST", "003"), b"\nPAPP 00740 x\r".to_vec()])].concat();
    let mut found = Vec::new();
    Decoder::default().push(&bytes, &mut |result| {
        found.push(result.map(|telegram| telegram.offset()).map_err(|rejected| rejected.offset));
    });
    let papp = bytes.windows(4).position(|four| four == b"PAPP").unwrap() as u64;
    assert_eq!(found, [Err(papp), Ok(5)]);
}

#[test]
fn a_check_character_that_is_a_blank_is_not_trimmed() {
    for (bytes, expected) in [
        (group("PTEC", "HP.."), ("PTEC", "HP..")),
        (group("IINST", "009"), ("IINST", "009")),
        (group("OPTARIF", "BBR("), ("OPTARIF", "BBR(")),
    ] {
        assert_eq!(read(&telegram([bytes])), (pairs(&[expected]), Vec::new()));
    }
    assert!(group("PTEC", "HP..").ends_with(b"HP..  \r"));
}

#[test]
fn carriage_returns_before_line_feeds_are_an_adapter_s() {
    let plain = telegram([group("IINST", "003"), group("PAPP", "00740")]);
    let text = String::from_utf8(plain).unwrap().replace('\n', "\r\n").replace('\x03', "\r\n\x03");
    let (registers, rejected) = read(text.as_bytes());
    assert_eq!((registers, rejected), (pairs(&[("IINST", "003"), ("PAPP", "00740")]), Vec::new()));
}

#[test]
fn nothing_reaches_over_the_begin_or_the_end_of_a_telegram() {
    let whole = telegram([group("IINST", "003"), group("PAPP", "00740")]);
    let read_all = |bytes: &[u8]| {
        let found = decode_all_ways::<Decoder>(bytes);
        let errors = found.iter().filter_map(|found| found.as_ref().err().map(|r| r.reason));
        (accepted(&found).len(), errors.collect::<Vec<_>>())
    };
    for (cut, reason) in [
        (&whole[..whole.len() - 1], vec![Reason::NoEnd]),
        (&whole[..whole.len() - 9], vec![Reason::NoEnd]),
        (&[&whole[..20], b"\x04"].concat(), vec![Reason::Aborted]),
        (&whole[9..], vec![]),
        (b"\x02\x03", vec![Reason::Empty]),
        (b"\x02\r\n\x03", vec![Reason::Empty]),
        (b"\x02\x02\x02", vec![]),
        (b"\x02\nBASE 1\n2 3\x03", vec![Reason::Cooked]),
        (b"\x02\nBASE 1 2\r\x03", vec![Reason::NoGroup(Flaw::Check { given: b'2', expected: b'L' })]),
    ] {
        let bytes = [cut, &whole].concat();
        assert_eq!(read_all(&bytes), (1, reason), "{}", cut.escape_ascii());
    }
    let endless = [b"\x02\n", &[b'0'; 300_000][..], &whole].concat();
    assert_eq!(read_all(&endless), (1, vec![Reason::TooLong]));
    let cooked: Vec<u8> = whole.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect();
    let cooked = [&cooked[..cooked.len() - 1], &cooked].concat();
    let (count, reasons) = read_all(&cooked);
    assert_eq!((count, &reasons[..]), (0, &[Reason::Cooked, Reason::Cooked][..]));
    assert!(reasons[0].to_string().contains("stty raw"));
}

#[test]
fn the_check_of_the_other_mode_is_wrong() {
    // The standard mode covers the last separator too: it counts 9.
    let mut bytes = telegram([standard_group("EAST", "002714128")]);
    let place = bytes.len() - 3;
    bytes[place] = (bytes[place] - 0x20).wrapping_sub(9) % 64 + 0x20;
    assert_eq!(read(&bytes).0, []);
}

#[test]
fn parity_finds_what_the_sum_does_not() {
    let mut bytes = telegram([standard_group("EAST", "002714109"), standard_group("VTIC", "02")]);
    test_meters::uart::seven_e_one(&mut bytes);
    let (registers, rejected) = read(&bytes);
    assert_eq!((registers.len(), rejected.len()), (2, 0), "{rejected:?}");
    let place = bytes.windows(3).position(|three| three.iter().map(|b| b & 0x7f).eq(*b"109")).unwrap();
    // 109 becomes 118: the sum is the same.
    bytes[place + 1] ^= 1;
    bytes[place + 2] ^= 1;
    let (registers, rejected) = read(&bytes);
    assert_eq!(registers, pairs(&[("VTIC", "02")]));
    assert!(rejected[0].contains("`EAST` is left out: a character has the wrong parity"), "{rejected:?}");
    // Without parity, a bit 7 is damage too.
    let mut bytes = telegram([standard_group("EAST", "002714109"), standard_group("VTIC", "02")]);
    let place = bytes.windows(3).position(|three| three == b"109").unwrap();
    bytes[place] |= 0x80;
    assert_eq!(read(&bytes).0, pairs(&[("VTIC", "02")]));
}

#[test]
fn a_stamp_is_the_time_of_its_value_and_one_that_is_none_is_damage() {
    let bytes = telegram([
        stamped_group("DATE", "e260614103000", ""),
        stamped_group("SMAXSN", "E260614070239", "02636"),
        stamped_group("CCASN", "E261314100000", "00806"),
        stamped_group("CCASN-1", "X260614100000", "00806"),
        stamped_group("UMOY1", "E2606141000", "231"),
        stamped_group("DPM1", " 260615060000", "00"),
        standard_group("SMAXSN1", "02636"),
    ]);
    let found = decode_all_ways::<Decoder>(&bytes);
    let [telegram] = accepted(&found)[..] else { panic!("{found:?}") };
    let times: Vec<_> = telegram
        .registers
        .iter()
        .map(|r| (&*r.code, r.time.as_ref().map(|(sent, utc)| (&**sent, utc.map(|utc| utc.to_string())))))
        .collect();
    let at = Some("2026-06-14T05:02:39Z".to_owned());
    assert_eq!(
        times,
        [
            ("DATE", Some(("e260614103000", None))),
            ("SMAXSN", Some(("E260614070239", at))),
            ("DPM1", Some((" 260615060000", None))),
        ]
    );
    assert_eq!(found.len(), 5, "{found:?}");
}
