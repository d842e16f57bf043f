//! Where the journal's files are: all of them beside the database, their names beginning with its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The file beside another one whose name has this at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The folder in which a file is.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
