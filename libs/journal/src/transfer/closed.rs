//! Journal that no program uses, with everything that was recorded in its database.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use crate::{
    db::{Database, Found},
    paths::folder,
    place::locked,
    transfer::{TransferError, files::read_segments},
    wal::{live, remove, segment_numbers},
};

/// Journal that no program uses, and that none can use until this is dropped.
pub(crate) struct Closed {
    pub(crate) database: Database,
    pub(crate) zone: TimeZone,
    /// Name that a damaged database was renamed to.
    pub(crate) set_aside: Option<PathBuf>,
    /// Number of the next segment.
    pub(crate) number: u64,
    _lock: File,
}

impl Closed {
    /// Opens the journal. Creates one where there is none, and checkpoints what a program left that was killed.
    ///
    /// # Errors
    /// Returns [`TransferError::InUse`] if a program uses it, or the error of the database.
    pub(crate) fn open(path: &Path, zone: TimeZone) -> Result<Self, TransferError> {
        let lock = locked(path).map_err(TransferError::file(path))?;
        let lock = lock.ok_or_else(|| TransferError::InUse(path.to_owned()))?;
        let (mut database, found) =
            Database::open(path).map_err(|error| TransferError::opening(path, error))?;
        database.salvage(path, &zone, &mut || ())?;
        let folded = database.folded()?;
        live::absorb(path, None, folded).map_err(TransferError::file(path))?;
        let numbers = segment_numbers(path).map_err(TransferError::file(folder(path)))?;
        let left = read_segments(path, folded)?;
        let left: Vec<_> = left.iter().map(|(number, bytes)| (*number, &bytes[..])).collect();
        database.checkpoint(&left, &zone)?;
        // Segments that publishers have not delivered yet stay.
        let cursors = database.cursors()?;
        let needed = cursors.values().map(|at| at.segment).min().unwrap_or(u64::MAX);
        for &number in numbers.iter().filter(|number| **number < needed) {
            remove(path, number);
        }
        let used = cursors.values().map(|at| at.segment).chain(numbers).max().unwrap_or(0);
        let number = folded.max(used).saturating_add(1);
        let set_aside = match found {
            Found::SetAside(path) => Some(path),
            Found::New | Found::Whole => None,
        };
        Ok(Self { database, zone, set_aside, number, _lock: lock })
    }
}
