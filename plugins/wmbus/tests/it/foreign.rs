//! Bytes of anything else: nothing of them is a telegram by radio.

use telegram_testing::foreign::{noise, telegrams};
use test_meters::radio::{Frame, RadioMeter, Security, frame};

use crate::{
    decode::{accepted, described},
    support::telegram,
};

/// A telegram without checksums whose bytes are all characters: maker SJA, eight records.
const CHARACTERS: &str = "\"DAM1234!1x!nA!nA!nA!nA!nA!nA!nA!nA";

#[test]
fn a_text_has_no_telegrams_even_where_its_characters_look_like_some() {
    assert_eq!(usize::from(CHARACTERS.as_bytes()[0]) + 1, CHARACTERS.len());
    for text in [
        CHARACTERS.to_owned(),
        CHARACTERS.repeat(3),
        format!("PAPP 00430 ,\nHCHP 012345678 (\n{CHARACTERS}{CHARACTERS}\nPTEC HP..  \n"),
        format!("\u{2}\n{CHARACTERS}\n\u{3}"),
    ] {
        assert_eq!(accepted(text.as_bytes()), 0, "{text}");
        assert_eq!(described(text.as_bytes()), None, "{text}");
        let even: Vec<u8> =
            text.bytes().map(|byte| byte | u8::from(byte.count_ones() % 2 == 1) << 7).collect();
        assert_eq!(accepted(&even), 0, "{text} in 7E1");
    }
}

#[test]
fn a_telegram_without_checksums_counts_only_in_a_stream_of_telegrams() {
    let mut meter = RadioMeter::water(0x1234_5678);
    let mut next = || telegram(&mut meter, Security::Plain, 5);
    let (a, b, c) = (next(), next(), next());
    let noise: Vec<u8> = (0..100u32).map(|i| (i * 151 + 7) as u8 | 0x80).collect();
    assert_eq!(accepted(&a), 1);
    assert_eq!(accepted(&[&a[..], &b, &c].concat()), 3);
    assert_eq!(accepted(&[&[0, 0xFF, 0][..], &a, &b, &c[..20]].concat()), 2, "a last one that is cut");
    assert_eq!(accepted(&[&noise[..], &a].concat()), 0);
    assert_eq!(accepted(&[&a[..], &noise, &b].concat()), 1);
    assert_eq!(accepted(&[&noise[..], &frame(Frame::A, &a), &b].concat()), 2, "after one with checksums");
}

#[test]
fn a_stream_that_shows_another_protocol_has_no_telegrams_without_checksums() {
    let bare = telegram(&mut RadioMeter::water(0x1234_5678), Security::Plain, 5);
    let sml = [&bare[..], &[0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1]].concat();
    assert_eq!(accepted(&sml), 0);
}

#[test]
fn random_bytes_and_random_text_have_no_telegrams() {
    let bytes = noise();
    assert_eq!(accepted(&bytes), 0);
    assert_eq!(described(&bytes), None);
    let text: Vec<u8> = bytes
        .iter()
        .map(|byte| match byte % 96 {
            95 => b'\n',
            offset => b' ' + offset,
        })
        .collect();
    assert_eq!(accepted(&text), 0);
    assert_eq!(described(&text), None);
    let hex = |byte: &u8| format!("{byte:02X}{}", if byte.is_multiple_of(64) { "\n" } else { "" });
    assert_eq!(accepted(bytes[..100_000].iter().map(hex).collect::<String>().as_bytes()), 0);
}

#[test]
fn telegrams_of_other_protocols_are_none_by_radio() {
    for (path, bytes) in telegrams() {
        assert_eq!(accepted(&bytes), 0, "{}", path.display());
        assert_eq!(described(&bytes), None, "{}", path.display());
    }
}
