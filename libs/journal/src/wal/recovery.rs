//! Recovery of the segments that an earlier run left.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tracing::{error, info};

use crate::{
    paths::with_suffix,
    time::{Epoch, Micros},
    wal::{Closed, Entry, OnDisk, Position, frame, remove, segment_numbers, segment_path},
};
use reading::Text;

/// A power cut leaves at most this much of a frame; more is damage, and worth keeping. In bytes.
const TORN: usize = 64 << 10;

/// State that was recovered from segments.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Ascending.
    pub(crate) closed: Vec<Closed>,
    /// Cursors of all publishers, among them some that are not configured any more.
    pub(crate) cursors: BTreeMap<Text, Position>,
    /// Highest number of a segment.
    pub(crate) number: u64,
    /// Time of the newest reading.
    pub(crate) newest: Option<Micros>,
    /// Epoch that was written last.
    pub(crate) epoch: Option<Epoch>,
}

/// Reads the segments that an earlier run left. Removes those that the database has and none of these publishers needs.
/// `cursors`: those of the database, which older segments may have moved on.
pub(crate) fn recover(
    database: &Path,
    checkpointed: u64,
    cursors: BTreeMap<Text, Position>,
    publishers: &[Text],
) -> io::Result<Recovered> {
    let mut recovered = Recovered { cursors, ..Recovered::default() };
    let (kept, new): (Vec<_>, Vec<_>) =
        segment_numbers(database)?.into_iter().partition(|number| *number <= checkpointed);
    recovered.number = kept.last().max(new.last()).copied().unwrap_or(0);
    for number in new {
        let path = segment_path(database, number);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                error!("could not read {}: {error}; it is set aside", path.display());
                set_aside(&path);
                continue;
            }
        };
        let whole = frame::entries(&bytes, |entry| match entry {
            Entry::Batch { time, .. } => recovered.newest = recovered.newest.max(Some(time)),
            Entry::Epoch(epoch) => recovered.epoch = Some(epoch),
            Entry::TimeCorrection(correction) => {
                recovered.newest = recovered.newest.map(|newest| newest + correction.delta)
            }
            Entry::CounterSet(_) => {}
            Entry::Cursor { publisher, position } => _ = recovered.cursors.insert(publisher, position),
        });
        match bytes.len() - whole {
            0 => {}
            torn @ 1..TORN if whole > 0 => {
                info!("the last {torn} bytes of {} were torn by a power cut", path.display());
            }
            damaged => keep_copy(&path, damaged),
        }
        // After a kill it may be in the page cache only, while the next checkpoint relies on it.
        File::open(&path)?.sync_data()?;
        let on_disk = OnDisk { file: None, written: bytes.len(), synced: bytes.len() };
        recovered.closed.push(Closed { number, bytes: None, on_disk });
    }
    let needed = publishers.iter().filter_map(|publisher| recovered.cursors.get(publisher)).min();
    let (done, kept): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|number| needed.is_none_or(|needed| *number < needed.segment));
    done.into_iter().for_each(|number| remove(database, number));
    let kept = kept.into_iter().filter_map(|number| {
        let len = usize::try_from(fs::metadata(segment_path(database, number)).ok()?.len()).ok()?;
        Some(Closed { number, bytes: None, on_disk: OnDisk { file: None, written: len, synced: len } })
    });
    recovered.closed.splice(..0, kept);
    Ok(recovered)
}

/// Keeps a copy of a damaged segment, which is removed once its readable part is checkpointed.
fn keep_copy(path: &Path, damaged: usize) {
    let copy = damaged_path(path);
    let path = path.display();
    match fs::copy(path.to_string(), &copy) {
        Ok(_) => error!("{damaged} bytes of {path} are damaged; a copy is kept as {}", copy.display()),
        Err(error) => error!("{damaged} bytes of {path} are damaged, and no copy could be made: {error}"),
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
