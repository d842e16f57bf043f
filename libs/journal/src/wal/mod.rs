//! Write-ahead log: what was recorded and is not checkpointed yet, or not delivered.

pub(crate) mod cursors;
mod damage;
mod delivery;
pub(crate) mod entry;
mod files;
pub(crate) mod frame;
mod intake;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod queue;
pub(crate) mod recovery;
pub(crate) mod saved;
pub(crate) mod segment;
mod state;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod watch;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Mutex, OnceLock, mpsc::SyncSender},
};

use self::{
    cursors::Cursors,
    delivery::Piece,
    intake::Intake,
    log::{CORRECTIONS, YEAR_2025},
    segment::{Closed, OnDisk, Open, create},
    state::State,
    watch::Watch,
};
pub(crate) use self::{
    entry::{Column, CounterSet, Entry, Layout, Position},
    frame::{Cell, Encoder},
    log::Log,
    recovery::Recovered,
    saved::Saved,
    segment::{remove, segment_numbers, segment_path},
};
use crate::{Settings, lock, series::SeriesName, time::clock_source::ClockReading};
use reading::{Batch, Decimal, Text};

/// Most readings that wait for the journal to be opened; the oldest are lost first. A reading takes about 100 bytes.
const EARLY: usize = 200_000;

/// Request to the keeper.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Checkpoint,
    Sync,
    /// Nothing but a turn, as a sign of life.
    Wake,
    Stop,
}

/// Write-ahead log, before the journal is open and after.
///
/// Sources start when the journal is open or could not be opened. Where it could not (the folder cannot be written,
/// another program holds the lock), readers and publishers are served from a log in memory, and everything is also kept
/// as it came: the files alone tell which numbers and which times are free. Once the journal is open, it is recorded
/// again in a log with files, as if that had been there from the first batch on.
#[derive(Debug)]
pub(crate) struct Wal {
    settings: Settings,
    /// Publishers that are configured now: a reload adds and removes some.
    publishers: Mutex<Vec<Text>>,
    pub(crate) requests: SyncSender<Request>,
    /// Log in memory, for the time before.
    before: Log,
    /// A lock of its own, so that what is recorded while the journal opens comes neither twice nor never.
    early: Mutex<Early>,
    opened: OnceLock<Log>,
}

/// Recordings that wait for the journal to be opened.
#[derive(Debug, Default)]
struct Early {
    waiting: VecDeque<(ClockReading, Recording)>,
    readings: usize,
}

/// One recording of a source.
#[derive(Debug)]
enum Recording {
    Batch(Text, Batch),
    CounterSet(SeriesName, Decimal, Decimal),
}

impl Wal {
    pub(crate) fn new(settings: &Settings, requests: SyncSender<Request>) -> Self {
        Self {
            before: Log::in_memory(settings, requests.clone()),
            settings: settings.clone(),
            publishers: Mutex::new(settings.publishers.clone()),
            requests,
            early: Mutex::default(),
            opened: OnceLock::new(),
        }
    }

    /// Returns the log that is in use.
    pub(crate) fn log(&self) -> &Log {
        self.opened.get().unwrap_or(&self.before)
    }

    /// Returns how many recordings wait for the journal to be opened.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.early).waiting.len()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    /// Records every number of a batch; see [`Journal::record`](crate::Journal::record).
    pub(crate) fn record(&self, section: &Text, batch: &Batch) {
        self.keep_early(
            || Recording::Batch(section.clone(), batch.clone()),
            |log| log.record(None, section, batch),
        );
    }

    /// Records that a counter was set now.
    pub(crate) fn counter_set(&self, series: &SeriesName, before: Decimal, after: Decimal) {
        self.keep_early(
            || Recording::CounterSet(series.clone(), before, after),
            |log| log.counter_set(None, series, (before, after)),
        );
    }

    /// Saves the state of a source; see [`Journal::save`](crate::Journal::save).
    pub(crate) fn save(&self, section: &Text, state: &[u8]) {
        if !self.is_open() {
            let _early = lock(&self.early); // the log is not opened meanwhile
            return self.log().save(section, state);
        }
        self.log().save(section, state);
    }

    /// Returns the publishers that are configured.
    pub(crate) fn publishers(&self) -> Vec<Text> {
        lock(&self.publishers).clone()
    }

    /// Adds a publisher; see [`Journal::add_publisher`](crate::Journal::add_publisher).
    pub(crate) fn add_publisher(&self, name: &Text) {
        let mut publishers = lock(&self.publishers);
        if !publishers.contains(name) {
            publishers.push(name.clone());
            self.log().add_publisher(name);
        }
    }

    /// Removes a publisher, with what only it needs.
    pub(crate) fn remove_publisher(&self, name: &str) {
        let mut publishers = lock(&self.publishers);
        publishers.retain(|known| known != name);
        self.log().remove_publisher(name);
    }

    /// Records into the log, and keeps the recording where that is not the last word.
    fn keep_early(&self, recording: impl FnOnce() -> Recording, record: impl FnOnce(&Log)) {
        if !self.is_open() {
            let mut early = lock(&self.early);
            if !self.is_open() {
                early.push(self.settings.clock.now(), recording());
                return record(&self.before);
            }
        }
        record(self.log());
    }

    /// Goes on with what an earlier run left in segments and in the database. What was recorded before comes after
    /// that.
    pub(crate) fn open(&self, left: Recovered, live: Option<PathBuf>) {
        if let Some(log) = self.opened.get() {
            // The database was damaged and is a new one. What it lacks is in the segments, as far as there are any.
            return log.set_checkpointed(left.checkpointed);
        }
        let mut early = lock(&self.early);
        let waiting = std::mem::take(&mut *early).waiting;
        // Dates begin with the first recording, so that each has the time at which it came.
        let now = waiting.front().map_or_else(|| self.settings.clock.now(), |(clock, _)| clock.clone());
        let above = self.before.newest_segment();
        // Held until the log is in use: a publisher that comes meanwhile waits for it.
        let publishers = lock(&self.publishers);
        let settings = Settings { publishers: publishers.clone(), ..self.settings.clone() };
        let log = Log::open(&settings, self.requests.clone(), (left, live), &now, above);
        for (clock, recording) in &waiting {
            match recording {
                Recording::Batch(section, batch) => log.record(Some(clock), section, batch),
                Recording::CounterSet(series, before, after) => {
                    log.counter_set(Some(clock), series, (*before, *after));
                }
            }
        }
        log.take_over(&self.before);
        let log = self.opened.get_or_init(|| log);
        drop(publishers);
        drop(early);
        self.before.clear();
        log.make_first_file();
    }
}

impl Early {
    fn push(&mut self, clock: ClockReading, recording: Recording) {
        self.readings += recording.readings();
        self.waiting.push_back((clock, recording));
        while self.readings > EARLY
            && let Some((_, lost)) = self.waiting.pop_front()
        {
            self.readings -= lost.readings();
        }
    }
}

impl Recording {
    fn readings(&self) -> usize {
        match self {
            Self::Batch(_, batch) => batch.readings.len().max(1),
            Self::CounterSet(..) => 1,
        }
    }
}
