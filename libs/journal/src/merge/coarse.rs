//! Roll-ups of the other box whose finer ones are lost, as after damage: they are all that tells of their time.

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    db::{Level, Rollup, rollup_tables},
    merge::names::Names,
};

/// Copies those quarters, hours and days of which this box has nothing.
pub(super) fn copy(
    own: &Connection,
    other: &Connection,
    names: &Names,
    zone: &TimeZone,
) -> rusqlite::Result<()> {
    for level in [Level::Quarter, Level::Hour, Level::Day] {
        let table = level.table();
        let rows =
            format!("SELECT series, ts, first, last, min, max, mean, count FROM {table} ORDER BY series, ts");
        let known = format!("SELECT 1 FROM {table} WHERE series = ?1 AND ts = ?2");
        let mut rows = other.prepare(&rows)?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (there, start) = (row.get::<_, u32>(0)?, row.get::<_, i64>(1)?);
            let Some(id) = names.here(there) else { continue };
            if own.prepare_cached(&known)?.exists((id, start))? {
                continue;
            }
            let (end, rollup) = (level.next(start, zone), Rollup::from_row(row, 2)?);
            let has_finer = match level {
                Level::Minute | Level::Quarter => {
                    let minutes = "SELECT 1 FROM minute WHERE ts >= ?1 AND ts < ?2 AND series = ?3 LIMIT 1";
                    other.prepare_cached(minutes)?.exists((start, end, there))?
                }
                Level::Hour | Level::Day => {
                    let finer = rollup_tables::of_quarters(other, there, start, end)?;
                    // A day of another time zone would overlap those of this one.
                    level.start(start, zone) != start
                        || finer.is_some_and(|finer| finer.count >= rollup.count)
                }
            };
            if !has_finer {
                rollup_tables::put(own, level, id, start, &rollup)?;
            }
        }
    }
    Ok(())
}
