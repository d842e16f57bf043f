//! Recordings without the numbers of their meters.

use std::ops::Range;

use mbus::{
    Answer, Content,
    frame::{self, Frame},
    private_places,
};

/// Bytes of a frame before its data.
const BEFORE_DATA: usize = 7;

/// Overwrites numbers of meters and customers by zeros, and repairs the checksums. Returns the number of places.
///
/// The maker's own data at the end of an answer may hold a number, too: they become zeros.
pub(crate) fn anonymise(bytes: &mut [u8]) -> usize {
    let places = places(bytes);
    for place in &places {
        match place {
            Place::Bytes(range, fill) => bytes[range.clone()].fill(*fill),
            Place::Checksum(range) => {
                let sum = bytes[range.clone()].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
                bytes[range.end] = sum;
            }
        }
    }
    places.iter().filter(|place| !matches!(place, Place::Checksum(_))).count()
}

enum Place {
    /// Bytes, and what overwrites each.
    Bytes(Range<usize>, u8),
    /// Bytes whose checksum follows.
    Checksum(Range<usize>),
}

fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    for (start, frame) in frame::all(bytes) {
        let Frame::Long { ci, data, .. } = frame else { continue };
        let first = start + BEFORE_DATA;
        // The number comes first in a long header, in the fixed structure, and in a selection.
        if matches!(ci, 0x72 | 0x73 | 0x76 | 0x77 | 0x52) && data.len() >= 8 {
            places.push(Place::Bytes(first..first + 4, 0));
        }
        if let Ok(Answer { content: Content::Records(records), offset, .. }) = Answer::parse(frame) {
            let first = first + offset;
            places.extend(
                private_places(records)
                    .into_iter()
                    .map(|(range, fill)| Place::Bytes(first + range.start..first + range.end, fill)),
            );
        }
        places.push(Place::Checksum(start + 4..start + BEFORE_DATA + data.len()));
    }
    places
}
