//! What the tail does for queues: pieces of segments, and how far publishers got.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use crate::{
    lock,
    time::TimeCorrection,
    wal::{
        entry::Position,
        log::{State, Tail, YEAR_2025},
        segment::{remove, segment_path},
    },
};

/// What is at a place.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes of the segment, as many as were wanted if it has them.
    Bytes(Vec<u8>),
    /// The segment has no more: the next one.
    Next(u64),
    /// The segment is not there: the next one.
    Gone(u64),
    /// Nothing was recorded behind it; so many batches before.
    End { recorded: u64 },
    /// The journal was opened: places of before mean nothing any more.
    Moved,
}

impl Tail {
    /// Where a publisher goes on, and whether segments had files then. One that is not configured has every segment
    /// there is before it.
    pub(crate) fn cursor(&self, publisher: &str) -> (bool, Position) {
        let state = lock(&self.state);
        let first = state.closed.first().map_or(state.open.number, |closed| closed.number);
        (state.attached, state.cursors.get(publisher).unwrap_or(Position::start(first)))
    }

    /// What is at a place, at most so many bytes. `attached`: whether segments had files when the place was given.
    pub(crate) fn piece(&self, attached: bool, at: Position, most: usize) -> io::Result<Piece> {
        let state = lock(&self.state);
        if state.attached != attached {
            return Ok(Piece::Moved);
        }
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
        drop(state);
        let path = segment_path(&self.path, at.segment);
        match read_piece(&path, at.offset, to - from) {
            Ok(bytes) => Ok(Piece::Bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Piece::Gone(next)),
            Err(error) => {
                let message = format!("could not read {}: {error}", path.display());
                Err(io::Error::new(error.kind(), message))
            }
        }
    }

    /// Whether everything from a place on is in memory.
    pub(crate) fn is_in_memory(&self, from: Position) -> bool {
        let state = lock(&self.state);
        let behind = |number, len| Position { segment: number, offset: len as u64 } > from;
        state.closed.iter().all(|closed| closed.bytes.is_some() || !behind(closed.number, closed.len()))
    }

    /// What lies before a place is not needed by a publisher any more.
    pub(crate) fn done(&self, publisher: &str, attached: bool, to: Position) {
        let now = self.clock.now().boottime;
        let mut state = lock(&self.state);
        if state.attached != attached {
            return;
        }
        let State { cursors, open, .. } = &mut *state;
        let crossed = cursors.advance(publisher, to);
        // At once before a segment is removed: a cursor whose segment is gone would begin the next one again.
        if attached && cursors.keep_one(publisher, open, now, crossed) {
            let (number, end) = state.end();
            self.write_out(state, number, end);
        } else {
            drop(state);
        }
        if crossed {
            self.release();
        }
    }

    /// Records all cursors that moved.
    pub(crate) fn keep_cursors(&self) {
        let now = self.clock.now().boottime;
        let mut state = lock(&self.state);
        if state.attached {
            let State { cursors, open, .. } = &mut *state;
            cursors.keep(open, now);
        }
    }

    /// Removes segments that neither the database nor a publisher needs.
    pub(crate) fn release(&self) {
        let mut state = lock(&self.state);
        let (folded, needed) = (state.folded, state.cursors.needed());
        let is_behind = |number| number <= folded && number < needed;
        let numbers = state.closed.iter().map(|closed| closed.number);
        let behind: Vec<_> = numbers.filter(|number| is_behind(*number)).collect();
        state.closed.retain(|closed| !is_behind(closed.number));
        state.corrections.retain(|(at, _)| at.segment >= needed);
        drop(state);
        behind.into_iter().for_each(|number| remove(&self.path, number));
    }

    /// The corrections of the clock that were recorded behind a place, each with the place behind it.
    pub(crate) fn corrections(&self, after: Position) -> Vec<(Position, TimeCorrection)> {
        lock(&self.state).corrections.iter().filter(|(at, _)| *at > after).copied().collect()
    }

    /// How often dates were corrected in this run.
    pub(crate) fn corrected(&self) -> u64 {
        lock(&self.state).corrected
    }

    /// How many batches were recorded in this run.
    pub(crate) fn recorded(&self) -> u64 {
        lock(&self.state).recorded()
    }

    /// Whether dates are likely to stay: not where the clock is behind what was recorded, or was never set.
    pub(crate) fn is_settled(&self) -> bool {
        self.lead() <= 0 && self.clock.now().wall >= YEAR_2025
    }
}

impl State {
    fn recorded(&self) -> u64 {
        self.recorded_before + self.open.encoder.batches()
    }
}

/// Bytes of a file, fewer where it ends.
fn read_piece(path: &Path, from: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(len);
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
