//! The registration for `smartmeter decode` and `probe`.

use framework::SourcePlugin as _;
use plugin_wmbus::Wmbus;
use telegram::{Decoded, Keys, ProtocolRegistration, json_line, protocols};
use test_meters::radio::{Frame, KEY, RadioMeter, Security, cul, frame};

use crate::support::telegram;

pub(crate) fn registration() -> &'static ProtocolRegistration {
    protocols().into_iter().find(|protocol| protocol.kind == Wmbus::KIND).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys { key: Some(telegram::Key::new(KEY)), ..Keys::default() }
}

/// Lines of accepted telegrams, and reasons of the others.
pub(crate) fn decoded(bytes: &[u8], keys: &Keys) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut reasons) = (Vec::new(), Vec::new());
    (registration().decode)(bytes, keys, &mut |found| match found {
        Decoded::Telegram { ident, members, readings, .. } => {
            let line = json_line(Wmbus::KIND, ident.as_deref(), &members, &readings);
            lines.push(String::from_utf8(line).unwrap());
        }
        Decoded::Rejected { offset, reason, .. } => reasons.push(format!("{offset}: {reason}")),
    });
    (lines, reasons)
}

/// Returns the number of telegrams that are accepted without a key, and with one.
pub(crate) fn accepted(bytes: &[u8]) -> usize {
    let [without, with] = [Keys::default(), keys()].map(|keys| decoded(bytes, &keys).0.len());
    assert_eq!(without, with);
    without
}

/// Returns what the bytes are called without a key.
pub(crate) fn described(bytes: &[u8]) -> Option<String> {
    (registration().describe.unwrap())(bytes, &Keys::default()).map(|description| description.what)
}

#[test]
fn a_telegram_and_a_recording_of_a_stick_are_decoded_with_their_members() {
    let mut meter = RadioMeter::water(0x1234_5678);
    let first = telegram(&mut meter, Security::Mode7, 1234);
    let (lines, reasons) = decoded(&frame(Frame::A, &first), &keys());
    assert_eq!(reasons, [""; 0]);
    assert_eq!(
        lines,
        [
            "{\"protocol\":\"wmbus\",\"ident\":\"12345678-TST-01-07\",\"id\":\"12345678\",\"manufacturer\":\"TST\",\
          \"version\":1,\"medium\":7,\"medium_name\":\"water\",\"access\":1,\"status\":0,\"security_mode\":7,\
          \"message_counter\":1,\"frame\":\"format A\",\"receiver\":\"rc1180\",\"readings\":[\
          {\"quantity\":\"volume\",\"function\":\"inst\",\"storage\":0,\"tariff\":0,\"subunit\":0,\"value\":1.234,\
          \"unit\":\"m3\"},{\"quantity\":\"volume_flow\",\"function\":\"inst\",\"storage\":0,\"tariff\":0,\
          \"subunit\":0,\"value\":0.005,\"unit\":\"m3/h\"}]}\n"
        ]
    );
    let stick: String = [Frame::A, Frame::B, Frame::A]
        .map(|format| cul(format, &telegram(&mut meter, Security::LinkLayer, 5)))
        .concat();
    let (lines, reasons) = decoded(stick.as_bytes(), &keys());
    assert_eq!((lines.len(), reasons.len()), (3, 0));
    assert!(lines[0].contains("\"receiver\":\"cul\",\"rssi\":-98"), "{}", lines[0]);
}

#[test]
fn without_a_key_a_telegram_is_told_of_with_all_that_can_be_read() {
    let mut meter = RadioMeter::water(0x1234_5678);
    let bytes = telegram(&mut meter, Security::Mode7, 5);
    let (lines, reasons) = decoded(&bytes, &Keys::default());
    assert_eq!(lines, [""; 0]);
    assert_eq!(
        reasons,
        [
            "0: 12345678-TST-01-07 water, access number 1, status 0, security mode 7, message counter 1: it is \
          encrypted: ask your supplier for the meter's key (AES-128, 32 hex digits)"
        ]
    );
    let description = (registration().describe.unwrap())(&bytes, &Keys::default()).unwrap();
    assert_eq!(description.what, "1 radio telegram (receiver `rc1180`) of 12345678-TST-01-07 water");
    assert!(description.advice.unwrap().starts_with("encrypted: ask your supplier for the key"));
}

#[test]
fn a_telegram_of_another_key_is_told_of_and_the_others_are_read() {
    let mut meter = RadioMeter::water(0x1234_5678);
    let mut other = RadioMeter { key: [7; 16], ..RadioMeter::water(0x4711_0815) };
    for security in [Security::Mode5 { plain: 0 }, Security::Mode7, Security::LinkLayer] {
        for format in [Frame::Bare, Frame::A] {
            let [a, b, c] = [
                telegram(&mut meter, security, 5),
                telegram(&mut other, security, 6),
                telegram(&mut meter, security, 7),
            ];
            let bytes = [a, b, c].map(|telegram| frame(format, &telegram)).concat();
            let (lines, reasons) = decoded(&bytes, &keys());
            assert_eq!(lines.len(), 2, "{security:?}: {reasons:?}");
            assert_eq!(reasons.len(), 1);
            assert!(reasons[0].contains("47110815-TST-01-07 water"), "{reasons:?}");
            assert!(reasons[0].contains("wrong key: "), "{reasons:?}");
        }
    }
}

#[test]
fn a_compact_telegram_of_a_kamstrup_water_meter_is_read_before_a_full_one() {
    let records: &[(&[u8], &[u8])] = &[
        (&[0x02, 0xFF, 0x20], &[0, 0]),
        (&[0x04, 0x13], &[0x22, 0x9C, 0x0C, 0]),
        (&[0x44, 0x13], &[0x21, 0x9C, 0x0C, 0]),
    ];
    let mut meter = RadioMeter { maker: *b"KAM", medium: 0x16, ..RadioMeter::water(0x1234_5678) };
    for format in [Frame::A, Frame::B, Frame::Bare] {
        let bytes = frame(format, &meter.telegram(Security::CompactLinkLayer, records));
        let (lines, reasons) = decoded(&bytes, &keys());
        assert_eq!((lines.len(), reasons), (1, Vec::new()));
        assert!(
            lines[0].contains("\"value\":826.402") && lines[0].contains("\"value\":826.401"),
            "{}",
            lines[0]
        );
    }
    let mut other = RadioMeter::water(0x1234_5678);
    let bytes = frame(Frame::A, &other.telegram(Security::CompactLinkLayer, records));
    let (lines, reasons) = decoded(&bytes, &keys());
    assert!(lines.is_empty() && reasons[0].contains("signature DD34"), "{reasons:?}");
}

#[test]
fn a_bare_telegram_that_is_the_whole_file_is_read_whatever_its_address_is() {
    // Identification with letters, and a device type without a name: a gateway's.
    let mut bare = vec![0x14, 0x44, 0x74, 0x52, 0x0A, 0x00, 0x11, 0x40, 0x01, 0x1F, 0x7A, 0x0B, 0, 0, 0];
    bare.extend([0x04, 0x13, 0x2A, 0, 0, 0]);
    assert_eq!(accepted(&bare), 1);
    // With anything around it, it may be chance.
    assert_eq!(accepted(&[&[0x00], &bare[..]].concat()), 0);
    assert_eq!(accepted(&[&bare[..], &[0x00]].concat()), 0);
}
