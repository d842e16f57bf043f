//! The files of segments, beside the database: `<database>-tail.<number>`.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::{error, info};

use crate::{
    paths::{folder, with_suffix},
    time::{Epoch, Micros, TimeCorrection},
    wal::{
        entry::{CounterSet, Entry, Position},
        frame::{self, Encoder},
    },
};
use reading::Text;

/// A power cut leaves at most so much of a frame; more is damage, and worth keeping. In bytes.
const TORN: usize = 64 << 10;

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
    pub(crate) stored: OnDisk,
    /// So many bytes of it are what every segment has: the clock's epoch and the cursors.
    common: usize,
}

/// A segment that grows no more.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) number: u64,
    /// `None` where only the file has it.
    pub(crate) bytes: Option<Arc<[u8]>>,
    pub(crate) stored: OnDisk,
}

/// What waits in files when the journal is opened.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Ascending.
    pub(crate) closed: Vec<Closed>,
    /// How far publishers got, those among them that are not configured any more.
    pub(crate) cursors: BTreeMap<Text, Position>,
    /// The highest number.
    pub(crate) number: u64,
    /// The newest reading.
    pub(crate) newest: Option<Micros>,
    /// The last that was said of the clock.
    pub(crate) epoch: Option<Epoch>,
}

impl Open {
    /// A new one, which begins with what is known of the clock.
    pub(crate) fn new(number: u64, epoch: &Epoch) -> Self {
        let (mut bytes, mut encoder) = (frame::header(number), Encoder::default());
        encoder.epoch(&mut bytes, epoch);
        let common = bytes.len();
        Self { number, bytes, encoder, stored: OnDisk::default(), common }
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

    /// Appends what other segments hold, `delta` later. Their corrections of the clock are applied.
    pub(crate) fn take_over(&mut self, segments: &[&[u8]], delta: Micros) {
        let mut corrections = Vec::new();
        let mut count = 0;
        let each = |visit: &mut dyn FnMut(Entry<'_>)| {
            for segment in segments {
                frame::entries(segment, &mut *visit);
            }
        };
        each(&mut |entry| {
            if let Entry::TimeCorrection(correction) = entry {
                corrections.push((count, correction));
            }
            count += 1;
        });
        let mut index = 0;
        each(&mut |entry| {
            let later = corrections.iter().filter(|(at, _)| *at > index).map(|(_, correction)| correction);
            let date = |time: Micros| {
                later.fold(time, |time, correction: &TimeCorrection| correction.apply(time)) + delta
            };
            match entry {
                Entry::Batch { layout, time, mantissas } => {
                    self.encoder.copy_batch(&mut self.bytes, layout, date(time), mantissas);
                }
                Entry::CounterSet(set) => {
                    let time = date(set.time);
                    self.encoder.counter_set(&mut self.bytes, &CounterSet { time, ..set });
                }
                Entry::TimeCorrection(_) | Entry::Epoch(_) | Entry::Cursor { .. } => {}
            }
            index += 1;
        });
    }

    /// Ends it.
    pub(crate) fn close(self) -> Closed {
        Closed { number: self.number, bytes: Some(self.bytes.into()), stored: self.stored }
    }
}

impl Closed {
    /// How much memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// How many bytes of it can be read.
    pub(crate) fn len(&self) -> usize {
        self.bytes.as_ref().map_or(self.stored.written, |bytes| bytes.len())
    }

    /// Leaves it to its file; gives how many bytes the file does not have.
    pub(crate) fn park(&mut self) -> usize {
        self.bytes.take().map_or(0, |bytes| bytes.len() - self.stored.written)
    }

    /// Leaves it to its file, if that is on the disk: nothing is written any more.
    pub(crate) fn rest(&mut self) {
        if self.stored.synced >= self.len() {
            (self.bytes, self.stored.file) = (None, None);
        }
    }

    /// Whether there is something that may have to be written or synced.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.bytes.is_none() && self.stored.file.is_none()
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

/// Finds what an earlier run left, and removes what the database has already and none of these publishers needs.
/// `cursors`: those that the database knows.
pub(crate) fn left(
    database: &Path,
    folded: u64,
    cursors: BTreeMap<Text, Position>,
    publishers: &[Text],
) -> io::Result<Recovered> {
    let mut left = Recovered { cursors, ..Recovered::default() };
    let (kept, new): (Vec<_>, Vec<_>) =
        segment_numbers(database)?.into_iter().partition(|number| *number <= folded);
    left.number = kept.last().max(new.last()).copied().unwrap_or(0);
    for number in new {
        let path = segment_path(database, number);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                error!("could not read {}, which is set aside: {error}", path.display());
                set_aside(&path);
                continue;
            }
        };
        let whole = frame::entries(&bytes, |entry| match entry {
            Entry::Batch { time, .. } => left.newest = left.newest.max(Some(time)),
            Entry::Epoch(epoch) => left.epoch = Some(epoch),
            Entry::TimeCorrection(correction) => {
                left.newest = left.newest.map(|newest| newest + correction.delta)
            }
            Entry::CounterSet(_) => {}
            Entry::Cursor { publisher, position } => _ = left.cursors.insert(publisher, position),
        });
        match bytes.len() - whole {
            0 => {}
            torn @ 1..TORN if whole > 0 => {
                info!("the last {torn} bytes of {} were torn by a power cut", path.display());
            }
            damaged => keep_copy(&path, damaged),
        }
        // After a kill it may be in the page cache only.
        File::open(&path)?.sync_data()?;
        let stored = OnDisk { file: None, written: bytes.len(), synced: bytes.len() };
        left.closed.push(Closed { number, bytes: None, stored });
    }
    let needed = publishers.iter().filter_map(|publisher| left.cursors.get(publisher)).min();
    let (behind, kept): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|number| needed.is_none_or(|needed| *number < needed.segment));
    behind.into_iter().for_each(|number| remove(database, number));
    let kept = kept.into_iter().filter_map(|number| {
        let len = usize::try_from(fs::metadata(segment_path(database, number)).ok()?.len()).ok()?;
        Some(Closed { number, bytes: None, stored: OnDisk { file: None, written: len, synced: len } })
    });
    left.closed.splice(..0, kept);
    Ok(left)
}

/// Keeps a copy of a segment that cannot be read whole: it is removed once its readable part is folded.
fn keep_copy(path: &Path, damaged: usize) {
    let copy = damaged_path(path);
    let path = path.display();
    match fs::copy(path.to_string(), &copy) {
        Ok(_) => error!("{damaged} bytes of {path} are damaged: it is kept as {}", copy.display()),
        Err(error) => error!("{damaged} bytes of {path} are damaged, and it could not be kept: {error}"),
    }
}

fn set_aside(path: &Path) {
    if let Err(error) = fs::rename(path, damaged_path(path)) {
        error!("could not rename {}: {error}", path.display());
    }
}

fn damaged_path(path: &Path) -> PathBuf {
    with_suffix(path, ".damaged")
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
