//! Table `event`: steps of counters that are no consumption.

use rusqlite::Connection;

use crate::time::Micros;

/// Writes an event.
pub(crate) fn put(
    connection: &Connection,
    series: u32,
    time: Micros,
    kind: &str,
    before: f64,
    after: f64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO event (series, ts, kind, before, after) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute((series, time, kind, before, after)).map(|_| ())
}
