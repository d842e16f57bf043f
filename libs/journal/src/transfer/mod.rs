//! The journal's readings, out of it and into it: beside a running program, and without one.

mod export;
mod import;
mod source;

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use wildmatch::WildMatch;

pub use self::{
    export::{Archive, Selection, Summary},
    import::{Import, Imported},
};
use crate::db::DatabaseError;
use reading::Text;

/// A series, as a row of an export names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    /// The instance.
    pub section: Text,
    /// The reading's name.
    pub name: Text,
    /// Its unit; empty where it has none.
    pub unit: Text,
    /// Its OBIS code; empty where it has none.
    pub obis: Text,
}

/// Why readings cannot be taken out of the journal or into it.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is neither a database nor what belongs to one.
    #[error("there is no journal `{}`", .0.display())]
    Missing(PathBuf),
    /// What the journal's name belongs to is none, or none that this program knows: the reason.
    #[error("`{}` is no journal that can be used: {}", .0.display(), .1)]
    NoJournal(PathBuf, String),
    /// A program records in it.
    #[error("a program that runs has the journal `{}` open", .0.display())]
    InUse(PathBuf),
    /// A pattern fits no series: the pattern, and the series that there are.
    #[error("no series fits `{0}`")]
    NoSeries(String, Vec<String>),
    /// What the database says, once it is open.
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
    /// Why the database `path` does not open.
    fn opening(path: &Path, error: DatabaseError) -> Self {
        let no_journal = |reason: String| Self::NoJournal(path.to_owned(), reason);
        match error {
            DatabaseError::Newer { found, known, .. } => no_journal(format!(
                "it was written by a newer smartmeter (schema {found}, this one knows {known})"
            )),
            DatabaseError::Foreign { .. } => no_journal("it is another program's database".to_owned()),
            DatabaseError::Io(error) => Self::File(path.to_owned(), error),
            DatabaseError::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => no_journal("it is no database".to_owned()),
                // A database in use has a file that its readers write, too.
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    Self::File(path.to_owned(), io::Error::new(io::ErrorKind::PermissionDenied, error))
                }
                _ => error.into(),
            },
            error @ DatabaseError::Damaged(_) => error.into(),
        }
    }

    /// Why a file of the journal cannot be opened or read.
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |error| Self::File(path.to_owned(), error)
    }
}

/// Returns whether a pattern matches: `*` stands for any characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

#[cfg(test)]
mod tests;
