//! Entries of the log.

use crate::{
    db::Reset,
    series::SeriesName,
    time::{Epoch, Micros, TimeCorrection},
};
use reading::{Decimal, Kind, Medium, Obis, Text};
use serde::{Deserialize, Serialize};

/// Entry of a segment, in the order of recording.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A batch: one mantissa for each column of the layout.
    Batch {
        layout: &'a Layout,
        time: Micros,
        mantissas: &'a [i64],
    },
    CounterSet(CounterSet),
    TimeCorrection(TimeCorrection),
    Epoch(Epoch),
    /// Everything before the position was delivered to the publisher.
    Cursor {
        publisher: Text,
        position: Position,
    },
    /// Number of bytes of the segment that were on the disk when this was written: a power cut does not damage them.
    Synced {
        bytes: u64,
    },
    /// State that a source saved.
    State {
        section: Text,
        state: &'a [u8],
    },
}

/// Step of a counter that a command set to another number: no consumption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterSet {
    /// Series of the counter.
    pub series: SeriesName,
    /// Microseconds since 1970, UTC.
    pub time: Micros,
    /// Number just before.
    pub before: Decimal,
    /// Number just after.
    pub after: Decimal,
}

impl CounterSet {
    pub(crate) fn reset(&self) -> Reset {
        let (before, after) = (self.before.to_f64(), self.after.to_f64());
        Reset { time: self.time, set: true, before, after }
    }
}

/// Columns of the batches of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) section: Text,
    pub(crate) columns: Vec<Column>,
}

/// One number of each batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Text,
    /// Empty where there is none.
    pub(crate) unit: Text,
    /// OBIS code as `/data` shows it; empty where there is none.
    pub(crate) obis: Text,
    /// Parsed `obis`; `None` where it is not a code.
    pub(crate) code: Option<Obis>,
    /// Kind, where the source states it.
    pub(crate) kind: Option<Kind>,
    /// Medium, where the source states it.
    pub(crate) medium: Option<Medium>,
    /// Decimals of the column's mantissas.
    pub(crate) scale: u8,
}

/// Place between two entries of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    /// Bytes of the segment that lie before.
    pub(crate) offset: u64,
}

impl Position {
    /// Returns the place at which a segment begins.
    pub(crate) fn start(segment: u64) -> Self {
        Self { segment, offset: 0 }
    }
}
