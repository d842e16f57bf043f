//! Table `event`: steps of counters that do not count as consumption.

use rusqlite::Connection;

use crate::{
    db::Reset,
    time::{MINUTE, Micros},
};

/// Writes an event.
pub(crate) fn put(connection: &Connection, series: u32, reset: &Reset) -> rusqlite::Result<()> {
    let kind = if reset.set { "set" } else { "break" };
    let sql = "INSERT OR REPLACE INTO event (series, ts, kind, before, after) VALUES (?1, ?2, ?3, ?4, ?5)";
    let Reset { time, before, after, .. } = *reset;
    connection.prepare_cached(sql)?.execute((series, time, kind, before, after)).map(|_| ())
}

/// Removes what was found in the numbers of a minute.
pub(crate) fn remove_found(connection: &Connection, series: u32, minute: i64) -> rusqlite::Result<()> {
    let (start, end) = (minute.saturating_mul(MINUTE), (minute + 1).saturating_mul(MINUTE));
    let sql = "DELETE FROM event WHERE series = ?1 AND ts >= ?2 AND ts < ?3 AND kind = 'break'";
    connection.prepare_cached(sql)?.execute((series, start, end)).map(|_| ())
}

/// Returns whether a command set a counter between two moments.
pub(crate) fn was_set(
    connection: &Connection,
    series: u32,
    from: Micros,
    to: Micros,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM event WHERE series = ?1 AND ts BETWEEN ?2 AND ?3 AND kind = 'set'";
    connection.prepare_cached(sql)?.exists((series, from, to))
}

/// Removes an event.
pub(crate) fn remove(connection: &Connection, series: u32, time: Micros) -> rusqlite::Result<()> {
    let sql = "DELETE FROM event WHERE series = ?1 AND ts = ?2";
    connection.prepare_cached(sql)?.execute((series, time)).map(|_| ())
}
