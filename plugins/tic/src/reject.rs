//! Reasons to reject a telegram, or a group of it.

use std::fmt;

use crate::{labels::Mode, wire::MAX_TELEGRAM};

/// Bytes that look like a telegram or a group and must not be trusted; at `offset` they begin.
pub type Rejected = telegram::Rejected<Reason>;

/// Fault of a telegram, or of one group, without which the others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its end did not arrive.
    NoEnd,
    /// The meter ended it early, as somebody reads it out by its optical head or from afar.
    Aborted,
    /// More bytes than a telegram may have.
    TooLong,
    /// Line ends and end marks were changed on the way.
    Cooked,
    /// Nothing is in it.
    Empty,
    /// No group of it is right; this is the fault of the first one.
    NoGroup(Flaw),
    /// One group is wrong.
    Group {
        /// Label, as far as it is one.
        label: Label,
        /// Fault of the group.
        flaw: Flaw,
    },
}

/// Fault of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does not begin with a line feed.
    NoStart,
    /// It does not end with a carriage return.
    NoEnd,
    /// A character has the wrong parity.
    Parity,
    /// There is no separator where one belongs.
    Separator,
    /// The check character does not match.
    Check {
        /// Character that the meter sent.
        given: u8,
        /// Character for what arrived.
        expected: u8,
    },
    /// The paper has no such label in this mode.
    Label,
    /// It is one of the other mode than those before.
    Mode(Mode),
    /// The data have another length than this label's have.
    Width {
        /// Number of characters that arrived.
        given: usize,
        /// Number of characters of each value of this label.
        expected: usize,
    },
    /// The data have a character that this label's never have.
    Data,
    /// The stamp is no time.
    Stamp,
    /// The label occurs twice.
    Twice,
    /// The apparent power is more than voltage and current can be.
    Power {
        /// Most that they can be, in VA.
        most: u32,
    },
}

/// First characters of a label that may be anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label {
    bytes: [u8; 9],
    len: u8,
}

impl Label {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut label = Self { bytes: [0; 9], len: text.len().min(9) as u8 };
        let len = usize::from(label.len);
        label.bytes[..len].copy_from_slice(&text[..len]);
        label
    }

    /// Returns its characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.as_bytes().escape_ascii())
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStart => f.write_str("it does not begin with a line feed"),
            Self::NoEnd => f.write_str("it does not end with a carriage return"),
            Self::Parity => f.write_str("a character has the wrong parity"),
            Self::Separator => f.write_str("it has no separator where one belongs"),
            Self::Check { given, expected } => {
                let (given, expected) = (given.escape_ascii(), expected.escape_ascii());
                write!(f, "its check character is `{given}`, expected `{expected}`")
            }
            Self::Label => f.write_str("no French meter sends this label"),
            Self::Mode(mode) => write!(f, "it is one of the mode {}", mode.name()),
            Self::Width { given, expected } => write!(f, "it has {given} characters, expected {expected}"),
            Self::Data => f.write_str("it has a character that this label's never have"),
            Self::Stamp => f.write_str("its stamp is not a valid time"),
            Self::Twice => f.write_str("it occurs twice, and nothing tells which is right"),
            Self::Power { most } => {
                write!(f, "voltage and current allow {most} VA at most: a fault of the meter's firmware")
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnd => f.write_str("it has no end mark"),
            Self::Aborted => f.write_str("the meter ended it early: somebody is reading it out"),
            Self::TooLong => write!(f, "it is longer than {MAX_TELEGRAM} bytes"),
            Self::Cooked => f.write_str(
                "its line ends and its end mark were changed on the way: record it from a raw terminal (`stty raw`)",
            ),
            Self::Empty => f.write_str("nothing is in it"),
            Self::NoGroup(flaw) => write!(f, "no group of it is right; of the first one, {flaw}"),
            Self::Group { label, flaw } => write!(f, "group {label:?} is left out: {flaw}"),
        }
    }
}
