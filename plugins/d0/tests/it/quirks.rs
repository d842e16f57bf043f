//! Meters that do something in another way: texts of several lines, other checksums, decimal commas.

use plugin_d0::{decoder::Decoder, reject::Reason};
use telegram::{Decoder as _, Telegram as _};
use telegram_testing::{Found, Owned, accepted};

fn decode(bytes: &[u8]) -> Vec<Found<Reason>> {
    telegram_testing::decode(Decoder::default(), bytes, &[])
}

fn value<'a>(telegram: &'a Owned, code: &str) -> &'a str {
    &telegram.registers.iter().find(|register| register.code == code).unwrap().value
}

fn number(telegram: &Owned, code: &str) -> Option<String> {
    telegram.registers.iter().find(|register| register.code == code).unwrap().number.map(|n| n.to_string())
}

#[test]
fn a_text_of_several_lines_does_not_reject_its_telegram() {
    for (text, line_end) in [
        ("303132\r\n333435\r\n363738", "\r\n"),
        ("303132\n333435", "\n"),
        ("303132\r\n\r\n333435\r\n", "\r\n"),
        ("Planned outage, 8 to 9 h\r\non Monday", "\r\n"),
    ] {
        for after in ["0-0:96.14.0(0002)\r\n!", "!"] {
            let bytes = format!(
                "/XYZ5 1\r\n\r\n1-0:1.8.1(00185.000*kWh)\r\n0-0:96.13.0({text}){line_end}{after}\r\n"
            );
            let found = decode(bytes.as_bytes());
            let [telegram] = accepted(&found)[..] else { panic!("{text:?}: {found:?}") };
            assert_eq!(value(telegram, "0-0:96.13.0"), text);
            assert_eq!(number(telegram, "1-0:1.8.1").as_deref(), Some("185.0"));
            let cuts: Vec<_> = (0..bytes.len()).collect();
            assert_eq!(telegram_testing::decode(Decoder::default(), bytes.as_bytes(), &cuts), found);
        }
    }
}

#[test]
fn a_value_that_lost_its_bracket_takes_no_other_line() {
    for lines in [
        // A measured value, and texts that never end or end in another register.
        "1-0:1.8.0(00185\r\n.000*kWh)\r\n",
        "1-0:1.8.0(00185.000*k\r\nWh)\r\n",
        "0-0:96.13.0(3031\r\n1-0:1.8.0(00185.000*kWh)\r\n",
        "0-0:96.13.0(3031\r\n3233\r\n",
        "0-0:96.13.0(3031\r\n3233*kWh)\r\n",
        "0-0:96.13.0(3031)(32\r\n33)\r\n",
    ] {
        let found = decode(format!("/XYZ5 1\r\n\r\n1-0:2.8.0(1*kWh)\r\n{lines}!\r\n").as_bytes());
        assert!(
            matches!(&found[..], [Err(rejected)] if matches!(rejected.reason, Reason::Line(_))),
            "{found:?}"
        );
    }
}

/// A telegram with a CRC of this kind.
fn with_crc(ident: &str, algorithm: &'static crc::Algorithm<u16>, value: u32) -> Vec<u8> {
    let text = format!("/{ident}\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.0({value:08}.567*kWh)\r\n!");
    let crc = crc::Crc::<u16>::new(algorithm).checksum(text.as_bytes());
    format!("{text}{crc:04X}\r\n").into_bytes()
}

#[test]
fn another_kind_of_crc_is_found_and_remembered_and_shown_as_quirk() {
    let kinds = [
        (&crc::CRC_16_ARC, None),
        (&crc::CRC_16_IBM_SDLC, Some("CRC-16/X-25")),
        (&crc::CRC_16_KERMIT, Some("CRC-16/KERMIT")),
        (&crc::CRC_16_MODBUS, Some("CRC-16/MODBUS")),
    ];
    for (algorithm, quirk) in kinds {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        let other = if quirk.is_none() { &crc::CRC_16_IBM_SDLC } else { &crc::CRC_16_ARC };
        let stream = [
            with_crc("HLY5/D545", algorithm, 1),
            with_crc("HLY5/D545", other, 2),
            with_crc("HLY5/D545", algorithm, 3),
            // Another meter.
            with_crc("XYZ5P1", other, 4),
        ];
        decoder.push(&stream.concat(), &mut |telegram| {
            found.push(telegram.map(|telegram| telegram.quirks()[0]).map_err(|rejected| rejected.reason));
        });
        assert_eq!((&found[0], &found[2]), (&Ok(quirk), &Ok(quirk)));
        assert!(matches!(found[1], Err(Reason::Crc { .. })), "what agrees by chance: {found:?}");
        assert!(found[3].is_ok());
    }
    let mut damaged = with_crc("HLY5/D545", &crc::CRC_16_IBM_SDLC, 1);
    damaged[20] ^= 1;
    assert!(
        matches!(&decode(&damaged)[..], [Err(rejected)] if matches!(rejected.reason, Reason::Crc { .. }))
    );
}

/// A polled answer with these lines.
fn polled(lines: &str) -> Vec<u8> {
    let data = format!("{lines}!\r\n\u{3}");
    let bcc = data.bytes().fold(0, |bcc, byte| bcc ^ byte);
    [format!("/KAM 685\r\n\u{2}{data}").as_bytes(), &[bcc]].concat()
}

#[test]
fn decimal_commas_are_numbers_where_the_whole_telegram_has_them() {
    let found = decode(&polled("0.0(00685382)\r\n1.20(0083038*kWh)\r\n1.6(000007,4*kW)\r\n9.4(-1,25*C)\r\n"));
    let [telegram] = accepted(&found)[..] else { panic!("{found:?}") };
    assert_eq!(number(telegram, "1.6").as_deref(), Some("7.4"));
    assert_eq!(number(telegram, "9.4").as_deref(), Some("-1.25"));
    assert_eq!((value(telegram, "1.6"), number(telegram, "0.0")), ("000007,4", None));
    for lines in [
        "1.8.0(000012.5*kWh)\r\n1.6(000007,4*kW)\r\n",
        "1.8.0(1e9*kWh)\r\n1.6(000007,4*kW)\r\n",
        "1.6(0,007,4*kW)\r\n",
        "1.6(7.0,4*kW)\r\n",
        "1.6(,*kW)\r\n",
    ] {
        let found = decode(&polled(lines));
        assert_eq!(number(accepted(&found)[0], "1.6"), None, "{lines}");
    }
    // Nothing proves the comma.
    let pushed = "/EBZ5DD3\r\n\r\n1-0:1.8.0*255(012345*kWh)\r\n1-0:76.7.0*255(1,5*W)\r\n!\r\n";
    assert_eq!(number(accepted(&decode(pushed.as_bytes()))[0], "1-0:76.7.0*255"), None);
}
