//! Export beside a running program, and import without one.

mod closed;
mod export;
pub(crate) mod files;
mod import;

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use wildmatch::WildMatch;

pub(crate) use self::closed::{Closed, into_one_file};
pub use self::{
    export::{Archive, Selection, Summary},
    import::{Import, Imported},
};
use crate::db::DatabaseError;
use reading::Text;

/// Labels of a series in a row of an export.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    /// Name of the source.
    pub section: Text,
    /// Name of the reading.
    pub name: Text,
    /// Unit; empty where it has none.
    pub unit: Text,
    /// OBIS code; empty where it has none.
    pub obis: Text,
}

/// Error of an export or an import.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is neither a database nor a segment.
    #[error("there is no journal `{}`", .0.display())]
    Missing(PathBuf),
    /// The file is not a journal, or not one that this program can use; with the reason.
    #[error("`{}` is not a usable journal: {}", .0.display(), .1)]
    NoJournal(PathBuf, String),
    /// A program uses it.
    #[error("a running program uses the journal `{}`", .0.display())]
    InUse(PathBuf),
    /// A pattern matches no series; with the pattern and the series that exist.
    #[error("no series matches `{0}`")]
    NoSeries(String, Vec<String>),
    /// The series of two journals have no names of their own together; with the reason.
    #[error("{0}")]
    Names(String),
    /// The newest reading lies in the future of this machine; with its time.
    #[error("the newest reading is of {0}, which is later than this machine's clock: set the clock")]
    Ahead(String),
    /// The database failed.
    #[error("{0}")]
    Database(String),
    /// A file of the journal cannot be opened or read.
    #[error("could not open `{}`: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rusqlite::Error> for TransferError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<DatabaseError> for TransferError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error.to_string())
    }
}

impl TransferError {
    /// Converts the error of opening the database `path`.
    pub(crate) fn opening(path: &Path, error: DatabaseError) -> Self {
        let no_journal = |reason: String| Self::NoJournal(path.to_owned(), reason);
        match error {
            DatabaseError::Newer { found, known, .. } => no_journal(format!(
                "it was written by a newer smartmeter (schema {found}, this one knows {known})"
            )),
            DatabaseError::Foreign { .. } => no_journal("it is another program's database".to_owned()),
            DatabaseError::Io(error) => Self::File(path.to_owned(), error),
            DatabaseError::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => no_journal("it is not a database".to_owned()),
                // Readers, too, write a file that belongs to a database in use.
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    Self::File(path.to_owned(), io::Error::new(io::ErrorKind::PermissionDenied, error))
                }
                _ => error.into(),
            },
            error @ (DatabaseError::Damaged(_) | DatabaseError::NoJournal { .. }) => error.into(),
        }
    }

    /// Converts the error of opening or reading a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |error| Self::File(path.to_owned(), error)
    }
}

/// Returns whether a pattern matches: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

#[cfg(test)]
mod tests;
