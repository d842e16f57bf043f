//! Events of counters: set by a command, or a break found in the numbers.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use crate::{
    counter::point,
    db::{catalogue::Catalogue, events, rows::Rows},
    time::{MINUTE, Micros},
};

/// Looks for breaks in all minutes that changed, and at the step from each to what follows it. What the numbers
/// show depends on them alone, not on the order in which they came.
pub(crate) fn find(rows: &Rows<'_>, catalogue: &Catalogue) -> rusqlite::Result<()> {
    let touched: Vec<_> = rows.touched.iter().copied().collect();
    for group in touched.chunk_by(|a, b| a.0 == b.0) {
        let Some(id) = group.first().map(|(id, _)| *id) else { continue };
        let Some(series) = catalogue.series(id) else { continue };
        let Some(counter) = series.counter else { continue };
        let changed: BTreeSet<_> = group.iter().map(|(_, minute)| *minute).collect();
        let mut minutes = changed.clone();
        for minute in changed.iter().filter(|minute| !changed.contains(&(*minute + 1))) {
            minutes.extend(next(rows, id, *minute)?);
        }
        // The last number of the minute before.
        let mut last = None;
        for minute in minutes {
            let samples = rows.samples(series.section, minute, id)?;
            if samples.is_empty() && rows.is_rolled_up(id, minute)? {
                // Its numbers were removed; what was found in them stays.
                continue;
            }
            let (start, end) = (minute.saturating_mul(MINUTE), (minute + 1).saturating_mul(MINUTE));
            let sql = "DELETE FROM event WHERE series = ?1 AND ts >= ?2 AND ts < ?3 AND kind = 'break'";
            rows.connection.prepare_cached(sql)?.execute((id, start, end))?;
            let mut before = match previous(rows, id, minute)? {
                Some((minute, value)) => match last {
                    Some((known, last)) if known == minute => Some(last),
                    _ => {
                        let exact = rows.samples(series.section, minute, id)?.last().map(point);
                        Some(exact.unwrap_or(((minute + 1).saturating_mul(MINUTE), value)))
                    }
                },
                None => None,
            };
            for after in samples.iter().map(point) {
                if let Some(before) = before
                    && counter.breaks(before, after)
                    && !set_between(rows.connection, id, before.0, after.0)?
                {
                    events::put(rows.connection, id, after.0, "break", before.1, after.1)?;
                }
                before = Some(after);
            }
            last = before.filter(|_| !samples.is_empty()).map(|before| (minute, before));
        }
    }
    Ok(())
}

fn set_between(connection: &Connection, series: u32, from: Micros, to: Micros) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM event WHERE series = ?1 AND ts BETWEEN ?2 AND ?3 AND kind = 'set'";
    connection.prepare_cached(sql)?.exists((series, from, to))
}

/// The last minute before one that has numbers of a series, and the last of them.
fn previous(rows: &Rows<'_>, series: u32, minute: i64) -> rusqlite::Result<Option<(i64, f64)>> {
    let quarter = quarter_of(minute);
    if let Some(found) = first_of(rows, series, (quarter..minute).rev())? {
        return Ok(Some(found));
    }
    let sql = "SELECT max(ts) FROM quarter WHERE series = ?1 AND ts < ?2";
    match quarter_by(rows.connection, sql, series, quarter)? {
        Some(quarter) => first_of(rows, series, (quarter..quarter + 15).rev()),
        None => Ok(None),
    }
}

/// The first minute after one that has numbers of a series.
fn next(rows: &Rows<'_>, series: u32, minute: i64) -> rusqlite::Result<Option<i64>> {
    let quarter = quarter_of(minute);
    let mut found = first_of(rows, series, minute + 1..quarter + 15)?;
    if found.is_none() {
        let sql = "SELECT min(ts) FROM quarter WHERE series = ?1 AND ts > ?2";
        if let Some(quarter) = quarter_by(rows.connection, sql, series, quarter)? {
            found = first_of(rows, series, quarter..quarter + 15)?;
        }
    }
    Ok(found.map(|(minute, _)| minute))
}

fn quarter_of(minute: i64) -> i64 {
    minute - minute.rem_euclid(15)
}

/// A quarter of a series, by its first minute.
fn quarter_by(
    connection: &Connection,
    sql: &str,
    series: u32,
    quarter: i64,
) -> rusqlite::Result<Option<i64>> {
    let start: Option<i64> =
        connection.prepare_cached(sql)?.query_row((series, quarter * 60), |row| row.get(0))?;
    Ok(start.map(|start| start.div_euclid(60)))
}

/// The first of these minutes that has a roll-up, and the last number in it. Minutes lie in order of time, then of
/// series: one by one is faster than a search.
fn first_of(
    rows: &Rows<'_>,
    series: u32,
    minutes: impl Iterator<Item = i64>,
) -> rusqlite::Result<Option<(i64, f64)>> {
    let mut select =
        rows.connection.prepare_cached("SELECT last FROM minute WHERE ts = ?1 AND series = ?2")?;
    for minute in minutes {
        let last = select.query_row((minute * 60, series), |row| row.get(0)).optional()?;
        if let Some(last) = last {
            return Ok(Some((minute, last)));
        }
    }
    Ok(None)
}
