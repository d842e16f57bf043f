//! Paths of the journal's files: all of them lie beside the database, and their names begin with its name.

use std::{
    ffi::OsString,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Appends a suffix to a file's name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Mode of files that the journal creates, and of their folder: readings are nobody else's business.
pub(crate) const MODE: u32 = 0o640;
pub(crate) const FOLDER_MODE: u32 = 0o750;

/// Creates the folder of a file where it is missing.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder(path))
}

/// Returns the folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
