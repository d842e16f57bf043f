//! Recordings of every receiver without the numbers of their meters.

use telegram::Keys;
use test_meters::radio::{Frame, RadioMeter, Security, amb8465, cul, frame, im871a, rtl_wmbus};

use crate::{
    decode::{decoded, keys, registration},
    support::telegram,
};

const ID: u32 = 0x1234_5678;

fn anonymised(bytes: &[u8], keys: &Keys) -> Result<(Vec<u8>, usize), String> {
    (registration().anonymise.unwrap())(bytes, keys).map(|hidden| (hidden.bytes, hidden.places))
}

/// Lines of a recording, which has nothing that is rejected.
fn lines(bytes: &[u8], keys: &Keys) -> Vec<String> {
    let (lines, reasons) = decoded(bytes, keys);
    assert_eq!(reasons, [""; 0]);
    lines
}

/// Returns whether a number stands in bytes, as sent or as digits.
fn has_number(bytes: &[u8], id: u32) -> bool {
    let sent = id.to_le_bytes();
    let digits: String = sent.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    bytes.windows(4).any(|window| window == sent)
        || text.contains(&digits)
        || text.contains(&format!("{id:08x}"))
}

/// A way in which receivers deliver a telegram, by name.
type Way = (&'static str, fn(&[u8]) -> Vec<u8>);

const WAYS: [Way; 9] = [
    ("rc1180", |telegram| telegram.to_vec()),
    ("rc1180, format A", |telegram| frame(Frame::A, telegram)),
    ("rc1180, format B", |telegram| frame(Frame::B, telegram)),
    ("rtl_wmbus", |telegram| rtl_wmbus(telegram).replace("00000000", "12345678").into_bytes()),
    ("rtl_433", |telegram| {
        let data: String = telegram.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{\"model\" : \"Wireless-MBus\", \"id\" : 12345678, \"data\" : \"{data}\"}}\n").into_bytes()
    }),
    ("cul", |telegram| cul(Frame::A, telegram).into_bytes()),
    ("cul, format B", |telegram| cul(Frame::B, telegram).into_bytes()),
    ("im871a", im871a),
    ("amb8465", amb8465),
];

const ALL: [Security; 5] = [
    Security::Plain,
    Security::Mode5 { plain: 0 },
    Security::Mode5 { plain: 6 },
    Security::Mode7,
    Security::LinkLayer,
];

#[test]
fn the_numbers_of_meters_are_replaced_in_what_every_receiver_delivers_and_the_values_stay() {
    for (name, way) in WAYS {
        for security in ALL {
            let mut meter = RadioMeter::water(ID);
            let mut other = RadioMeter { id: 0x4711_0815, ..RadioMeter::water(0) };
            let bytes: Vec<u8> = [
                way(&telegram(&mut meter, security, 1234)),
                way(&telegram(&mut other, security, 99)),
                way(&telegram(&mut meter, security, 1235)),
            ]
            .concat();
            let (hidden, places) = anonymised(&bytes, &keys()).unwrap();
            assert!(places >= 3, "{name} {security:?}");
            assert_eq!(hidden.len(), bytes.len());
            assert!(!has_number(&hidden, ID) && !has_number(&hidden, 0x4711_0815), "{name} {security:?}");
            let renamed: Vec<_> = lines(&bytes, &keys())
                .into_iter()
                .map(|line| line.replace("12345678", "00000001").replace("47110815", "00000002"))
                .collect();
            assert_eq!(renamed.len(), 3, "{name} {security:?}");
            assert_eq!(lines(&hidden, &Keys::PUBLIC), renamed, "{name} {security:?}");
            if security != Security::Plain {
                assert_eq!(decoded(&hidden, &keys()).0, [""; 0], "the meter's own key");
            }
        }
    }
}

#[test]
fn a_recording_that_cannot_be_decrypted_is_refused_with_what_to_give() {
    for security in &ALL[1..] {
        let bytes = rtl_wmbus(&telegram(&mut RadioMeter::water(ID), *security, 5));
        let refusal = anonymised(bytes.as_bytes(), &Keys::default()).unwrap_err();
        assert_eq!(refusal, "a radio telegram is encrypted: give the key with `--key`");
        let refusal = anonymised(bytes.as_bytes(), &Keys::PUBLIC).unwrap_err();
        assert!(refusal.contains("the key is not theirs: give the right one with `--key`"), "{refusal}");
    }
}

#[test]
fn a_number_in_a_record_or_in_what_is_damaged_goes_too() {
    let mut meter = RadioMeter::water(ID);
    let records: &[(&[u8], &[u8])] = &[
        (&[0x0C, 0x78], &ID.to_le_bytes()),
        (&[0x04, 0x13], &[1, 0, 0, 0]),
        (&[0x0F], &[0x78, 0x56, 0x34, 0x12]),
    ];
    let whole = frame(Frame::A, &meter.telegram(Security::Mode7, records));
    let mut damaged = frame(Frame::A, &telegram(&mut meter, Security::Plain, 5));
    damaged[14] ^= 1;
    let bytes = [&whole[..], &damaged, &whole[..30]].concat();
    let (hidden, _) = anonymised(&bytes, &keys()).unwrap();
    assert!(!has_number(&hidden, ID));
    let printed = decoded(&hidden, &Keys::PUBLIC).0;
    assert_eq!(printed.len(), 1);
    assert!(printed[0].contains("\"value\":0.001") && !printed[0].contains("12345678"), "{}", printed[0]);

    let good = rtl_wmbus(&telegram(&mut meter, Security::Plain, 5));
    let text = [&good, &good.replacen("T1;1;1", "T1;0;1", 1)[..], &good[..good.len() - 10]].concat();
    let (hidden, _) = anonymised(text.as_bytes(), &Keys::default()).unwrap();
    assert!(!has_number(&hidden, ID), "{}", String::from_utf8_lossy(&hidden));
}

#[test]
fn bytes_of_anything_else_stay_as_they_are() {
    for bytes in [&b"/ABC5\\2MT\r\n\r\n1-0:1.8.0*255(000123.4*kWh)\r\n!\r\n"[..], &[0xA5; 300], &[]] {
        assert_eq!(anonymised(bytes, &Keys::default()), Ok((bytes.to_vec(), 0)));
    }
}
