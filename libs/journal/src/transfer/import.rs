//! Import: readings are made into segments, which are checkpointed like those of a running program.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use crate::{
    db::{Database, Found},
    paths::folder,
    place::locked,
    series::SeriesName,
    transfer::{Labels, TransferError, files::read_segments},
    wal::{Cell, CounterSet, Encoder, frame, live, remove, segment_numbers},
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
    database: Database,
    zone: TimeZone,
    set_aside: Option<PathBuf>,
    /// Number of the next segment.
    number: u64,
    encoder: Encoder,
    segment: Vec<u8>,
    /// Readings of one moment and source, not in the segment yet.
    batch: Vec<Imported>,
    count: u64,
    /// Locked until this is dropped.
    _lock: File,
}

impl Import {
    /// Opens the journal. Creates one where there is none, and checkpoints what a program left that was killed.
    ///
    /// # Errors
    /// Returns [`TransferError::InUse`] if a program uses it, or the error of the database.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        let lock = locked(path).map_err(TransferError::file(path))?;
        let lock = lock.ok_or_else(|| TransferError::InUse(path.to_owned()))?;
        let (mut database, found) =
            Database::open(path).map_err(|error| TransferError::opening(path, error))?;
        let zone = TimeZone::system();
        database.salvage(path, &zone, &mut || ())?;
        let folded = database.folded()?;
        live::absorb(path, None, folded).map_err(TransferError::file(path))?;
        let numbers = segment_numbers(path).map_err(TransferError::file(folder(path)))?;
        let left = read_segments(path, folded)?;
        let left: Vec<_> = left.iter().map(|(number, bytes)| (*number, &bytes[..])).collect();
        database.checkpoint(&left, &zone)?;
        // Segments that publishers have not delivered yet stay.
        let cursors = database.cursors()?;
        let needed = cursors.values().map(|at| at.segment).min().unwrap_or(u64::MAX);
        for &number in numbers.iter().filter(|number| **number < needed) {
            remove(path, number);
        }
        let used = cursors.values().map(|at| at.segment).chain(numbers).max().unwrap_or(0);
        let number = folded.max(used).saturating_add(1);
        let set_aside = match found {
            Found::SetAside(path) => Some(path),
            Found::New | Found::Whole => None,
        };
        Ok(Self {
            database,
            zone,
            set_aside,
            number,
            encoder: Encoder::default(),
            segment: frame::header(number),
            batch: Vec::new(),
            count: 0,
            _lock: lock,
        })
    }

    /// Returns the name that a damaged database was renamed to.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
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
            self.database.checkpoint(&[(self.number, &self.segment)], &self.zone)?;
            self.number = self.number.saturating_add(1);
        }
        self.encoder = Encoder::default();
        self.segment = frame::header(self.number);
        Ok(())
    }
}
