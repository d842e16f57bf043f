//! What the journal's parts hand to each other.

use crate::{Decimal, Obis, Text};

/// Microseconds since 1970, UTC.
pub(crate) type Micros = i64;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MINUTE: Micros = 60 * SECOND;

/// One number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When it was taken: microseconds since 1970, UTC.
    pub(crate) time: Micros,
    /// The number, with its digits.
    pub(crate) value: Decimal,
}

/// A series: all numbers of one name of one section in one unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    /// The instance.
    pub section: Text,
    /// The reading's name.
    pub name: Text,
    /// Its unit; empty where it has none. A name whose unit changes begins a new series.
    pub unit: Text,
}

/// A counter that a command set to another number: no consumption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CounterSet {
    /// Which counter.
    pub(crate) series: SeriesName,
    /// When.
    pub(crate) time: Micros,
    /// What it read just before.
    pub(crate) before: Decimal,
    /// What it read just after.
    pub(crate) after: Decimal,
}

/// The clock turned out to be wrong: everything at or after `since` belongs `delta` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Redate {
    pub(crate) since: Micros,
    pub(crate) delta: Micros,
}

impl Redate {
    /// The right time of what was dated before the correction.
    pub(crate) fn apply(&self, time: Micros) -> Micros {
        if time >= self.since { time.saturating_add(self.delta) } else { time }
    }
}

/// A stretch of one boot during which the clock made no step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Which boot of the machine; empty where the system does not tell.
    pub(crate) boot: Text,
    /// The journal's time when it began.
    pub(crate) since: Micros,
    /// The system's clock minus the time since boot, when last looked at.
    pub(crate) wall_offset: Micros,
    /// The journal's time minus the time since boot.
    pub(crate) offset: Micros,
    /// Whether the clock is known to be right.
    pub(crate) confirmed: bool,
}

/// The columns that the batches of a section have.
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
    /// The OBIS code as `/data` shows it; empty where there is none.
    pub(crate) obis: Text,
    /// What `obis` means; `None` where it is no code.
    pub(crate) code: Option<Obis>,
    /// Decimals of the column's mantissas.
    pub(crate) scale: u8,
}

/// A place between two entries of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The segment's number.
    pub(crate) segment: u64,
    /// Bytes of it that lie before.
    pub(crate) offset: u64,
}

impl Position {
    /// Where a segment begins.
    pub(crate) fn start(segment: u64) -> Self {
        Self { segment, offset: 0 }
    }
}

/// What a segment holds, in the order in which it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A batch: for each column of the layout a mantissa.
    Batch {
        layout: &'a Layout,
        time: Micros,
        mantissas: &'a [i64],
    },
    CounterSet(CounterSet),
    Redate(Redate),
    Epoch(Epoch),
    /// What lies before is delivered.
    Cursor {
        publisher: Text,
        position: Position,
    },
}
