//! Series and their samples: what all parts of the journal speak about.

use crate::time::Micros;
use reading::{Decimal, Text};

/// One number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Microseconds since 1970, UTC.
    pub time: Micros,
    /// The number, with its digits.
    pub value: Decimal,
}

/// Name of a series: all numbers of one reading of one source in one unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    /// Name of the source.
    pub section: Text,
    /// Name of the reading.
    pub name: Text,
    /// Unit; empty where it has none. A reading whose unit changes begins a new series.
    pub unit: Text,
}
