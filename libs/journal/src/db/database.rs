//! Database file: opening it, and setting a damaged one aside.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, config::DbConfig};

use crate::{
    db::{
        DatabaseError, is_other_file,
        schema::{APPLICATION, SCHEMA, TABLES, VERSION, check_header, identify, is_empty, upgrade},
    },
    paths::{MODE, create_folder, folder, with_suffix},
};

/// Time for which another process may hold the database before that is an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// Open database, for writing.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
}

/// State in which the file was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was none.
    New,
    Whole,
    /// It was damaged, and renamed to this; a new one was created.
    SetAside(PathBuf),
}

impl Database {
    /// Opens the database. Creates one where there is none, and sets a damaged one aside.
    pub(crate) fn open(path: &Path) -> Result<(Self, Found), DatabaseError> {
        if let Some(folder) = path.parent() {
            let message = |e: &io::Error| format!("cannot make the folder `{}`: {e}", folder.display());
            create_folder(path).map_err(|e| io::Error::new(e.kind(), message(&e)))?;
        }
        match Self::open_whole(path) {
            Err(error) if error.is_damage() && is_other_file(path) => {
                tracing::debug!("`{}` is not a journal: {error}", path.display());
                Err(DatabaseError::NoJournal { path: path.to_path_buf() })
            }
            Err(error) if error.is_damage() => {
                tracing::error!("`{}` cannot be read: {error}", path.display());
                Self::replace(path)
            }
            other => other,
        }
    }

    /// Sets a damaged database aside and creates a new one, which notes that there is something to be salvaged.
    pub(crate) fn replace(path: &Path) -> Result<(Self, Found), DatabaseError> {
        let aside = set_aside(path)?;
        let (database, _) = Self::open_whole(path)?;
        database.note_salvage(&aside)?;
        Ok((database, Found::SetAside(aside)))
    }

    /// Opens the database, which must not be damaged. Creates one where there is none.
    pub(crate) fn open_whole(path: &Path) -> Result<(Self, Found), DatabaseError> {
        check_header(path)?;
        match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let message = format!("cannot create `{}`: {error}", path.display());
                return Err(io::Error::new(error.kind(), message).into());
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        if connection.is_readonly("main")? {
            // SQLite opens a file that it may not write for reading, and fails at the first transaction.
            let message = format!("`{}` cannot be written", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message).into());
        }
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(
            "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF",
        )?;
        let found = if is_empty(&connection)? { Found::New } else { Found::Whole };
        if found == Found::New {
            connection.execute_batch("PRAGMA page_size = 4096")?;
        } else {
            identify(&connection, path)?;
        }
        // Up to here another program's file was not changed.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304",
        )?;
        if found == Found::New {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"
            ))?;
        } else {
            upgrade(&connection)?;
        }
        let database = Self { connection };
        database.probe()?;
        Ok((database, found))
    }

    /// Reads what every start needs anyway, and the end of each table, to find damage. Reading every page would take
    /// minutes with years of data on a slow card.
    fn probe(&self) -> Result<(), DatabaseError> {
        self.folded()?;
        self.newest()?;
        self.epoch()?;
        self.cursors()?;
        for table in TABLES {
            let sql = format!("SELECT * FROM {table} ORDER BY 1 DESC, 2 DESC LIMIT 1");
            self.connection.query_row(&sql, [], |_| Ok(())).optional()?;
        }
        Ok(())
    }

    /// Closes a database whose file is gone, and leaves alone what lies in its place.
    pub(crate) fn abandon(self) {
        let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(option, true) {
            tracing::warn!("could not leave the removed database alone: {error}");
        }
    }

    /// Returns a database that is gone with its connection.
    pub(crate) fn in_memory() -> Result<Self, DatabaseError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }
}

/// Renames a damaged database and the files that belong to it. Returns the new name.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let stem = format!(".damaged-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let names = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}.{n}")));
    let mut free = names.map(|name| with_suffix(path, &name)).filter(|name| !name.exists());
    let Some(aside) = free.next() else { return Err(io::ErrorKind::AlreadyExists.into()) };
    // The database first: if the power fails now, SQLite discards the files that are left of it.
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm", "-journal"] {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(folder(path))?.sync_all()?;
    Ok(aside)
}

/// Opens the database for reading only: for HTTP while the program runs, or for `export` beside it.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match Connection::open_with_flags(path, flags).map_err(Into::into).and_then(|c| reader(c, path)) {
        // In a folder that may not be written, SQLite cannot create the file that readers share. Without a `-wal` file
        // it needs none.
        Err(DatabaseError::Sqlite(error)) if needs_folder(&error) && !with_suffix(path, "-wal").exists() => {
            const RESERVED: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');
            let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), RESERVED));
            reader(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?, path)
        }
        other => other,
    }
}

fn needs_folder(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn reader(connection: Connection, path: &Path) -> Result<Connection, DatabaseError> {
    connection.busy_timeout(PATIENCE)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY")?;
    identify(&connection, path)?;
    Ok(connection)
}
