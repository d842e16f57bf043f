//! Errors of the database.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// Reason why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("`{}` was written by a newer smartmeter (schema {found}, this one knows {known})", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` belongs to another program; set another `[journal] path`", .path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` is not a journal, and was left alone: name another path with `[journal] path`", .path.display())]
    NoJournal { path: PathBuf },
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl DatabaseError {
    /// Returns whether the file itself is damaged, and is to be set aside.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(error) => Self::is_damaged(error),
            Self::Newer { .. } | Self::Foreign { .. } | Self::NoJournal { .. } | Self::Io(_) => false,
        }
    }

    /// Returns whether an error says that the file is damaged.
    pub(crate) fn is_damaged(error: &rusqlite::Error) -> bool {
        let code = error.sqlite_error_code();
        is_wrong_type(error) || matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Returns whether a page cannot be read, while others can.
    pub(crate) fn is_unreadable(error: &rusqlite::Error) -> bool {
        Self::is_damaged(error) || error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
    }
}

/// Returns whether a column has another type than this program wrote, which is as bad as a wrong page.
fn is_wrong_type(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
    )
}
