//! Telegram of an electricity meter for two directions that pushes SML.
//!
//! Smart Message Language 1.04 (BSI TR-03109-1, annex IV): an `OpenResponse`, a `GetListResponse` with
//! the registers and a `CloseResponse`, each with its checksum, in the transport protocol version 1,
//! which has another one. Usually at 9600 baud, 8N1.

use simulator::{Moment, WATT_HOUR, ebz::DataSet};

use crate::crc;

/// Server id of the meter, with the number of [`ebz`](simulator::ebz). No real one has it.
pub const SERVER_ID: [u8; 10] = *b"\x09\x01EBZ\x01\x00\x00\x00\x2a";

/// Seconds that the meter had been in operation when the household started.
const OPERATING_SECONDS: u64 = 0x0012_3456;

const ESCAPE: [u8; 4] = [0x1b; 4];
/// Element that is left out of a message.
const NONE: u8 = 0x01;

/// DLMS unit codes.
const WATT: u8 = 27;
const WATT_HOURS: u8 = 30;
const VOLT: u8 = 35;

/// Returns the telegram of this moment, with the digits of [`ebz::telegram`](simulator::ebz::telegram): energies in 10 µWh,
/// powers in 0.01 W, voltages in 0.1 V; in the reduced data set energies in whole kWh and nothing else.
pub fn telegram(moment: &Moment, data_set: DataSet) -> Vec<u8> {
    let mut entries = vec![entry([1, 0, 96, 50, 1, 1], None, &octets(b"EBZ"))];
    entries.push(entry([1, 0, 96, 1, 0, 255], None, &octets(&SERVER_ID)));
    for (group, energy) in [(1, moment.import), (2, moment.export)] {
        let (scaler, value) = if data_set == DataSet::Reduced {
            (3, energy / (1000 * WATT_HOUR))
        } else {
            (-5, energy * 10 / 36) // 0.01 Ws are 10/3.6 µWh
        };
        entries.push(entry([1, 0, group, 8, 0, 255], Some((WATT_HOURS, scaler)), &unsigned(value as u64)));
    }
    if data_set != DataSet::Reduced {
        let powers =
            [(16, moment.grid()), (36, moment.phases[0]), (56, moment.phases[1]), (76, moment.phases[2])];
        for (group, power) in powers {
            entries.push(entry([1, 0, group, 7, 0, 255], Some((WATT, -2)), &signed(power as i32)));
        }
    }
    if data_set == DataSet::Voltages {
        for (group, tenths) in [32, 52, 72].into_iter().zip(moment.decivolts) {
            entries.push(entry([1, 0, group, 7, 0, 255], Some((VOLT, -1)), &unsigned(tenths.into())));
        }
    }

    let id = moment.second as u32;
    let file = octets(&id.to_be_bytes());
    // Code page, client, file, server, time and version; the list of a meter has a name.
    let opening = list(&[&[NONE], &[NONE], &file, &octets(&SERVER_ID), &[NONE], &[NONE]]);
    let seconds = [&[0x65][..], &((OPERATING_SECONDS + moment.second) as u32).to_be_bytes()].concat();
    let time = list(&[&[0x62, 0x01], &seconds]); // seconds since the meter was switched on
    let name = octets(&[1, 0, 98, 10, 255, 255]);
    let values = list(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let registers = list(&[&[NONE], &octets(&SERVER_ID), &name, &time, &values, &[NONE], &[NONE]]);
    let messages = [
        message(id.wrapping_mul(3), 0x0101, &opening),
        message(id.wrapping_mul(3).wrapping_add(1), 0x0701, &registers),
        message(id.wrapping_mul(3).wrapping_add(2), 0x0201, &list(&[&[NONE]])),
    ];
    transport(&messages.concat())
}

/// Wraps a payload in the transport protocol: from the escape sequence of the start to the checksum at the end.
fn transport(messages: &[u8]) -> Vec<u8> {
    let mut bytes = [ESCAPE, [1; 4]].concat();
    let mut escapes = 0;
    for byte in messages {
        bytes.push(*byte);
        escapes = if *byte == ESCAPE[0] { escapes + 1 } else { 0 };
        if escapes == ESCAPE.len() {
            bytes.extend(ESCAPE); // one that means itself is sent twice
            escapes = 0;
        }
    }
    let fill = bytes.len().next_multiple_of(4) - bytes.len();
    bytes.resize(bytes.len() + fill, 0);
    bytes.extend(ESCAPE);
    bytes.extend([0x1a, fill as u8]);
    bytes.extend(crc::x25(&bytes).to_le_bytes());
    bytes
}

fn message(id: u32, kind: u16, body: &[u8]) -> Vec<u8> {
    let kind = [&[0x63][..], &kind.to_be_bytes()].concat();
    let [group, on_error] = [[0x62, 0]; 2];
    // A list of six, of which the checksum covers the first four.
    let mut bytes =
        [&[0x76], &octets(&id.to_be_bytes())[..], &group, &on_error, &list(&[&kind, body])].concat();
    let crc = crc::x25(&bytes).to_le_bytes();
    bytes.extend([0x63, crc[0], crc[1], 0]);
    bytes
}

/// Encodes a register: its name and value, without status, time and signature.
fn entry(obis: [u8; 6], scale: Option<(u8, i8)>, value: &[u8]) -> Vec<u8> {
    let (unit, scaler) = match scale {
        Some((unit, scaler)) => (vec![0x62, unit], vec![0x52, scaler as u8]),
        None => (vec![NONE], vec![NONE]),
    };
    list(&[&octets(&obis), &[NONE], &[NONE], &unit, &scaler, value, &[NONE]])
}

/// Encodes a list of these elements; a long one has two bytes of length, of four bits each.
fn list(elements: &[&[u8]]) -> Vec<u8> {
    let count = elements.len() as u8;
    let head = if count < 16 { vec![0x70 | count] } else { vec![0xf0 | count >> 4, count & 0x0f] };
    [head, elements.concat()].concat()
}

/// Encodes a string of at most 14 bytes. Its length counts the length byte too.
fn octets(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8 + 1], bytes].concat()
}

fn unsigned(value: u64) -> Vec<u8> {
    [&[0x69][..], &value.to_be_bytes()].concat()
}

fn signed(value: i32) -> Vec<u8> {
    [&[0x55][..], &value.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn the_full_data_set() {
        let bytes = telegram(&Moment::sample(), DataSet::Full);
        assert_eq!(bytes[..8], [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1]);
        // 2714128.30185 Wh and -443.33 W
        assert!(contains(
            &bytes,
            b"\x77\x07\x01\0\x01\x08\0\xff\x01\x01\x62\x1e\x52\xfb\x69\0\0\0\x3f\x31\x77\x1f\xe9\x01"
        ));
        assert!(contains(
            &bytes,
            b"\x77\x07\x01\x00\x10\x07\x00\xff\x01\x01\x62\x1b\x52\xfe\x55\xff\xff\x52\xd3\x01"
        ));
        assert!(!contains(&bytes, &[VOLT, 0x52]));
    }

    #[test]
    fn voltages_come_when_asked_for_and_before_the_pin_there_are_whole_kilowatt_hours_only() {
        let bytes = telegram(&Moment::sample(), DataSet::Voltages);
        assert!(contains(
            &bytes,
            b"\x07\x01\x00\x20\x07\x00\xff\x01\x01\x62\x23\x52\xff\x69\0\0\0\0\0\0\x09\x14\x01"
        ));
        let bytes = telegram(&Moment::sample(), DataSet::Reduced);
        assert!(contains(&bytes, b"\x01\x08\x00\xff\x01\x01\x62\x1e\x52\x03\x69\0\0\0\0\0\0\x0a\x9a\x01"));
        assert!(!contains(&bytes, &[0x62, WATT]));
    }

    #[test]
    fn every_checksum_is_right_and_every_message_ends() {
        for data_set in [DataSet::Full, DataSet::Voltages, DataSet::Reduced] {
            let bytes = telegram(&Moment::sample(), data_set);
            assert_eq!(bytes.len() % 4, 0);
            let (checked, crc) = bytes.split_at(bytes.len() - 2);
            assert_eq!(crc, crc::x25(checked).to_le_bytes());
            let fill = usize::from(bytes[bytes.len() - 3]);
            let mut messages = &bytes[8..bytes.len() - 8 - fill];
            let mut kinds = Vec::new();
            while !messages.is_empty() {
                let length = element(messages);
                let (message, rest) = messages.split_at(length);
                assert_eq!(message[0], 0x76);
                assert_eq!(message[length - 1], 0);
                assert_eq!(message[length - 3..length - 1], crc::x25(&message[..length - 4]).to_le_bytes());
                kinds.push(message[11..14].to_vec());
                messages = rest;
            }
            assert_eq!(kinds, [[0x63, 1, 1], [0x63, 7, 1], [0x63, 2, 1]]);
        }
    }

    /// The length of the element that begins here, with all that is in it.
    fn element(bytes: &[u8]) -> usize {
        let (kind, count) = (bytes[0] >> 4, usize::from(bytes[0] & 0x0f));
        match kind {
            0x7 => (0..count).fold(1, |at, _| at + element(&bytes[at..])),
            0xf => (0..count << 4 | usize::from(bytes[1])).fold(2, |at, _| at + element(&bytes[at..])),
            _ => count.max(1), // the end of a message is a zero
        }
    }

    #[test]
    fn a_list_of_sixteen_has_a_longer_head() {
        assert_eq!(list(&[&[NONE][..]; 15])[..2], [0x7f, NONE]);
        assert_eq!(list(&[&[NONE][..]; 16])[..3], [0xf1, 0x00, NONE]);
        assert_eq!(element(&list(&[&[NONE][..]; 18])), 20);
    }

    #[test]
    fn an_escape_sequence_among_the_messages_is_doubled() {
        let bytes = transport(&[0x1b; 5]);
        assert_eq!(bytes[8..20], [[0x1b; 4], [0x1b; 4], [0x1b, 0, 0, 0]].concat());
        assert_eq!(bytes[20..26], [0x1b, 0x1b, 0x1b, 0x1b, 0x1a, 3]);
    }
}
