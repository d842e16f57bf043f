//! Resets of counters: steps between two readings that do not count as consumption.
//!
//! [`find`] is the only finder. The checkpoint runs it over the minutes that changed and writes what it finds into the
//! table `event`; readers run it over the readings that are not checkpointed yet. A reset is therefore a property of
//! the readings alone: late readings, imports and clock corrections come in any order and produce the same events.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use crate::{
    db::{Catalogue, Rows, events},
    series::Sample,
    time::{MINUTE, Micros},
};
use reading::{Kind, Meaning, Quantity};

/// Counter, and what of its steps is possible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counter {
    /// Greatest rise in a second, over more than a minute, in the unit of the series.
    max_rate: f64,
    /// Whether it may run backwards: import minus export.
    net: bool,
}

/// More than the connection of a household carries for longer than a minute, in W, var and VA.
const MAX_POWER: f64 = 100_000.0;
/// More than the pipe of a household carries for longer than a minute, in m³/s.
const MAX_FLOW: f64 = 100.0 / 3600.0;
/// For a minute it may be ten times as much: short times are inexact, and larger connections are read often.
const SHORT: f64 = 60.0;
const SHORT_FACTOR: f64 = 10.0;

/// Number of a counter, and the time at which it was read.
pub(crate) type Point = (Micros, f64);

/// Step of a counter that does not count as consumption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reset {
    pub(crate) time: Micros,
    /// Whether a command did it, maybe long before the next reading; else it was found between two readings.
    pub(crate) set: bool,
    pub(crate) before: f64,
    pub(crate) after: f64,
}

impl Counter {
    /// Returns the counter of a series; `None` if the series does not count.
    pub(crate) fn of(meaning: &Meaning) -> Option<Self> {
        if !matches!(meaning.kind, Kind::Counter | Kind::Net) {
            return None;
        }
        let most = match meaning.quantity {
            Quantity::Energy | Quantity::ReactiveEnergy | Quantity::ApparentEnergy => MAX_POWER,
            Quantity::Volume => MAX_FLOW,
            _ => f64::INFINITY,
        };
        let factor = meaning.unit.map_or(1.0, |unit| unit.factor().to_f64());
        Some(Self { max_rate: most / factor, net: meaning.kind == Kind::Net })
    }

    /// Returns whether the step from one number to the next is another meter, a reset or a slip.
    pub(crate) fn is_reset(&self, before: Point, after: Point) -> bool {
        let rise = after.1 - before.1;
        let seconds = (after.0 - before.0).max(1_000_000) as f64 / 1e6;
        let possible = self.max_rate * (seconds + (SHORT_FACTOR - 1.0) * seconds.min(SHORT));
        if self.net { rise.abs() > possible } else { rise < 0.0 || rise > possible }
    }
}

/// Returns a sample as a point.
pub(crate) fn point(sample: &Sample) -> Point {
    (sample.time, sample.value.to_f64())
}

/// Finds the resets between points in order of time, and returns the last point. `was_set` tells whether a command set
/// the counter between two points, which explains their step.
pub(crate) fn find<E>(
    counter: Counter,
    points: impl IntoIterator<Item = Point>,
    was_set: impl Fn(Point, Point) -> Result<bool, E>,
    mut found: impl FnMut(Reset) -> Result<(), E>,
) -> Result<Option<Point>, E> {
    let mut last = None;
    for after in points {
        if let Some(before) = last
            && counter.is_reset(before, after)
            && !was_set(before, after)?
        {
            found(Reset { time: after.0, set: false, before: before.1, after: after.1 })?;
        }
        last = Some(after);
    }
    Ok(last)
}

/// Replaces the found events of all minutes that changed, and of the first reading after each.
pub(crate) fn update(rows: &Rows<'_>, catalogue: &Catalogue) -> rusqlite::Result<()> {
    let touched: Vec<_> = rows.touched.iter().copied().collect();
    for group in touched.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(id, _)) = group.first() else { continue };
        let Some((section, counter)) = catalogue.counter(id) else { continue };
        let changed: BTreeSet<_> = group.iter().map(|(_, minute)| *minute).collect();
        let mut minutes = changed.clone();
        for minute in changed.iter().filter(|minute| !changed.contains(&(*minute + 1))) {
            minutes.extend(next(rows, id, *minute)?);
        }
        // The last number of the minute before.
        let mut last = None;
        for minute in minutes {
            let samples = rows.samples(section, minute, id)?;
            if samples.is_empty() && rows.is_rolled_up(id, minute)? {
                // Its numbers were removed; what was found in them stays.
                continue;
            }
            events::remove_found(rows.connection, id, minute)?;
            let before = match previous(rows, id, minute)? {
                Some((minute, value)) => match last {
                    Some((known, last)) if known == minute => Some(last),
                    _ => {
                        let exact = rows.samples(section, minute, id)?.last().map(point);
                        Some(exact.unwrap_or(((minute + 1).saturating_mul(MINUTE), value)))
                    }
                },
                None => None,
            };
            let end = find(
                counter,
                before.into_iter().chain(samples.iter().map(point)),
                |before, after| events::was_set(rows.connection, id, before.0, after.0),
                |reset| events::put(rows.connection, id, &reset),
            )?;
            last = end.filter(|_| !samples.is_empty()).map(|end| (minute, end));
        }
    }
    Ok(())
}

/// Returns the last minute before one that has numbers of a series, and the last of them.
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

/// Returns the first minute after one that has numbers of a series.
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

/// Looks up a quarter of a series; returns its first minute.
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

/// Returns the first of these minutes that has a roll-up, and the last number in it. The table is in order of time,
/// then of series, so looking up one minute after the other is faster than a search.
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
