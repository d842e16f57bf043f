//! Errors of backups.

use std::{
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use journal::TransferError;

/// Reason why a backup cannot be written, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The journal cannot be read or replaced.
    #[error(transparent)]
    Journal(#[from] TransferError),
    /// A file of the program cannot be read or written.
    #[error("could not {what} `{}`", .path.display())]
    File {
        /// `read`, `write`, `move` or `create`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The backup cannot be written.
    #[error("could not write the backup")]
    Output(#[source] io::Error),
    /// Another backup is written into the same file.
    #[error("another backup is being written into `{}`", .0.display())]
    InProgress(PathBuf),
    /// The name of the unfinished backup is that of another file.
    #[error("`{}` is no unfinished backup, and would be replaced", .0.display())]
    Occupied(PathBuf),
    /// The backup cannot be read.
    #[error("could not read the backup")]
    Input(#[source] io::Error),
    /// The file is something else.
    #[error("this is not a backup of smartmeter: expected a gzipped tar that begins with `manifest.json`")]
    NotABackup,
    /// The end of the file is missing.
    #[error("the backup is cut off: it was not written or copied to its end")]
    Truncated,
    /// The file was changed after it was written; with what is wrong.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The backup has a format or schema that this program does not know; with the program that wrote it.
    #[error(
        "the backup was written by {program} ({what} {found}), and this is smartmeter {}, which knows {what} {known}",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// `format` or `schema`.
        what: &'static str,
        /// Program that wrote it.
        program: String,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// There is not enough space.
    #[error("`{}` has {free} bytes free, and the backup needs {needed}", .folder.display())]
    NoSpace {
        /// Folder of the journal.
        folder: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Some files are those of the backup by now, and others are not.
    #[error("only a part of the backup was restored")]
    Partial {
        /// Folders with what was there before.
        aside: Vec<PathBuf>,
        /// Folders with what is not in its place yet.
        unpacked: Vec<PathBuf>,
        /// What went wrong.
        source: Box<BackupError>,
    },
    /// A folder of the program is a link, which may lead anywhere.
    #[error("`{}` is a link, expected a folder", .0.display())]
    Link(PathBuf),
    /// One of them has no journal, so there is nothing to merge.
    #[error("nothing to merge: the backup and the configuration must both have a journal")]
    NoJournal,
    /// The journal has readings that the backup lacks.
    #[error("the journal has readings up to {there}, and the backup only up to {backup}")]
    NewerReadings {
        /// Newest reading of the journal.
        there: Timestamp,
        /// Newest reading of the backup.
        backup: Timestamp,
    },
    /// The journal cannot be read, so nobody knows whether it has newer readings.
    #[error("the journal that is there cannot be read, so it may have newer readings than the backup")]
    Unknown(#[source] TransferError),
}

impl BackupError {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { what, path: path.to_owned(), source }
    }
}
