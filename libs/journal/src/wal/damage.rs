//! Damage of a segment: what caused it, and what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tracing::{error, warn};

use crate::{
    lock,
    paths::with_suffix,
    time::{Micros, utc},
    wal::{
        Entry, Log,
        frame::{self, Gap, HEADER, Stop},
    },
};

/// A power cut tears a few frames off the end; more than a page may be damage, and is worth keeping. In bytes.
const TORN: usize = 4 << 10;

/// Cause of the gaps in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There are none.
    None,
    /// The process was killed in the middle of a write. What it wrote nobody had seen.
    Kill,
    /// A power cut took the end, which was not synced.
    PowerCut,
    /// Probably a power cut, as what is missing was not synced, or nobody knows.
    Hole,
    /// Something was on the disk, or in the memory of a system that is still up, and is not there any more.
    Damage,
}

impl Cause {
    /// Tells the cause. `synced`: bytes that were certainly on the disk.
    pub(crate) fn of(bytes: &[u8], gaps: &[Gap], synced: u64, is_same_boot: bool) -> Self {
        let is_damage = gaps.iter().any(|gap| (gap.bytes.start as u64) < synced);
        let is_end = |gap: &Gap| gap.bytes.end == bytes.len() && gap.bytes.start > 0;
        match gaps {
            [] => Self::None,
            // A kill or a power cut came between the creation of the file and its first write.
            [_] if bytes.len() < HEADER => Self::None,
            _ if is_damage => Self::Damage,
            [end] if is_same_boot && is_end(end) && is_begun(&bytes[end.bytes.clone()]) => Self::Kill,
            _ if is_same_boot => Self::Damage,
            [end] if is_end(end) && end.bytes.len() < TORN => Self::PowerCut,
            _ => Self::Hole,
        }
    }
}

/// Returns whether bytes are the beginning of a frame.
fn is_begun(bytes: &[u8]) -> bool {
    matches!(frame::unframe(bytes), Err(Stop::Short(_)))
}

/// Returns what a power cut took.
pub(crate) fn torn(path: &Path, gaps: &[Gap]) -> String {
    let bytes: usize = gaps.iter().map(|gap| gap.bytes.len()).sum();
    format!(
        "the last {bytes} bytes of {} were torn by a power cut: readings are missing {}",
        path.display(),
        missing(gaps)
    )
}

/// Keeps a copy of a damaged segment, which is removed once its readable part is checkpointed and delivered. Returns what
/// is lost.
pub(crate) fn keep_copy(path: &Path, gaps: &[Gap]) -> String {
    let copy = damaged_path(path);
    let kept = match fs::copy(path, &copy) {
        Ok(_) => format!("a copy is kept as {}", copy.display()),
        Err(error) => format!("no copy could be made: {error}"),
    };
    let bytes: usize = gaps.iter().map(|gap| gap.bytes.len()).sum();
    let path = path.display();
    format!("{bytes} bytes of {path} are damaged: readings are missing {}; {kept}", missing(gaps))
}

fn missing(gaps: &[Gap]) -> String {
    let when = |time: Option<Micros>, unknown: &str| time.map_or_else(|| unknown.to_owned(), utc);
    let missing = gaps
        .iter()
        .map(|gap| format!("from {} to {}", when(gap.after, "its beginning"), when(gap.before, "its end")));
    missing.collect::<Vec<_>>().join(", ")
}

/// Returns the path of the copy of a damaged segment.
pub(crate) fn damaged_path(path: &Path) -> PathBuf {
    with_suffix(path, ".damaged")
}

impl Log {
    /// Reports the damage of a segment that only publishers still need: the database was made when it was whole.
    pub(crate) fn report_damage(&self, number: u64, publisher: &str) {
        let path = {
            let mut state = lock(&self.state);
            let Some((_, on_disk)) = state.segment(number) else { return };
            self.path_of(number, on_disk)
        };
        let Ok(bytes) = fs::read(&path) else { return };
        let mut synced = 0;
        let gaps = frame::entries_and_gaps(&bytes, |entry| {
            if let Entry::Synced { bytes } = entry {
                synced = synced.max(bytes);
            }
        });
        let cause = Cause::of(&bytes, &gaps, synced, false);
        // A copy was made when this was said.
        if matches!(cause, Cause::None | Cause::Kill | Cause::PowerCut) || damaged_path(&path).exists() {
            return warn!(publisher, "segment {number} of the journal is damaged; continuing after that");
        }
        let message = format!("{} (for publishers; the database has them)", keep_copy(&path, &gaps));
        error!(publisher, "{message}");
        lock(&self.state).damage = Some(message);
    }

    /// Returns the damage that was found while publishers read.
    pub(crate) fn damage(&self) -> Option<String> {
        lock(&self.state).damage.clone()
    }
}
