//! Writing and syncing the files of segments.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::{
    lock,
    wal::{Closed, Log, OnDisk, Request, State, create, remove},
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
                return self.failed(&mut state, number, &error);
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

    /// Handles an error of the file to which batches are appended. Where that is in memory, the one on the disk takes its
    /// place.
    fn failed(&self, state: &mut State, number: u64, error: &io::Error) {
        let Some((_, on_disk)) = state.segment(number).filter(|(_, on_disk)| on_disk.is_live) else {
            return state.complain(&self.path, error);
        };
        let (file, synced) = (on_disk.disk.take(), on_disk.synced);
        *on_disk = OnDisk { file, written: synced, synced, ..OnDisk::default() };
        if !self.live_failed.swap(true, Relaxed) {
            warn!(
                "could not write to the folder in memory: {error}; each batch is written to the disk instead"
            );
        }
        let _ = self.requests.try_send(Request::Sync);
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
        for closed in state.closed.iter_mut().filter(|closed| closed.on_disk.is_live && closed.is_synced()) {
            let (file, len) = (closed.on_disk.disk.take(), closed.len());
            closed.on_disk = OnDisk { file, written: len, synced: len, ..OnDisk::default() };
            self.live.iter().for_each(|live| remove(live, closed.number));
        }
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
        if on_disk.is_live {
            return self.copy_to_disk(state, number) && whole;
        }
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

    /// Appends to the file on the disk what a segment in memory has more, and syncs it.
    fn copy_to_disk(&self, mut state: MutexGuard<'_, State>, number: u64) -> bool {
        let Some((bytes, on_disk)) = state.segment(number) else { return true };
        let (from, to) = (on_disk.synced, on_disk.written);
        if from >= to {
            return true;
        }
        let (bytes, disk) = (bytes.map(|bytes| bytes[from..to].to_vec()), on_disk.disk.clone());
        let path = self.path_of(number, on_disk);
        drop(state);
        let copy = || {
            // What memory had no room for is in the file only.
            let bytes = bytes.map_or_else(|| Ok(fs::read(path)?[from..to].to_vec()), Ok::<_, io::Error>)?;
            let disk = disk.map_or_else(|| create(&self.path, number).map(Arc::new), Ok)?;
            disk.write_all_at(&bytes, from as u64)?;
            disk.sync_data()?;
            Ok(disk)
        };
        let done = copy();
        let mut state = lock(&self.state);
        if let Some((_, on_disk)) = state.segment(number).filter(|(_, on_disk)| on_disk.is_live) {
            match &done {
                Ok(disk) => (on_disk.disk, on_disk.synced) = (Some(Arc::clone(disk)), to),
                // As above, everything must be written again.
                Err(_) => (on_disk.disk, on_disk.synced) = (None, 0),
            }
        }
        done.map_err(|error: io::Error| state.complain(&self.path, &error)).is_ok()
    }

    /// Changes where the open segment is written.
    #[cfg(test)]
    pub(crate) fn with_open_file(&self, change: impl FnOnce(&mut OnDisk)) {
        change(&mut lock(&self.state).open.on_disk);
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
            let (is_live, file) = self.create(number);
            state = lock(&self.state);
            match file {
                Ok(file) => {
                    if let Some((_, on_disk)) = state.segment(number) {
                        *on_disk = OnDisk { file: Some(Arc::new(file)), is_live, ..OnDisk::default() };
                    }
                }
                Err(error) => state.complain(&self.path, &error),
            }
        }
        let len = state.segment(number).and_then(|(bytes, _)| bytes).map_or(len, <[u8]>::len);
        self.write_out(state, number, len);
        len
    }

    /// Creates the file of a segment, in memory where that is possible. Returns whether it is.
    fn create(&self, number: u64) -> (bool, io::Result<File>) {
        if let Some(live) = self.live() {
            match create(live, number) {
                Ok(file) => return (true, Ok(file)),
                Err(error) => {
                    warn!(
                        "could not create a file in the folder in memory: {error}; the disk is used instead"
                    );
                    self.live_failed.store(true, Relaxed);
                }
            }
        }
        (false, create(&self.path, number))
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
        let (is_live, file) = self.create(number);
        let mut state = lock(&self.state);
        if state.open.number + 1 == number {
            state.close_open(self.memory());
            match file {
                Ok(file) => {
                    (state.open.on_disk.file, state.open.on_disk.is_live) = (Some(Arc::new(file)), is_live)
                }
                Err(error) => state.complain(&self.path, &error),
            }
        }
        drop(state);
        self.make_file(number);
    }
}
