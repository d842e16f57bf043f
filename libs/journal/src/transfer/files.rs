//! Files of a journal, for a reader beside the program that records.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use rusqlite::Connection;

use crate::{
    db::{folded, open_for_reading},
    transfer::TransferError,
    wal::{live, segment_path},
};

/// Checks that the path is a file that may be read, or does not exist.
pub(super) fn check(path: &Path) -> Result<(), TransferError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(TransferError::NoJournal(path.to_owned(), "it is a folder".to_owned()))
        }
        // SQLite does not tell which file it may not read, nor why.
        Ok(_) => File::open(path).map(drop).map_err(TransferError::file(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(TransferError::file(path)(error)),
    }
}

/// Reads the segments that the database does not have. Publishers may need many older ones.
pub(super) fn read_segments(path: &Path, folded: u64) -> Result<Vec<(u64, Vec<u8>)>, TransferError> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let numbers = match live::numbers(path) {
        Err(error) if missing(&error) => Vec::new(),
        numbers => numbers.map_err(TransferError::file(path.parent().unwrap_or(path)))?,
    };
    let mut read = Vec::new();
    for number in numbers.into_iter().filter(|number| *number > folded) {
        let file = segment_path(path, number);
        match live::read(path, number) {
            Ok(bytes) => read.push((number, bytes)),
            Err(error) if missing(&error) => {} // checkpointed just now
            Err(error) => return Err(TransferError::file(&file)(error)),
        }
    }
    Ok(read)
}

/// Opens the database; returns `None` if there is none yet.
pub(crate) fn connect(path: &Path) -> Result<Option<Connection>, TransferError> {
    let open = |path| open_for_reading(path).map_err(|error| TransferError::opening(path, error));
    path.exists().then(|| open(path)).transpose()
}

/// Returns the number of the last segment that the database has; `None` if there is no database yet.
pub(crate) fn folded_of(path: &Path) -> Result<Option<u64>, TransferError> {
    Ok(connect(path)?.as_ref().map(folded).transpose()?)
}
