//! Recordings without what tells whose meter it is.

use crate::support::*;
use framework::SourcePlugin as _;
use plugin_sml::{
    Sml,
    quirks::{Crc, Quirks},
};
use telegram_testing::Owned;

const OWNER: [u8; 6] = [1, 0, 0, 0, 0, 255];

fn anonymised(recording: &[u8]) -> (usize, Vec<u8>) {
    telegram_testing::anonymised(Sml::KIND, recording)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

const ID_TEXT: &[u8] = b"1XYZ0012345678";

fn recorded(id: &[u8], checksum: Checksum) -> Vec<u8> {
    let entries = [
        Entry::text(MAKER, b"XYZ"),
        Entry::text(ID, id),
        Entry::text(OWNER, ID_TEXT),
        Entry::number(POWER, 27, 0, signed(5, 2)),
        Entry::text(KEY, &[0x5a, 0x1b, 0x1b, 0x1b, 0x1b, 0x1b, 0xa5, 0x42]),
    ];
    transport(&messages(id, &entries, checksum), checksum)
}

#[test]
fn numbers_and_keys_go_and_the_rest_stays() {
    let id = b"\x0a\x01XYZ\x00\x00\xbc\x61\x4e";
    let (count, bytes) = anonymised(&recorded(id, x25));
    assert_eq!(count, 5, "three ids, one text, one key");
    let found = decode(&bytes);
    assert_eq!(
        texts(found[0].as_ref().unwrap()),
        [
            "1-0:96.50.1*1=XYZ ",
            "1-0:96.1.0*255=0a0158595a0000b71b00 ", // 12 000 000
            "1-0:0.0.0*255=1XYZ0012000000 ",
            "1-0:16.7.0*255=5 W",
            "129-129:199.130.5*255=001b1b1b1b000000 ",
        ]
    );
    let (again, same) = anonymised(&bytes);
    assert_eq!((again, same), (0, bytes), "nothing is left");
}

#[test]
fn damaged_telegrams_lose_their_numbers_too_and_stay_damaged() {
    let id = b"\x0a\x01XYZ\x00\x00\xbc\x61\x4e";
    let good = recorded(id, x25);
    let mut wrong = good.clone();
    let place = wrong.windows(4).position(|part| part == [5, 0x01, 0x77, 0x07]).unwrap();
    wrong[place] ^= 1;
    let mut short = good.clone();
    let place = short.windows(10).position(|part| part == id).unwrap();
    short.drain(place - 3..place + 2); // the beginning of the number is lost
    let cut = &good[..good.len() - 60];
    let (_, bytes) = anonymised(&[&good[..], &wrong, &short, cut].concat());
    assert!(!contains(&bytes, &id[6..]));
    assert!(!contains(&bytes, &ID_TEXT[8..]));
    let good = decode(&bytes).iter().filter(|found| found.is_ok()).count();
    assert_eq!(good, 1);
}

#[test]
fn checksums_are_repaired_where_they_were_right() {
    let id = b"\x0a\x01HLY\x00\x00\xbc\x61\x4e";
    let (_, bytes) = anonymised(&recorded(id, kermit));
    let quirks = Quirks { crc: Crc::Kermit, ..Quirks::default() };
    let found = decode_with(quirks, &bytes);
    assert!(matches!(found[..], [Ok(Owned { offset: 0, variant: "crc", .. })]), "{found:?}");
}

#[test]
fn a_checksum_without_its_first_byte_stays_one_byte() {
    // Some meters leave out a first byte that is 0.
    let short = |id: u8| {
        let number = [&b"\x0a\x01XYZ\x00\x00\xbc"[..], &[id, 0x4e]].concat();
        let file = messages(&number, &[Entry::text(ID, &number)], x25);
        let place = file.windows(7).position(|part| matches!(part, [_, _, 0x63, 0, _, 0, 0x76]))?;
        let mut file = file;
        file.splice(place + 2..place + 4, [0x62]);
        Some(transport(&file, x25))
    };
    let recording: Vec<u8> = (0..=u8::MAX).filter_map(short).flatten().collect();
    let good = decode(&recording);
    assert!(!good.is_empty() && good.iter().all(Result::is_ok), "{good:?}");
    let (_, bytes) = anonymised(&recording);
    let found = decode(&bytes);
    assert!(found.len() == good.len() && found.iter().all(Result::is_ok), "{found:?}");
}

#[test]
fn other_ids_keep_kind_and_maker() {
    for (id, expected) in [
        (&b"\x06EMH\x01\x02\x71\x56\xcd\x45"[..], "06454d48000000000000"),
        (b"\x01\xa8\x15\x98\x64\x80\x02\x01\x02", "000000000000000000"),
        (b"02280816", "02000000"),
    ] {
        let (_, bytes) = anonymised(&telegram(id, &[Entry::text([1, 0, 0, 0, 9, 255], id)]));
        let found = decode(&bytes);
        assert_eq!(texts(found[0].as_ref().unwrap()), [format!("1-0:0.0.9*255={expected} ")]);
    }
}

#[test]
fn what_is_no_recording_stays() {
    for bytes in [&b""[..], &[0x1b; 40], &simple(1, 2)[..9], b"/EBZ5DD3\r\n"] {
        let (count, same) = anonymised(bytes);
        assert_eq!((count, &same[..]), (0, bytes));
    }
}
