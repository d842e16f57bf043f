//! Paths of the journal's files: all of them lie beside the database, and their names begin with its name.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Appends a suffix to a file's name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Returns the folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
