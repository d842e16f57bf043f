//! State of a log: the open segment, the closed ones, and what is known of their entries.

use std::{io, path::Path, time::Instant};

use tracing::error;

use crate::{
    time::{Dating, Micros, TimeCorrection},
    wal::{Closed, Cursors, Intake, OnDisk, Open, Position, Saved, Watch},
};

/// What a log has in memory, behind its lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dating: Dating,
    /// Offset of the system clock that was written last.
    pub(super) written_offset: Micros,
    pub(super) intake: Intake,
    pub(super) open: Open,
    /// Ascending. Those up to `checkpointed` are kept for publishers only.
    pub(super) closed: Vec<Closed>,
    /// Last segment that the database has.
    pub(super) checkpointed: u64,
    pub(super) cursors: Cursors,
    pub(super) saved: Saved,
    /// Corrections of the clock in this run, each with the place after it.
    pub(super) corrections: Vec<(Position, TimeCorrection)>,
    /// Number of corrections in this run.
    pub(super) corrected: u64,
    /// Batches of this run, those of the open segment apart.
    pub(super) recorded_before: u64,
    /// Start of the write that is going on. The lock is not held meanwhile, so that a disk that hangs stops nobody.
    pub(super) writing: Option<Instant>,
    /// Error of the disk, until everything is on it.
    pub(super) problem: Option<String>,
    pub(super) watch: Watch,
    /// Damage of a segment that a publisher needs.
    pub(super) damage: Option<String>,
}

impl State {
    pub(super) fn new(dating: Dating, open: Open, cursors: Cursors) -> Self {
        Self {
            written_offset: dating.epoch().wall_offset,
            dating,
            intake: Intake::default(),
            open,
            closed: Vec::new(),
            checkpointed: 0,
            cursors,
            saved: Saved::default(),
            corrections: Vec::new(),
            corrected: 0,
            recorded_before: 0,
            writing: None,
            problem: None,
            watch: Watch::default(),
            damage: None,
        }
    }

    /// Returns the closed segments that the database does not have.
    pub(super) fn unchecked(&self) -> impl Iterator<Item = &Closed> {
        self.closed.iter().filter(|closed| closed.number > self.checkpointed)
    }

    /// Returns number and length of the open segment.
    pub(super) fn end(&self) -> (u64, usize) {
        (self.open.number, self.open.bytes.len())
    }

    /// Returns the number of batches that were recorded in this run.
    pub(super) fn recorded(&self) -> u64 {
        self.recorded_before + self.open.encoder.batches()
    }

    /// Returns a segment: its bytes, where they are in memory, and how much of it is in the file.
    pub(super) fn segment(&mut self, number: u64) -> Option<(Option<&[u8]>, &mut OnDisk)> {
        if self.open.number == number {
            return Some((Some(&self.open.bytes), &mut self.open.on_disk));
        }
        let closed = self.closed.iter_mut().find(|closed| closed.number == number)?;
        Some((closed.bytes.as_deref(), &mut closed.on_disk))
    }

    /// Closes the open segment and begins the next one, which has no file yet. At most `memory` bytes of closed ones
    /// stay in memory.
    pub(super) fn close_open(&mut self, memory: usize) {
        let mut next = Open::new(self.open.number + 1, self.dating.epoch());
        self.cursors.begin(&mut next);
        self.saved.begin(&mut next);
        self.recorded_before += self.open.encoder.batches();
        self.closed.push(std::mem::replace(&mut self.open, next).close());
        let mut extra = self.closed.iter().map(Closed::memory).sum::<usize>().saturating_sub(memory);
        // The oldest first, into their files.
        for closed in &mut self.closed {
            if extra > 0 && closed.bytes.is_some() {
                extra = extra.saturating_sub(closed.memory());
                let lost = closed.drop_memory();
                let publishers = self.cursors.needing(closed.number);
                if lost > 0 && closed.number > self.checkpointed {
                    error!(
                        "{lost} bytes of readings are lost: neither disk nor memory has room for the journal"
                    );
                } else if lost > 0 {
                    error!(
                        "{publishers} publishers lose {lost} bytes of readings: neither disk nor memory has room"
                    );
                }
            }
        }
        let checkpointed = self.checkpointed;
        let is_there = |closed: &Closed| closed.bytes.is_some() || closed.on_disk.written > 0;
        self.closed.retain(|closed| closed.number <= checkpointed || is_there(closed));
    }

    /// Logs an error of the disk, once.
    pub(super) fn complain(&mut self, path: &Path, error: &io::Error) {
        let message = format!("could not write beside {}: {error}", path.display());
        if self.problem.as_ref() != Some(&message) {
            error!(
                "{message}; readings are kept in memory and written later\n\
                 hint: free some space, make the folder writable, or set another `[journal] path`"
            );
            self.problem = Some(message);
        }
    }
}
