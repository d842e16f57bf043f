//! Recovery of the segments that an earlier run left.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::Path,
};

use tracing::{error, info, warn};

use crate::{
    time::{Epoch, Micros},
    wal::{
        Closed, Entry, Position,
        damage::{Cause, damaged_path, keep_copy, torn},
        frame, remove, segment_numbers, segment_path,
    },
};
use reading::Text;

/// Longest file that may be a segment, in bytes.
pub(crate) const LONGEST: u64 = 256 << 20;

/// State that an earlier run left, in the database and in segments.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Last segment that the database has.
    pub(crate) checkpointed: u64,
    /// Segments, ascending.
    pub(crate) closed: Vec<Closed>,
    /// Cursors of all publishers, among them some that are not configured any more.
    pub(crate) cursors: BTreeMap<Text, Position>,
    /// States of all sources that saved one.
    pub(crate) states: BTreeMap<Text, Vec<u8>>,
    /// Highest number of a segment.
    pub(crate) number: u64,
    /// Time of the newest reading.
    pub(crate) newest: Option<Micros>,
    /// Epoch that was written last.
    pub(crate) epoch: Option<Epoch>,
    /// Damage of a segment, in a sentence.
    pub(crate) damage: Option<String>,
    /// Whether the database is new because the one before was damaged.
    pub(crate) lost: bool,
}

impl Recovered {
    /// Reads the segments, which go on where the database ends. Removes those that it has and none of these publishers
    /// needs.
    pub(crate) fn read_segments(
        &mut self,
        database: &Path,
        publishers: &[Text],
        boot: &str,
    ) -> io::Result<()> {
        let (kept, new): (Vec<_>, Vec<_>) =
            segment_numbers(database)?.into_iter().partition(|number| *number <= self.checkpointed);
        self.number = kept.last().max(new.last()).copied().unwrap_or(0);
        for number in new {
            let segment = self.read_segment(database, number, boot)?;
            self.closed.extend(segment);
        }
        let needed = publishers.iter().filter_map(|publisher| self.cursors.get(publisher)).min();
        let (done, kept): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|number| needed.is_none_or(|needed| *number < needed.segment));
        done.into_iter().for_each(|number| remove(database, number));
        let kept = kept.into_iter().filter_map(|number| {
            let file = File::open(segment_path(database, number)).ok()?;
            let len = file.metadata().ok()?.len();
            Some(Closed::on_disk(number, usize::try_from(len).ok()?, Some(file)))
        });
        self.closed.splice(..0, kept);
        Ok(())
    }

    fn read_segment(&mut self, database: &Path, number: u64, boot: &str) -> io::Result<Option<Closed>> {
        let path = segment_path(database, number);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                error!("could not read {}: {error}; it is set aside", path.display());
                set_aside(&path);
                return Ok(None);
            }
        };
        let mut synced = 0;
        let gaps = frame::entries_and_gaps(&bytes, |entry| match entry {
            Entry::Batch { time, .. } => self.newest = self.newest.max(Some(time)),
            Entry::Epoch(epoch) => self.epoch = Some(epoch),
            Entry::TimeCorrection(correction) => {
                self.newest = self.newest.map(|newest| correction.apply(newest))
            }
            Entry::CounterSet(_) => {}
            Entry::Synced { bytes } => synced = synced.max(bytes),
            Entry::Cursor { publisher, position } => _ = self.cursors.insert(publisher, position),
            Entry::State { section, state } => _ = self.states.insert(section, state.to_vec()),
        });
        let is_same_boot = self.epoch.as_ref().is_some_and(|epoch| epoch.boot == boot);
        match Cause::of(&bytes, &gaps, synced, is_same_boot) {
            Cause::None => {}
            Cause::Kill => info!("the last write to {} was interrupted; nothing is lost", path.display()),
            Cause::PowerCut => warn!("{}", torn(&path, &gaps)),
            Cause::Hole => {
                let message = keep_copy(&path, &gaps);
                warn!("{message}");
            }
            Cause::Damage => {
                let message = keep_copy(&path, &gaps);
                error!("{message}");
                self.damage = Some(message);
            }
        }
        // After a kill it may be in the page cache only, while the next checkpoint relies on it.
        let file = File::open(&path)?;
        file.sync_data()?;
        Ok(Some(Closed::on_disk(number, bytes.len(), Some(file))))
    }
}

/// Reads a segment. One of a size that none has would fill the memory.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than any segment"));
    }
    fs::read(path)
}

fn set_aside(path: &Path) {
    if let Err(error) = fs::rename(path, damaged_path(path)) {
        error!("could not rename {}: {error}", path.display());
    }
}
