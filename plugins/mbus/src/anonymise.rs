//! Recordings without the numbers of their meters.

use mbus::{
    Answer, Content, Value,
    frame::{self, Frame},
};

/// Bytes of a frame before its data.
const BEFORE_DATA: usize = 7;
/// Quantities that tell whose meter it is.
const PRIVATE: [&str; 9] = [
    "fabrication_number",
    "enhanced_identification",
    "customer_location",
    "customer",
    "password",
    "access_code_user",
    "access_code_operator",
    "operator_data",
    "supplier_information",
];

/// Overwrites numbers of meters and customers by zeros, and repairs the checksums. Returns the number of places.
///
/// The maker's own data at the end of an answer may hold a number, too: they become zeros.
pub(crate) fn anonymise(bytes: &mut [u8]) -> usize {
    let places = places(bytes);
    for place in &places {
        match place {
            Place::Bytes(range) => bytes[range.clone()].fill(0),
            Place::Text(range) => bytes[range.clone()].fill(b'0'),
            Place::Checksum(range) => {
                let sum = bytes[range.clone()].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
                bytes[range.end] = sum;
            }
        }
    }
    places.iter().filter(|place| !matches!(place, Place::Checksum(_))).count()
}

enum Place {
    Bytes(std::ops::Range<usize>),
    Text(std::ops::Range<usize>),
    /// Bytes whose checksum follows.
    Checksum(std::ops::Range<usize>),
}

fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    for (start, frame) in frame::all(bytes) {
        let Frame::Long { ci, data, .. } = frame else { continue };
        let first = start + BEFORE_DATA;
        // The number comes first in a long header, in the fixed structure, and in a selection.
        if matches!(ci, 0x72 | 0x73 | 0x76 | 0x77 | 0x52) && data.len() >= 8 {
            places.push(Place::Bytes(first..first + 4));
        }
        if let Ok(Answer { content: Content::Records(mut records), offset, .. }) = Answer::parse(frame) {
            while let Some(Ok(record)) = records.next() {
                let end = first + offset + records.position();
                let is_private = PRIVATE.contains(&record.quantity) || record.quantity == "text_unit";
                match record.value {
                    Value::Text(_) if is_private => {
                        // The length comes before the characters.
                        places.push(Place::Text(end - record.data.len() + 1..end));
                    }
                    Value::Digits(digits) if is_private => {
                        places.push(Place::Bytes(end - digits.len()..end));
                    }
                    Value::Number(_) | Value::Bytes(_) if PRIVATE.contains(&record.quantity) => {
                        let length = usize::from(record.head[0] & 15 == 13);
                        places.push(Place::Bytes(end - record.data.len() + length..end));
                    }
                    _ => {}
                }
            }
            if let Some(data) = records.manufacturer_data().filter(|data| !data.is_empty()) {
                let end = first + offset + records.position();
                places.push(Place::Bytes(end - data.len()..end));
            }
        }
        places.push(Place::Checksum(start + 4..start + BEFORE_DATA + data.len()));
    }
    places
}
