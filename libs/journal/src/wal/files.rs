//! Writing and syncing the files of segments.

use std::{
    os::unix::fs::FileExt as _,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::info;

use crate::{
    lock,
    place::FileId,
    wal::{Closed, Log, OnDisk, State, create, segment_path},
};

/// Longest wait for a write of another thread: a disk that takes longer for a few bytes hangs.
const PATIENCE: Duration = Duration::from_millis(50);

impl Log {
    /// Writes a segment into its file, up to `end` at least. Waits a moment if another thread is writing.
    pub(super) fn write_out<'a>(&'a self, mut state: MutexGuard<'a, State>, number: u64, end: usize) {
        loop {
            let writing = state.writing;
            let Some((Some(bytes), on_disk)) = state.segment(number) else { return };
            let at = on_disk.written;
            let Some(file) = on_disk.file.clone().filter(|_| at < end) else { return };
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
            // A sync that failed meanwhile has set it back, and the file may be another one.
            if let Some((_, on_disk)) = state.segment(number)
                && on_disk.written == at
                && on_disk.is_in(&file)
            {
                on_disk.written = at + bytes.len();
            }
        }
    }

    /// Returns whether the files that are open are those that the folder shows. Without the bytes in memory, a file that
    /// is gone is waited for.
    pub(crate) fn has_its_files(&self) -> bool {
        let mut state = lock(&self.state);
        let State { closed, open, .. } = &mut *state;
        let closed = closed.iter().filter(|closed| closed.bytes.is_some());
        let closed = closed.map(|closed| (closed.number, &closed.on_disk));
        let files = closed.chain([(open.number, &open.on_disk)]);
        let files: Vec<_> =
            files.filter_map(|(number, on_disk)| Some((number, on_disk.file.clone()?))).collect();
        drop(state);
        files.iter().all(|(number, file)| FileId::is_open(&segment_path(&self.path, *number), file))
    }

    /// Forgets files that are gone: what is in memory is written into new ones. Where the whole folder is gone, so is what
    /// is not in memory.
    pub(crate) fn forget_files(&self, all: bool) {
        let mut state = lock(&self.state);
        let State { closed, open, .. } = &mut *state;
        let is_there =
            |closed: &Closed| closed.bytes.is_some() || segment_path(&self.path, closed.number).exists();
        closed.retain(|closed| !all || is_there(closed));
        let with_bytes = closed.iter_mut().filter(|closed| closed.bytes.is_some());
        with_bytes.for_each(|closed| closed.on_disk = OnDisk::default());
        open.on_disk = OnDisk::default();
    }

    /// Makes what was recorded survive a power cut. Blocks for as long as the disk takes.
    pub(crate) fn sync(&self) {
        if !self.has_files {
            return;
        }
        let state = lock(&self.state);
        let closed = state.closed.iter().filter(|closed| !closed.is_at_rest());
        let numbers = closed.map(|closed| closed.number).chain([state.open.number]);
        let numbers: Vec<_> = numbers.collect();
        drop(state);
        // All of them, whatever becomes of the first.
        let failed = numbers.into_iter().filter(|number| !self.sync_one(*number)).count();
        let mut state = lock(&self.state);
        let checkpointed = state.checkpointed;
        state.closed.iter_mut().filter(|closed| closed.number <= checkpointed).for_each(Closed::rest);
        if failed == 0 && state.problem.take().is_some() {
            info!("journal recovered: writing to disk again");
        }
    }

    fn sync_one(&self, number: u64) -> bool {
        // What could not be written before is tried again.
        let len = self.make_file(number);
        let mut state = lock(&self.state);
        let Some((_, on_disk)) = state.segment(number) else { return true };
        let (written, whole) = (on_disk.written, on_disk.written >= len);
        let Some(file) = on_disk.file.clone().filter(|_| written > on_disk.synced) else { return whole };
        drop(state);
        let done = file.sync_data();
        let mut state = lock(&self.state);
        if let Some((_, on_disk)) = state.segment(number).filter(|(_, on_disk)| on_disk.is_in(&file)) {
            // What could not be synced counts as clean for the system: it must be written again.
            (on_disk.written, on_disk.synced) = match done {
                Ok(()) => (on_disk.written, written),
                Err(_) => (0, 0),
            };
        }
        done.map_err(|error| state.complain(&self.path, &error)).is_ok() && whole
    }

    /// Makes the file of the first segment.
    pub(crate) fn make_first_file(&self) {
        self.make_file(self.newest_segment());
    }

    /// Writes a segment from memory, into a new file where it has none. Returns how many bytes it has. Nobody waits
    /// while the file is made, as only the keeper does this.
    fn make_file(&self, number: u64) -> usize {
        let mut state = lock(&self.state);
        let Some((Some(bytes), on_disk)) = state.segment(number) else { return 0 };
        let len = bytes.len();
        if on_disk.file.is_none() {
            drop(state);
            let file = create(&self.path, number);
            state = lock(&self.state);
            match file {
                Ok(file) => {
                    if let Some((_, on_disk)) = state.segment(number) {
                        on_disk.file = Some(Arc::new(file));
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
        if !self.has_files {
            return state.close_open(self.memory());
        }
        let number = state.open.number + 1;
        drop(state);
        // First: what comes after the closing has a file at once.
        let file = create(&self.path, number);
        let mut state = lock(&self.state);
        if state.open.number + 1 == number {
            state.close_open(self.memory());
            match file {
                Ok(file) => state.open.on_disk.file = Some(Arc::new(file)),
                Err(error) => state.complain(&self.path, &error),
            }
        }
        drop(state);
        self.make_file(number);
    }
}
