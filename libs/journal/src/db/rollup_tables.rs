//! Tables of roll-ups: quarters of an hour from minutes, hours and days from quarters.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    db::{Catalogue, DbSeries, Level, Rollup, Rows},
    time::{Micros, SECOND},
};

/// Writes a roll-up. `start` = seconds since 1970.
pub(crate) fn put(
    connection: &Connection,
    level: Level,
    series: u32,
    start: i64,
    rollup: &Rollup,
) -> rusqlite::Result<()> {
    insert(connection, "REPLACE", (level, start), series, rollup).map(|_| ())
}

fn insert(
    connection: &Connection,
    or: &str,
    (level, start): (Level, i64),
    series: u32,
    rollup: &Rollup,
) -> rusqlite::Result<usize> {
    let Rollup { first, last, min, max, mean, count } = *rollup;
    let sql = format!(
        "INSERT OR {or} INTO {} (series, ts, first, last, min, max, mean, count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        level.table()
    );
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    connection.prepare_cached(&sql)?.execute((series, start, first, last, min, max, mean, count))
}

/// Visits the roll-ups of a level and series that begin within a range, in order.
pub(crate) fn rollups(
    connection: &Connection,
    (level, series): (Level, i64),
    range: Range<i64>,
    mut visit: impl FnMut(i64, Rollup),
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare_cached(&format!(
        "SELECT ts, first, last, min, max, mean, count FROM {} WHERE series = ?1 AND ts >= ?2 AND ts < ?3 ORDER BY ts",
        level.table()
    ))?;
    let mut rows = rows.query([series, range.start, range.end])?;
    while let Some(row) = rows.next()? {
        visit(row.get(0)?, Rollup::from_row(row, 1)?);
    }
    Ok(())
}

/// Returns the roll-up of a minute.
pub(crate) fn minute(connection: &Connection, series: u32, start: i64) -> rusqlite::Result<Option<Rollup>> {
    let sql = "SELECT first, last, min, max, mean, count FROM minute WHERE ts = ?1 AND series = ?2";
    connection.prepare_cached(sql)?.query_row((start, series), |row| Rollup::from_row(row, 0)).optional()
}

/// Makes the quarters, hours and days that are missing.
pub(crate) fn fill(connection: &Connection, catalogue: &Catalogue, zone: &TimeZone) -> rusqlite::Result<()> {
    let first = |from: i64| {
        let mut first = connection.prepare_cached("SELECT min(ts) FROM minute WHERE ts >= ?1")?;
        first.query_row([from], |row| row.get::<_, Option<i64>>(0))
    };
    let mut from = i64::MIN;
    while let Some(ts) = first(from)? {
        let start = Level::Quarter.start(ts, zone);
        from = Level::Quarter.next(start, zone);
        for (series, minutes) in minutes(connection, start, from)? {
            let times = times(connection, catalogue, series, &minutes)?;
            if insert(connection, "IGNORE", (Level::Quarter, start), series, &minutes.rollup)? > 0 {
                keep_times(connection, series, start, times)?;
            }
        }
    }
    let spans = "SELECT DISTINCT series, ts FROM quarter ORDER BY series, ts";
    let mut quarters = connection.prepare(spans)?;
    let mut quarters = quarters.query([])?;
    let mut known = [None; 2];
    while let Some(row) = quarters.next()? {
        let (series, ts) = (row.get::<_, u32>(0)?, row.get(1)?);
        for (level, known) in [Level::Hour, Level::Day].into_iter().zip(&mut known) {
            let start = level.start(ts, zone);
            if known.replace((series, start)) != Some((series, start))
                && let Some(rollup) = of_quarters(connection, series, start, level.next(start, zone))?
            {
                insert(connection, "IGNORE", (level, start), series, &rollup)?;
            }
        }
    }
    Ok(())
}

/// Recomputes the quarters, hours and days in which minutes changed.
pub(crate) fn roll_up(rows: &Rows<'_>, catalogue: &Catalogue, zone: &TimeZone) -> rusqlite::Result<()> {
    let mut quarters = BTreeMap::<i64, Vec<u32>>::new();
    for &(series, minute) in &rows.touched {
        let touched = quarters.entry(Level::Quarter.start(minute * 60, zone)).or_default();
        // The minutes of a series follow each other.
        if touched.last() != Some(&series) {
            touched.push(series);
        }
    }
    let mut above = BTreeSet::new();
    for (start, touched) in quarters {
        let mut found = minutes(rows.connection, start, Level::Quarter.next(start, zone))?;
        let [hour, day] = [Level::Hour, Level::Day].map(|level| (level, level.start(start, zone)));
        for series in touched {
            let minutes = found.remove(&series);
            let times = match &minutes {
                Some(minutes) => times(rows.connection, catalogue, series, minutes)?,
                None => None,
            };
            let rollup = minutes.map(|minutes| minutes.rollup);
            replace(rows.connection, (Level::Quarter, start), series, rollup, zone)?;
            keep_times(rows.connection, series, start, times)?;
            above.extend([hour, day].map(|(level, start)| (level, series, start)));
        }
    }
    for (level, series, start) in above {
        let rollup = of_quarters(rows.connection, series, start, level.next(start, zone))?;
        replace(rows.connection, (level, start), series, rollup, zone)?;
    }
    Ok(())
}

/// Minutes of a series within a span: their roll-up, and the starts of the first and the last.
struct Minutes {
    rollup: Rollup,
    first: i64,
    last: i64,
}

/// Rolls up all series that have minutes within a span, in one pass, as minutes lie in order of time.
fn minutes(connection: &Connection, start: i64, end: i64) -> rusqlite::Result<HashMap<u32, Minutes>> {
    let sql = "SELECT series, ts, first, last, min, max, mean, count FROM minute
        WHERE ts >= ?1 AND ts < ?2 ORDER BY ts, series";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([start, end])?;
    let mut found = HashMap::<u32, Minutes>::new();
    while let Some(row) = rows.next()? {
        let (ts, rollup) = (row.get(1)?, Rollup::from_row(row, 2)?);
        let minutes = found.entry(row.get(0)?);
        minutes
            .and_modify(|known| {
                known.rollup.append(&rollup);
                known.last = ts;
            })
            .or_insert(Minutes { rollup, first: ts, last: ts });
    }
    Ok(found)
}

/// Returns the times of the first reading of a counter and of the last; `None` for other series, and where the readings
/// were removed as too old.
fn times(
    connection: &Connection,
    catalogue: &Catalogue,
    series: u32,
    minutes: &Minutes,
) -> rusqlite::Result<Option<(Micros, Micros)>> {
    let Some((section, _)) = catalogue.counter(series) else { return Ok(None) };
    let stored = DbSeries::new(connection, section, series);
    let first = stored.ends_of_minute(minutes.first)?;
    let last = if minutes.last == minutes.first { first } else { stored.ends_of_minute(minutes.last)? };
    Ok(first.zip(last).and_then(|((first, _), (_, last))| first.time().zip(last.time())))
}

/// Writes the times of the first reading of a quarter and of the last, as distances from its start.
pub(crate) fn keep_times(
    connection: &Connection,
    series: u32,
    start: i64,
    times: Option<(Micros, Micros)>,
) -> rusqlite::Result<()> {
    let Some((first, last)) = times else { return Ok(()) };
    let begin = start.saturating_mul(SECOND);
    let sql = "UPDATE quarter SET first_at = ?3, last_at = ?4 WHERE series = ?1 AND ts = ?2";
    connection.prepare_cached(sql)?.execute((series, start, first - begin, last - begin)).map(|_| ())
}

/// Rolls up the quarters of a series within a span; `None` if there are none.
pub(crate) fn of_quarters(
    connection: &Connection,
    series: u32,
    start: i64,
    end: i64,
) -> rusqlite::Result<Option<Rollup>> {
    let mut whole = None::<Rollup>;
    rollups(connection, (Level::Quarter, series.into()), start..end, |_, quarter| match &mut whole {
        Some(whole) => whole.append(&quarter),
        None => whole = Some(quarter),
    })?;
    Ok(whole)
}

/// Replaces all roll-ups that begin within a span, also days of another time zone.
pub(crate) fn replace(
    connection: &Connection,
    (level, start): (Level, i64),
    series: u32,
    rollup: Option<Rollup>,
    zone: &TimeZone,
) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {} WHERE series = ?1 AND ts >= ?2 AND ts < ?3", level.table());
    connection.prepare_cached(&sql)?.execute((series, start, level.next(start, zone)))?;
    rollup.map_or(Ok(()), |rollup| put(connection, level, series, start, &rollup))
}
