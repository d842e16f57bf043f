//! The decoder at its edges: what is cut off, glued, damaged, forced, or without end.

use std::time::Duration;

use plugin_d0::{MAX_TELEGRAM, decoder::Decoder, framing::Framing, reject::Reason, telegram::Check};
use rustix::time::{ClockId, clock_gettime};
use telegram::{Decoder as _, Telegram as _};

/// Shows the text of each register, or the kind of fault.
fn decode(bytes: &[u8]) -> Vec<String> {
    decode_with(&mut Decoder::default(), bytes)
}

fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Parity { .. } => "parity",
        Reason::Bcc { .. } => "bcc",
        Reason::Crc { .. } => "crc",
        Reason::NoCheck => "no_check",
        Reason::NoEnd => "no_end",
        Reason::Paused => "paused",
        Reason::AfterMark(_) => "after_mark",
        Reason::Line(_) => "line",
        Reason::Ident(_) => "ident",
        Reason::TooLong => "too_long",
        Reason::Empty => "empty",
    }
}

fn decode_with(decoder: &mut Decoder, bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    let mut push = |found: Result<plugin_d0::telegram::Telegram<'_>, plugin_d0::reject::Rejected>| {
        all.push(match found {
            Ok(telegram) => {
                telegram.registers().map(|r| format!("{}={}", r.code, r.value)).collect::<Vec<_>>().join(" ")
            }
            Err(rejected) => format!("{}@{}", kind(&rejected.reason), rejected.offset),
        });
    };
    decoder.push(bytes, &mut push);
    decoder.scanner().finish();
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
    for end in ["!\r\n", "!\n", "!\r", "!", "!\0"] {
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
    assert!(decoder.scanner().is_pending());
    decoder.scanner().finish();
    assert!(decoder.next().is_some_and(|found| found.is_ok()));
    assert!(decoder.next().is_none());
    assert!(!decoder.scanner().is_pending());
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
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n! 123\r\n", "after_mark@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n!g23A\r\n", "after_mark@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n!1g3A\r\n", "after_mark@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)\r\n!\u{7f}23A\r\n", "after_mark@0"),
        ("/ABC5x\r\n1.8.0(1*kWh)!\u{3}", "after_mark@0"),
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
                (telegram.check, telegram.odd_lines, telegram.len()),
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
                .push(&bytes, &mut |telegram| found = telegram.ok().map(|telegram| telegram.framing));
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
        // The last line may end at the bound, and not after it.
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
                        Err(rejected) => format!("{}@{}", kind(&rejected.reason), rejected.offset),
                    });
                });
            }
            // One byte more for the end mark is too long as well.
            assert_eq!(all, [if over == 0 { "too_long@0" } else { found }], "{over} {chunk}");
        }
    }
}

/// Returns the time that this thread has computed, which other tests beside it do not change.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
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
        let start = cpu_time();
        let mut decoder = Decoder::default();
        let found = decode_with(&mut decoder, &[&stream[..], good].concat());
        let shown = String::from_utf8_lossy(&stream[..20]).into_owned();
        assert_eq!(found.last().map(String::as_str), Some("1.8.0=1"), "{shown:?}");
        assert!(decoder.scanner().space().len() <= MAX_TELEGRAM + 1024, "{shown:?}");
        // Of a debug build: something quadratic would take minutes.
        let took = cpu_time() - start;
        assert!(took < Duration::from_secs(10), "{shown:?} took {took:?}");
    }
}

#[test]
fn a_reader_always_has_space() {
    let mut decoder = Decoder::default();
    for _ in 0..200_000 {
        let space = decoder.scanner().space();
        assert!(space.len() >= 512);
        space[..7].copy_from_slice(b"1.8.0(1");
        decoder.scanner().filled(7);
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
    decoder.scanner().reset();
    assert!(!decoder.scanner().is_pending());
    decoder
        .push(ONE.as_bytes(), &mut |found| assert_eq!(found.unwrap().offset(), 1000 * ONE.len() as u64 + 12));
}

#[test]
fn the_reasons_tell_what_was_seen() {
    let mut reason = None;
    Decoder::default().push(b"/ABC5x\r\n1.8.0(1\x00*kWh)\r\n!\r\n", &mut |found| reason = found.err());
    let reason: Reason = reason.unwrap().reason;
    assert_eq!(reason.to_string(), r"`1.8.0(1\x00*kWh)` is not a data line");
}

fn one_line(line: &str) -> Vec<String> {
    decode(format!("/ABC5x\r\n{line}\r\n!\r\n").as_bytes())
}

#[test]
fn blanks_may_stand_between_codes_and_brackets() {
    for line in [
        "  1.8.0(1*kWh)",
        "\t1.8.0(1*kWh)",
        "1.8.0(1*kWh) \t",
        "1.8.0 (1*kWh)",
        "1.8.0(1*kWh) !",
        "   \r\n1.8.0(1*kWh)",
        "1.8.0(1*kWh)\r\n ",
    ] {
        assert_eq!(one_line(line), ["1.8.0=1"], "{line:?}");
    }
    assert_eq!(one_line("0.0( 4 2 ) 1.8.0(1*kWh)\t2.8.0(2*kWh)"), ["0.0= 4 2  1.8.0=1 2.8.0=2"]);
    assert_eq!(decode(b"/ABC5x\r\n1.8.0(1*kWh)\r\n  !\r\n"), ["1.8.0=1"]);
    for line in ["1.8 .0(1*kWh)", "1. 8.0(1*kWh)", "1.8.0(1*kWh) x", "1.8.0 1*kWh)", "1.8.0 "] {
        assert_eq!(one_line(line), ["line@0"], "{line:?}");
    }
}

#[test]
fn the_rest_of_a_cut_code_is_no_code() {
    for line in [
        "55(1*kWh)",
        "0*255(1*kWh)",
        "1-0(1)",
        ".8.0(1*kWh)",
        ":1.8.0(1)",
        "-0:1.8.0(1)",
        "*255(1)",
        "&01(1)",
    ] {
        assert_eq!(one_line(&format!("1.8.0(1*kWh)\r\n{line}")), ["line@0"], "{line:?}");
    }
    // A check proves that the meter sent it so.
    assert_eq!(decode(&polled("55(1*kWh)\r\n!\r\n")), ["55=1"]);
    assert_eq!(
        one_line("F(0)\r\nFF(1)\r\nET0PE(2)\r\nP_1(3)\r\n1.8.0#1(4)"),
        ["F=0 FF=1 ET0PE=2 P_1=3 1.8.0#1=4"]
    );
}

/// A data message with its check character.
fn polled(data: &str) -> Vec<u8> {
    let covered = format!("{data}\u{3}");
    let bcc = covered.bytes().fold(0, |bcc, byte| bcc ^ byte);
    [b"/ABC5x\r\n\x02", covered.as_bytes(), &[bcc]].concat()
}

#[test]
fn a_check_character_proves_a_message_without_end_mark() {
    for data in ["1.8.0(1*kWh)", "1.8.0(1*kWh)\r\n", "1.8.0(1*kWh) ", "\r\n1.8.0(1*kWh)\r\n\r\n"] {
        let whole = polled(data);
        assert_eq!(decode(&whole), ["1.8.0=1"], "{data:?}");
        if data.starts_with('1') {
            assert_eq!(decode(&whole[8..]), ["1.8.0=1"], "{data:?} without ident");
        }
        assert_eq!(decode(&[&whole[..], &whole, ONE.as_bytes()].concat()), ["1.8.0=1"; 3], "{data:?}");
        assert_eq!(decode(&whole[..whole.len() - 1]), ["no_end@0"], "{data:?}");
        assert_eq!(decode(&whole[..whole.len() - 2]), ["no_end@0"], "{data:?}");
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&wrong), ["bcc@0"], "{data:?}");
        let even: Vec<u8> = whole.iter().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect();
        assert_eq!(decode(&even), ["1.8.0=1"], "{data:?}");
        let odd: Vec<u8> = even.iter().map(|b| b ^ 0x80).collect();
        assert_eq!(decode(&odd), ["1.8.0=1"], "{data:?}");
    }
    // The ETX may be damage, and the check right by chance.
    assert_eq!(decode(&polled("1.8.0(1*kWh)\r\n2.8.0(1")), ["no_end@0"]);
    assert_eq!(decode(&polled("2.8.0(1)\r\nodd\r\n!\r\n")), ["2.8.0=1"]);
    assert_eq!(decode(&polled("!\r\n")), ["empty@0"]);
    // Without STX, ETX is nothing but a damaged character.
    assert_eq!(decode(b"/ABC5x\r\n1.8.0(1*kWh)\r\n\x03x\r\n!\r\n"), ["line@0"]);
}

#[test]
fn units_may_have_characters_above_ascii() {
    let first = |line: &[u8]| {
        let bytes = [b"/ABC5x\r\n", line, b"\r\n!\r\n"].concat();
        let mut found = None;
        Decoder::default().push(&bytes, &mut |telegram| {
            let Ok(telegram) = telegram else { return };
            found = telegram.registers().next().map(|register| {
                let number = register.number.map(|number| number.to_string());
                (register.value.to_owned(), register.unit.map(str::to_owned), number)
            });
        });
        found
    };
    for (line, value, unit) in [
        ("9.4(71.5*\u{b0}C)".as_bytes(), "71.5", "\u{b0}C"),
        ("6.26(815.04*m\u{b3})".as_bytes(), "815.04", "m\u{b3}"),
        ("33.7(1.5*\u{3a9})".as_bytes(), "1.5", "\u{3a9}"),
        (b"9.4(71.5*\xb0C)", "71.5", "?C"),
        (b"6.26(815.04*m\xb3)", "815.04", "m?"),
    ] {
        let (found, found_unit, number) = first(line).unwrap_or_else(|| panic!("{}", line.escape_ascii()));
        assert_eq!((found.as_str(), found_unit.as_deref()), (value, Some(unit)));
        assert_eq!(number.as_deref(), Some(value));
    }
    // A damaged letter, a damaged digit, and other text.
    for line in [&b"1.8.0(1*k\xd7h)"[..], b"1.8.0(1\xb0*kWh)", b"1.8.0(1\xb0*m\xb3)", b"1.8.0(x*m\xb3)"] {
        assert_eq!(first(line), None, "{}", line.escape_ascii());
    }
}

#[test]
fn idents_and_codes_of_other_makers() {
    for ident in ["/KAM MC", "/kam0MC", "/Abc-x", "/ABC@\\?!/x", "/ABB\\@V9.00", "/ABC?!"] {
        assert_eq!(decode(format!("{ident}\r\n1.8.0(1*kWh)\r\n!\r\n").as_bytes()), ["1.8.0=1"], "{ident}");
        let mut message = polled("6.8(1*kWh)\r\n!\r\n");
        message.splice(..6, ident.bytes());
        assert_eq!(decode(&message), ["6.8=1"], "{ident}");
    }
    assert_eq!(decode(format!("/?KAM MC!\r\n{ONE}").as_bytes()), ["1.8.0=1"], "the reader's own request");
    assert_eq!(one_line("f.f(00)\r\nc.1.0(42)"), ["f.f=00 c.1.0=42"]);
    Decoder::default().push(b"/ABC5x\r\nf.f(00)\r\n!\r\n", &mut |found| {
        assert_eq!(found.unwrap().registers().next().unwrap().obis, framework::Obis::parse(b"F.F"));
    });
    // No number in the sense of `Decimal`, so text.
    assert_eq!(one_line("1.8.0(.5*kWh)\r\n2.8.0(5.*kWh)"), ["1.8.0=.5 2.8.0=5."]);
}
