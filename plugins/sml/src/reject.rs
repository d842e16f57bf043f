//! Reasons to reject a telegram.

use std::fmt;

use crate::wire::MAX_TELEGRAM;

/// Bytes that look like a telegram and must not be trusted; at `offset` stands a start sequence.
pub type Rejected = telegram::Rejected<Reason>;

/// Fault of a telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The checksum of the whole does not match: bytes were damaged or lost on the way.
    Crc {
        /// Value that the meter sent, its bytes in the order of the wire.
        given: u16,
        /// Value for the bytes that arrived.
        expected: u16,
    },
    /// The checksum of a message does not match, although that of the whole does: the meter damaged it.
    MessageCrc {
        /// Value that the meter sent, its bytes in the order of the wire.
        given: u16,
        /// Value for the message.
        expected: u16,
    },
    /// The next telegram or the end of the input came before its end sequence.
    NoEnd,
    /// An escape sequence that the transport protocol does not have.
    Escape([u8; 4]),
    /// More bytes than a telegram may have.
    TooLong,
    /// The structure is not that of SML.
    Structure {
        /// Position in the payload, counted without escape sequences.
        at: usize,
        /// Fault at that place.
        flaw: Flaw,
    },
    /// A whole file without a register, such as an attention response.
    Empty,
}

/// Fault in the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A length or count that goes beyond the end.
    Beyond,
    /// A length that is shorter than its own field.
    Length,
    /// A type that SML does not have.
    Type,
    /// Lists that are nested too deeply.
    Nesting,
    /// Something else than a list.
    NoList,
    /// A list with another number of elements than it must have.
    Count,
    /// A message without its checksum.
    NoCrc,
    /// A message without its end.
    NoEnd,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crc { given, expected } => write!(f, "the CRC is {given:04X}, expected {expected:04X}"),
            Self::MessageCrc { given, expected } => {
                write!(f, "the CRC of a message is {given:04X}, expected {expected:04X}")
            }
            Self::NoEnd => f.write_str("it has no end sequence"),
            Self::Escape([a, b, c, d]) => {
                write!(f, "it has the unknown escape sequence {a:02x} {b:02x} {c:02x} {d:02x}")
            }
            Self::TooLong => write!(f, "it is longer than {MAX_TELEGRAM} bytes"),
            Self::Structure { at, flaw } => write!(f, "it is not valid SML: at byte {at} {flaw}"),
            Self::Empty => f.write_str("it has no registers"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beyond => "a length goes beyond the end",
            Self::Length => "a length is shorter than its own field",
            Self::Type => "there is an unknown type",
            Self::Nesting => "too many lists are nested",
            Self::NoList => "a list is missing",
            Self::Count => "a list has the wrong number of elements",
            Self::NoCrc => "a message has no checksum",
            Self::NoEnd => "a message does not end",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences() {
        for (reason, text) in [
            (Reason::Crc { given: 0xab, expected: 0xCDEF }, "the CRC is 00AB, expected CDEF"),
            (Reason::Escape([2, 2, 2, 0xa]), "it has the unknown escape sequence 02 02 02 0a"),
            (Reason::TooLong, "it is longer than 16384 bytes"),
            (
                Reason::Structure { at: 12, flaw: Flaw::Length },
                "it is not valid SML: at byte 12 a length is shorter than its own field",
            ),
        ] {
            assert_eq!(reason.to_string(), text);
        }
    }
}
