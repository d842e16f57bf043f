//! Events of counters: what two adjoining readings say of the step between them.
//!
//! The box that read both knows what the step is: a setting, another meter, or nothing. At a seam, where one box read
//! the first of them and the other one the second, that is found from the numbers.

use std::{collections::HashMap, ops::Range};

use rusqlite::Connection;

use crate::{
    db::{Counter, DbSeries, Reset, events},
    merge::{
        Last,
        minute::{Boxes, Kept, LAG, Minute},
    },
    series::{ReadAt, Sample},
    time::{MINUTE, Micros, SECOND},
};

/// Events of one box, which are asked for in order of time.
#[derive(Default)]
pub(super) struct Known {
    /// By series: a span without events.
    none: HashMap<u32, Range<Micros>>,
}

impl Known {
    /// Returns the events within a range of whole seconds.
    pub(super) fn within(
        &mut self,
        id: u32,
        series: &DbSeries<'_>,
        range: Range<Micros>,
    ) -> rusqlite::Result<Vec<Reset>> {
        if range.is_empty()
            || self.none.get(&id).is_some_and(|none| none.start <= range.start && range.end <= none.end)
        {
            return Ok(Vec::new());
        }
        let found = series.resets(range.start.div_euclid(SECOND), range.end.div_euclid(SECOND))?;
        let next = series.next_reset(range.end)?.unwrap_or(Micros::MAX);
        let from = if found.is_empty() { range.start } else { range.end };
        self.none.insert(id, from..next);
        Ok(found)
    }
}

/// Minute of a counter whose events are written.
pub(super) struct Step<'s> {
    pub(super) id: u32,
    pub(super) counter: Counter,
    /// Reading before the minute.
    pub(super) before: Option<Last>,
    pub(super) minute: i64,
    /// First reading of the minute, and the boxes that have it as their first one.
    pub(super) first: (ReadAt, Boxes),
    pub(super) kept: &'s Kept,
    pub(super) own: Option<&'s Minute<'s>>,
    pub(super) other: Option<&'s Minute<'s>>,
}

/// Boxes that know the step to the first reading of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knows {
    Own,
    Other,
    Nobody,
}

impl Step<'_> {
    fn knows(&self) -> Knows {
        let of = self.before.map_or(Boxes { own: true, other: true }, |last| last.of);
        match (of, self.first.1) {
            (Boxes { own: true, .. }, Boxes { own: true, .. }) => Knows::Own,
            (Boxes { other: true, .. }, Boxes { other: true, .. }) => Knows::Other,
            _ => Knows::Nobody,
        }
    }

    /// Writes the events of the step and of the minute.
    pub(super) fn write(
        &self,
        (own, own_known): (&DbSeries<'_>, &mut Known),
        (other, other_known): (Option<&DbSeries<'_>>, &mut Known),
        connection: &Connection,
    ) -> rusqlite::Result<()> {
        let knows = self.knows();
        if knows == Knows::Own && *self.kept == Kept::Own {
            return Ok(());
        }
        let begin = self.minute.saturating_mul(MINUTE);
        let within = begin..begin + MINUTE;
        let between = self.before.map_or(begin, |last| (last.minute + 1).saturating_mul(MINUTE))..begin;
        let mut ask =
            |range: Range<Micros>| other.map_or(Ok(Vec::new()), |of| other_known.within(self.id, of, range));
        if knows != Knows::Own {
            for event in own_known.within(self.id, own, between.clone())? {
                remove(connection, self.id, &event)?;
            }
        }
        if knows == Knows::Other {
            for event in ask(between)? {
                put(connection, self.id, &event)?;
            }
        }
        let ours = own_known.within(self.id, own, within.clone())?;
        let theirs = ask(within)?;
        match self.kept {
            Kept::Nothing => {}
            Kept::Own => {
                let step = self.own.and_then(|minute| step_of(&ours, minute));
                step.map_or(Ok(()), |event| remove(connection, self.id, event))?;
                if knows == Knows::Other {
                    let step = self.other.and_then(|minute| step_of(&theirs, minute));
                    step.map_or(Ok(()), |event| put(connection, self.id, event))?;
                }
            }
            Kept::Other => {
                for event in &ours {
                    remove(connection, self.id, event)?;
                }
                let step = self.other.and_then(|minute| step_of(&theirs, minute));
                for event in theirs.iter().filter(|event| knows == Knows::Other || Some(*event) != step) {
                    put(connection, self.id, event)?;
                }
            }
            Kept::Samples(samples) => return self.write_between(samples, &ours, &theirs, connection),
        }
        match self.before.filter(|_| knows == Knows::Nobody) {
            Some(last) => self.find(&last.read, connection),
            None => Ok(()),
        }
    }

    /// Finds what the step at a seam is.
    fn find(&self, before: &ReadAt, connection: &Connection) -> rusqlite::Result<()> {
        let first = &self.first.0;
        let (from, to) = ((before.latest, before.number), (first.latest, first.number));
        let is_late = first.earliest - before.latest <= LAG && self.counter.is_slip(from.1, to.1);
        if self.counter.is_reset(from, to) && !is_late {
            let event = Reset { time: first.earliest, set: false, before: from.1, after: to.1 };
            put(connection, self.id, &event)?;
        }
        Ok(())
    }

    /// Writes the events of a minute of which both boxes have readings: the settings between two readings of the box
    /// that was set, and what is found in the numbers.
    fn write_between(
        &self,
        samples: &[Sample],
        ours: &[Reset],
        theirs: &[Reset],
        connection: &Connection,
    ) -> rusqlite::Result<()> {
        for event in ours {
            remove(connection, self.id, event)?;
        }
        let has = |minute: Option<&Minute<'_>>, time: Micros| {
            minute.is_some_and(|minute| minute.samples.binary_search_by_key(&time, |of| of.time).is_ok())
        };
        let of =
            |sample: &Sample| Boxes { own: has(self.own, sample.time), other: has(self.other, sample.time) };
        let mut sets: Vec<&Reset> = Vec::new();
        for (event, is_own) in
            ours.iter().map(|event| (event, true)).chain(theirs.iter().map(|of| (of, false)))
        {
            let at = samples.partition_point(|sample| sample.time < event.time);
            let before = at.checked_sub(1).and_then(|at| samples.get(at)).map(of);
            let sides = [before.or(self.before.map(|last| last.of)), samples.get(at).map(of)];
            let knows = |of: &Boxes| if is_own { of.own } else { of.other };
            if event.set && sides.iter().flatten().all(knows) {
                sets.push(event);
            }
        }
        for set in &sets {
            put(connection, self.id, set)?;
        }
        let before = self.before.map(|last| (last.read.latest, last.read.number));
        let mut last = before;
        for sample in samples {
            let point = (sample.time, sample.value.to_f64());
            if let Some(from) = last
                && self.counter.is_reset(from, point)
                && !sets.iter().any(|set| (from.0..=point.0).contains(&set.time))
                && !(last == before
                    && point.0 - from.0 <= LAG
                    && self.counter.is_slip(from.1, point.1)
                    && self.knows() == Knows::Nobody)
            {
                put(
                    connection,
                    self.id,
                    &Reset { time: point.0, set: false, before: from.1, after: point.1 },
                )?;
            }
            last = Some(point);
        }
        Ok(())
    }
}

/// Returns the event of the step to the first reading of a minute: its number before is none of the minute's.
fn step_of<'e>(events: &'e [Reset], minute: &Minute<'_>) -> Option<&'e Reset> {
    let within = minute.rollup.min..=minute.rollup.max;
    let is_step =
        |event: &&Reset| !event.set && event.after == minute.rollup.first && !within.contains(&event.before);
    events.first().filter(is_step)
}

fn remove(connection: &Connection, id: u32, event: &Reset) -> rusqlite::Result<()> {
    events::remove(connection, id, event.time)
}

fn put(connection: &Connection, id: u32, event: &Reset) -> rusqlite::Result<()> {
    events::put(connection, id, event)
}
