//! What the journal's parts hand to each other.

use crate::{Decimal, Obis, Text};

/// Microseconds since 1970, UTC.
pub type Micros = i64;

pub const SECOND: Micros = 1_000_000;
pub const MINUTE: Micros = 60 * SECOND;

/// One number of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken: microseconds since 1970, UTC.
    pub time: Micros,
    /// The number, with its digits.
    pub value: Decimal,
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
pub struct CounterSet {
    /// Which counter.
    pub series: SeriesName,
    /// When.
    pub time: Micros,
    /// What it read just before.
    pub before: Decimal,
    /// What it read just after.
    pub after: Decimal,
}

/// The clock turned out to be wrong: everything at or after `since` belongs `delta` later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redate {
    pub since: Micros,
    pub delta: Micros,
}

impl Redate {
    /// The right time of what was dated before the correction.
    pub fn apply(&self, time: Micros) -> Micros {
        if time >= self.since { time.saturating_add(self.delta) } else { time }
    }
}

/// A stretch of one boot during which the clock made no step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Which boot of the machine; empty where the system does not tell.
    pub boot: Text,
    /// The journal's time when it began.
    pub since: Micros,
    /// The system's clock minus the time since boot, when last looked at.
    pub wall_offset: Micros,
    /// The journal's time minus the time since boot.
    pub offset: Micros,
    /// Whether the clock is known to be right.
    pub confirmed: bool,
}

/// The columns that the batches of a section have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub section: Text,
    pub columns: Vec<Column>,
}

/// One number of each batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: Text,
    /// Empty where there is none.
    pub unit: Text,
    /// The OBIS code as `/data` shows it; empty where there is none.
    pub obis: Text,
    /// What `obis` means; `None` where it is no code.
    pub code: Option<Obis>,
    /// Decimals of the column's mantissas.
    pub scale: u8,
}

/// A place between two entries of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes of it that lie before.
    pub offset: u64,
}

impl Position {
    /// Where a segment begins.
    pub fn start(segment: u64) -> Self {
        Self { segment, offset: 0 }
    }
}

/// What a segment holds, in the order in which it came.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
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
