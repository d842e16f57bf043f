//! Wireless M-Bus, with telegrams of an encoder that shares no code with the decoder.

use mbus::radio::{
    Decoder, Encryption, Evidence, Failure, Format, Framing, Outline, Reason, Receiver, Unreceived,
};
use proptest::prelude::*;
use test_meters::{
    faults::Random,
    radio::{Frame, KEY, RadioMeter, Security, amb8465, cul, frame, im871a, rtl_wmbus},
};

/// Volume 1.234 m³, and flow 0.005 m³/h: heads and data.
const RECORDS: &[(&[u8], &[u8])] = &[
    (&[0x04, 0x13], &[0xD2, 0x04, 0, 0]),
    (&[0x02, 0x3B], &[5, 0]),
    (&[0x0C, 0x78], &[0x78, 0x56, 0x34, 0x12]),
];

fn plain() -> Vec<u8> {
    RECORDS.iter().flat_map(|(head, data)| [*head, *data].concat()).collect()
}

/// Records of what was opened, without fillers; or the reason.
fn opened(decoder: &mut Decoder, telegram: &[u8], key: Option<[u8; 16]>) -> Result<Vec<u8>, Failure> {
    let opened = decoder.open(telegram, Format::Bare, |_| key)?;
    Ok(mbus::records(opened.records)
        .flat_map(|record| {
            let record = record.unwrap();
            [record.head, record.data].concat()
        })
        .collect())
}

const ENCRYPTED: [Security; 4] =
    [Security::Mode5 { plain: 0 }, Security::Mode5 { plain: 6 }, Security::Mode7, Security::LinkLayer];

#[test]
fn each_security_mode_is_read_with_its_key_and_told_of_without() {
    for security in ENCRYPTED {
        let telegram = RadioMeter::water(0x1234_5678).telegram(security, RECORDS);
        assert_eq!(opened(&mut Decoder::default(), &telegram, Some(KEY)).unwrap(), plain(), "{security:?}");
        for (key, expected) in [(None, "ask your supplier"), (Some([7; 16]), "wrong key: ")] {
            let failure = opened(&mut Decoder::default(), &telegram, key).unwrap_err();
            assert!(failure.reason.to_string().contains(expected), "{security:?}: {}", failure.reason);
            assert!(failure.reason.is_about_key());
            if let (Security::Mode5 { .. }, Some(_)) = (security, key) {
                assert_eq!(failure.reason, Reason::WrongKey(Evidence::Mark));
            }
            let outline = failure.outline.unwrap();
            assert_eq!(outline.address().to_string(), "12345678-TST-01-07", "{security:?}");
            assert!(outline.is_encrypted());
            assert_eq!(outline.access, Some(1));
        }
    }
}

#[test]
fn a_plain_telegram_needs_no_key() {
    let telegram = RadioMeter::water(0x1234_5678).telegram(Security::Plain, RECORDS);
    let mut decoder = Decoder::default();
    let opened = decoder.open(&telegram, Format::Bare, |_| panic!("it asks for a key")).unwrap();
    assert_eq!(opened.records, plain());
    assert_eq!(opened.outline.encryption, Encryption::Plain);
}

#[test]
fn a_compact_telegram_is_read_only_after_a_full_one_of_the_same_meter() {
    let (mut meter, mut other) = (RadioMeter::water(1), RadioMeter::water(2));
    let mut decoder = Decoder::default();
    let compact = meter.telegram(Security::CompactLinkLayer, RECORDS);
    let reason = opened(&mut decoder, &compact, Some(KEY)).unwrap_err().reason;
    assert!(matches!(reason, Reason::UnknownLayout(_)), "{reason}");
    opened(&mut decoder, &other.telegram(Security::LinkLayer, RECORDS), Some(KEY)).unwrap();
    let compact = meter.telegram(Security::CompactLinkLayer, RECORDS);
    assert!(opened(&mut decoder, &compact, Some(KEY)).is_err(), "the layout is another meter's");
    opened(&mut decoder, &meter.telegram(Security::LinkLayer, RECORDS), Some(KEY)).unwrap();
    let compact = meter.telegram(Security::CompactLinkLayer, RECORDS);
    assert_eq!(opened(&mut decoder, &compact, Some(KEY)).unwrap(), plain());
}

#[test]
fn a_telegram_of_a_wrong_key_teaches_no_layout() {
    let mut meter = RadioMeter::water(1);
    let mut decoder = Decoder::default();
    let full = meter.telegram(Security::LinkLayer, RECORDS);
    opened(&mut decoder, &full, Some([7; 16])).unwrap_err();
    let compact = meter.telegram(Security::CompactLinkLayer, RECORDS);
    assert!(matches!(
        opened(&mut decoder, &compact, Some(KEY)).unwrap_err().reason,
        Reason::UnknownLayout(_)
    ));
}

#[test]
fn a_repeated_telegram_and_an_old_one_are_dropped() {
    for security in [Security::Plain, Security::Mode5 { plain: 0 }, Security::Mode7, Security::LinkLayer] {
        let (mut meter, mut decoder) = (RadioMeter::water(1), Decoder::default());
        let old = meter.telegram(security, RECORDS);
        let new = meter.telegram(security, RECORDS);
        opened(&mut decoder, &old, Some(KEY)).unwrap();
        let again = opened(&mut decoder, &old, Some(KEY)).unwrap_err();
        assert_eq!(again.reason, Reason::Repeated, "{security:?}");
        opened(&mut decoder, &new, Some(KEY)).unwrap();
        let replayed = opened(&mut decoder, &old, Some(KEY));
        match security {
            Security::Mode7 | Security::LinkLayer => {
                assert_eq!(replayed.unwrap_err().reason, Reason::Replayed { counter: 1, before: 2 });
            }
            // Without a counter, only the recent ones are known.
            _ => assert_eq!(replayed.unwrap_err().reason, Reason::SentBefore, "{security:?}"),
        }
        let next = meter.telegram(security, RECORDS);
        opened(&mut decoder, &next, Some(KEY)).unwrap();
    }
}

#[test]
fn other_security_modes_are_named_with_the_address() {
    for mode in [1, 2, 3, 4, 6, 8, 9, 10, 13, 31] {
        let mut telegram = RadioMeter::water(0x1234_5678).telegram(Security::Plain, RECORDS);
        telegram[14] = mode;
        let Failure { outline, reason } = opened(&mut Decoder::default(), &telegram, Some(KEY)).unwrap_err();
        assert_eq!(reason.to_string(), format!("security mode {mode} is not supported"));
        assert_eq!(outline.map(|outline: Outline| outline.address().id), Some(0x1234_5678));
    }
}

#[test]
fn a_telegram_with_nothing_but_the_makers_own_data_is_not_accepted() {
    let telegram = RadioMeter::water(1).telegram(Security::Plain, &[(&[0x0F], &[1, 2, 3])]);
    assert_eq!(opened(&mut Decoder::default(), &telegram, None).unwrap_err().reason, Reason::NoData);
}

#[test]
fn a_text_that_begins_right_and_breaks_apart_is_a_wrong_key() {
    let telegram = RadioMeter::water(1).telegram(Security::Mode5 { plain: 0 }, &[(&[0x0D, 0x13], &[0xFF])]);
    let reserved = opened(&mut Decoder::default(), &telegram, Some(KEY)).unwrap_err().reason;
    assert_eq!(reserved, Reason::WrongKey(Evidence::Records));
}

/// A telegram with the strength of its signal, or what was damaged.
type Received = Result<(Vec<u8>, Option<i16>), Unreceived>;

/// What a receiver delivers of `stream`, in pieces of `size` bytes.
fn received(receiver: Receiver, stream: &[u8], size: usize) -> Vec<Received> {
    let (mut framing, mut found) = (Framing::new(receiver), Vec::new());
    for piece in stream.chunks(size) {
        framing.push(piece);
        while let Some(next) = framing.next() {
            found.push(next.map(|reception| (reception.frame.to_vec(), reception.rssi)));
        }
    }
    while let Some(next) = framing.rest() {
        found.push(next.map(|reception| (reception.frame.to_vec(), reception.rssi)));
    }
    found
}

/// A stream of each receiver with `telegrams`, and noise where a receiver makes some.
fn stream(receiver: Receiver, telegrams: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = match receiver {
        Receiver::Cul => b"V 1.67 nanoCUL868\r\n".to_vec(),
        Receiver::RtlWmbus | Receiver::Hex => b"# a remark\n".to_vec(),
        Receiver::Rtl433 => b"{\"model\":\"Acurite\",\"data\":\"00\"}\n".to_vec(),
        _ => vec![0x00, 0x11],
    };
    for (i, telegram) in telegrams.iter().enumerate() {
        let hex: String = telegram.iter().map(|byte| format!("{byte:02x}")).collect();
        let format = if i % 2 == 0 { Frame::A } else { Frame::B };
        match receiver {
            Receiver::RtlWmbus => stream.extend(rtl_wmbus(telegram).bytes()),
            Receiver::Rtl433 => {
                stream.extend(format!("{{\"model\":\"Wireless-MBus\",\"data\":\"{hex}\"}}\n").bytes());
            }
            Receiver::Cul => stream.extend(cul(format, telegram).bytes()),
            Receiver::Im871a => stream.extend(im871a(telegram)),
            Receiver::Amb8465 => stream.extend(amb8465(telegram)),
            Receiver::Hex => stream.extend(format!("|{hex}|\n").bytes()),
            Receiver::Bare => stream.extend(frame(format, telegram)),
        }
    }
    stream
}

fn telegrams() -> Vec<Vec<u8>> {
    let mut meter = RadioMeter::water(0x1234_5678);
    // A5 and FF inside of telegrams begin no message.
    meter.access = 0xA5;
    let many: Vec<(&[u8], &[u8])> = RECORDS.iter().copied().cycle().take(24).collect();
    let mut telegrams: Vec<_> = ENCRYPTED.iter().map(|security| meter.telegram(*security, RECORDS)).collect();
    telegrams.push(meter.telegram(Security::Plain, &many));
    telegrams.push(meter.telegram(Security::Plain, RECORDS));
    telegrams
}

#[test]
fn every_receiver_delivers_each_telegram_in_pieces_of_any_size() {
    let telegrams = telegrams();
    for receiver in Receiver::ALL {
        let stream = stream(receiver, &telegrams);
        assert_eq!(Receiver::of(&stream), Some(receiver));
        for size in [1, 2, 7, 50, 4000] {
            let found = received(receiver, &stream, size);
            let frames: Vec<_> = found.iter().map(|found| found.clone().unwrap().0).collect();
            assert_eq!(frames, telegrams, "{receiver} in pieces of {size}");
            let rssi = found[0].clone().unwrap().1;
            let expected = match receiver {
                Receiver::Cul => Some(-98),
                Receiver::Im871a => Some(-45),
                Receiver::Amb8465 => Some(-102),
                _ => None,
            };
            assert_eq!(rssi, expected, "{receiver}");
        }
    }
}

#[test]
fn a_line_that_the_receiver_found_damaged_is_dropped() {
    let line = rtl_wmbus(&telegrams()[0]);
    for damaged in [line.replacen("T1;1;1", "T1;0;1", 1), line.replacen("T1;1;1", "T1;1;0", 1)] {
        let found = received(Receiver::RtlWmbus, damaged.as_bytes(), 4000);
        assert_eq!(found, [Err(Unreceived { offset: 0, reason: Reason::Checksum })]);
    }
}

#[test]
fn what_waits_for_the_rest_of_a_telegram_is_bounded() {
    for receiver in Receiver::ALL {
        for byte in [0xA5, 0xFF, b'b', b'a', 0x44] {
            let mut framing = Framing::new(receiver);
            for _ in 0..1000 {
                framing.push(&[byte; 1000]);
                while framing.next().is_some() {}
                assert!(framing.waiting() <= 10_000, "{receiver} {byte:02x}");
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_neither_panic_nor_hang(bytes in prop::collection::vec(any::<u8>(), 0..600), key: [u8; 16]) {
        for receiver in Receiver::ALL {
            let mut decoder = Decoder::default();
            Framing::new(receiver).decode(&bytes, &mut |found| {
                if let Ok(reception) = found {
                    let _ = decoder.open(reception.frame, reception.format, |_| Some(key));
                }
            });
        }
        let mut telegram = bytes;
        telegram.truncate(256);
        if let [length, control, ..] = &mut telegram[..] {
            (*length, *control) = (0, 0x44);
            telegram[0] = (telegram.len() - 1) as u8;
        }
        let _ = Decoder::default().open(&telegram, Format::A, |_| Some(key));
    }
}

/// Returns how many of `count` damaged telegrams are read, and how many of these with another content.
fn damaged(security: Security, format: Frame, count: u32) -> (u32, u32) {
    let mut random = Random::new(1);
    let telegram = RadioMeter::water(0x1234_5678).telegram(security, RECORDS);
    let framed = frame(format, &telegram);
    let arrived = match format {
        Frame::A => Format::A,
        Frame::B => Format::B,
        Frame::Bare => Format::Bare,
    };
    let (mut read, mut wrong) = (0, 0);
    let (mut bytes, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..count {
        bytes.clear();
        bytes.extend_from_slice(&framed);
        match random.below(4) {
            // One bit to eight.
            0 | 1 => (0..=random.below(8)).for_each(|_| {
                let bit = random.below(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }),
            2 => {
                let (at, len) = (random.below(bytes.len()), random.below(16));
                bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = random.below(256) as u8);
            }
            _ => {
                let at = random.below(bytes.len());
                bytes.remove(at);
                bytes.insert(random.below(bytes.len()), random.below(256) as u8);
            }
        }
        bare.clear();
        if arrived.unframe(&bytes, &mut bare).is_err() {
            continue;
        }
        if let Ok(records) = opened(&mut Decoder::default(), &bare, Some(KEY)) {
            read += 1;
            wrong += u32::from(records != plain());
        }
    }
    (read, wrong)
}

#[test]
#[allow(clippy::print_stdout, reason = "the measured rates are printed")]
fn no_damaged_telegram_with_checksums_gives_a_wrong_value() {
    // A million over all of them, in the nightly run: `MILLION=1`.
    let count = if std::env::var_os("MILLION").is_some() { 250_000 } else { 5_000 };
    for security in [Security::Plain, Security::Mode5 { plain: 0 }, Security::Mode7, Security::LinkLayer] {
        let (read, wrong) = damaged(security, Frame::A, count);
        println!("{security:?}, format A: {count} damaged, {read} read, {wrong} with wrong values");
        assert_eq!(wrong, 0, "{security:?}");
    }
    for security in [Security::Mode7, Security::LinkLayer, Security::Mode5 { plain: 0 }, Security::Plain] {
        let (read, wrong) = damaged(security, Frame::Bare, count);
        println!("{security:?}, without checksums: {count} damaged, {read} read, {wrong} with wrong values");
        assert!(wrong == 0 || security != Security::Mode7, "{security:?}");
    }
}
