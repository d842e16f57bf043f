//! The database file: opening, its schema, what is wrong with it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, ToSql};
use serde_json::{Value, json};

use super::{
    block::Block,
    place::{folder, with_suffix},
    types::{Epoch, Micros, Position},
};
use crate::Text;

/// "smtr": tells a journal from other programs' databases.
const APPLICATION: i64 = 0x736d_7472;
const VERSION: i64 = 1;
/// How long another process may hold the database before that is an error.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE section (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE series (id INTEGER PRIMARY KEY, section INTEGER NOT NULL REFERENCES section(id), name TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT '', obis TEXT NOT NULL DEFAULT '', UNIQUE (section, name, unit));
CREATE TABLE raw (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE minute (ts INTEGER NOT NULL, series INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (ts, series)) WITHOUT ROWID;
CREATE TABLE quarter (series INTEGER NOT NULL, ts INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, ts)) WITHOUT ROWID;
CREATE TABLE hour (series INTEGER NOT NULL, ts INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, ts)) WITHOUT ROWID;
CREATE TABLE day (series INTEGER NOT NULL, ts INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (series, ts)) WITHOUT ROWID;
CREATE TABLE event (series INTEGER NOT NULL, ts INTEGER NOT NULL, kind TEXT NOT NULL, before REAL NOT NULL,
    after REAL NOT NULL, PRIMARY KEY (series, ts)) WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
";
const TABLES: [&str; 9] = ["day", "event", "hour", "minute", "quarter", "raw", "section", "series", "state"];

/// The open database, for writing.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
}

/// In what state the file was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was none.
    New,
    Whole,
    /// It was no journal, or damaged; it was renamed to this, and a new one begun.
    SetAside(PathBuf),
}

/// Why the journal's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("`{}` was written by a newer smartmeter (schema {found}, this one knows {known})", .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` is another program's database: name another file", .path.display())]
    Foreign { path: PathBuf },
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl DatabaseError {
    /// Whether the file itself is damaged: it is to be set aside.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            // Columns hold what this program wrote, so another type is as bad as a wrong page.
            Self::Sqlite(
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..),
            ) => true,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            Self::Newer { .. } | Self::Foreign { .. } | Self::Io(_) => false,
        }
    }
}

impl Database {
    /// Opens the database, makes one where there is none, and sets a damaged one aside.
    pub(crate) fn open(path: &Path) -> Result<(Self, Found), DatabaseError> {
        if let Some(folder) = path.parent() {
            let message = |e: &io::Error| format!("cannot make the folder `{}`: {e}", folder.display());
            fs::create_dir_all(folder).map_err(|e| io::Error::new(e.kind(), message(&e)))?;
        }
        match Self::open_whole(path) {
            Err(error) if error.is_damage() => {
                tracing::error!("`{}` cannot be read: {error}", path.display());
                let aside = set_aside(path)?;
                Ok((Self::open_whole(path)?.0, Found::SetAside(aside)))
            }
            other => other,
        }
    }

    fn open_whole(path: &Path) -> Result<(Self, Found), DatabaseError> {
        check_header(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        if connection.is_readonly("main")? {
            // SQLite opens what it may not write for reading, and says so at the first transaction.
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
        // Before this line nothing of another program's file has changed.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304",
        )?;
        if found == Found::New {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"
            ))?;
        }
        let database = Self { connection };
        database.look()?;
        Ok((database, found))
    }

    /// Reads what every start needs anyway, and the end of each table. A look at every page would take minutes
    /// with years of data on a slow card.
    fn look(&self) -> Result<(), DatabaseError> {
        self.folded()?;
        self.newest()?;
        self.epoch()?;
        for table in TABLES {
            let sql = format!("SELECT * FROM {table} ORDER BY 1 DESC, 2 DESC LIMIT 1");
            self.connection.query_row(&sql, [], |_| Ok(())).optional()?;
        }
        Ok(())
    }

    /// A database that is gone with its connection.
    pub(crate) fn in_memory() -> Result<Self, DatabaseError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// The number of the last segment that was folded; 0 = none.
    pub(crate) fn folded(&self) -> Result<u64, DatabaseError> {
        Ok(folded(&self.connection)?)
    }

    /// When the newest reading was taken, to the minute's end at the latest.
    pub(crate) fn newest(&self) -> Result<Option<Micros>, DatabaseError> {
        let last = |sql: &str| self.connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let rolled = last("SELECT max(ts) FROM minute")?.map(|ts| ts.div_euclid(60));
        let raw = last("SELECT max(key) FROM raw")?.map(|key| key >> 16);
        let Some(minute) = rolled.max(raw) else { return Ok(None) };
        let end = minute.saturating_add(1).saturating_mul(60_000_000);
        let mut rows = self.connection.prepare("SELECT data FROM raw WHERE key BETWEEN ?1 AND ?2")?;
        let keys = [row_key(minute, 0), row_key(minute, u16::MAX)];
        let mut newest = None;
        for row in rows.query_map(keys, |row| row.get::<_, Vec<u8>>(0))? {
            let Ok(block) = Block::decode(minute, &row?) else { return Ok(Some(end)) };
            let times = block.columns.iter().filter_map(|column| column.samples.last());
            newest = newest.max(times.map(|sample| sample.time).max());
        }
        Ok(newest.or(Some(end)))
    }

    /// The clock's epoch, as last kept.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>, DatabaseError> {
        let text: Option<String> = state(&self.connection, "epoch")?;
        let Some(value) = text.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return Ok(None);
        };
        let epoch = || {
            Some(Epoch {
                boot: value["boot"].as_str()?.into(),
                since: value["since"].as_i64()?,
                wall_offset: value["wall_offset"].as_i64()?,
                offset: value["offset"].as_i64()?,
                confirmed: value["confirmed"].as_bool()?,
            })
        };
        Ok(epoch())
    }

    /// How far publishers got, as last kept. Those are among them that are not configured any more.
    pub(crate) fn cursors(&self) -> Result<BTreeMap<Text, Position>, DatabaseError> {
        // '/' follows '.'.
        let sql = "SELECT key, value FROM state WHERE key >= 'cursor.' AND key < 'cursor/'";
        let mut rows = self.connection.prepare(sql)?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut cursors = BTreeMap::new();
        for row in rows {
            let (key, text) = row?;
            let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
            if let (Some(publisher), Some(segment), Some(offset)) =
                (key.strip_prefix("cursor."), value["segment"].as_u64(), value["offset"].as_u64())
            {
                cursors.insert(publisher.into(), Position { segment, offset });
            }
        }
        Ok(cursors)
    }
}

/// The number of the last segment that was folded, as a reader's transaction sees it; 0 = none.
pub(super) fn folded(connection: &Connection) -> rusqlite::Result<u64> {
    let number: Option<i64> = state(connection, "folded")?;
    Ok(number.map_or(0, i64::cast_unsigned))
}

/// The key of a row of `raw`. `minute` = minutes since 1970.
pub(super) fn row_key(minute: i64, section: u16) -> i64 {
    minute.saturating_mul(1 << 16) | i64::from(section)
}

/// Keeps the number of the last segment.
pub(super) fn keep_folded(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    keep(connection, "folded", number.cast_signed())
}

/// Keeps the clock's epoch.
pub(super) fn keep_epoch(connection: &Connection, epoch: &Epoch) -> rusqlite::Result<()> {
    let text = json!({
        "boot": &*epoch.boot, "since": epoch.since, "wall_offset": epoch.wall_offset, "offset": epoch.offset,
        "confirmed": epoch.confirmed,
    });
    keep(connection, "epoch", text.to_string())
}

/// Keeps how far a publisher got.
pub(super) fn keep_cursor(connection: &Connection, publisher: &str, at: Position) -> rusqlite::Result<()> {
    let text = json!({ "segment": at.segment, "offset": at.offset });
    keep(connection, &format!("cursor.{publisher}"), text.to_string())
}

fn keep(connection: &Connection, key: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2)")?;
    statement.execute((key, value)).map(|_| ())
}

fn state<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    connection.query_row("SELECT value FROM state WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// What SQLite would take for another format, for a read-only file, or would meet later.
fn check_header(path: &Path) -> Result<(), DatabaseError> {
    let mut header = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(100).read_to_end(&mut header),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
    .map_err(|e| io::Error::new(e.kind(), format!("cannot read `{}`: {e}", path.display())))?;
    if header.is_empty() {
        return Ok(());
    }
    // "The Database Header", https://www.sqlite.org/fileformat2.html
    let byte = |at: usize| header.get(at).copied().unwrap_or(u8::MAX);
    let number = |at: usize| (0..4).fold(0u32, |n, i| n << 8 | u32::from(byte(at + i)));
    let plain = header.starts_with(b"SQLite format 3\0")
        && matches!((byte(18), byte(19)), (1..=2, 1..=2))
        && number(44) <= 4
        && number(56) <= 3;
    if plain { Ok(()) } else { Err(DatabaseError::Damaged("the file does not begin as a database does")) }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM sqlite_master) = 0
        AND (SELECT application_id FROM pragma_application_id) = 0
        AND (SELECT user_version FROM pragma_user_version) = 0";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Whether this is a journal, and one that this program can use.
fn identify(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // The tables first: reading them shows damage, which may look like another program's file.
    let mut names =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let path = || path.to_path_buf();
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION, VERSION) if TABLES.iter().all(|table| names.iter().any(|name| name == table)) => Ok(()),
        (APPLICATION, VERSION) => Err(DatabaseError::Damaged("a table is missing")),
        (APPLICATION, found) if found > VERSION => {
            Err(DatabaseError::Newer { path: path(), found, known: VERSION })
        }
        (APPLICATION, _) => Err(DatabaseError::Damaged("its schema has no version")),
        _ => Err(DatabaseError::Foreign { path: path() }),
    }
}

/// Renames a damaged database and what belongs to it; gives the new name.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let stem = format!(".damaged-{}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let names = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}.{n}")));
    let mut free = names.map(|name| with_suffix(path, &name)).filter(|name| !name.exists());
    let Some(aside) = free.next() else { return Err(io::ErrorKind::AlreadyExists.into()) };
    // The database first: what is left of it if the power goes now, SQLite throws away.
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

/// Opens the database for reading only: HTTP while the program runs, `export` beside it.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match Connection::open_with_flags(path, flags).map_err(Into::into).and_then(|c| reader(c, path)) {
        // In a folder that may not be written, SQLite cannot make the file that readers share.
        // It needs none where nothing is left to be read but the database itself.
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

#[cfg(test)]
mod tests;
