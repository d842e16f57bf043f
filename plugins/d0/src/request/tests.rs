use super::*;

fn request(framing: Option<Framing>) -> Request {
    Request { address: String::new(), framing, baud: 300, max_baud: None, wake_up: false, ack_delay: None }
}

#[test]
fn requests_have_the_parity_of_the_framing() {
    for (framing, bytes) in [
        (None, [0xaf, 0x3f, 0x21, 0x8d, 0x0a, 0x06, 0x00]),
        (Some(Framing::SevenEven), [0xaf, 0x3f, 0x21, 0x8d, 0x0a, 0x06, 0x00]),
        (Some(Framing::SevenOdd), [0x2f, 0xbf, 0xa1, 0x0d, 0x8a, 0x86, 0x80]),
        (Some(Framing::Eight), [0x2f, 0x3f, 0x21, 0x0d, 0x0a, 0x06, 0x00]),
    ] {
        assert_eq!(request(framing).framed(b"/?!\r\n\x06\0"), bytes, "{framing:?}");
    }
}

#[test]
fn the_fifth_character_of_the_ident_line_is_the_mode() {
    for (character, mode) in [
        (b'0', Mode::C(300, b'0')),
        (b'1', Mode::C(600, b'1')),
        (b'5', Mode::C(9600, b'5')),
        (b'6', Mode::C(19_200, b'6')),
        (b'A', Mode::B(600)),
        (b'F', Mode::B(19_200)),
        (b'7', Mode::A),
        (b'@', Mode::A),
        (b'G', Mode::A),
        (b'a', Mode::A),
        (b' ', Mode::A),
    ] {
        assert_eq!(Mode::of(character), mode, "{}", char::from(character));
    }
}

#[test]
fn an_ident_line_is_found_when_its_end_is_there() {
    for (heard, place) in [
        (&b"/ISK5MT174-0001\r\n"[..], Some(0..17)),
        (b"/ISK5MT174-0001\r\n\x02F.F(", Some(0..17)),
        (b"/?!\r\n/KAM MC\r\n", Some(5..14)),
        (b"\0\xff/?1/?!\r\n\0/KAM MC\r\n", Some(11..20)),
        (b"/ISK5MT174-0001\r", None),
        (b"/ISK5MT174", None),
        (b"/?!\r\n", None),
        (b"hello\r\n", None),
        (b"", None),
    ] {
        assert_eq!(find_ident(heard), place, "{}", heard.escape_ascii());
        assert_eq!(find_ident(&request(None).framed(heard)), place);
    }
}

#[test]
fn the_readout_begins_with_stx_and_a_code() {
    for (heard, start) in [
        (&b"\x02F.F(0)\r\n"[..], Some(0)),
        (b"\x06050\r\n\x02F.F(0)", Some(6)),
        (b"\0\x82\x02\0\xff\x021.8.0", Some(5)),
        (b"\x02", None),
        (b"1.8.0(1*kWh)\r\n", None),
    ] {
        assert_eq!(find_readout(heard), start, "{}", heard.escape_ascii());
    }
}

#[test]
fn what_the_head_reflects_is_no_answer() {
    assert_eq!(after(b"\0/?!\r\n/I", b"/?!\r\n"), b"/I");
    assert_eq!(after(b"/I", b"/?!\r\n"), b"/I");
    assert_eq!(after(b"/I", b""), b"/I");
    assert!(matches!(no_ident(b""), AcquireError::Silent { .. }));
    let AcquireError::Malformed { reason } = no_ident(b"h\xe9llo\r\n") else { panic!() };
    assert_eq!(reason, "the meter answers `hillo`, which is not an ident line");
}
