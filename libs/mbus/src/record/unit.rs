//! Unit of a value.

use std::fmt;

use crate::Latin1;

/// Unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// Unit of the standard's tables, as its symbol; empty where there is none.
    Coded(&'static str),
    /// Unit that the meter wrote as text.
    Text(Latin1<'a>),
}

impl fmt::Display for Unit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coded(symbol) => f.write_str(symbol),
            Self::Text(text) => text.fmt(f),
        }
    }
}
