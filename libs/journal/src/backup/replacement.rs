//! Replacement of a journal, while no program records in it.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{Moment, Restored, SEGMENT};
use crate::{
    paths::{FOLDER_MODE, create_folder, folder, with_suffix},
    place::{lock_path, locked},
    transfer::{TransferError, files::folded_of, into_one_file},
    wal::{live, segment_numbers, segment_path},
};

/// Journal that is locked to be replaced. There need not be one.
pub struct Replacement {
    path: PathBuf,
    /// Held until this is dropped: no program records.
    _lock: File,
    /// Folder and lock file that were made, and are removed if nothing is replaced.
    made: Vec<PathBuf>,
    is_replaced: bool,
}

impl Replacement {
    /// Locks the journal whose database is `path`.
    ///
    /// # Errors
    /// Returns [`TransferError::InUse`] if a program records in it.
    pub fn lock(path: &Path) -> Result<Self, TransferError> {
        if path.is_dir() {
            return Err(TransferError::NoJournal(path.to_owned(), "it is a folder".to_owned()));
        }
        let missing =
            folder(path).ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let mut made: Vec<_> = missing.map(Path::to_owned).collect();
        let lock_path = lock_path(path);
        if !lock_path.exists() {
            made.insert(0, lock_path);
        }
        create_folder(path).map_err(TransferError::file(folder(path)))?;
        let lock = locked(path).map_err(TransferError::file(path))?;
        let lock = lock.ok_or_else(|| TransferError::InUse(path.to_owned()))?;
        Ok(Self { path: path.to_owned(), _lock: lock, made, is_replaced: false })
    }

    /// Returns the time of the newest reading that is there, in microseconds since 1970; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if that cannot be read.
    pub fn newest(&self) -> Result<Option<i64>, TransferError> {
        match Moment::open(&self.path) {
            Ok(moment) => Ok(moment.newest()),
            Err(TransferError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns whether files were moved, or may have been.
    pub fn has_begun(&self) -> bool {
        self.is_replaced
    }

    /// Puts the journal aside into a folder beside it, and the files of a backup in its place.
    ///
    /// Both histories are one file each by then, so that a kill leaves one or the other: the journal that was there, but
    /// for segments that only its publishers need, until the database is replaced, and that of the backup afterwards. A
    /// journal that is damaged is moved before that.
    ///
    /// # Errors
    /// Returns the error of a file that cannot be moved. Nothing is removed: what is not in its place yet is in one of
    /// the two folders.
    pub fn replace(&mut self, restored: &Restored, aside: &Path) -> Result<(), TransferError> {
        let failed = |error| TransferError::File(folder(&self.path).to_owned(), error);
        into_one_file(&restored.database())?;
        let is_one_file = self.path.exists() && into_one_file(&self.path).is_ok();
        self.is_replaced = true;
        self.put_aside(aside, is_one_file).map_err(failed)?;
        fs::rename(restored.database(), &self.path).map_err(failed)?;
        sync(folder(&self.path)).map_err(failed)?;
        for number in &restored.segments {
            let from = restored.folder.join(format!("{SEGMENT}{number}"));
            match fs::rename(from, segment_path(&self.path, *number)) {
                // The database has it, and no publisher needs it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved.map_err(failed)?,
            }
        }
        sync(folder(&self.path)).map_err(failed)
    }

    /// Moves the files that are there. A database that is the whole history stays in its place, and gets a second name.
    fn put_aside(&self, aside: &Path, is_one_file: bool) -> io::Result<()> {
        let path = &self.path;
        if live::linked(path).is_some() {
            // What a killed program left in memory belongs to these files.
            live::absorb(path, None, folded_of(path).ok().flatten().unwrap_or(0))?;
            live::point(path, None)?;
        }
        let name = path.file_name().unwrap_or_default();
        let moved = |from: &Path| match fs::rename(from, aside.join(from.file_name().unwrap_or(name))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let numbers = segment_numbers(path)?;
        if !path.exists() && numbers.is_empty() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(aside)?;
        if is_one_file {
            for number in numbers {
                moved(&segment_path(path, number))?;
            }
            let (linked, shared) = (aside.join(name), with_suffix(path, "-shm"));
            // Some file systems have one name for each file.
            fs::hard_link(path, &linked).or_else(|_| fs::rename(path, linked))?;
            moved(&shared)?;
            return sync(aside);
        }
        // The database first: if the power fails now, SQLite discards the files that are left of it.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            moved(&with_suffix(path, suffix))?;
        }
        for number in numbers {
            moved(&segment_path(path, number))?;
        }
        sync(aside)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_replaced {
            for made in &self.made {
                // A folder goes only if nothing is in it.
                let _ = if made.is_dir() { fs::remove_dir(made) } else { fs::remove_file(made) };
            }
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
