//! Import: readings are made into segments, which are checkpointed like those of a running program.

use std::path::Path;

use jiff::tz::TimeZone;

use crate::{
    series::SeriesName,
    transfer::{Closed, Labels, TransferError},
    wal::{Cell, CounterSet, Encoder, frame},
};
use reading::Decimal;

/// Bytes that are checkpointed at once.
const CHUNK: usize = 4 << 20;
/// Most readings of a batch.
const BATCH: usize = 4096;

/// Reading that is imported, or the setting of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Microseconds since 1970, UTC.
    pub time: i64,
    /// Labels of the series.
    pub labels: Labels,
    /// The number; of a setting the one after.
    pub value: Decimal,
    /// Number before the setting; `None` for a reading.
    pub set_from: Option<Decimal>,
}

/// Journal to which readings are added while no program uses it.
pub struct Import {
    journal: Closed,
    encoder: Encoder,
    segment: Vec<u8>,
    /// Readings of one moment and source, not in the segment yet.
    batch: Vec<Imported>,
    count: u64,
}

impl Import {
    /// Opens the journal. Creates one where there is none, and checkpoints what a program left that was killed.
    ///
    /// # Errors
    /// Returns [`TransferError::InUse`] if a program uses it, or the error of the database.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let journal = Closed::open(path, TimeZone::system())?;
        let segment = frame::header(journal.number);
        Ok(Self { journal, encoder: Encoder::default(), segment, batch: Vec::new(), count: 0 })
    }

    /// Returns the name that a damaged database was renamed to.
    pub fn set_aside(&self) -> Option<&Path> {
        self.journal.set_aside.as_deref()
    }

    /// Adds a reading. One that is there already changes nothing.
    ///
    /// # Errors
    /// Returns the error of the database, if enough readings have come for a checkpoint.
    pub fn add(&mut self, reading: Imported) -> Result<(), TransferError> {
        self.count += 1;
        let other =
            |first: &Imported| first.time != reading.time || first.labels.section != reading.labels.section;
        if self.batch.first().is_some_and(other) || self.batch.len() >= BATCH {
            self.end_batch();
        }
        match reading.set_from {
            None => self.batch.push(reading),
            Some(before) => {
                self.end_batch();
                let Labels { section, name, unit, .. } = reading.labels;
                let series = SeriesName { section, name, unit };
                let set = CounterSet { series, time: reading.time, before, after: reading.value };
                self.encoder.counter_set(&mut self.segment, &set);
            }
        }
        if self.segment.len() < CHUNK { Ok(()) } else { self.fold() }
    }

    /// Checkpoints the rest. Returns how many readings were added.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub fn finish(mut self) -> Result<u64, TransferError> {
        self.fold()?;
        Ok(self.count)
    }

    fn end_batch(&mut self) {
        let Some(first) = self.batch.first() else { return };
        let cells: Vec<_> = self
            .batch
            .iter()
            .map(|Imported { labels: Labels { name, unit, obis, .. }, value, .. }| Cell {
                name,
                unit,
                obis,
                kind: None,
                medium: None,
                value: *value,
            })
            .collect();
        self.encoder.batch(&mut self.segment, &first.labels.section, first.time, &cells);
        self.batch.clear();
    }

    fn fold(&mut self) -> Result<(), TransferError> {
        self.end_batch();
        if self.segment.len() > frame::HEADER {
            let journal = &mut self.journal;
            journal.database.checkpoint(&[(journal.number, &self.segment)], &journal.zone)?;
            journal.number = journal.number.saturating_add(1);
        }
        self.encoder = Encoder::default();
        self.segment = frame::header(self.journal.number);
        Ok(())
    }
}
