//! Schema of the database, and the checks of a file that may be something else.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rusqlite::Connection;

use crate::db::DatabaseError;

/// "smtr", which tells a journal from the databases of other programs.
pub(crate) const APPLICATION: i64 = 0x736d_7472;
pub(crate) const VERSION: i64 = 4;

pub(crate) const SCHEMA: &str = "
CREATE TABLE section (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE series (id INTEGER PRIMARY KEY, section INTEGER NOT NULL REFERENCES section(id), name TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT '', obis TEXT NOT NULL DEFAULT '', kind TEXT NOT NULL DEFAULT '', medium TEXT NOT NULL DEFAULT '',
    UNIQUE (section, name, unit));
CREATE TABLE raw (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE minute (ts INTEGER NOT NULL, series INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (ts, series)) WITHOUT ROWID;
CREATE TABLE quarter (series INTEGER NOT NULL, ts INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, mean REAL NOT NULL, count INTEGER NOT NULL, first_at INTEGER, last_at INTEGER,
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
pub(crate) const TABLES: [&str; 9] =
    ["day", "event", "hour", "minute", "quarter", "raw", "section", "series", "state"];

/// Finds damage of the header that SQLite would take for another format or a read-only file, or would meet later.
pub(crate) fn check_header(path: &Path) -> Result<(), DatabaseError> {
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

pub(crate) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM sqlite_master) = 0
        AND (SELECT application_id FROM pragma_application_id) = 0
        AND (SELECT user_version FROM pragma_user_version) = 0";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Checks that this is a journal, and one that this program can use.
pub(crate) fn identify(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // The tables first, as reading them finds damage that may look like another program's file.
    let mut names =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let path = || path.to_path_buf();
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION, 1..=VERSION) if TABLES.iter().all(|table| names.iter().any(|name| name == table)) => {
            Ok(())
        }
        (APPLICATION, 1..=VERSION) => Err(DatabaseError::Damaged("a table is missing")),
        (APPLICATION, found) if found > VERSION => {
            Err(DatabaseError::Newer { path: path(), found, known: VERSION })
        }
        (APPLICATION, _) => Err(DatabaseError::Damaged("its schema has no version")),
        _ => Err(DatabaseError::Foreign { path: path() }),
    }
}

/// Brings a database of an older version up to date.
///
/// Version 2 added the kind of a series, version 3 its medium, version 4 the times of the ends of a quarter. The columns
/// themselves are looked for, so that a damaged version number does no harm.
pub(crate) fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    const TEXT: &str = "TEXT NOT NULL DEFAULT ''";
    for (table, column, kind) in [
        ("series", "kind", TEXT),
        ("series", "medium", TEXT),
        ("quarter", "first_at", "INTEGER"),
        ("quarter", "last_at", "INTEGER"),
    ] {
        let sql = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
        if connection.query_row(sql, [table, column], |row| row.get::<_, i64>(0))? == 0 {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; ALTER TABLE {table} ADD COLUMN {column} {kind};
                 PRAGMA user_version = {VERSION}; COMMIT"
            ))?;
        }
    }
    Ok(())
}
