//! The files of segments, beside the database: `<database>-tail.<number>`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    paths::{folder, with_suffix},
    time::Epoch,
    wal::{
        entry::Position,
        frame::{self, Encoder},
    },
};

/// How much of a segment is in its file.
#[derive(Debug, Default)]
pub(crate) struct OnDisk {
    /// `None` until it is known where it may be, and that it can be made.
    pub(crate) file: Option<Arc<File>>,
    /// In the page cache: survives this process.
    pub(crate) written: usize,
    /// On the disk: survives a power cut.
    pub(crate) synced: usize,
}

/// The segment that grows.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) encoder: Encoder,
    pub(crate) on_disk: OnDisk,
    /// So many bytes of it are what every segment has: the clock's epoch and the cursors.
    common: usize,
}

/// A segment that grows no more.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) number: u64,
    /// `None` where only the file has it.
    pub(crate) bytes: Option<Arc<[u8]>>,
    pub(crate) on_disk: OnDisk,
}

impl Open {
    /// A new one, which begins with what is known of the clock.
    pub(crate) fn new(number: u64, epoch: &Epoch) -> Self {
        let (mut bytes, mut encoder) = (frame::header(number), Encoder::default());
        encoder.epoch(&mut bytes, epoch);
        let common = bytes.len();
        Self { number, bytes, encoder, on_disk: OnDisk::default(), common }
    }

    /// Whether nothing but the clock and cursors was recorded in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() <= self.common
    }

    /// Where the next entry begins.
    pub(crate) fn end(&self) -> Position {
        Position { segment: self.number, offset: self.bytes.len() as u64 }
    }

    /// Appends how far a publisher got. That alone is no reason to begin another segment, which would move it again.
    pub(crate) fn cursor(&mut self, publisher: &str, position: Position) {
        let before = self.bytes.len();
        self.encoder.cursor(&mut self.bytes, publisher, position);
        self.common += self.bytes.len() - before;
    }

    /// Ends it.
    pub(crate) fn close(self) -> Closed {
        Closed { number: self.number, bytes: Some(self.bytes.into()), on_disk: self.on_disk }
    }
}

impl Closed {
    /// How much memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// How many bytes of it can be read.
    pub(crate) fn len(&self) -> usize {
        self.bytes.as_ref().map_or(self.on_disk.written, |bytes| bytes.len())
    }

    /// Leaves it to its file; gives how many bytes the file does not have.
    pub(crate) fn drop_memory(&mut self) -> usize {
        self.bytes.take().map_or(0, |bytes| bytes.len() - self.on_disk.written)
    }

    /// Leaves it to its file, if that is on the disk: nothing is written any more.
    pub(crate) fn rest(&mut self) {
        if self.on_disk.synced >= self.len() {
            (self.bytes, self.on_disk.file) = (None, None);
        }
    }

    /// Whether there is something that may have to be written or synced.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.bytes.is_none() && self.on_disk.file.is_none()
    }
}

/// The file of a segment.
pub(crate) fn segment_path(database: &Path, number: u64) -> PathBuf {
    with_suffix(database, &format!("-tail.{number}"))
}

/// The numbers of the segments beside a database, ascending.
pub(crate) fn segment_numbers(database: &Path) -> io::Result<Vec<u64>> {
    let prefix = format!("{}-tail.", database.file_name().unwrap_or_default().to_string_lossy());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder(database))? {
        let name = entry?.file_name();
        numbers.extend(name.to_string_lossy().strip_prefix(&prefix).and_then(|n| n.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the file of a segment; its name is on the disk when this returns.
pub(crate) fn create(database: &Path, number: u64) -> io::Result<File> {
    let path = segment_path(database, number);
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    File::open(folder(&path))?.sync_all()?;
    Ok(file)
}

/// Removes a segment's file. One that stays is known by its number.
pub(crate) fn remove(database: &Path, number: u64) {
    let _ = fs::remove_file(segment_path(database, number));
}
