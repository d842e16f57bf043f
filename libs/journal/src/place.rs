//! Place of a journal: whether the files that are open are still those that the folder shows.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::paths::{MODE, create_folder, folder, with_suffix};

/// Device and inode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// Returns the file that a path shows; `None` if there is none.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self::of(&file))
    }

    pub(crate) fn of(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }

    /// Returns whether a path shows the file that is open.
    pub(crate) fn is_open(path: &Path, file: &File) -> bool {
        file.metadata().is_ok_and(|file| Self::at(path) == Some(Self::of(&file)))
    }
}

/// Locks the lock file of a journal, in a folder that is created where it is missing; returns `None` if another process
/// holds it.
pub(crate) fn locked(database: &Path) -> io::Result<Option<File>> {
    create_folder(database)?;
    let path = lock_path(database);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns the path of a journal's lock file.
pub(crate) fn lock_path(database: &Path) -> std::path::PathBuf {
    with_suffix(database, "-lock")
}

/// Returns whether the file system of a journal takes no writes at all.
pub(crate) fn is_read_only(database: &Path) -> bool {
    statvfs(folder(database)).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}
