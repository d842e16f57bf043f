//! First page of a damaged database. It tells where the tables are, so that without it nothing can be read; but the
//! schema is this program's own, and each new database has its tables at the same places.

use std::{fs, io, os::unix::fs::FileExt as _, path::Path, path::PathBuf};

use rusqlite::Connection;

use crate::{
    db::{
        DatabaseError, open_for_reading,
        schema::{APPLICATION, SCHEMA, VERSION},
    },
    paths::with_suffix,
};

const PAGE: usize = 4096;

/// Opens a damaged database. Where its first page is damaged, that is a copy with a new one.
pub(crate) fn open_damaged(damaged: &Path) -> Result<Connection, DatabaseError> {
    match open_for_reading(damaged) {
        Err(error) if error.is_damage() => {
            rebuilt(damaged).and_then(|copy| open_for_reading(&copy)).map_err(|_| error)
        }
        other => other,
    }
}

/// Removes the copy, if there is one.
pub(crate) fn remove_copy(damaged: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(with_suffix(&copy_path(damaged), suffix)); // it may never have been made
    }
}

fn copy_path(damaged: &Path) -> PathBuf {
    with_suffix(damaged, ".copy")
}

/// Makes a copy with a new first page, unless there is one.
fn rebuilt(damaged: &Path) -> Result<PathBuf, DatabaseError> {
    let copy = copy_path(damaged);
    if copy.exists() {
        return Ok(copy);
    }
    let part = with_suffix(damaged, ".part");
    let pages = fs::copy(damaged, &part)? / PAGE as u64;
    let has_wal = match fs::copy(with_suffix(damaged, "-wal"), with_suffix(&copy, "-wal")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        copied => copied? > 0,
    };
    let mut page = new_first_page(&with_suffix(damaged, ".new"))?;
    // "The Database Header", https://www.sqlite.org/fileformat2.html: whether there is a `-wal` file, the number of
    // pages, and none that is free.
    page[18..20].fill(if has_wal { 2 } else { 1 });
    page[28..32].copy_from_slice(&u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes());
    page[32..40].fill(0);
    fs::OpenOptions::new().write(true).open(&part)?.write_all_at(&page, 0)?;
    fs::rename(&part, &copy)?;
    Ok(copy)
}

/// Returns the first page of a new database, which is made at this path and removed.
fn new_first_page(path: &Path) -> Result<Vec<u8>, DatabaseError> {
    let _ = fs::remove_file(path); // of a salvage that was interrupted
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE}; BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; \
         PRAGMA user_version = {VERSION}; COMMIT"
    ))?;
    drop(connection);
    let mut page = fs::read(path)?;
    fs::remove_file(path)?;
    page.truncate(PAGE);
    if page.len() == PAGE {
        Ok(page)
    } else {
        Err(DatabaseError::Damaged("its first page could not be made"))
    }
}
