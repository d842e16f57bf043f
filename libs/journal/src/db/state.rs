//! Table `state`: the last segment, the clock's epoch, the cursors of publishers, and the states of sources.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, ToSql, types::Value};
use serde_json::json;

use crate::{
    db::{Block, Database, DatabaseError, rows::row_key},
    time::{Epoch, Micros},
    wal::Position,
};
use reading::Text;

impl Database {
    /// Returns the number of the last segment that the database has; 0 = none.
    pub(crate) fn folded(&self) -> Result<u64, DatabaseError> {
        Ok(folded(&self.connection)?)
    }

    /// Sets the number of the last segment that the database has.
    pub(crate) fn set_folded(&self, number: u64) -> Result<(), DatabaseError> {
        Ok(keep_folded(&self.connection, number)?)
    }

    /// Returns the time of the newest reading; where only its minute is known, the end of that.
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

    /// Returns the clock's epoch.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>, DatabaseError> {
        let text: Option<String> = state(&self.connection, "epoch")?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Returns the cursors of all publishers, among them some that are not configured any more.
    pub(crate) fn cursors(&self) -> Result<BTreeMap<Text, Position>, DatabaseError> {
        // '/' follows '.'.
        let sql = "SELECT key, value FROM state WHERE key >= 'cursor.' AND key < 'cursor/'";
        let mut rows = self.connection.prepare(sql)?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut cursors = BTreeMap::new();
        for row in rows {
            let (key, text) = row?;
            if let (Some(publisher), Ok(position)) =
                (key.strip_prefix("cursor."), serde_json::from_str(&text))
            {
                cursors.insert(publisher.into(), position);
            }
        }
        Ok(cursors)
    }

    /// Returns the states that sources saved, among them some that are not configured any more.
    pub(crate) fn states(&self) -> Result<BTreeMap<Text, Vec<u8>>, DatabaseError> {
        let sql = "SELECT key, value FROM state WHERE key >= 'source.' AND key < 'source/'";
        let mut rows = self.connection.prepare(sql)?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Value>(1)?)))?;
        let mut states = BTreeMap::new();
        for row in rows {
            if let (key, Value::Blob(state)) = row?
                && let Some(section) = key.strip_prefix("source.")
            {
                states.insert(section.into(), state);
            }
        }
        Ok(states)
    }
}

/// Returns the number of the last segment that the database has, as a reader's transaction sees it; 0 = none.
pub(crate) fn folded(connection: &Connection) -> rusqlite::Result<u64> {
    let number: Option<i64> = state(connection, "folded")?;
    Ok(number.map_or(0, i64::cast_unsigned))
}

/// Writes the number of the last segment.
pub(crate) fn keep_folded(connection: &Connection, number: u64) -> rusqlite::Result<()> {
    keep(connection, "folded", number.cast_signed())
}

/// Writes the clock's epoch.
pub(crate) fn keep_epoch(connection: &Connection, epoch: &Epoch) -> rusqlite::Result<()> {
    keep(connection, "epoch", json!(epoch).to_string())
}

/// Writes the cursor of a publisher.
pub(crate) fn keep_cursor(connection: &Connection, publisher: &str, at: Position) -> rusqlite::Result<()> {
    keep(connection, &format!("cursor.{publisher}"), json!(at).to_string())
}

/// Writes the state of a source.
pub(crate) fn keep_state(connection: &Connection, section: &str, state: &[u8]) -> rusqlite::Result<()> {
    keep(connection, &format!("source.{section}"), state)
}

pub(super) fn keep(connection: &Connection, key: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2)")?;
    statement.execute((key, value)).map(|_| ())
}

pub(super) fn state<T: rusqlite::types::FromSql>(
    connection: &Connection,
    key: &str,
) -> rusqlite::Result<Option<T>> {
    connection.query_row("SELECT value FROM state WHERE key = ?1", [key], |row| row.get(0)).optional()
}
