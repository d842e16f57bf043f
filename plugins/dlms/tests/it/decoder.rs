//! Framing, protection and content of telegrams, good and bad.

use plugin_dlms::{
    cipher::Header,
    decoder::{Decoder, Options},
    reject::Reason,
    scales::Scales,
};
use telegram::{Key, Keys};
use telegram_testing::{accepted, decode_all_ways};

use crate::support::*;

/// The reasons of all that is rejected.
fn reasons(bytes: &[u8]) -> Vec<Reason> {
    decode(bytes).into_iter().filter_map(|found| found.err().map(|rejected| rejected.reason)).collect()
}

fn count(bytes: &[u8]) -> usize {
    accepted(&decode(bytes)).len()
}

/// A message with a tag.
fn sealed(counter: u32) -> Vec<u8> {
    ciphered(0x30, LANDISGYR, counter, &notification(&TIME, objects(counter)))
}

/// The same message, framed in every way.
fn framed(message: &[u8]) -> [Vec<u8>; 6] {
    [
        hdlc(message),
        hdlc_segments(message, 120),
        hdlc_blocks(message, 100).concat(),
        mbus(message, 245).concat(),
        llc(message),
        message.to_vec(),
    ]
}

#[test]
fn a_message_is_the_same_in_every_framing_and_under_every_protection() {
    let plain = notification(&TIME, objects(0));
    let expected = texts(accepted(&decode(&hdlc(&plain)))[0]);
    assert_eq!(expected.len(), 14);
    assert_eq!(expected[2], "1-0:32.7.0*255=230.3 V");
    let protected = [0x10, 0x20, 0x21, 0x30, 0x31].map(|control| ciphered(control, LANDISGYR, 9, &plain));
    for message in [plain].iter().chain(&protected) {
        for (bytes, framing) in framed(message).iter().zip(["hdlc", "hdlc", "hdlc+gbt", "mbus", "llc", "raw"])
        {
            let found = decode_all_ways::<Keyed>(bytes);
            let [Ok(telegram)] = &found[..] else { panic!("{framing}: {found:?}") };
            assert_eq!(texts(telegram), expected);
            assert_eq!((telegram.variant, telegram.offset, telegram.len), (framing, 0, bytes.len()));
        }
    }
}

#[test]
fn a_flag_may_close_one_frame_and_open_the_next() {
    let shared = [hdlc(&sealed(1)), hdlc(&sealed(2))[1..].to_vec()].concat();
    assert_eq!(decode_all_ways::<Keyed>(&shared).iter().filter(|found| found.is_ok()).count(), 2);
}

#[test]
fn a_length_of_256_or_257_bytes_is_known_by_its_lowest_bits() {
    for size in [251, 252] {
        let frames = mbus(&ciphered(0x20, KAIFA, 1, &notification(&TIME, objects(0))), size);
        assert_eq!(usize::from(frames[0][1]), size + 5 - 256);
        assert_eq!(count(&frames.concat()), 1);
    }
}

#[test]
fn a_missing_part_loses_its_message_only() {
    let (blocks, parts) = (hdlc_blocks(&sealed(1), 90), mbus(&sealed(1), 200));
    for lost in 0..blocks.len() {
        let mut cut = blocks.clone();
        cut.remove(lost);
        let bytes = [cut.concat(), hdlc(&sealed(2))].concat();
        assert_eq!(count(&bytes), 1, "block {lost}");
    }
    for lost in 0..parts.len() {
        let mut cut = parts.clone();
        cut.remove(lost);
        let bytes = [cut.concat(), mbus(&sealed(2), 200).concat()].concat();
        assert_eq!(count(&bytes), 1, "segment {lost}");
    }
    let swapped = [&blocks[0], &blocks[2], &blocks[1]].map(Clone::clone).concat();
    assert_eq!(reasons(&swapped)[0], Reason::Gap);
}

#[test]
fn a_frame_whose_check_sequence_is_wrong_is_not_read_as_a_message_without_a_frame() {
    for message in
        [notification(&TIME, objects(0)), ciphered(0x20, KAIFA, 1, &notification(&TIME, objects(0)))]
    {
        let whole = hdlc(&message);
        for place in (0..12).chain(whole.len() - 3..whole.len()) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x04;
            assert_eq!(count(&damaged), 0, "byte {place}");
        }
        let whole = mbus(&message, 245).concat();
        for place in (0..9).chain(whole.len() - 2..whole.len()) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x04;
            assert_eq!(count(&damaged), 0, "byte {place}");
        }
    }
}

#[test]
fn a_wrong_or_missing_key_says_so_and_what_to_ask_for() {
    let say = |keys: Keys, control| {
        let message = ciphered(control, KAIFA, 77, &notification(&TIME, objects(0)));
        let found = telegram_testing::decode(with_keys(keys), &hdlc(&message), &[]);
        found[0].as_ref().map(|_| "read".to_owned()).unwrap_or_else(ToString::to_string)
    };
    let public = Keys::PUBLIC;
    let wrong = Some(Key::new([1; 16]));
    let head = "encrypted DLMS of Kaifa, system title 4B464D6750000002, security control ";
    for (keys, control, expected) in [
        (public, 0x30, "read".to_owned()),
        (
            Keys::default(),
            0x20,
            format!(
                "{head}20, frame counter 77: ask your grid operator for the encryption key (GUEK) and write `key = \"…\"`"
            ),
        ),
        (
            Keys::default(),
            0x30,
            format!(
                "{head}30, frame counter 77: ask your grid operator for the encryption key (GUEK) and the authentication key \
                 (GAK) and write `key = \"…\"` and `authentication_key = \"…\"`"
            ),
        ),
        (
            Keys { key: wrong, ..public },
            0x30,
            format!(
                "{head}30, frame counter 77: the tag does not verify: wrong key? check `key = \"…\"` and `authentication_key = \"…\"`"
            ),
        ),
        (
            Keys { authentication_key: wrong, ..public },
            0x30,
            format!(
                "{head}30, frame counter 77: the tag does not verify: wrong key? check `key = \"…\"` and `authentication_key = \"…\"`"
            ),
        ),
        (
            Keys { key: wrong, ..public },
            0x20,
            format!(
                "{head}20, frame counter 77: it is not a message once it is decrypted: wrong key? check `key = \"…\"`"
            ),
        ),
        (Keys { authentication_key: None, ..public }, 0x30, "read".to_owned()),
    ] {
        assert_eq!(say(keys, control), expected);
    }
}

#[test]
fn a_damaged_message_of_a_meter_that_was_read_is_not_blamed_on_the_key() {
    for control in [0x20, 0x30] {
        let plain = |counter| notification(&TIME, objects(counter));
        let mut damaged = ciphered(control, KAIFA, 2, &plain(2));
        damaged[18] ^= 1;
        let bytes = [hdlc(&ciphered(control, KAIFA, 1, &plain(1))), hdlc(&damaged)].concat();
        let [Reason::Damaged(_)] = reasons(&bytes)[..] else { panic!("{:?}", reasons(&bytes)) };
    }
}

#[test]
fn protection_that_is_not_supported_is_named() {
    for (control, expected) in [
        (0x32, "security suite 2 has keys of 256 bits, which are not supported"),
        (0xb0, "it is compressed, which is not supported"),
        (0x33, "this security suite is not known"),
    ] {
        let found = reasons(&hdlc(&ciphered(control, KAIFA, 1, &notification(&TIME, objects(0)))));
        assert!(found[0].to_string().ends_with(expected), "{}", found[0]);
    }
    assert_eq!(reasons(&hdlc(&[0xc8, 0x20, 0, 0])), [Reason::Kind(0xc8)]);
    assert_eq!(reasons(&hdlc(&[0xdb, 7, 0, 0])), [Reason::TitleLength]);
}

#[test]
fn a_telegram_that_was_sent_before_is_dropped_until_the_meter_insists() {
    let header = |counter| Header { title: LANDISGYR, control: 0x30, counter };
    let bytes: Vec<u8> =
        [10, 11, 11, 9, 12, 3, 4, 5, 6].into_iter().flat_map(|counter| hdlc(&sealed(counter))).collect();
    let replays = [(11, 11), (9, 11), (3, 12), (4, 12)]
        .map(|(counter, last)| Reason::Replay { header: header(counter), last });
    assert_eq!(reasons(&bytes), replays);
    assert_eq!(count(&bytes), 5);
}

#[test]
fn a_configured_scale_goes_before_the_known_one() {
    let bytes = hdlc(&notification(
        &[],
        push_list(&[([1, 0, 32, 7, 0, 255], u16(2347)), ([1, 0, 1, 8, 0, 255], u32(5))]),
    ));
    let read = |scales| {
        let decoder = Decoder::new(Options { scales, ..Options::default() });
        texts(telegram_testing::decode(decoder, &bytes, &[])[0].as_ref().unwrap())
    };
    assert_eq!(read(Scales::default()), ["1-0:32.7.0*255=2347", "1-0:1.8.0*255=5 Wh"]);
    let written = Scales { voltage: Some(-1), energy: Some(1), ..Scales::default() };
    assert_eq!(read(written), ["1-0:32.7.0*255=234.7 V", "1-0:1.8.0*255=50 Wh"]);
}

#[test]
fn a_number_without_a_scale_is_not_one_to_count_with() {
    let found = decode(&hdlc(&notification(&[], push_list(&[([1, 0, 31, 7, 0, 255], u16(9))]))));
    let register = &accepted(&found)[0].registers[0];
    assert_eq!((register.number, register.value.as_str(), register.unit.as_deref()), (None, "9", None));
    // A gas meter that is connected, and a state.
    let list = push_list(&[([0, 1, 24, 2, 1, 255], u32(981_443)), ([0, 1, 96, 3, 10, 255], vec![0x16, 1])]);
    let found = decode(&hdlc(&notification(&[], list)));
    let numbers: Vec<_> = accepted(&found)[0].registers.iter().map(|register| register.number).collect();
    assert_eq!(numbers, [None, Some(1.into())]);
}

#[test]
fn a_factor_that_is_sent_with_a_scale_and_no_unit_is_a_number() {
    let found = decode(&hdlc(&notification(&[], structure(&[code(13, 7), u16(987), scale(-3, NO_UNIT)]))));
    assert_eq!(texts(accepted(&found)[0]), ["1-0:13.7.0*255=0.987"]);
}

#[test]
fn a_clock_and_a_meter_number_without_codes_have_their_usual_ones() {
    let body = structure(&[octets(&TIME), code(1, 8), u32(5), scale(0, WATT_HOURS), octets(b"178200000042")]);
    let expected =
        ["0-0:1.0.0*255=2026-07-14T10:15:05+02:00", "1-0:1.8.0*255=5 Wh", "0-0:96.1.0*255=178200000042"];
    assert_eq!(texts(accepted(&decode(&hdlc(&notification(&[], body))))[0]), expected);
}

#[test]
fn swapped_tags_are_read_where_the_list_or_the_configuration_says_so() {
    let swapped = structure(&[vec![6, 9, 1, 0, 31, 7, 0, 255], i16(244), scale(-2, AMPERES)]);
    let message = |name: &str| {
        let named = structure(&[octets(&[1, 1, 0, 2, 129, 255]), visible(name)]);
        hdlc(&notification(&[], array(&[named, swapped.clone()])))
    };
    let good = |name, swapped_tags| {
        let decoder = Decoder::new(Options { swapped_tags, ..Options::default() });
        telegram_testing::decode(decoder, &message(name), &[])[0].is_ok()
    };
    assert!(good("EMBRIQ_V1_1", None) && good("OTHER", Some(true)));
    assert!(!good("OTHER", None) && !good("EMBRIQ_V1_1", Some(false)));
}

#[test]
fn lists_that_lie_are_rejected_and_bounded() {
    let bomb = [2, 1].repeat(5000);
    let nulls = [&[1, 0x82, 0x20, 0][..], &[0; 0x2000]].concat();
    let energy_without_scale = structure(&[code(1, 8), u32(7), vec![2, 2, 0x0f]]);
    for body in [bomb, nulls, energy_without_scale, vec![1, 0x84, 0xff, 0xff, 0xff, 0xff], vec![0x7e], vec![]]
    {
        let bytes = hdlc_blocks(&notification(&[], body), 200).concat();
        assert_eq!(count(&bytes), 0);
        assert_eq!(count(&[bytes, hdlc(&sealed(1))].concat()), 1, "the next one is read");
    }
    // A transfer without an end.
    let endless: Vec<u8> = (1..200u8)
        .flat_map(|number| {
            let block = [vec![0xe0, 0x40, 0, number, 0, 0, 0x81, 200], vec![0; 200]].concat();
            frame(false, &[0xce, 0xff, 0x03, 0x13], &if number == 1 { llc(&block) } else { block })
        })
        .collect();
    assert_eq!(reasons(&endless), [Reason::TooLong]);
}

#[test]
fn a_number_that_no_meter_sends_is_left_out() {
    let float = |bits: u32| [&[0x17][..], &bits.to_be_bytes()].concat();
    let body = structure(&[
        code(1, 8),
        u32(7),
        scale(127, WATT_HOURS),
        code(2, 8),
        u32(7),
        scale(-128, WATT_HOURS),
        code(1, 7),
        float(0x7f80_0000),
        scale(0, WATTS),
        code(2, 7),
        float(0x7fc0_0000),
        scale(0, WATTS),
        code(52, 7),
        u16(2302),
        scale(-1, VOLTS),
    ]);
    assert_eq!(texts(accepted(&decode(&hdlc(&notification(&[], body))))[0]), ["1-0:52.7.0*255=230.2 V"]);
}

#[test]
fn text_in_a_message_must_be_a_good_telegram() {
    let mut text = b"/XYZ5\\1\r\n\r\n1-0:1.8.0(000006.695*kWh)\r\n1-0:1.7.0(00.301*kW)\r\n!".to_vec();
    let sum = crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(&text);
    text.extend(format!("{sum:04X}\r\n").bytes());
    for control in [0x20, 0x30] {
        assert_eq!(count(&ciphered(control, SAGEMCOM, 1, &text)), 1);
    }
    text[30] ^= 1;
    for control in [0x20, 0x30] {
        assert_eq!(reasons(&ciphered(control, SAGEMCOM, 1, &text)), [Reason::Text]);
    }
}

#[test]
fn a_stream_that_begins_inside_a_message_is_read_from_the_next_one_on() {
    let messages = [sealed(1), sealed(2), sealed(3)];
    for frames in [messages.concat(), messages.iter().flat_map(|m| mbus(m, 200).concat()).collect::<Vec<_>>()]
    {
        let found = decode_all_ways::<Keyed>(&frames[150..]);
        assert_eq!(accepted(&found).len(), 2, "{found:?}");
    }
}

#[test]
fn nothing_in_place_of_a_value_changes_neither_the_value_before_nor_the_code_after() {
    let float = |bits: u32| [&[0x17][..], &bits.to_be_bytes()].concat();
    let import = [code(1, 7), u16(417), scale(0, WATTS)];
    let expected = ["1-0:1.7.0*255=417 W", "1-0:52.7.0*255=230.2 V"];
    let last = [code(52, 7), u16(2302), scale(-1, VOLTS)];
    for nothing in [
        vec![code(2, 7), float(0x7fc0_0000), scale(-1, WATTS)],
        vec![code(2, 7), vec![0]],
        vec![code(2, 7), vec![0], scale(-1, WATTS)],
        vec![vec![0], vec![0]],
    ] {
        let flat = [&import[..], &nothing, &last].concat();
        let nested = [&import[..], &nothing, &last].map(structure);
        for body in [structure(&flat), array(&nested)] {
            assert_eq!(texts(accepted(&decode(&hdlc(&notification(&[], body))))[0]), expected, "{nothing:?}");
        }
    }
}

#[test]
fn a_single_number_is_rejected_with_the_reason_until_a_longer_list_of_kaifa_came() {
    let list = |numbers: &[Vec<u8>]| hdlc(&notification(&[], structure(numbers)));
    assert_eq!(reasons(&list(&[u32(417)])), [Reason::Alone]);
    assert_eq!(reasons(&list(&[u32(417), u32(418)])), [Reason::Empty]);
    let numbers = [[u32(417), u32(0)], [u32(0), u32(52)], [u32(1815), u32(2303)]].concat();
    let kaifa =
        [&[octets(b"KFM_001"), octets(b"6970630000000042"), octets(b"MA105H2E")], &numbers[..]].concat();
    let found = decode(&[list(&kaifa), list(&[u32(418)])].concat());
    assert_eq!(texts(accepted(&found)[1]), ["1-0:1.7.0*255=418 W"]);
}

#[test]
fn keys_that_the_operator_changes_are_told_of_after_three_telegrams() {
    let list = notification(&TIME, objects(0));
    let new = Keys { key: Some(Key::new([9; 16])), ..Keys::PUBLIC };
    for control in [0x20, 0x30] {
        let old = |counter| hdlc(&ciphered(control, KAIFA, counter, &list));
        let changed = |counter| hdlc(&ciphered_with(new, control, KAIFA, counter, &list));
        // One that is damaged in between blames the line.
        let bytes = [old(1), changed(2), old(3), changed(4), changed(5), changed(6), changed(7)].concat();
        let is_damage: Vec<_> =
            reasons(&bytes).iter().map(|reason| matches!(reason, Reason::Damaged(_))).collect();
        assert_eq!(is_damage, [true, true, true, false, false], "{control:02x}");
    }
}
