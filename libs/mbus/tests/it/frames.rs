//! Frames, headers and answers.

use std::time::Instant;

use mbus::{
    Answer, AnswerError, Content, Manufacturer, Selection,
    frame::{self, Found, Frame},
    request,
};
use proptest::prelude::*;

fn long(control: u8, address: u8, ci: u8, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u8 + 3;
    let mut frame = vec![0x68, len, len, 0x68, control, address, ci];
    frame.extend_from_slice(data);
    let sum = frame[4..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend([sum, 0x16]);
    frame
}

const LONG_HEADER: [u8; 12] = [0x78, 0x56, 0x34, 0x12, 0x2d, 0x2c, 0x1b, 0x04, 7, 0x0c, 0xff, 0xff];

fn with_header(records: &[u8]) -> Vec<u8> {
    long(0x08, 5, 0x72, &[&LONG_HEADER[..], records].concat())
}

#[test]
fn a_frame_is_found_behind_noise_false_starts_and_echoes() {
    let answer = with_header(&[0x01, 0x13, 0x07]);
    for before in [
        &[][..],
        &[0x00, 0xff, 0x68],
        &[0x68, 0x68, 0x68, 0x68],
        // The beginning of another frame, cut.
        &answer[..20],
        &request::read(5, true),
        &request::select(Selection::ANY),
    ] {
        let bytes = [before, &answer].concat();
        let answers: Vec<_> = frame::all(&bytes).filter(|(_, frame)| frame.is_answer()).collect();
        assert_eq!(answers.len(), 1, "{before:02x?}");
        assert_eq!(answers[0].0, before.len());
    }
}

#[test]
fn frames_without_a_gap_between_them_are_all_found() {
    let bytes = [&with_header(&[])[..], &[0xe5], &request::reset(1), &with_header(&[0x2f])].concat();
    let kinds: Vec<_> = frame::all(&bytes).map(|(_, frame)| matches!(frame, Frame::Long { .. })).collect();
    assert_eq!(kinds, [true, false, false, true]);
}

#[test]
fn a_frame_with_any_wrong_part_is_none() {
    let right = with_header(&[0x01, 0x13, 0x07]);
    for (i, wrong) in [(1, 0x11), (2, 0x11), (3, 0x67), (9, 0x00), (right.len() - 2, 0), (right.len() - 1, 0)]
    {
        let mut bytes = right.clone();
        assert_ne!(bytes[i], wrong);
        bytes[i] = wrong;
        assert!(!frame::all(&bytes).any(|(_, frame)| frame.is_answer()), "byte {i}");
    }
    assert_eq!(frame::find(&right[..30.min(right.len() - 1)]), Found::Incomplete { start: 0 });
    assert_eq!(frame::find(&[0x68, 2, 2, 0x68, 1, 2, 3, 0x16]), Found::Nothing, "a length below 3");
}

#[test]
fn noise_is_searched_in_linear_time() {
    let noise: Vec<u8> = (0..2_000_000u32).map(|i| [0x68, 0x16, 0x10, 0x68][i as usize % 4]).collect();
    let bytes = [&noise[..], &with_header(&[0x01, 0x13, 0x07])].concat();
    let start = Instant::now();
    assert_eq!(frame::all(&bytes).filter(|(_, frame)| frame.is_answer()).count(), 1);
    println!("2 MB of noise: {:?}", start.elapsed());
}

#[test]
fn a_header_says_who_sends_and_how_it_is() {
    let bytes = with_header(&[]);
    let answer = Answer::parse(frame::all(&bytes).next().unwrap().1).unwrap();
    let header = answer.header;
    assert_eq!(header.address.unwrap().to_string(), "12345678-KAM-1B-04");
    assert_eq!((header.access, answer.address), (Some(7), 5));
    assert_eq!(header.status.unwrap().flags().collect::<Vec<_>>(), ["low_battery", "permanent_error"]);

    let high_first = [0x12, 0x34, 0x56, 0x78, 0x2c, 0x2d, 0x1b, 0x04, 7, 0, 0, 0];
    let bytes = long(0x08, 5, 0x76, &high_first);
    let answer = Answer::parse(frame::all(&bytes).next().unwrap().1).unwrap();
    assert_eq!(answer.header.address.unwrap().to_string(), "12345678-KAM-1B-04");

    for (ci, header) in [(0x78, &[][..]), (0x7a, &[7, 0, 0, 0])] {
        let bytes = long(0x38, 5, ci, &[header, &[0x01, 0x13, 0x07]].concat());
        let answer = Answer::parse(frame::all(&bytes).next().unwrap().1).unwrap();
        assert_eq!(answer.header.address, None);
        let Content::Records(records) = answer.content else { panic!("records") };
        assert_eq!(records.count(), 1);
    }
}

#[test]
fn frames_that_are_no_answer_have_no_readings() {
    for (bytes, expected) in [
        (long(0x08, 5, 0x70, &[8]), "the meter reports: application busy"),
        (long(0x08, 5, 0x70, &[]), "the meter reports: unspecified error"),
        (
            long(0x08, 5, 0x72, &LONG_HEADER[..11]),
            "the telegram ends inside its header: expected 12 bytes, found 11",
        ),
        (long(0x08, 5, 0x7a, &[1]), "the telegram ends inside its header: expected 4 bytes, found 1"),
        (long(0x53, 5, 0x72, &LONG_HEADER), "not an answer with readings of a meter"),
        (long(0x08, 5, 0xa2, &LONG_HEADER), "CI field A2 does not announce readings that are known"),
    ] {
        let error = Answer::parse(frame::all(&bytes).next().unwrap().1).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let ack = Answer::parse(Frame::Ack).unwrap_err();
    assert_eq!(ack, AnswerError::NotAnAnswer);
}

#[test]
fn the_fixed_structure_has_two_counters() {
    // 1 litre now, and 135 litres of the due date, both in BCD.
    let data = [0x78, 0x56, 0x34, 0x12, 10, 0, 0xe9, 0x7e, 1, 0, 0, 0, 0x35, 1, 0, 0];
    let bytes = long(0x08, 5, 0x73, &data);
    let answer = Answer::parse(frame::all(&bytes).next().unwrap().1).unwrap();
    let Content::Fixed(fixed) = answer.content else { panic!("the fixed structure") };
    let shown: Vec<_> =
        fixed.records().map(|r| format!("{} {} {} {}", r.quantity, r.value, r.unit, r.storage)).collect();
    assert_eq!(shown, ["volume 0.001 m3 0", "volume 0.135 m3 1"]);
    assert_eq!((fixed.id, fixed.medium), (0x1234_5678, 7));
}

#[test]
fn requests_are_those_of_the_standard() {
    assert_eq!(request::reset(6), [0x10, 0x40, 0x06, 0x46, 0x16]);
    assert_eq!(request::read(6, true), [0x10, 0x7b, 0x06, 0x81, 0x16]);
    assert_eq!(request::read(6, false), [0x10, 0x5b, 0x06, 0x61, 0x16]);
    assert_eq!(request::command(5, 0xbd), [0x68, 3, 3, 0x68, 0x53, 5, 0xbd, 0x15, 0x16]);
    let selection: Selection = "12345678".parse().unwrap();
    let expected =
        [0x68, 11, 11, 0x68, 0x73, 0xfd, 0x52, 0x78, 0x56, 0x34, 0x12, 0xff, 0xff, 0xff, 0xff, 0xd2, 0x16];
    assert_eq!(request::select(selection), expected);
}

#[test]
fn secondary_addresses_are_read_as_people_write_them() {
    for (text, shown) in [
        ("12345678", Some("12345678")),
        ("12345678-KAM-1B-04", Some("12345678-KAM-1B-04")),
        ("12345678-kam-1b-04", Some("12345678-KAM-1B-04")),
        // In the order of the wire, as other programs have it.
        ("123456782D2C1B04", Some("12345678-KAM-1B-04")),
        ("1234FFFF", Some("1234FFFF")),
        ("00abcdef", Some("00ABCDEF")),
        ("1234567", None),
        ("123456789", None),
        ("12345678-K-1B-04", None),
        ("12345678-KAM-1B-04-05", None),
        ("", None),
        ("größe", None),
    ] {
        let parsed = text.parse::<Selection>().ok().map(|selection| selection.to_string());
        assert_eq!(parsed.as_deref(), shown, "{text}");
    }
    assert_eq!(Manufacturer::parse("KAM"), Some(Manufacturer(0x2c2d)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_leave_the_frame(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for (_, frame) in frame::all(&bytes) {
            if let Ok(Answer { content: Content::Records(records), .. }) = Answer::parse(frame) {
                records.for_each(drop);
            }
        }
        mbus::records(&bytes).for_each(|record| {
            if let Ok(record) = record {
                let _ = mbus::naming::name(&record, Some(2));
                let _ = mbus::members::of_record(&record);
            }
        });
    }
}
