//! Files from a backup, in a folder of their own beside the journal.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{DATABASE, segment_number};
use crate::{
    db::{Database, open_for_reading},
    paths::MODE,
    time::Micros,
    transfer::TransferError,
};

/// Files of a journal from a backup, checked and brought up to date.
pub struct Restored {
    pub(super) folder: PathBuf,
    pub(super) segments: Vec<u64>,
    schema: i64,
    newest: Option<Micros>,
}

impl Restored {
    /// Checks the files in a folder, which have their names of the backup, and brings the database up to date.
    ///
    /// # Errors
    /// Returns an error if the database was written by a newer program, or cannot be used.
    pub fn check(folder: &Path) -> Result<Self, TransferError> {
        let path = folder.join(DATABASE);
        let opening = |error| TransferError::opening(&path, error);
        let failed = |error| TransferError::File(folder.to_owned(), error);
        let schema = if path.exists() {
            let reader = open_for_reading(&path).map_err(opening)?;
            reader.pragma_query_value(None, "user_version", |row| row.get(0))?
        } else {
            super::SCHEMA_VERSION
        };
        let (database, _) = Database::open_whole(&path).map_err(opening)?;
        drop(database);
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            segments.extend(entry.file_name().to_str().and_then(segment_number));
            let file = entry.path();
            fs::set_permissions(&file, fs::Permissions::from_mode(MODE)).map_err(failed)?;
            File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
        }
        segments.sort_unstable();
        let newest = super::Moment::open(&path)?.newest();
        Ok(Self { folder: folder.to_owned(), segments, schema, newest })
    }

    /// Returns the version of the schema that the backup had.
    pub fn schema(&self) -> i64 {
        self.schema
    }

    /// Returns the time of the newest reading, in microseconds since 1970.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Returns the path of the database.
    pub fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }
}
