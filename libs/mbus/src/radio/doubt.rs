//! Doubt about telegrams without checksums, in bytes whose receiver nobody has named.

use super::{frame::Format, receiver::Reception, telegram::is_plausible};
use crate::medium;

/// Bytes before the first telegram that may come from switching on a receiver.
const START: u64 = 8;
/// Bytes of a stream that show whether it is text.
const ENOUGH: usize = 64 * 1024;
/// Parts of ten that are characters in a text.
const CHARACTERS: usize = 9;

/// Judge of telegrams that nothing in them proves.
///
/// A telegram without checksums is only a few plausible bytes, which arbitrary ones have too. It counts where the whole
/// stream is made of telegrams: the first one stands at its start, and each further one follows directly. One that is the
/// whole stream to the byte may also have an address that few meters have.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// Whether the bytes are something else, such as text.
    is_other: bool,
    /// Length of the stream.
    len: usize,
    /// Place of the next telegram; `None` once something else has come.
    next: Option<u64>,
    is_at_start: bool,
}

impl Doubt {
    /// A judge of the telegrams in `bytes`. `is_other` tells that these show another protocol.
    pub fn new(bytes: &[u8], is_other: bool) -> Self {
        Self { is_other: is_other || is_text(bytes), len: bytes.len(), next: None, is_at_start: true }
    }

    /// Returns whether the bytes are of something else, so that what has no checksum is not even a damaged telegram.
    pub fn is_other(&self) -> bool {
        self.is_other
    }

    /// Takes the next telegram and returns whether it counts. `is_proven` tells that a key has opened it.
    pub fn accepts(&mut self, reception: &Reception<'_>, is_proven: bool) -> bool {
        let Reception { offset, len, frame, .. } = *reception;
        let follows = self.next == Some(offset) || self.is_at_start && offset <= START;
        let is_whole_stream = offset == 0 && len == self.len;
        let is_one = is_proven
            || !is_unproven(reception)
            || follows
                && !self.is_other
                && is_plausible(frame)
                && (is_whole_stream || has_usual_address(frame));
        self.is_at_start = false;
        self.next = is_one.then_some(offset + len as u64);
        is_one
    }
}

/// Returns whether a telegram has neither a checksum nor a receiver's framing around it.
fn is_unproven(reception: &Reception<'_>) -> bool {
    reception.format == Format::Bare && reception.len == reception.frame.len()
}

/// Returns whether identification and device type are those of nearly all meters.
fn has_usual_address(frame: &[u8]) -> bool {
    let [_, _, _, _, i0, i1, i2, i3, _, medium, ..] = frame else { return false };
    let is_decimal = [i0, i1, i2, i3].iter().all(|byte| **byte >> 4 <= 9 && **byte & 15 <= 9);
    is_decimal && medium::name(*medium).is_some()
}

/// Returns whether `bytes` are text, as it is or with even parity.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(ENOUGH)];
    let is_character = |byte: &u8| {
        let has_parity = *byte < 0x80 || byte.count_ones().is_multiple_of(2);
        has_parity && matches!(byte & 0x7F, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x02 | 0x03)
    };
    let count = bytes.iter().filter(|byte| is_character(byte)).count();
    !bytes.is_empty() && count * 10 >= bytes.len() * CHARACTERS
}
