//! Resets of counters: steps between two readings that do not count as consumption.
//!
//! [`find`] is the only finder. The checkpoint runs it over the minutes that changed and writes what it finds into the
//! table `event`; readers run it over the readings that are not checkpointed yet. A reset is therefore a property of
//! the readings alone: late readings, imports and clock corrections come in any order and produce the same events.

use std::collections::BTreeSet;

use crate::{
    db::{Catalogue, DbSeries, Rows, events},
    series::Sample,
    time::Micros,
};
use reading::{Decimal, Kind, Meaning, Quantity};

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

    /// Returns whether it may run backwards.
    pub(crate) fn is_net(&self) -> bool {
        self.net
    }

    /// Returns whether a step back, from a reading of one box to one of another a short time later, is the same meter
    /// read with a delay rather than another meter: it is no more than what may be counted in a minute.
    pub(crate) fn is_slip(&self, before: f64, after: f64) -> bool {
        let back = before - after;
        !self.net && back > 0.0 && self.max_rate.is_finite() && back <= self.max_rate * SHORT
    }
}

/// Returns whether the step from one number of a counter to the next does not count as consumption: another meter, a
/// reset or a slip. Times are in microseconds since 1970.
pub fn is_counter_reset(meaning: &Meaning, before: (Micros, Decimal), after: (Micros, Decimal)) -> bool {
    let point = |(time, number): (Micros, Decimal)| (time, number.to_f64());
    Counter::of(meaning).is_some_and(|counter| counter.is_reset(point(before), point(after)))
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
        let series = DbSeries::new(rows.connection, section, id);
        let changed: BTreeSet<_> = group.iter().map(|(_, minute)| *minute).collect();
        let mut minutes = changed.clone();
        for minute in changed.iter().filter(|minute| !changed.contains(&(*minute + 1))) {
            minutes.extend(series.first_minute_from((minute + 1) * 60)?.map(|start| start / 60));
        }
        // The last number of the minute before.
        let mut last = None;
        for minute in minutes {
            let samples = series.samples(minute * 60)?.unwrap_or_else(|| {
                tracing::error!("the numbers of section {section} in minute {minute} are damaged");
                Vec::new()
            });
            if samples.is_empty() && series.minute(minute * 60)?.is_some() {
                // Its numbers were removed; what was found in them stays.
                continue;
            }
            events::remove_found(rows.connection, id, minute)?;
            let before = match last {
                Some((known, point)) if known == minute - 1 => Some(point),
                _ => series.last_before(minute)?.map(|read| (read.latest, read.number)),
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
