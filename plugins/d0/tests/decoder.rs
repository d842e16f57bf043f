//! The decoder at its edges: what is cut off, glued, damaged, forced, or without end.

use std::time::{Duration, Instant};

use plugin_d0::{
    decoder::{Decoder, MAX_TELEGRAM},
    framing::Framing,
    reject::Reason,
    telegram::Check,
};

/// What came out: the text of each register, or the kind of fault.
fn decode(bytes: &[u8]) -> Vec<String> {
    decode_with(&mut Decoder::default(), bytes)
}

fn decode_with(decoder: &mut Decoder, bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let mut push = |found: Result<plugin_d0::telegram::Telegram<'_>, plugin_d0::reject::Rejected>| {
        all.push(match found {
            Ok(telegram) => {
                telegram.registers().map(|r| format!("{}={}", r.code, r.value)).collect::<Vec<_>>().join(" ")
            }
            Err(rejected) => format!("{}@{}", rejected.reason.kind(), rejected.offset),
        });
    };
    decoder.push(bytes, &mut push);
    decoder.finish();
    while let Some(found) = decoder.next() {
        push(found);
    }
    all
}

fn seven(text: &str, odd: bool) -> Vec<u8> {
    text.bytes().map(|byte| if (byte.count_ones() % 2 == 1) == odd { byte } else { byte | 0x80 }).collect()
}

const ONE: &str = "/ABC5x\r\n1.8.0(1*kWh)\r\n!\r\n";

#[test]
fn telegrams_end_in_several_ways() {
    for end in ["!\r\n", "!\n", "!\r", "!", "!\0", "! 123\r\n", "!\u{7f}"] {
        assert_eq!(decode(format!("/ABC5x\r\n1.8.0(1*kWh)\r\n{end}").as_bytes()), ["1.8.0=1"], "{end:?}");
        assert_eq!(decode(format!("/ABC5x\r\n1.8.0(1*kWh){end}").as_bytes()), ["1.8.0=1"], "{end:?}");
    }
    let glued = ["/ABC5x\r\n1.8.0(1*kWh)!", "/ABC5x\r\n1.8.0(2*kWh)\r\n!", ONE].concat();
    assert_eq!(decode(glued.as_bytes()), ["1.8.0=1", "1.8.0=2", "1.8.0=1"]);
}

#[test]
fn an_end_mark_without_line_end_waits_for_the_pause() {
    let mut decoder = Decoder::default();
    decoder.push(b"/ABC5x\r\n1.8.0(1*kWh)\r\n!", &mut |_| panic!("who knows what follows"));
    assert!(decoder.pending());
    decoder.finish();
    assert!(decoder.next().is_some_and(|found| found.is_ok()));
    assert!(decoder.next().is_none());
    assert!(!decoder.pending());
    assert_eq!(decode_with(&mut decoder, ONE.as_bytes()), ["1.8.0=1"], "it goes on");
}

#[test]
fn what_is_cut_off_is_rejected_and_the_next_one_found() {
    let whole = ONE.trim_end();
    for end in 1..whole.len() {
        let cut = &whole[..end];
        for between in ["", "\r\n"] {
            let found = decode(format!("{cut}{between}{ONE}").as_bytes());
            assert_eq!(found.last().map(String::as_str), Some("1.8.0=1"), "{cut:?} {between:?}");
            let accepted = found.iter().filter(|found| found.contains('=')).count();
            assert_eq!(accepted, 1, "{cut:?} {between:?}: {found:?}");
        }
    }
}

#[test]
fn faults_have_their_kind_and_place() {
    for (text, expected) in [
        ("/ABC5x\r\n!\r\n", "empty@0"),
        ("\0\0/ABC5x\r\n1.8.0(1*kWh)\r\n", "no_end@2"),
        ("/ABC5x\r\n1.8.0(1*kWh\r\n!\r\n", "line@0"),
        ("/ABC5x\r\n\x021.8.0(1*kWh)\r\n!\r\n", "no_check@0"),
        ("/ABC5x\r\n\x021.8.0(1*kWh)\r\n!\r\n\x03", "no_check@0"),
        ("/ABC5x\r\n\x021.8.0(1*kWh)\r\n!\r\n\x03x", "bcc@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n!0000\r\n", "crc@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n!DE/", "crc@0"),
        ("/ABC5x", "no_end@0"),
        ("/ABC5\u{1}x\r\n", "ident@0"),
    ] {
        assert_eq!(decode(text.as_bytes()), [expected], "{text:?}");
    }
    let mut damaged = seven(ONE, false);
    damaged[15] ^= 1;
    assert_eq!(decode(&damaged), ["parity@0"]);
    for nothing in ["", "\r\n\r\n", "/?!\r\n", "/", "hello\r\n", "\x02\x02", "!\r\n"] {
        assert_eq!(decode(nothing.as_bytes()), [""; 0], "{nothing:?}");
    }
}

#[test]
fn a_crc_proves_odd_lines() {
    let covered = "/ABC5x\r\n1.8.0(1*kWh)\r\nodd line\r\n!";
    let crc = crc::Crc::<u16>::new(&crc::CRC_16_ARC).checksum(covered.as_bytes());
    for text in [format!("{covered}{crc:04X}\r\n"), format!("{covered}{crc:04x}")] {
        let mut seen = 0;
        Decoder::default().push(text.as_bytes(), &mut |found| {
            let telegram = found.unwrap();
            assert_eq!(
                (telegram.check(), telegram.odd_lines(), telegram.len()),
                (Check::Crc16, 1, text.trim_end().len())
            );
            seen += 1;
        });
        assert_eq!(seen, 1);
    }
    assert_eq!(decode(format!("{covered}\r\n").as_bytes()), ["line@0"]);
}

#[test]
fn framing_is_found_or_forced() {
    for (framing, bytes) in [
        (Framing::Eight, ONE.as_bytes().to_vec()),
        (Framing::SevenEven, seven(ONE, false)),
        (Framing::SevenOdd, seven(ONE, true)),
    ] {
        for forced in [None, Some(framing)] {
            let mut found = None;
            Decoder::new(forced)
                .push(&bytes, &mut |telegram| found = telegram.ok().map(|telegram| telegram.framing()));
            assert_eq!(found, Some(framing));
        }
    }
    // The wrong one rejects: nothing wrong comes out.
    assert_eq!(decode_with(&mut Decoder::new(Some(Framing::SevenEven)), ONE.as_bytes()), ["parity@0"]);
    assert_eq!(decode_with(&mut Decoder::new(Some(Framing::Eight)), &seven(ONE, false)), [""; 0]);
    // Each telegram for itself.
    let mixed = [ONE.as_bytes(), &seven(ONE, false), &seven(ONE, true), ONE.as_bytes()].concat();
    assert_eq!(decode(&mixed), ["1.8.0=1"; 4]);
}

#[test]
fn text_of_eight_bits_is_kept_where_it_is_utf8() {
    let text = "/ABC5x\r\n0.0.0(Z\u{e4}hler)\r\n0.0.1(\u{0})\r\n!\r\n".replace('\u{0}', "?");
    let mut bytes = text.into_bytes();
    let bad = bytes.iter().position(|&byte| byte == b'?').unwrap();
    bytes[bad] = 0xff;
    assert_eq!(decode(&bytes), ["0.0.0=Z\u{e4}hler 0.0.1=?"]);
}

#[test]
fn the_bound_is_exact() {
    for (over, found) in [(0, "1.8.0="), (1, "too_long@0")] {
        // The last line may end at the bound, and not behind it.
        let mut text = String::from("/ABC5x\r\n");
        let line = "1.8.0(11111*kWh)\r\n";
        while text.len() + 2 * line.len() < MAX_TELEGRAM {
            text.push_str(line);
        }
        let digits = MAX_TELEGRAM + over - text.len() - "1.8.0()".len();
        text.push_str(&format!("1.8.0({})\r\n", "1".repeat(digits)));
        text.push_str("!\r\n");
        for chunk in [1, 100, usize::MAX] {
            let mut decoder = Decoder::default();
            let mut all = Vec::new();
            for bytes in text.as_bytes().chunks(chunk.min(text.len())) {
                decoder.push(bytes, &mut |result| {
                    all.push(match result {
                        Ok(_) => "1.8.0=".to_owned(),
                        Err(rejected) => format!("{}@{}", rejected.reason.kind(), rejected.offset),
                    });
                });
            }
            // One byte more for the end mark is too long as well.
            assert_eq!(all, [if over == 0 { "too_long@0" } else { found }], "{over} {chunk}");
        }
    }
}

#[test]
fn hostile_streams_cost_little() {
    let mib = 1 << 20;
    let streams: Vec<Vec<u8>> = vec![
        b"/".repeat(mib),
        b"/EBZ5".repeat(mib / 5),
        b"/EBZ5\r\n".repeat(mib / 7),
        b"/EBZ5x(/EBZ5".repeat(mib / 12),
        b"\x02".repeat(mib),
        b"\x02A".repeat(mib / 2),
        b"\x02A(".repeat(mib / 3),
        b"\x02A(\r\n".repeat(mib / 5),
        [b"/EBZ5x\r\n1.8.0(".to_vec(), b"0".repeat(mib)].concat(),
        [b"/EBZ5x\r\n".to_vec(), b"\r\n".repeat(mib / 2)].concat(),
        [b"/EBZ5x\r\n".to_vec(), b"\0".repeat(mib)].concat(),
        [b"/EBZ5x\r\n".to_vec(), b"1.8.0(/EBZ5x)\r\n".repeat(mib / 15)].concat(),
        [b"/EBZ5x\r\n".to_vec(), b"1.8.0(/EBZ5x\r\n".repeat(mib / 14)].concat(),
        [b"/EBZ5x\r\n\x02".to_vec(), b"1.8.0(1)\r\n!".to_vec(), b"\r\n".repeat(mib / 2)].concat(),
        b"(".repeat(mib),
        b"!".repeat(mib),
    ];
    let good = b"\r\n/ABC5x\r\n1.8.0(1*kWh)\r\n!\r\n";
    for stream in streams {
        let start = Instant::now();
        let mut decoder = Decoder::default();
        let found = decode_with(&mut decoder, &[&stream[..], good].concat());
        let shown = String::from_utf8_lossy(&stream[..20]).into_owned();
        assert_eq!(found.last().map(String::as_str), Some("1.8.0=1"), "{shown:?}");
        assert!(decoder.space().len() <= MAX_TELEGRAM + 1024, "{shown:?}");
        // A debug build on a busy machine: something quadratic would take minutes.
        assert!(start.elapsed() < Duration::from_secs(10), "{shown:?} took {:?}", start.elapsed());
    }
}

#[test]
fn a_reader_always_has_space() {
    let mut decoder = Decoder::default();
    for _ in 0..200_000 {
        let space = decoder.space();
        assert!(space.len() >= 512);
        space[..7].copy_from_slice(b"1.8.0(1");
        decoder.filled(7);
        while decoder.next().is_some() {}
    }
}

#[test]
fn offsets_count_the_whole_stream() {
    let mut decoder = Decoder::default();
    let mut offsets = Vec::new();
    for _ in 0..1000 {
        decoder.push(ONE.as_bytes(), &mut |found| offsets.push(found.unwrap().offset()));
    }
    assert!(offsets.iter().enumerate().all(|(i, &offset)| offset == (i * ONE.len()) as u64));
    decoder.push(b"/ABC5x\r\n1.8.", &mut |_| panic!("unfinished"));
    decoder.reset();
    assert!(!decoder.pending());
    decoder
        .push(ONE.as_bytes(), &mut |found| assert_eq!(found.unwrap().offset(), 1000 * ONE.len() as u64 + 12));
}

#[test]
fn noise_is_counted() {
    let mut decoder = Decoder::default();
    decode_with(&mut decoder, format!("garbage\r\n\0{ONE}/?!\r\n{ONE}").as_bytes());
    assert_eq!(decoder.noise(), "garbage/?!".len() as u64);
}

#[test]
fn the_reasons_tell_what_was_seen() {
    let mut reason = None;
    Decoder::default().push(b"/ABC5x\r\n1.8.0(1\x00*kWh)\r\n!\r\n", &mut |found| reason = found.err());
    let reason: Reason = reason.unwrap().reason;
    assert_eq!(reason.to_string(), r"`1.8.0(1\x00*kWh)` is no data line");
}
