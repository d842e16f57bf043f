//! Series and their samples: what all parts of the journal speak about.

use crate::time::Micros;
use reading::{Decimal, Kind, Meaning, Medium, Obis, Text};

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

/// Properties of a series that a device or its source stated.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Stated {
    /// OBIS code; empty where it has none.
    pub(crate) obis: Text,
    /// Kind; `None` where unit and OBIS code tell.
    pub(crate) kind: Option<Kind>,
    /// Medium; `None` where OBIS code, unit and name tell.
    pub(crate) medium: Option<Medium>,
}

impl Stated {
    /// Takes over what later readings state: the first code, and the last kind and medium.
    pub(crate) fn update(&mut self, obis: &str, kind: Option<Kind>, medium: Option<Medium>) {
        if self.obis.is_empty() {
            self.obis = obis.into();
        }
        self.kind = kind.or(self.kind);
        self.medium = medium.or(self.medium);
    }

    /// Returns the meaning of the numbers of a series.
    pub(crate) fn meaning(&self, name: &SeriesName) -> Meaning {
        let unit = Some(&*name.unit).filter(|unit| !unit.is_empty());
        Meaning::of(&name.name, unit, Obis::parse(self.obis.as_bytes())).stated(self.kind, self.medium)
    }
}

/// Number, and the two moments between which it was read: of an old reading only the minute is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReadAt {
    pub(crate) number: f64,
    pub(crate) earliest: Micros,
    pub(crate) latest: Micros,
}

impl ReadAt {
    /// Returns the time at which it was read; `None` where only the minute is known.
    pub(crate) fn time(&self) -> Option<Micros> {
        (self.earliest == self.latest).then_some(self.earliest)
    }
}

impl From<&Sample> for ReadAt {
    fn from(sample: &Sample) -> Self {
        Self { number: sample.value.to_f64(), earliest: sample.time, latest: sample.time }
    }
}
