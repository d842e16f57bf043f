//! Journal that no program uses, with everything that was recorded in its database.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use crate::{
    db::{Database, DatabaseError, Found},
    paths::{folder, with_suffix},
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
        Self::open_by(path, zone, Database::open)
    }

    /// Opens the journal as [`Self::open`] does, but refuses a damaged database, and leaves it in its place.
    ///
    /// # Errors
    /// Returns [`TransferError::InUse`] if a program uses it, or the error of the database.
    pub(crate) fn open_whole(path: &Path, zone: TimeZone) -> Result<Self, TransferError> {
        Self::open_by(path, zone, Database::open_whole)
    }

    fn open_by(
        path: &Path,
        zone: TimeZone,
        open: impl FnOnce(&Path) -> Result<(Database, Found), DatabaseError>,
    ) -> Result<Self, TransferError> {
        let lock = locked(path).map_err(TransferError::file(path))?;
        let lock = lock.ok_or_else(|| TransferError::InUse(path.to_owned()))?;
        let (mut database, found) = open(path).map_err(|error| TransferError::opening(path, error))?;
        database.salvage(path, &zone, &mut || ())?;
        let number = settle(path, &mut database, &zone)?;
        let set_aside = match found {
            Found::SetAside(path) => Some(path),
            Found::New | Found::Whole => None,
        };
        Ok(Self { database, zone, set_aside, number, _lock: lock })
    }
}

/// Checkpoints what a program left, and removes the segments that no publisher needs. Returns the number of the next one.
fn settle(path: &Path, database: &mut Database, zone: &TimeZone) -> Result<u64, TransferError> {
    let folded = database.folded()?;
    live::absorb(path, None, folded).map_err(TransferError::file(path))?;
    let numbers = segment_numbers(path).map_err(TransferError::file(folder(path)))?;
    let left = read_segments(path, folded)?;
    let left: Vec<_> = left.iter().map(|(number, bytes)| (*number, &bytes[..])).collect();
    database.checkpoint(&left, zone)?;
    // Segments that publishers have not delivered yet stay.
    let cursors = database.cursors()?;
    let needed = cursors.values().map(|at| at.segment).min().unwrap_or(u64::MAX);
    for &number in numbers.iter().filter(|number| **number < needed) {
        remove(path, number);
    }
    let used = cursors.values().map(|at| at.segment).chain(numbers).max().unwrap_or(0);
    Ok(folded.max(used).saturating_add(1))
}

/// Brings everything that a journal has into its database, which is then a history of its own: one file without a
/// `-wal`. The caller holds the lock.
///
/// # Errors
/// Returns an error if the database cannot be used, was missing, or another process has it open.
pub(crate) fn into_one_file(path: &Path) -> Result<(), TransferError> {
    let (mut database, found) =
        Database::open_whole(path).map_err(|error| TransferError::opening(path, error))?;
    if found == Found::New {
        return Err(TransferError::Missing(path.to_owned()));
    }
    settle(path, &mut database, &TimeZone::system())?;
    drop(database);
    match with_suffix(path, "-wal").exists() {
        true => Err(TransferError::InUse(path.to_owned())),
        false => Ok(()),
    }
}
