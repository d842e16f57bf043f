//! Backup as a file: whole, or not there.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::{BackupError, Contents, Places, Progress, write};

/// Permissions: a backup has secrets.
const MODE: u32 = 0o600;

/// Writes a backup into a file, which is there once it is whole and on the disk. Until then it is `<file>.part`, which is
/// removed if the backup fails.
///
/// # Errors
/// Returns the same errors as [`write`]. A file that was there is unchanged then.
pub fn write_file(places: &Places, path: &Path, progress: Progress<'_>) -> Result<Contents, BackupError> {
    let part = with_suffix(path, ".part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(BackupError::file("write", &part)(error));
        }
        _ => {}
    }
    let result = write_part(places, path, &part, progress);
    if result.is_err() {
        let _ = fs::remove_file(&part); // where even that fails, the next backup removes it
    }
    result
}

fn write_part(
    places: &Places,
    path: &Path,
    part: &Path,
    progress: Progress<'_>,
) -> Result<Contents, BackupError> {
    let failed = |error| BackupError::file("write", part)(error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(part).map_err(failed)?;
    let contents = write(places, &mut file, progress)?;
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(part, path).map_err(BackupError::file("write", path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Some network shares cannot sync a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(contents)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
