//! `[backup]`: a copy of the journal in another place, each night.
//!
//! | file | content |
//! |---|---|
//! | `name` | names of the files, and whose they are |
//! | `folder` | the folder: mounted or not, its files, which of them may go |
//! | `job` | one backup, and one check of the newest file; both may hang |
//! | `transit` | way of the bytes from the journal to the folder |
//! | `runner` | when a backup is made or checked, and what becomes of one that hangs |
//! | `saved` | what a restart must not forget |
//! | `status` | what everybody sees |
//!
//! The folder may be on a server that has gone: then the thread that uses it is left alone until it comes back, and the
//! journal, which another thread reads, is let go at once.

mod folder;
mod job;
mod name;
mod runner;
mod saved;
mod status;
#[cfg(test)]
mod tests;
mod transit;

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    runner::{Backups, Wanted},
    status::{BackupState, BackupStatus},
};
use crate::{FaultCode, one_line::one_line};

/// End of the name of a file.
const EXTENSION: &str = ".tar.gz";

/// Writes a backup of the program, with a call for each piece that was read.
type WriteBackup = dyn Fn(&mut dyn Write, &mut dyn FnMut()) -> Result<(), String> + Send + Sync;
/// Checks a backup as a restore does.
type CheckBackup = dyn Fn(&mut dyn Read) -> Result<(), String> + Send + Sync;

/// Content of a backup, and its check.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) write: Arc<WriteBackup>,
    pub(crate) check: Arc<CheckBackup>,
}

/// Reason why there is no good backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Its time, in microseconds since 1970.
    at: i64,
    /// Its kind, by its word.
    code: String,
    /// Its cause, for people.
    pub(crate) message: String,
    /// Whether a check of the newest backup failed, and not a backup.
    of_check: bool,
}

impl Failure {
    fn new(code: FaultCode, message: impl AsRef<str>) -> Self {
        let message = one_line(message.as_ref()).into_owned();
        let at = Timestamp::now().as_microsecond();
        Self { at, code: code.as_str().to_owned(), message, of_check: false }
    }

    /// The error of a file: `what` says what could not be done.
    fn io(what: &str, error: &io::Error) -> Self {
        Self::new(FaultCode::from(error), format!("{what}: {error}"))
    }

    /// Returns its kind.
    pub(crate) fn code(&self) -> FaultCode {
        FaultCode::parse(&self.code).unwrap_or(FaultCode::Unreachable)
    }

    /// Returns its time.
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.at).unwrap_or_default()
    }
}
