//! Journal at one moment.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    DATABASE, SEGMENT,
    pages::Pages,
    segments::{self, Kept, Recent},
};
use crate::{
    db::{Database, folded},
    time::Micros,
    transfer::{
        TransferError,
        files::{connect, folded_of},
    },
};

/// Attempts to get segments and database at one moment, beside a program that writes checkpoints.
const ATTEMPTS: usize = 10;

/// Files of a journal at one moment, beside a program that may go on recording.
///
/// It holds a read transaction: what the program writes meanwhile stays in the `-wal` file until it is dropped.
pub struct Moment {
    path: PathBuf,
    pages: Option<Pages>,
    recent: Vec<Recent>,
    kept: Vec<Kept>,
    newest: Option<Micros>,
    schema: i64,
}

/// File of a journal in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name: `journal.db`, or `journal.db-tail.` with the number of a segment.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
}

impl Moment {
    /// Opens the journal whose database is `path`.
    ///
    /// # Errors
    /// Returns an error if there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(TransferError::NoJournal(path.to_owned(), "it is a folder".to_owned()));
            }
            // A folder that may not be entered.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(TransferError::File(path.to_owned(), error));
            }
            _ => {}
        }
        let mut attempt = 1;
        loop {
            let before = folded_of(path)?;
            let (recent, kept) = segments::read(path, before.unwrap_or(0))?;
            if before.is_none() && recent.is_empty() {
                return Err(TransferError::Missing(path.to_owned()));
            }
            let database = connect(path)?;
            if let Some(connection) = &database {
                connection.execute_batch("BEGIN")?;
            }
            let now = database.as_ref().map(folded).transpose()?;
            // Otherwise segments were checkpointed, and others begun, while these were read.
            if now == before {
                return Self::of(path, database, recent, kept);
            }
            if attempt == ATTEMPTS {
                let message = "its program wrote a checkpoint at each attempt to read it; try again";
                return Err(TransferError::Database(message.to_owned()));
            }
            attempt += 1;
        }
    }

    fn of(
        path: &Path,
        database: Option<rusqlite::Connection>,
        recent: Vec<Recent>,
        kept: Vec<Kept>,
    ) -> Result<Self, TransferError> {
        let (mut newest, mut schema, mut pages) = (None, super::SCHEMA_VERSION, None);
        if let Some(connection) = database {
            let database = Database { connection };
            newest = database.newest()?;
            schema = database.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            pages = Some(Pages::new(database.connection)?);
        }
        let newest = recent.iter().filter_map(|segment| segment.newest).chain(newest).max();
        Ok(Self { path: path.to_owned(), pages, recent, kept, newest, schema })
    }

    /// Returns the version of the database's schema.
    pub fn schema(&self) -> i64 {
        self.schema
    }

    /// Returns the time of the newest reading, in microseconds since 1970; where only its minute is known, the end of
    /// that.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Returns the length of all files in bytes. Some that only publishers need may be gone when they are read.
    pub fn bytes(&self) -> u64 {
        let recent = self.recent.iter().map(|segment| segment.len);
        let kept = self.kept.iter().map(|segment| segment.len);
        self.pages.as_ref().map_or(0, Pages::len) + recent.sum::<u64>() + kept.sum::<u64>()
    }

    /// Returns how many files it has at most.
    pub fn count(&self) -> usize {
        usize::from(self.pages.is_some()) + self.recent.len() + self.kept.len()
    }

    /// Passes all files to `sink`: first a file's name and length, then its bytes.
    ///
    /// # Errors
    /// Returns the error of `sink`, or of a file that cannot be read.
    pub fn read(&self, sink: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> Result<(), TransferError> {
        let segment = |number: u64, len| Part { name: format!("{SEGMENT}{number}"), len };
        // First those that may be removed soon.
        for kept in &self.kept {
            kept.read(&self.path, &mut |piece| match piece {
                None => sink(Piece::Begin(&segment(kept.number, kept.len))),
                Some(bytes) => sink(Piece::Bytes(bytes)),
            })?;
        }
        if let Some(pages) = &self.pages {
            sink(Piece::Begin(&Part { name: DATABASE.to_owned(), len: pages.len() }))?;
            pages.read(&mut |bytes| sink(Piece::Bytes(bytes)))?;
        }
        for recent in &self.recent {
            sink(Piece::Begin(&segment(recent.number, recent.len)))?;
            recent.read(&self.path, &mut |bytes| sink(Piece::Bytes(bytes)))?;
        }
        Ok(())
    }
}

/// Piece of the files of a moment.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A file begins.
    Begin(&'a Part),
    /// The next bytes of it.
    Bytes(&'a [u8]),
}
