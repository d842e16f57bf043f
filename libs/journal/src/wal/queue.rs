//! What a publisher has still to deliver: the batches of the segments behind its cursor.
//!
//! ```text
//! segments   5 ▒▒▒▒▒▒▒▒  6 ▒▒▒▒████  7 ████████  8 ███        ▒ done   █ to be delivered
//!            folded      folded      folded      open
//!            removed       ▲ cursor: kept, with all that follows
//! ```
//!
//! Nothing is copied: a segment that is folded stays where it is until each publisher is behind it. One that is at the
//! end reads what is new of the open segment's bytes, in memory.

use std::io;

use crate::{
    Journal, Record,
    time::{Micros, TimeCorrection},
    wal::{
        entry::{Column, Entry, Layout, Position},
        log::{CORRECTIONS, Tail},
        stream::{Read, Stream, Unreadable},
    },
};
use reading::{Batch, Decimal, Reading, Text, Timestamp, Value};

/// A file that could not be read so often in a row is passed over: with the runner's pauses that is some minutes.
const TRIES: u32 = 20;

/// A batch that was recorded, and the place behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub record: Record,
    pub end: Mark,
}

/// The place behind a batch that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    at: Position,
    /// It was the so-manieth that was read since the queue was begun.
    number: u64,
    /// Which beginning that was.
    begun: u64,
}

impl Mark {
    /// For tests of those who only hand it back.
    #[cfg(any(test, feature = "testing"))]
    pub fn made_up(number: u64) -> Self {
        Self { at: Position { segment: 1, offset: number }, number, begun: 0 }
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn number(self) -> u64 {
        self.number
    }
}

/// The batches that one publisher has still to deliver, in the order in which they were recorded.
#[derive(Debug)]
pub struct Queue {
    journal: Journal,
    publisher: Text,
    /// `None` before it was read.
    pub(super) place: Option<Place>,
    /// How often it was begun.
    begun: u64,
    /// Segments whose files cannot be read, which are passed over.
    unreadable: Vec<u64>,
    /// The one that could not be read last, and how often.
    failed: (u64, u32),
}

/// Where a queue is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) stream: Stream,
    /// What lies before is done.
    pub(super) cursor: Position,
    /// How many batches were read, and how many of them are done.
    pub(super) read: u64,
    pub(super) done: u64,
    pub(super) begun: u64,
    /// The corrections of the clock that lie ahead of the cursor, each with the place behind it; all up to `known`.
    pub(super) corrections: Vec<(Position, TimeCorrection)>,
    pub(super) known: Position,
    /// How many batches the journal had recorded in this run when those before the cursor were. Less than none where
    /// an earlier run recorded them.
    pub(super) before: u64,
}

impl Journal {
    /// The queue of a publisher, one of those in [`Settings::publishers`](super::Settings). One that is new begins with what is
    /// recorded from now on.
    pub fn queue(&self, publisher: &str) -> Queue {
        Queue {
            journal: self.clone(),
            publisher: publisher.into(),
            place: None,
            begun: 0,
            unreadable: Vec::new(),
            failed: (0, 0),
        }
    }
}

impl Queue {
    /// The next batches, at most so many, one at least; none where everything was read. It may read files.
    ///
    /// The first time, and once after the journal was opened, it looks through all that is to be delivered.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<Queued>> {
        loop {
            match self.try_read(most) {
                Ok(Some(batches)) => {
                    self.failed = (0, 0);
                    return Ok(batches);
                }
                Ok(None) => self.place = None,
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

    /// `None` where the journal was opened meanwhile.
    fn try_read(&mut self, most: usize) -> Result<Option<Vec<Queued>>, Unreadable> {
        let Self { journal: Journal(Some(shared)), publisher, place, begun, unreadable, .. } = self else {
            return Ok(Some(Vec::new()));
        };
        let here = match place.take() {
            Some(here) => here,
            None => {
                *begun += 1;
                Place::begin(&shared.tail, publisher, *begun, unreadable)?
            }
        };
        place.insert(here).read(&shared.tail, publisher, most)
    }

    /// Whether the next [`read`](Self::read) is quick: it touches no file.
    pub fn is_live(&self) -> bool {
        let Some(shared) = &self.journal.0 else { return true };
        let (attached, _) = shared.tail.cursor(&self.publisher);
        let place = self.place.as_ref().filter(|place| place.stream.attached == attached);
        place.is_some_and(|place| shared.tail.is_in_memory(place.stream.at))
    }

    /// Everything before this place is delivered, or given up: it is not needed any more.
    pub fn done(&mut self, to: Mark) {
        if let (Some(shared), Some(place)) = (&self.journal.0, &mut self.place) {
            place.done(&shared.tail, &self.publisher, to);
        }
    }

    /// How many batches were recorded and are not done; before the first [`read`](Self::read), of this run only.
    pub fn backlog(&self) -> u64 {
        let Some(shared) = &self.journal.0 else { return 0 };
        let recorded = shared.tail.recorded();
        let left = recorded.wrapping_sub(self.place.as_ref().map_or(0, |place| place.before));
        if left.cast_signed() < 0 { 0 } else { left }
    }

    /// How often dates were corrected in this run: what was read before another correction is to be read again.
    pub fn corrections(&self) -> u64 {
        self.journal.0.as_ref().map_or(0, |shared| shared.tail.corrected())
    }

    /// What was read and is not done is read again.
    pub fn rewind(&mut self) {
        self.place = None;
    }

    /// A moment that is certainly over, whatever becomes of the clock.
    pub fn certain(&self) -> Micros {
        self.journal.0.as_ref().map_or(Micros::MIN, |shared| shared.tail.certain())
    }

    /// Whether dates are likely to stay as they are. `false` where the clock is behind what was recorded before, or was
    /// never set: it is better to wait a while then.
    pub fn is_settled(&self) -> bool {
        self.journal.0.as_ref().is_none_or(|shared| shared.tail.is_settled())
    }
}

impl Place {
    /// A publisher's cursor, after a look at all that lies ahead of it.
    fn begin(tail: &Tail, publisher: &Text, begun: u64, unreadable: &[u64]) -> Result<Self, Unreadable> {
        loop {
            let (attached, cursor) = tail.cursor(publisher);
            let stream = Stream::new(attached, cursor, unreadable.to_vec());
            let mut look = stream.here();
            look.told = Some(publisher.clone());
            let (mut ahead, mut corrections) = (0, Vec::new());
            let read = look.read(tail, |end, entry| {
                match entry {
                    Entry::Batch { .. } => ahead += 1,
                    Entry::TimeCorrection(correction) => corrections.push((end, correction)),
                    _ => {}
                }
                true
            })?;
            let Read::End { recorded } = read else { continue };
            let before = recorded.wrapping_sub(ahead);
            let mut place =
                Self { stream, cursor, read: 0, done: 0, begun, corrections, known: look.at, before };
            place.forget_redates();
            return Ok(place);
        }
    }

    /// The next batches; `None` where the journal was opened meanwhile.
    fn read(&mut self, tail: &Tail, publisher: &str, most: usize) -> Result<Option<Vec<Queued>>, Unreadable> {
        let mut found = Vec::new();
        let read = self.stream.read(tail, |end, entry| {
            if let Entry::Batch { layout, time, mantissas } = entry {
                found.push((end, time, layout.section.clone(), readings(layout, mantissas)));
            }
            found.len() < most.max(1)
        });
        match read {
            Ok(Read::Moved) => return Ok(None),
            Ok(Read::End { recorded }) if self.done == self.read && found.is_empty() => {
                self.before = recorded
            }
            Ok(_) => {}
            Err(error) if found.is_empty() => return Err(error),
            Err(_) => {} // it comes again
        }
        self.corrections.extend(tail.corrections(self.known));
        self.known = self.corrections.last().map_or(self.known, |last| last.0.max(self.known));
        let first = self.read + 1;
        self.read += found.len() as u64;
        self.advance(tail, publisher, self.cursor);
        let queued = |(number, (at, time, section, readings))| {
            let taken_at = timestamp(self.corrected(at, time));
            let end = Mark { at, number, begun: self.begun };
            Queued { record: Record { section, batch: Batch { taken_at, readings } }, end }
        };
        Ok(Some((first..).zip(found).map(queued).collect()))
    }

    fn done(&mut self, tail: &Tail, publisher: &str, to: Mark) {
        // What was read before the queue was begun anew comes again.
        if to.begun == self.begun && to.number > self.done {
            self.before = self.before.wrapping_add(to.number - self.done);
            self.done = to.number;
            self.advance(tail, publisher, to.at);
        }
    }

    /// Moves the cursor to what is done, and past segments in which nothing is left.
    fn advance(&mut self, tail: &Tail, publisher: &str, done: Position) {
        let all = self.done == self.read;
        let to = if all { done.max(Position::start(self.stream.at.segment)) } else { done };
        if to > self.cursor {
            self.cursor = to;
            tail.done(publisher, self.stream.attached, to);
            self.forget_redates();
        }
    }

    /// The right time of a batch.
    fn corrected(&self, end: Position, time: Micros) -> Micros {
        let later = self.corrections.iter().filter(|(at, _)| *at > end);
        later.fold(time, |time, (_, correction)| correction.apply(time))
    }

    fn forget_redates(&mut self) {
        self.corrections.retain(|(at, _)| *at > self.cursor);
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
            time: None,
            status: None,
            more: Vec::new(),
        })
    };
    layout.columns.iter().zip(mantissas).filter_map(reading).collect()
}

/// What is out of all calendars is at their end.
fn timestamp(micros: Micros) -> Timestamp {
    let end = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(end)
}
