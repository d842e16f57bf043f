//! Framing of characters on the line, and detection of wrong bits.

use crate::wire::ETX;

/// Framing of a meter's characters, as found in bytes that were read as 8N1.
///
/// 7E1 and 8N1 frames are both ten bits long: a port opened as 8N1 receives the characters of a 7E1 meter with the
/// parity bit in bit 7. IEC 62056-21 demands 7E1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Eight bits, no parity: bit 7 belongs to the character.
    #[default]
    Eight,
    /// Seven bits, even parity: the standard's.
    SevenEven,
    /// Seven bits, odd parity.
    SevenOdd,
}

impl Framing {
    /// Returns the usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eight => "8N1",
            Self::SevenEven => "7E1",
            Self::SevenOdd => "7O1",
        }
    }

    /// Returns the framing with the fewest wrong bytes in `line`.
    ///
    /// Wrong are bytes of odd parity under 7E1, of even parity under 7O1, and with bit 7 set under 8N1. A line of plain
    /// 7-bit text is 8N1, whatever its parity.
    pub fn detect(line: &[u8]) -> Self {
        let high = line.iter().filter(|&&byte| byte >= 0x80).count();
        if high == 0 {
            return Self::Eight;
        }
        let odd = count_odd(line);
        let even = line.len() - odd;
        // A tie is a damaged 7-bit line: those framings can tell.
        if odd.min(even) > high {
            Self::Eight
        } else if odd <= even {
            Self::SevenEven
        } else {
            Self::SevenOdd
        }
    }

    /// Returns the character of a byte, whatever its parity.
    pub fn character(self, byte: u8) -> u8 {
        if self == Self::Eight { byte } else { byte & 0x7f }
    }

    /// Returns CR, LF and ETX as they look on the line.
    pub fn line_ends(self) -> (u8, u8, u8) {
        match self {
            Self::Eight => (b'\r', b'\n', ETX),
            Self::SevenEven => (b'\r' | 0x80, b'\n', ETX),
            Self::SevenOdd => (b'\r', b'\n' | 0x80, ETX | 0x80),
        }
    }

    /// Appends the characters of `bytes` to `text`; returns the number of those with the wrong parity.
    #[inline]
    pub fn read(self, bytes: &[u8], text: &mut Vec<u8>) -> usize {
        let from = text.len();
        text.extend_from_slice(bytes);
        if self == Self::Eight {
            return 0;
        }
        // Eight at a time: a telegram a second costs nothing, but a recording of a year should not take a minute. Odd
        // parity is even parity with the highest bit inverted.
        let flip = if self == Self::SevenOdd { EACH * 0x80 } else { 0 };
        let mut wrong = 0;
        for word in text[from..].as_chunks_mut::<8>().0 {
            wrong |= odd_bytes(u64::from_ne_bytes(*word) ^ flip);
            *word = seven_bits(*word);
        }
        // The rest, along with some that were read already.
        if let (Some(bytes), Some(last)) = (bytes.last_chunk(), text.last_chunk_mut()) {
            wrong |= odd_bytes(u64::from_ne_bytes(*bytes) ^ flip);
            *last = seven_bits(*bytes);
        } else {
            text[from..].iter_mut().for_each(|byte| *byte &= 0x7f);
            wrong = 1;
        }
        if wrong & EACH == 0 {
            return 0;
        }
        let odd = count_odd(bytes);
        if self == Self::SevenEven { odd } else { bytes.len() - odd }
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// Returns the number of bytes with an odd number of ones.
fn count_odd(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| byte.count_ones() % 2 == 1).count()
}

/// Returns in the lowest bit of each byte whether it has an odd number of ones. The other bits mean nothing.
#[inline]
fn odd_bytes(word: u64) -> u64 {
    let word = word ^ (word >> 4);
    let word = word ^ (word >> 2);
    word ^ (word >> 1)
}

#[inline]
fn seven_bits(bytes: [u8; 8]) -> [u8; 8] {
    (u64::from_ne_bytes(bytes) & (EACH * 0x7f)).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str, odd: bool) -> Vec<u8> {
        text.bytes()
            .map(|byte| if (byte.count_ones() % 2 == 1) == odd { byte } else { byte | 0x80 })
            .collect()
    }

    #[test]
    fn the_ident_line_shows_the_framing() {
        let ident = "/EBZ5DD3BZ06ETA_107\r";
        assert_eq!(Framing::detect(ident.as_bytes()), Framing::Eight);
        assert_eq!(Framing::detect(&sent(ident, false)), Framing::SevenEven);
        assert_eq!(Framing::detect(&sent(ident, true)), Framing::SevenOdd);
        // One damaged bit does not change the verdict.
        for bit in 0..ident.len() * 8 {
            let mut line = sent(ident, false);
            line[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Framing::detect(&line), Framing::SevenEven);
        }
    }

    #[test]
    fn characters_come_out_of_every_framing() {
        let text = "1-0:1.8.0*255(000125.25688570*kWh)";
        for (framing, bytes) in [
            (Framing::Eight, text.as_bytes().to_vec()),
            (Framing::SevenEven, sent(text, false)),
            (Framing::SevenOdd, sent(text, true)),
        ] {
            for end in 0..bytes.len() {
                let mut read = b"before".to_vec();
                assert_eq!(framing.read(&bytes[..end], &mut read), 0, "{framing:?} {end}");
                assert_eq!(&read[6..], &text.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn each_wrong_byte_is_counted() {
        for odd in [false, true] {
            let framing = if odd { Framing::SevenOdd } else { Framing::SevenEven };
            let mut bytes = sent("0123456789abcdefghi", odd);
            for (wrong, at) in [0, 3, 7, 8, 15, 18].into_iter().enumerate() {
                bytes[at] ^= 0x10;
                assert_eq!(framing.read(&bytes, &mut Vec::new()), wrong + 1);
            }
        }
    }
}
