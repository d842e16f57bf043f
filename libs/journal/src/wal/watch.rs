//! Files that somebody removed or replaced while they are written: nobody would find again what they take.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, warn};

use crate::{
    lock,
    paths::create_folder,
    place::{FileId, lock_path},
    wal::{Closed, Log, OnDisk, Request, State, create, segment, segment_path},
};

/// Time between two looks at the files, if anything is recorded: a kill costs at most what came since.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When to look at the files, and at what.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    looked_at: Option<Instant>,
    /// Lock file of the journal, which tells one folder from another; `None` after it was missed, until the keeper has
    /// dealt with that.
    lock_file: Option<FileId>,
}

impl Watch {
    /// Returns whether it is time to look, and notes that somebody does.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.lock_file.is_some()
            && self.looked_at.is_none_or(|looked_at| looked_at.elapsed() >= LOOK_EVERY);
        if is_due {
            self.looked_at = Some(Instant::now());
        }
        is_due
    }
}

impl Log {
    /// Has sources look from now on whether the files are still there.
    pub(crate) fn watch(&self) {
        lock(&self.state).watch.lock_file = FileId::at(&lock_path(&self.path));
    }

    /// Looks for the lock file and that of the open segment, and tells the keeper if one is gone. That takes three calls
    /// of the system, as often as once a second.
    pub(super) fn look(&self) {
        let state = lock(&self.state);
        let (lock_file, open) = (state.watch.lock_file, &state.open);
        let paths = self.paths_of(open.number, &open.on_disk);
        drop(state);
        let has_lock = lock_file.is_none() || FileId::at(&lock_path(&self.path)) == lock_file;
        if !has_lock || !paths.iter().all(|(path, file)| FileId::is_open(path, file)) {
            lock(&self.state).watch.lock_file = None;
            let _ = self.requests.try_send(Request::Sync);
        }
    }

    /// Returns whether the files that are open are those that the folder shows. Without the bytes in memory, a file that
    /// is gone is waited for.
    pub(crate) fn has_its_files(&self) -> bool {
        let state = lock(&self.state);
        let State { closed, open, .. } = &*state;
        let closed = closed.iter().filter(|closed| closed.bytes.is_some());
        let closed = closed.map(|closed| (closed.number, &closed.on_disk));
        let files = closed.chain([(open.number, &open.on_disk)]);
        let all: Vec<_> = files.flat_map(|(number, on_disk)| self.paths_of(number, on_disk)).collect();
        drop(state);
        all.iter().all(|(path, file)| FileId::is_open(path, file))
    }

    /// Returns the open files of a segment, with the paths at which they should be.
    fn paths_of(&self, number: u64, on_disk: &OnDisk) -> Vec<(PathBuf, Arc<File>)> {
        let base = self.live.as_ref().filter(|_| on_disk.is_live).unwrap_or(&self.path);
        let file = on_disk.file.clone().map(|file| (segment_path(base, number), file));
        let disk = on_disk.disk.clone().map(|file| (segment_path(&self.path, number), file));
        file.into_iter().chain(disk).collect()
    }

    /// Forgets files that are gone: what is in memory is written into new ones. Where the whole folder is gone, a segment
    /// that is in its file only is copied from there, as an open file can be read without a name.
    pub(crate) fn forget_files(&self, all: bool) {
        let mut state = lock(&self.state);
        let State { closed, open, .. } = &mut *state;
        open.on_disk = OnDisk::default();
        let mut gone = Vec::new();
        for closed in closed {
            if closed.bytes.is_some() {
                closed.on_disk = OnDisk::default();
            } else if all && !self.path_of(closed.number, &closed.on_disk).exists() {
                gone.push((closed.number, closed.file(), closed.len()));
            }
        }
        drop(state);
        for (number, file, len) in gone {
            let copied = file
                .ok_or_else(|| io::ErrorKind::NotFound.into())
                .and_then(|file| self.copy(number, &file, len));
            let mut state = lock(&self.state);
            let Some(at) = state.closed.iter().position(|closed| closed.number == number) else { continue };
            match copied {
                Ok(copy) => state.closed[at] = Closed::on_disk(number, len, Some(copy)),
                Err(error) => {
                    let publishers = state.cursors.needing(number);
                    state.closed.remove(at);
                    error!(
                        "segment {number} of the journal, which {publishers} publishers need, is lost: {error}"
                    );
                }
            }
        }
    }

    /// Writes a segment that has no name any more into a new file.
    fn copy(&self, number: u64, from: &File, len: usize) -> io::Result<File> {
        create_folder(&self.path)?;
        let bytes = segment::read(from, 0, len)?;
        let file = create(&self.path, number)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        warn!("segment {number} of the journal was removed: it was written again from its open file");
        Ok(file)
    }
}
