//! Delivery queue of one publisher: the batches of the segments after its cursor.
//!
//! ```text
//! segments   5 ▒▒▒▒▒▒▒▒  6 ▒▒▒▒████  7 ████████  8 ███        ▒ done   █ to be delivered
//!            closed      closed      closed      open
//!            removed       ▲ cursor: this segment and all that follow are kept
//! ```
//!
//! Nothing is copied: a segment that is checkpointed stays where it is until each publisher has passed it. A publisher
//! that has caught up reads the new bytes of the open segment, in memory.

use std::io;

use crate::{
    Journal, Record,
    time::{Micros, TimeCorrection},
    wal::{
        CORRECTIONS, Column, Entry, Layout, Log, Position,
        stream::{Read, Stream, Unreadable},
    },
};
use reading::{Batch, Decimal, Reading, Text, Timestamp, Value};

/// Attempts to read a file before it is skipped. With the pauses between deliveries that takes some minutes.
const TRIES: u32 = 20;

/// Batch that was recorded, and its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The batch.
    pub record: Record,
    /// Place after it.
    pub end: Mark,
}

/// Place after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub(crate) at: Position,
    /// Number of the batch: those of this run count from 1, and those of earlier runs end with 0.
    pub(crate) sequence: i64,
    /// Whether the log had files. A place in the log of before the journal was open means nothing after.
    pub(crate) has_files: bool,
}

/// Batches that one publisher has still to deliver, in the order in which they were recorded.
#[derive(Debug)]
pub struct Queue {
    pub(super) journal: Journal,
    publisher: Text,
    /// `None` before the first read.
    pub(super) place: Option<Place>,
    /// Segments whose files cannot be read, and which are skipped.
    unreadable: Vec<u64>,
    /// Segment that could not be read last, and how often in a row.
    failed: (u64, u32),
}

/// Place of a queue in the log.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) stream: Stream,
    /// Everything before it is done.
    pub(super) cursor: Mark,
    /// Number of the last batch that was read.
    pub(super) read: i64,
    /// Corrections of the clock ahead of the cursor, each with the place after it; all up to `known`.
    corrections: Vec<(Position, TimeCorrection)>,
    known: Position,
}

impl Journal {
    /// Returns the queue of a publisher, one of those in [`Settings::publishers`](crate::Settings). A new publisher
    /// begins with what is recorded from now on.
    pub fn queue(&self, publisher: &str) -> Queue {
        Queue {
            journal: self.clone(),
            publisher: publisher.into(),
            place: None,
            unreadable: Vec::new(),
            failed: (0, 0),
        }
    }
}

impl Queue {
    /// Returns the next batches: at least one and at most `most`; none if everything was read. May read files.
    ///
    /// The first call, and the first after the journal was opened, looks through everything that is to be delivered.
    ///
    /// # Errors
    /// Returns the error of a file that cannot be read. It is tried again, and skipped after some minutes.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<Queued>> {
        loop {
            match self.try_read(most) {
                Ok(batches) => {
                    self.failed = (0, 0);
                    return Ok(batches);
                }
                Err(Unreadable { segment, error }) => {
                    let before = if self.failed.0 == segment { self.failed.1 } else { 0 };
                    self.failed = (segment, before + 1);
                    if before < TRIES {
                        return Err(error);
                    }
                    self.unreadable.push(segment);
                    if let Some(place) = &mut self.place {
                        place.stream.unreadable.push(segment);
                    }
                }
            }
        }
    }

    fn try_read(&mut self, most: usize) -> Result<Vec<Queued>, Unreadable> {
        let Self { journal: Journal(Some(shared)), publisher, place, unreadable, .. } = self else {
            return Ok(Vec::new());
        };
        let log = shared.wal.log();
        let here = match place.take().filter(|place| place.is_in(log)) {
            Some(here) => here,
            None => Place::begin(log, publisher, unreadable)?,
        };
        place.insert(here).read(log, publisher, most)
    }

    /// Notes that everything before this place was delivered or given up, and is not needed any more.
    pub fn done(&mut self, to: Mark) {
        if let (Some(shared), Some(place)) = (&self.journal.0, &mut self.place) {
            place.done(shared.wal.log(), &self.publisher, to);
        }
    }

    /// Returns how many batches were recorded and are not done. Before the first [`read`](Self::read) only those of
    /// this run count.
    pub fn backlog(&self) -> u64 {
        let Some(shared) = &self.journal.0 else { return 0 };
        let cursor = self.place.as_ref().map_or(0, |place| place.cursor.sequence);
        shared.wal.log().recorded().cast_signed().saturating_sub(cursor).max(0).unsigned_abs()
    }

    /// Returns the number of clock corrections in this run. After another one, what was read before must be read again.
    pub fn corrections(&self) -> u64 {
        self.journal.corrections()
    }

    /// Goes back to the first batch that is not done.
    pub fn rewind(&mut self) {
        self.place = None;
    }

    /// Returns a moment that is certainly past, whatever becomes of the clock.
    pub fn certain(&self) -> Micros {
        self.journal.0.as_ref().map_or(Micros::MIN, |shared| shared.wal.log().certain())
    }

    /// Returns whether times are likely to stay as they are. While the clock is behind what was recorded before, or was
    /// never set, it is better to wait.
    pub fn is_settled(&self) -> bool {
        self.journal.is_settled()
    }
}

impl Place {
    /// Begins at a publisher's cursor, after a look at everything ahead of it.
    fn begin(log: &Log, publisher: &Text, unreadable: &[u64]) -> Result<Self, Unreadable> {
        let at = log.cursor(publisher);
        let stream = Stream::new(at, unreadable.to_vec());
        let mut ahead = stream.here();
        ahead.told = Some(publisher.clone());
        let (mut count, mut corrections) = (0, Vec::new());
        let read = ahead.read(log, |end, entry| {
            match entry {
                Entry::Batch { .. } => count += 1,
                Entry::TimeCorrection(correction) => corrections.push((end, correction)),
                _ => {}
            }
            true
        })?;
        ahead.found.iter().for_each(|number| log.report_damage(*number, publisher));
        let recorded = if let Read::End { recorded } = read { recorded.cast_signed() } else { count };
        let cursor = Mark { at, sequence: recorded - count, has_files: log.has_files };
        let mut place = Self { stream, cursor, read: cursor.sequence, corrections, known: ahead.at };
        place.forget_corrections();
        Ok(place)
    }

    /// Returns whether this is a place in that log.
    pub(super) fn is_in(&self, log: &Log) -> bool {
        self.cursor.has_files == log.has_files
    }

    fn read(&mut self, log: &Log, publisher: &str, most: usize) -> Result<Vec<Queued>, Unreadable> {
        let mut found = Vec::new();
        let read = self.stream.read(log, |end, entry| {
            if let Entry::Batch { layout, time, mantissas } = entry {
                found.push((end, time, layout.section.clone(), readings(layout, mantissas)));
            }
            found.len() < most.max(1)
        });
        match read {
            // Batches that turned out to be damaged were counted, too.
            Ok(Read::End { recorded }) if self.cursor.sequence == self.read && found.is_empty() => {
                (self.cursor.sequence, self.read) = (recorded.cast_signed(), recorded.cast_signed());
            }
            Ok(_) => {}
            Err(error) if found.is_empty() => return Err(error),
            Err(_) => {} // the next read meets it again
        }
        self.corrections.extend(log.corrections(self.known));
        self.known = self.corrections.last().map_or(self.known, |last| last.0.max(self.known));
        let (first, has_files) = (self.read + 1, self.cursor.has_files);
        self.read += found.len() as i64;
        self.advance(log, publisher, self.cursor.at);
        let queued = |(sequence, (at, time, section, readings))| {
            let taken_at = timestamp(self.corrected(at, time));
            let end = Mark { at, sequence, has_files };
            Queued { record: Record { section, batch: Batch { taken_at, readings } }, end }
        };
        Ok((first..).zip(found).map(queued).collect())
    }

    fn done(&mut self, log: &Log, publisher: &str, to: Mark) {
        let forward = to.at > self.cursor.at && to.sequence > self.cursor.sequence;
        if forward && to.has_files == self.cursor.has_files && self.is_in(log) {
            self.cursor.sequence = to.sequence.min(self.read);
            self.advance(log, publisher, to.at);
        }
    }

    /// Moves the cursor to what is done, and past segments in which nothing is left.
    fn advance(&mut self, log: &Log, publisher: &str, done: Position) {
        let all = self.cursor.sequence == self.read;
        let to = if all { done.max(Position::start(self.stream.at.segment)) } else { done };
        if to > self.cursor.at {
            self.cursor.at = to;
            log.done(publisher, to);
            self.forget_corrections();
        }
    }

    /// Returns the right time of a batch.
    fn corrected(&self, end: Position, time: Micros) -> Micros {
        let later = self.corrections.iter().filter(|(at, _)| *at > end);
        later.fold(time, |time, (_, correction)| correction.apply(time))
    }

    fn forget_corrections(&mut self) {
        self.corrections.retain(|(at, _)| *at > self.cursor.at);
        let extra = self.corrections.len().saturating_sub(CORRECTIONS);
        self.corrections.drain(..extra);
    }
}

fn readings(layout: &Layout, mantissas: &[i64]) -> Vec<Reading> {
    let reading = |(column, mantissa): (&Column, &i64)| {
        Some(Reading {
            name: column.name.clone(),
            obis: column.code,
            value: Value::Number(Decimal::new(*mantissa, column.scale)?),
            unit: Some(column.unit.clone()).filter(|unit| !unit.is_empty()),
            kind: column.kind,
            medium: column.medium,
            time: None,
            status: None,
            more: Vec::new(),
        })
    };
    layout.columns.iter().zip(mantissas).filter_map(reading).collect()
}

/// Converts a time; one outside the calendar becomes its end.
fn timestamp(micros: Micros) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}
