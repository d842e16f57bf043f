//! Backup of a program in one file, which anybody can open: a `tar`, compressed with gzip.
//!
//! ```text
//! manifest.json          format, program, schema, time and machine: see [`Contents`]
//! config.toml            the main configuration, to look at: it is never restored
//! config.d/<name>.toml   drop-ins
//! state/<path>           other files of the state folder, such as `state/s0.count`: what sources keep
//! journal.db             the database at one moment
//! journal.db-tail.<n>    segments of the write-ahead log, also those that only publishers still need
//! SHA256SUMS             checksums of all files before it, for `sha256sum -c`
//! ```
//!
//! [`write()`] reads beside a program that records, and [`check`] reads a whole backup. While the program is stopped,
//! [`restore`] replaces its files, and [`merge`] joins the history of a backup into its own.

mod check;
mod error;
mod file;
mod gzip;
mod machine;
mod manifest;
mod merge;
mod read;
mod restore;
mod staging;
mod state;
mod synced;
mod write;

use std::path::PathBuf;

pub use self::{
    check::check,
    error::BackupError,
    file::write_file,
    machine::fingerprint,
    manifest::Contents,
    merge::{Joined, merge},
    restore::{Restored, restore},
    staging::Staged,
    synced::Synced,
    write::write,
};

/// Places of what a backup has.
#[derive(Debug, Clone)]
pub struct Places {
    /// Database of the journal; `None` if there is none.
    pub journal: Option<PathBuf>,
    /// Folder with counts, drop-ins and the files of sources.
    pub state_dir: PathBuf,
    /// Folder in memory, as far as the configuration tells; that of the journal's program is found without it.
    pub runtime_dir: Option<PathBuf>,
    /// Main file of the configuration.
    pub config: Option<PathBuf>,
}

/// Receives how many bytes are done, and of how many.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Version of the backup's format.
pub const FORMAT: u32 = 1;

/// Name of the manifest, which is the first file.
const MANIFEST: &str = "manifest.json";
/// Name of the main configuration.
const CONFIG: &str = "config.toml";
/// Name of the checksums, which are the last file.
const SUMS: &str = "SHA256SUMS";
/// Folder of the drop-ins in a backup, and in the state folder.
const DROP_INS: &str = "config.d";
/// Folder of everything else of the state folder.
const STATE: &str = "state";
