//! Backup as a file: whole, or not there.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{BackupError, Contents, Places, Progress, Synced, read::GZIP, restore::folder_of, write};

/// Permissions: a backup has secrets.
const MODE: u32 = 0o600;

/// Writes a backup into a file, which is there once it is whole and on the disk. Until then it is `<file>.part`, which is
/// removed if the backup fails, and replaced if it is what a killed backup left.
///
/// # Errors
/// Returns the same errors as [`write()`]; [`BackupError::InProgress`] if another process writes a backup into the file, and
/// [`BackupError::Occupied`] if `<file>.part` is something else. A file that was there is unchanged then.
pub fn write_file(places: &Places, path: &Path, progress: Progress<'_>) -> Result<Contents, BackupError> {
    let part = Part::create(path)?;
    let result = part.write(places, path, progress);
    if result.is_err() && part.is_there() {
        let _ = fs::remove_file(&part.path); // where even that fails, the next backup removes it
    }
    result
}

/// Unfinished backup, which is locked while it is written.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(path: &Path) -> Result<Self, BackupError> {
        let part = with_suffix(path, ".part");
        // Held until the new one is locked: two that find the same one do not both replace it.
        let _left = Self::remove_left(&part)?;
        let made = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&part);
        let made = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::InProgress(part));
            }
            made => made.map_err(BackupError::file("write", &part))?,
        };
        Self { path: part, file: made }.locked()
    }

    /// Removes what a killed backup left.
    fn remove_left(path: &Path) -> Result<Option<Self>, BackupError> {
        let failed = |error| BackupError::file("read", path)(error);
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if !found.is_file() => return Err(BackupError::Occupied(path.to_owned())),
            found => found.map_err(failed)?,
        };
        let left = Self { path: path.to_owned(), file: File::open(path).map_err(failed)? }.locked()?;
        let mut start = Vec::new();
        (&left.file).take(2).read_to_end(&mut start).map_err(failed)?;
        // A loss of power may have left zeros.
        if !start.is_empty() && start != GZIP && start != [0, 0] {
            return Err(BackupError::Occupied(path.to_owned()));
        }
        fs::remove_file(path).map_err(BackupError::file("write", path))?;
        Ok(Some(left))
    }

    fn locked(self) -> Result<Self, BackupError> {
        // Some network shares have no locks; there, `is_there` alone tells two backups apart.
        let is_locked = !matches!(self.file.try_lock(), Err(TryLockError::WouldBlock));
        if is_locked && self.is_there() { Ok(self) } else { Err(BackupError::InProgress(self.path)) }
    }

    /// Returns whether the path still leads to this file.
    fn is_there(&self) -> bool {
        match (self.file.metadata(), fs::symlink_metadata(&self.path)) {
            (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    fn write(&self, places: &Places, path: &Path, progress: Progress<'_>) -> Result<Contents, BackupError> {
        let contents = write(places, Synced::new(&self.file), progress)?;
        self.file.sync_all().map_err(BackupError::file("write", &self.path))?;
        if !self.is_there() {
            return Err(BackupError::InProgress(self.path.clone()));
        }
        fs::rename(&self.path, path).map_err(BackupError::file("write", path))?;
        // Some network shares cannot sync a folder.
        let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
        Ok(contents)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
