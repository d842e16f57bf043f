//! The registration for `smartmeter decode` and `record`.

use framework::SourcePlugin as _;
use plugin_mbus::Mbus;
use simulator::mbus::{MbusBus, MbusMeter, heat_records, long_frame};
use telegram::{Decoded, Keys, json_line};

/// Lines of accepted telegrams, and reasons of the others.
pub(crate) fn decoded(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut reasons) = (Vec::new(), Vec::new());
    (telegram_testing::protocol(Mbus::KIND).decode)(bytes, &Keys::default(), &mut |found| match found {
        Decoded::Telegram { ident, members, readings, .. } => {
            let line = json_line(Mbus::KIND, ident.as_deref(), &members, &readings);
            lines.push(String::from_utf8(line).unwrap());
        }
        Decoded::Rejected { offset, reason, .. } => reasons.push(format!("{offset}: {reason}")),
    });
    (lines, reasons)
}

/// A recorded conversation: requests, an acknowledgement, an answer.
fn recording(records: Vec<u8>) -> Vec<u8> {
    let mut bus = MbusBus::new([MbusMeter::new(5, 0x1234_5678, 4, records)]);
    let mut bytes = Vec::new();
    for request in [[0x10, 0x40, 5, 0x45, 0x16], [0x10, 0x7b, 5, 0x80, 0x16]] {
        bytes.extend(request);
        bytes.extend(bus.answer(&request, 2400).unwrap().bytes);
    }
    bytes
}

#[test]
fn an_answer_is_decoded_with_its_members_and_requests_are_skipped() {
    let (lines, reasons) = decoded(&recording(heat_records(12_000, 3400)));
    assert_eq!(reasons, [""; 0]);
    assert_eq!(
        lines,
        ["{\"protocol\":\"mbus\",\"ident\":\"12345678-TST-01-04\",\"address\":5,\"id\":\"12345678\",\
          \"manufacturer\":\"TST\",\"version\":1,\"medium\":4,\"medium_name\":\"heat (outlet)\",\"access\":0,\
          \"status\":0,\"readings\":[\
          {\"quantity\":\"energy\",\"function\":\"inst\",\"storage\":0,\"tariff\":0,\"subunit\":0,\"value\":12000,\"unit\":\"Wh\"},\
          {\"quantity\":\"volume\",\"function\":\"inst\",\"storage\":0,\"tariff\":0,\"subunit\":0,\"value\":3.4,\"unit\":\"m3\"},\
          {\"quantity\":\"flow_temperature\",\"function\":\"inst\",\"storage\":0,\"tariff\":0,\"subunit\":0,\"value\":63.5,\"unit\":\"°C\"},\
          {\"quantity\":\"energy\",\"function\":\"inst\",\"storage\":1,\"tariff\":0,\"subunit\":0,\"value\":6000,\"unit\":\"Wh\"}]}\n"]
    );
}

#[test]
fn qualifiers_and_the_makers_bytes_are_members_of_their_reading() {
    let (lines, _) = decoded(&recording(vec![0x02, 0xac, 0xfc, 0x81, 0xff, 0x12, 9, 0, 0x1f, 0xab]));
    assert!(
        lines[0].contains("\"qualifiers\":\"l1\",\"manufacturer_vife\":\"12\",\"value\":90"),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains("\"more_records_follow\":1,\"manufacturer_data\":\"ab\""), "{}", lines[0]);
}

#[test]
fn what_is_left_out_is_told_of_at_its_place() {
    // A volume with letters, a good one, and a record that breaks apart.
    let records = vec![0x0a, 0x13, 0xdd, 0xdd, 0x01, 0x13, 7, 0x04, 0x13, 1];
    let start = 5 + 1 + 5;
    let (lines, reasons) = decoded(&recording(records));
    assert_eq!(lines[0].matches("\"quantity\"").count(), 1);
    assert_eq!(
        reasons,
        [
            format!("{}: volume has no value: it has letters in place of digits", start + 19),
            format!("{}: a record announces 4 bytes, and 1 are left", start + 26),
        ]
    );
}

#[test]
fn damaged_frames_and_frames_without_readings_are_rejected_with_the_reason() {
    let whole = recording(heat_records(1, 2));
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    let (lines, reasons) = decoded(&damaged);
    assert_eq!((lines.len(), reasons.len()), (0, 1));
    assert!(reasons[0].starts_with("11: the checksum is "), "{reasons:?}");
    let (_, reasons) = decoded(&whole[..whole.len() - 9]);
    assert!(reasons[0].contains("bytes, and "), "{reasons:?}");
    let (_, reasons) = decoded(&long_frame(0x08, 5, 0x70, &[8]));
    assert_eq!(reasons, ["0: the meter reports: application busy"]);
    let (_, reasons) = decoded(&long_frame(0x08, 5, 0x78, &[0x04, 0x13, 1]));
    assert_eq!(reasons, ["7: a record announces 4 bytes, and 1 are left"], "nothing of it is whole");
}

#[test]
fn an_anonymised_recording_has_no_number_of_the_meter_and_is_as_good_as_before() {
    let mut records = heat_records(12_000, 3400);
    // The number once more, a customer's name, and data of the maker.
    records.extend([0x0c, 0x78, 0x78, 0x56, 0x34, 0x12]);
    records.extend([0x0d, 0xfd, 0x11, 3, b'n', b'n', b'A', 0x0f, 0x78, 0x56, 0x34, 0x12]);
    let bytes = recording(records);
    let (places, hidden) = telegram_testing::anonymised(Mbus::KIND, &bytes);
    assert_eq!(places, 4);
    for secret in [&[0x78, 0x56, 0x34, 0x12][..], b"nnA"] {
        assert!(!hidden.windows(secret.len()).any(|window| window == secret));
    }
    let (lines, reasons) = decoded(&hidden);
    assert_eq!((lines.len(), reasons.len()), (1, 0), "{reasons:?}");
    assert!(lines[0].contains("\"id\":\"00000000\"") && lines[0].contains("\"value\":12000"), "{}", lines[0]);
}
