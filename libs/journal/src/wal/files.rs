//! What is recorded goes into files.

use std::{
    os::unix::fs::FileExt as _,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::info;

use crate::{
    lock,
    wal::{
        log::{IN_MEMORY, State, Tail},
        segment::{Closed, create},
    },
};

/// A disk that takes longer than this for a few bytes hangs: nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(50);

impl Tail {
    /// Writes a segment into its file, up to `end` at least. Where somebody else is writing, waits a moment for that.
    pub(crate) fn write_out<'a>(&'a self, mut state: MutexGuard<'a, State>, number: u64, end: usize) {
        loop {
            let writing = state.writing;
            let Some((Some(bytes), stored)) = state.segment(number) else { return };
            let at = stored.written;
            let Some(file) = stored.file.clone().filter(|_| at < end) else { return };
            if let Some(since) = writing {
                let Some(left) = PATIENCE.checked_sub(since.elapsed()) else { return };
                (state, _) = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = bytes[at..].to_vec();
            state.writing = Some(Instant::now());
            drop(state);
            let done = file.write_all_at(&bytes, at as u64);
            state = lock(&self.state);
            state.writing = None;
            self.written.notify_all();
            if let Err(error) = done {
                return state.complain(&self.path, &error);
            }
            // A sync that failed meanwhile has set it back.
            if let Some((_, stored)) = state.segment(number).filter(|(_, stored)| stored.written == at) {
                stored.written = at + bytes.len();
            }
        }
    }

    /// Makes what was recorded survive a power cut; gives whether it does. It blocks for as long as the disk takes.
    pub(crate) fn sync(&self) -> bool {
        let state = lock(&self.state);
        if !state.attached {
            return false;
        }
        let closed = state.closed.iter().filter(|closed| !closed.is_at_rest());
        let numbers = closed.map(|closed| closed.number).chain([state.open.number]);
        let numbers: Vec<_> = numbers.collect();
        drop(state);
        // All of them, whatever becomes of the first.
        let failed = numbers.into_iter().filter(|number| !self.sync_one(*number)).count();
        let done = failed == 0;
        let mut state = lock(&self.state);
        let folded = state.folded;
        state.closed.iter_mut().filter(|closed| closed.number <= folded).for_each(Closed::rest);
        if done && state.problem.take().is_some() {
            info!("the journal is on the disk again");
        }
        done
    }

    fn sync_one(&self, number: u64) -> bool {
        // What could not be written before is tried again.
        let len = self.make_file(number);
        let mut state = lock(&self.state);
        let Some((_, stored)) = state.segment(number) else { return true };
        let (written, whole) = (stored.written, stored.written >= len);
        let Some(file) = stored.file.clone().filter(|_| written > stored.synced) else { return whole };
        drop(state);
        let done = file.sync_data();
        let mut state = lock(&self.state);
        if let Some((_, stored)) = state.segment(number) {
            // What could not be synced counts as clean for the system: it must be written again.
            (stored.written, stored.synced) = match done {
                Ok(()) => (stored.written, written),
                Err(_) => (0, 0),
            };
        }
        done.map_err(|error| state.complain(&self.path, &error)).is_ok() && whole
    }

    /// Writes what a segment has in memory, into a new file where it has none; gives how much that is. Nobody waits
    /// while the file is made; only the keeper does this.
    pub(crate) fn make_file(&self, number: u64) -> usize {
        let mut state = lock(&self.state);
        let Some((Some(bytes), stored)) = state.segment(number) else { return 0 };
        let len = bytes.len();
        if stored.file.is_none() {
            drop(state);
            let file = create(&self.path, number);
            state = lock(&self.state);
            match file {
                Ok(file) => {
                    if let Some((_, stored)) = state.segment(number) {
                        stored.file = Some(Arc::new(file));
                    }
                }
                Err(error) => state.complain(&self.path, &error),
            }
        }
        let len = state.segment(number).and_then(|(bytes, _)| bytes).map_or(len, <[u8]>::len);
        self.write_out(state, number, len);
        len
    }

    /// Closes the open segment, if there is anything in it, and begins the next.
    pub(crate) fn rotate(&self) {
        let Ok(_turn) = self.rotating.try_lock() else { return };
        let mut state = lock(&self.state);
        if state.open.is_empty() {
            return;
        }
        if !state.attached {
            // Nobody knows yet where files may be: memory has an end, too.
            return state.close_open(IN_MEMORY * self.checkpoint_size);
        }
        let number = state.open.number + 1;
        drop(state);
        // First: what comes after the closing has a file at once.
        let file = create(&self.path, number);
        let mut state = lock(&self.state);
        if state.open.number + 1 == number {
            state.close_open(IN_MEMORY * self.checkpoint_size);
            match file {
                Ok(file) => state.open.stored.file = Some(Arc::new(file)),
                Err(error) => state.complain(&self.path, &error),
            }
        }
        drop(state);
        self.make_file(number);
    }
}
