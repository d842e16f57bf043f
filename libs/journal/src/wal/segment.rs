//! Segments in memory, and their files beside the database: `<database>-tail.<number>`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    paths::{MODE, folder, with_suffix},
    time::Epoch,
    wal::{Encoder, Position, frame},
};

/// Part of a segment that is in its file.
#[derive(Debug, Default)]
pub(crate) struct OnDisk {
    /// File to which each batch is appended; `None` until it was created.
    pub(crate) file: Option<Arc<File>>,
    /// Whether that is in memory, and is copied to the disk at each sync: into this file.
    pub(crate) is_live: bool,
    pub(crate) disk: Option<Arc<File>>,
    /// Bytes in the page cache, which survive this process.
    pub(crate) written: usize,
    /// Bytes on the disk, which survive a power cut.
    pub(crate) synced: usize,
}

impl OnDisk {
    /// Returns whether it is this file.
    pub(crate) fn is_in(&self, file: &Arc<File>) -> bool {
        self.file.as_ref().is_some_and(|own| Arc::ptr_eq(own, file))
    }
}

/// Segment that grows.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) encoder: Encoder,
    pub(crate) on_disk: OnDisk,
    /// Bytes of what every segment has: the epoch, the cursors, and the states of sources.
    common: usize,
    /// Bytes that were synced when that was noted last.
    noted: usize,
}

/// Segment that grows no more.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) number: u64,
    /// `None` where only the file has it.
    pub(crate) bytes: Option<Arc<[u8]>>,
    pub(crate) on_disk: OnDisk,
    /// File that is not written any more. It can still be read when somebody has removed its name.
    pub(crate) held: Option<Arc<File>>,
}

impl Open {
    /// Returns a new segment, which begins with the epoch.
    pub(crate) fn new(number: u64, epoch: &Epoch) -> Self {
        let (mut bytes, mut encoder) = (frame::header(number), Encoder::default());
        encoder.epoch(&mut bytes, epoch);
        let common = bytes.len();
        Self { number, bytes, encoder, on_disk: OnDisk::default(), common, noted: 0 }
    }

    /// Returns whether it holds nothing but the epoch, cursors and states.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() <= self.common
    }

    /// Returns the position of the next entry.
    pub(crate) fn end(&self) -> Position {
        Position { segment: self.number, offset: self.bytes.len() as u64 }
    }

    /// Appends a cursor. That alone is no reason to begin another segment, which would move the cursor again.
    pub(crate) fn cursor(&mut self, publisher: &str, position: Position) {
        let before = self.bytes.len();
        self.encoder.cursor(&mut self.bytes, publisher, position);
        self.common += self.bytes.len() - before;
    }

    /// Appends the state of a source, which is no reason for another segment either.
    pub(crate) fn state(&mut self, section: &str, state: &[u8]) {
        let before = self.bytes.len();
        self.encoder.state(&mut self.bytes, section, state);
        self.common += self.bytes.len() - before;
    }

    /// Appends how much of it was synced, if that is more than was noted.
    pub(crate) fn note_synced(&mut self) {
        let synced = self.on_disk.synced;
        if synced > self.noted {
            self.encoder.synced(&mut self.bytes, synced);
            self.noted = synced;
        }
    }

    /// Closes it.
    pub(crate) fn close(self) -> Closed {
        Closed { number: self.number, bytes: Some(self.bytes.into()), on_disk: self.on_disk, held: None }
    }
}

impl Closed {
    /// Returns one of which only this file has the bytes.
    pub(crate) fn on_disk(number: u64, len: usize, file: Option<File>) -> Self {
        let on_disk = OnDisk { written: len, synced: len, ..OnDisk::default() };
        Self { number, bytes: None, on_disk, held: file.map(Arc::new) }
    }

    /// Returns its file, if that is open.
    pub(crate) fn file(&self) -> Option<Arc<File>> {
        self.on_disk.file.clone().or_else(|| self.held.clone())
    }

    /// Returns how many bytes it takes in memory.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// Returns how many bytes of it can be read.
    pub(crate) fn len(&self) -> usize {
        self.bytes.as_ref().map_or(self.on_disk.written, |bytes| bytes.len())
    }

    /// Frees its memory. Returns how many bytes the file does not have.
    pub(crate) fn drop_memory(&mut self) -> usize {
        self.bytes.take().map_or(0, |bytes| bytes.len() - self.on_disk.written)
    }

    /// Returns whether everything is on the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.on_disk.synced >= self.len()
    }

    /// Frees its memory if everything is on the disk.
    pub(crate) fn rest(&mut self) {
        if self.is_synced() {
            self.bytes = None;
            self.held = self.on_disk.file.take().or(self.held.take());
        }
    }

    /// Returns whether nothing has to be written or synced any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.bytes.is_none() && self.on_disk.file.is_none()
    }
}

/// Returns the path of a segment's file.
pub(crate) fn segment_path(database: &Path, number: u64) -> PathBuf {
    with_suffix(database, &format!("-tail.{number}"))
}

/// Numbers from this one on are no segment's: they are Unix times, and this one is 32,000 years ahead. In front of the
/// last number of all, none would be left for the next segment.
const TOO_LARGE: u64 = 1 << 40;

/// Returns the numbers of the segments beside a database, ascending.
pub(crate) fn segment_numbers(database: &Path) -> io::Result<Vec<u64>> {
    let prefix = format!("{}-tail.", database.file_name().unwrap_or_default().to_string_lossy());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder(database))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let Some((text, Ok(number))) = name.strip_prefix(&prefix).map(|n| (n, n.parse::<u64>())) else {
            continue;
        };
        // `+7` and `07` are numbers, too.
        numbers.extend(Some(number).filter(|n| *n < TOO_LARGE && n.to_string() == text));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Creates the file of a segment. Its name is on the disk when this returns.
pub(crate) fn create(database: &Path, number: u64) -> io::Result<File> {
    let path = segment_path(database, number);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(MODE).open(&path)?;
    File::open(folder(&path))?.sync_all()?;
    Ok(file)
}

/// Opens a file of a segment; `held` if its name is gone.
pub(crate) fn open(path: &Path, held: Option<&Arc<File>>) -> io::Result<Arc<File>> {
    match (File::open(path), held) {
        (Err(error), Some(held)) if error.kind() == io::ErrorKind::NotFound => Ok(Arc::clone(held)),
        (file, _) => file.map(Arc::new),
    }
}

/// Reads bytes of a file; fewer where it ends.
pub(crate) fn read(file: &File, from: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut at = 0;
    while at < len {
        match file.read_at(&mut bytes[at..], from + at as u64)? {
            0 => break,
            more => at += more,
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}

/// Removes a segment's file. One that stays is ignored, as the database knows its number.
pub(crate) fn remove(database: &Path, number: u64) {
    let _ = fs::remove_file(segment_path(database, number));
}
