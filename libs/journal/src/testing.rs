//! Journals for tests: some readings are in the database, others in the log.
#![allow(clippy::unwrap_used)] // fixtures of tests

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    Journal, Mark, Settings,
    db::Database,
    series::{Sample, SeriesName},
    time::Micros,
    wal::{Cell, CounterSet, Encoder, Position, frame, segment_path},
};
use reading::{Decimal, Text};

/// Journal that a test fills.
#[derive(Debug)]
pub struct Household {
    pub(crate) database: Database,
    pub(crate) zone: TimeZone,
    encoder: Encoder,
    pub(crate) segment: Vec<u8>,
}

impl Household {
    /// Returns a journal in memory.
    #[allow(clippy::new_without_default)] // a test fixture
    pub fn new() -> Self {
        Self::with(Database::in_memory().unwrap())
    }

    /// Returns a journal in a file.
    pub fn at(path: &Path) -> Self {
        Self::with(Database::open(path).unwrap().0)
    }

    fn with(database: Database) -> Self {
        // Central Europe's rule, written out: the tests need no time zone database.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        Self { database, zone, encoder: Encoder::default(), segment: frame::header(1) }
    }

    #[cfg(test)]
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&crate::query::View<'_>) -> T) -> T {
        let database = Some(&self.database.connection);
        let wanted = crate::query::Wanted(None);
        ask(&crate::query::View { database, segments: &[&self.segment], zone: &self.zone, wanted })
    }

    /// Opens it as a program does that finds it at `path`.
    pub fn open(self, path: &Path) -> Journal {
        self.open_in(path, TimeZone::UTC)
    }

    /// Opens it in a time zone.
    pub fn open_in(self, path: &Path, zone: TimeZone) -> Journal {
        let number = self.database.folded().unwrap() + 1;
        drop(self.database);
        std::fs::write(segment_path(path, number), &self.segment).unwrap();
        let (journal, mut keeper) = Journal::new(Settings { zone, ..Settings::new(path) });
        keeper.open();
        journal
    }

    /// Stores readings of a series in the database.
    pub fn store(&mut self, series: &SeriesName, obis: &str, samples: &[Sample], sets: &[CounterSet]) {
        let number = self.database.folded().unwrap() + 1;
        let mut segment = frame::header(number);
        write(&mut Encoder::default(), &mut segment, series, obis, samples, sets);
        self.database.checkpoint(&[(number, &segment)], &self.zone).unwrap();
    }

    /// Records readings of a series in the log.
    pub fn record(&mut self, series: &SeriesName, obis: &str, samples: &[Sample], sets: &[CounterSet]) {
        write(&mut self.encoder, &mut self.segment, series, obis, samples, sets);
    }

    #[cfg(test)]
    pub(crate) fn correction(&mut self, since: Micros, delta: Micros) {
        self.encoder.time_correction(&mut self.segment, crate::time::TimeCorrection { since, delta });
    }
}

impl Mark {
    /// Returns a mark for tests of those who only pass it back.
    pub fn made_up(number: u64) -> Self {
        let (at, sequence) = (Position { segment: 1, offset: number }, number.cast_signed());
        Self { at, sequence, has_files: false }
    }

    /// Returns the number of a mark that was made up.
    pub fn number(self) -> u64 {
        self.at.offset
    }
}

fn write(
    encoder: &mut Encoder,
    segment: &mut Vec<u8>,
    series: &SeriesName,
    obis: &str,
    samples: &[Sample],
    sets: &[CounterSet],
) {
    let obis = Text::from(obis);
    for sample in samples {
        let cell = Cell {
            name: &series.name,
            unit: &series.unit,
            obis: &obis,
            kind: None,
            medium: None,
            value: sample.value,
        };
        encoder.batch(segment, &series.section, sample.time, &[cell]);
    }
    for set in sets {
        encoder.counter_set(segment, set);
    }
}

/// Returns the name of a series.
pub fn named(section: &str, name: &str, unit: &str) -> SeriesName {
    SeriesName { section: section.into(), name: name.into(), unit: unit.into() }
}

/// Parses a moment into microseconds.
pub fn at(moment: &str) -> Micros {
    moment.parse::<Timestamp>().unwrap().as_microsecond()
}

/// Returns a number that was read at a moment, with three decimals.
pub fn sample(time: Micros, thousandths: i64) -> Sample {
    Sample { time, value: Decimal::new(thousandths, 3).unwrap() }
}
