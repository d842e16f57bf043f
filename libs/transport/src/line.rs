//! Settings of a serial line.

use std::fmt;

use serde::Deserialize;

/// Baud rate and parity of a serial line; a character always has eight data bits and one stop bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits in a second.
    pub baud: u32,
    /// Parity bit of a character.
    pub parity: Parity,
}

/// Parity bit of a character.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// None: 8N1. Characters of 7E1 are read so too, with their parity in bit 7.
    #[default]
    None,
    /// Even: 8E1.
    Even,
}

impl Line {
    /// A line without parity (8N1).
    pub const fn plain(baud: u32) -> Self {
        Self { baud, parity: Parity::None }
    }

    /// A line with even parity (8E1), as M-Bus has it. Where no parity bit is expected, half of its characters lack their
    /// stop bit and are lost or garbled, so that its frames would not even be recognized.
    pub const fn even(baud: u32) -> Self {
        Self { baud, parity: Parity::Even }
    }
}

/// `9600`, or `2400, 8E1`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parity {
            Parity::None => self.baud.fmt(f),
            Parity::Even => write!(f, "{}, 8E1", self.baud),
        }
    }
}
