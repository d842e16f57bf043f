//! Settings of a journal.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;

use crate::time::ClockSource;
use reading::Text;

/// Settings of a journal.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Database; the other files lie beside it.
    pub path: PathBuf,
    /// Folder in memory that survives the process, where there is one: what is not synced yet is kept there.
    pub runtime_dir: Option<PathBuf>,
    /// Time between two syncs: a power cut costs at most this much.
    pub sync_interval: Duration,
    /// Time for which single readings are kept.
    pub raw_retention: Duration,
    /// Time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// Length of the open segment at which it is checkpointed at once, in bytes.
    pub checkpoint_size: usize,
    /// Time zone of local days.
    pub zone: TimeZone,
    /// Clocks.
    pub clock: ClockSource,
    /// Publishers with a queue: a segment is kept until each of them has delivered it.
    pub publishers: Vec<Text>,
}

impl Settings {
    /// Returns the defaults, with the system's clock and time zone.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            runtime_dir: None,
            sync_interval: Duration::from_secs(60),
            raw_retention: Duration::from_secs(30 * 24 * 3600),
            checkpoint_interval: Duration::from_secs(4 * 3600),
            checkpoint_size: 4 << 20,
            zone: TimeZone::system(),
            clock: ClockSource::system(),
            publishers: Vec::new(),
        }
    }
}
