//! Reasons to reject a telegram.

use std::fmt;

use crate::{framing::Framing, wire::MAX_TELEGRAM};

/// Bytes that look like a telegram and must not be trusted.
pub type Rejected = telegram::Rejected<Reason>;

/// Fault of a telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Characters with a wrong parity bit: a bit was damaged on the way.
    Parity {
        /// Framing of the telegram.
        framing: Framing,
        /// Number of characters.
        characters: usize,
    },
    /// The block check character does not match.
    Bcc {
        /// Value that the meter sent.
        given: u8,
        /// Value for the bytes that arrived.
        expected: u8,
    },
    /// The CRC16 after the end mark does not match.
    Crc {
        /// Value that the meter sent.
        given: u16,
        /// Value for the bytes that arrived.
        expected: u16,
    },
    /// STX promises a check character, but ETX and BCC do not follow the end mark.
    NoCheck,
    /// The next telegram or the end of the input came before the end mark `!`.
    NoEnd,
    /// It paused for longer than a meter does, and has no CRC, so that two parts of different telegrams may have met.
    Paused,
    /// This character follows the end mark: neither a line end nor a digit of a CRC16.
    AfterMark(u8),
    /// A line is not a data line.
    Line(Excerpt),
    /// The ident line is too long or has characters that are not printable.
    Ident(Excerpt),
    /// More bytes than a telegram may have.
    TooLong,
    /// The end mark has no data line before it.
    Empty,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parity { framing, characters: 1 } => {
                write!(f, "one character has a parity error ({})", framing.name())
            }
            Self::Parity { framing, characters } => {
                write!(f, "{characters} characters have parity errors ({})", framing.name())
            }
            Self::Bcc { given, expected } => {
                write!(f, "the block check character is {given:#04x}, expected {expected:#04x}")
            }
            Self::Crc { given, expected } => write!(f, "the CRC is {given:04X}, expected {expected:04X}"),
            Self::NoCheck => f.write_str("it begins with STX, but no ETX and block check character end it"),
            Self::NoEnd => f.write_str("it has no end mark `!`"),
            Self::Paused => f.write_str("it paused for more than 1.5 s, and has no CRC that proves it"),
            Self::AfterMark(byte) => {
                write!(f, "unknown text after the end mark: `!{}`", byte.escape_ascii())
            }
            Self::Line(line) => write!(f, "`{line}` is not a data line"),
            Self::Ident(line) => write!(f, "`{line}` is not an ident line"),
            Self::TooLong => write!(f, "it is longer than {MAX_TELEGRAM} bytes"),
            Self::Empty => f.write_str("it has no data lines"),
        }
    }
}

/// Beginning of a damaged line; displayed with everything but printable ASCII escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Self::MAX],
    /// Length of the whole line.
    len: usize,
}

impl Excerpt {
    const MAX: usize = 40;

    /// Returns the beginning of a line.
    pub fn of(line: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX];
        let kept = line.len().min(Self::MAX);
        bytes[..kept].copy_from_slice(&line[..kept]);
        Self { bytes, len: line.len() }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes[..self.len.min(Self::MAX)].escape_ascii().fmt(f)?;
        if self.len > Self::MAX { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences() {
        for (reason, text) in [
            (
                Reason::Parity { framing: Framing::SevenEven, characters: 1 },
                "one character has a parity error (7E1)",
            ),
            (
                Reason::Parity { framing: Framing::SevenOdd, characters: 2 },
                "2 characters have parity errors (7O1)",
            ),
            (Reason::Bcc { given: 1, expected: 0x67 }, "the block check character is 0x01, expected 0x67"),
            (Reason::Crc { given: 0, expected: 0xABCD }, "the CRC is 0000, expected ABCD"),
            (Reason::NoEnd, "it has no end mark `!`"),
            (Reason::AfterMark(b'g'), "unknown text after the end mark: `!g`"),
            (Reason::AfterMark(0x7f), r"unknown text after the end mark: `!\x7f`"),
            (Reason::Line(Excerpt::of(b"1.8.0(0\x001\xff")), r"`1.8.0(0\x001\xff` is not a data line"),
            (
                Reason::Line(Excerpt::of(&[b'1'; 41])),
                "`1111111111111111111111111111111111111111…` is not a data line",
            ),
            (Reason::TooLong, "it is longer than 65536 bytes"),
        ] {
            assert_eq!(reason.to_string(), text);
        }
    }
}
