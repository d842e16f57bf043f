//! Services of the log for queues and sources: pieces of segments, cursors, and states.

use std::io;

use crate::{
    lock,
    time::TimeCorrection,
    wal::{Log, Position, State, YEAR_2025, segment},
};
use reading::Text;

/// Answer to a read from a position on.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes of the segment, as many as were wanted if it has them.
    Bytes(Vec<u8>),
    /// The segment has no more; the next one has this number.
    Next(u64),
    /// The segment does not exist; the next one has this number.
    Gone(u64),
    /// Nothing was recorded after the position. `recorded`: batches of this run.
    End { recorded: u64 },
}

impl Log {
    /// Returns the cursor of a publisher. One that is not configured begins with the first segment there is.
    pub(crate) fn cursor(&self, publisher: &str) -> Position {
        let state = lock(&self.state);
        let first = state.closed.first().map_or(state.open.number, |closed| closed.number);
        state.cursors.get(publisher).unwrap_or(Position::start(first))
    }

    /// Reads at most `most` bytes from a position on.
    pub(crate) fn piece(&self, at: Position, most: usize) -> io::Result<Piece> {
        let state = lock(&self.state);
        let from = usize::try_from(at.offset).unwrap_or(usize::MAX);
        if at.segment >= state.open.number {
            let rest = state.open.bytes.get(from..).filter(|rest| !rest.is_empty());
            return Ok(match rest {
                Some(rest) => Piece::Bytes(rest[..rest.len().min(most)].to_vec()),
                None => Piece::End { recorded: state.recorded() },
            });
        }
        let mut from_here = state.closed.iter().skip_while(|closed| closed.number < at.segment).peekable();
        let closed = from_here.next_if(|closed| closed.number == at.segment);
        let next = from_here.next().map_or(state.open.number, |closed| closed.number);
        let Some(closed) = closed else { return Ok(Piece::Gone(next)) };
        if from >= closed.len() {
            return Ok(Piece::Next(next));
        }
        let to = closed.len().min(from.saturating_add(most));
        if let Some(bytes) = &closed.bytes {
            return Ok(Piece::Bytes(bytes[from..to].to_vec()));
        }
        let (path, held) = (self.path_of(at.segment, &closed.on_disk), closed.file());
        drop(state);
        match segment::open(&path, held.as_ref()).and_then(|file| segment::read(&file, at.offset, to - from))
        {
            Ok(bytes) => Ok(Piece::Bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Piece::Gone(next)),
            Err(error) => {
                let message = format!("could not read {}: {error}", path.display());
                Err(io::Error::new(error.kind(), message))
            }
        }
    }

    /// Notes that a publisher does not need what lies before a position.
    pub(crate) fn done(&self, publisher: &str, to: Position) {
        let now = self.clock.now().boottime;
        let mut state = lock(&self.state);
        let State { cursors, open, .. } = &mut *state;
        let crossed = cursors.advance(publisher, to);
        // At once before a segment is removed: a cursor whose segment is gone would begin the next one again.
        if cursors.keep_one(publisher, open, now, crossed) {
            let (number, end) = state.end();
            self.write_out(state, number, end);
        } else {
            drop(state);
        }
        if crossed {
            self.release();
        }
    }

    /// Appends all cursors that moved, and all states that changed.
    pub(crate) fn before_sync(&self) {
        let now = self.clock.now().boottime;
        let mut state = lock(&self.state);
        let State { cursors, saved, open, .. } = &mut *state;
        cursors.keep(open, now);
        saved.write(open);
    }

    /// Adds a publisher, which begins with what is recorded from now on.
    pub(crate) fn add_publisher(&self, name: &Text) {
        let mut state = lock(&self.state);
        let State { cursors, open, .. } = &mut *state;
        cursors.add(name, open);
    }

    /// Removes a publisher, and the segments that only it needs.
    pub(crate) fn remove_publisher(&self, name: &str) {
        lock(&self.state).cursors.remove(name);
        self.release();
    }

    /// Replaces the state of a source, which is written at the next sync.
    pub(crate) fn save(&self, section: &Text, state: &[u8]) {
        lock(&self.state).saved.set(section, state);
    }

    /// Returns the state of a source that an earlier run saved last.
    pub(crate) fn saved_earlier(&self, section: &str) -> Option<Vec<u8>> {
        lock(&self.state).saved.earlier.get(section).cloned()
    }

    /// Takes over the states that another log has.
    pub(crate) fn take_over(&self, before: &Self) {
        lock(&self.state).saved.take_over(&mut lock(&before.state).saved);
    }

    /// Notes that the database has a segment, which is removed unless a publisher needs it.
    pub(crate) fn checkpointed(&self, number: u64) {
        self.set_checkpointed(number);
        self.release();
    }

    /// Removes segments that neither the database nor a publisher needs.
    pub(crate) fn release(&self) {
        let mut state = lock(&self.state);
        let (checkpointed, needed) = (state.checkpointed, state.cursors.needed());
        let is_done = |number| number <= checkpointed && number < needed;
        let numbers = state.closed.iter().map(|closed| closed.number);
        let done: Vec<_> = numbers.filter(|number| is_done(*number)).collect();
        state.closed.retain(|closed| !is_done(closed.number));
        state.corrections.retain(|(at, _)| at.segment >= needed);
        drop(state);
        if self.has_files {
            done.into_iter().for_each(|number| self.remove(number));
        }
    }

    /// Returns the corrections of the clock that were recorded after a position, each with the position after it.
    pub(crate) fn corrections(&self, after: Position) -> Vec<(Position, TimeCorrection)> {
        lock(&self.state).corrections.iter().filter(|(at, _)| *at > after).copied().collect()
    }

    /// Returns the number of clock corrections in this run.
    pub(crate) fn corrected(&self) -> u64 {
        lock(&self.state).corrected
    }

    /// Returns the number of batches that were recorded in this run.
    pub(crate) fn recorded(&self) -> u64 {
        lock(&self.state).recorded()
    }

    /// Returns whether times are likely to stay: the clock was set, and is not behind what was recorded.
    pub(crate) fn is_settled(&self) -> bool {
        self.lead() <= 0 && self.clock.now().wall >= YEAR_2025
    }
}
