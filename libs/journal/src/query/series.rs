//! One series, read from the database and the log as if they were one.

use jiff::tz::TimeZone;

use crate::{
    db::{
        Counter, DbSeries, Quarter, Reset,
        counter_resets::{Point, find, point},
    },
    query::{ReadError, Recent, Wanted},
    series::{ReadAt, Sample, SeriesName, Stated},
    time::{Micros, QUARTER_HOUR, SECOND, quarter_start},
    wal::CounterSet,
};
use reading::{Decimal, Meaning, Text};

/// One series, for questions about it.
#[derive(Debug)]
pub struct Series<'v> {
    /// Name of the series.
    pub name: SeriesName,
    pub(crate) stated: Stated,
    /// `None` where the database has nothing of it.
    pub(crate) stored: Option<DbSeries<'v>>,
    pub(crate) recent: Recent,
    pub(crate) zone: &'v TimeZone,
    pub(crate) wanted: Wanted<'v>,
}

impl Series<'_> {
    /// Returns the OBIS code; empty where the series has none.
    pub fn obis(&self) -> &Text {
        &self.stated.obis
    }

    /// Returns what the numbers mean.
    pub fn meaning(&self) -> Meaning {
        self.stated.meaning(&self.name)
    }

    /// Returns the times of the first reading and the last; of checkpointed ones the start of the first minute and the
    /// end of the last.
    pub fn extent(&self) -> Result<Option<(Micros, Micros)>, ReadError> {
        let stored = self.stored.as_ref().map(DbSeries::extent).transpose()?.flatten();
        Ok(match (stored, self.recent.extent()) {
            (Some(stored), Some(recent)) => Some(join(stored, recent)),
            (stored, recent) => stored.or(recent),
        })
    }

    /// Returns the first reading from one full minute to before another, and the last.
    pub(crate) fn ends(&self, from: i64, to: i64) -> Result<Option<(ReadAt, ReadAt)>, ReadError> {
        let recent = self.recent.within(from.saturating_mul(SECOND), to.saturating_mul(SECOND));
        let recent = recent.first().zip(recent.last()).map(|(first, last)| (first.into(), last.into()));
        let stored = self.stored.as_ref().map(|stored| stored.ends(from, to)).transpose()?.flatten();
        let (Some(stored), Some(recent)) = (stored, recent) else { return Ok(stored.or(recent)) };
        let first = if recent.0.latest < stored.0.earliest { recent.0 } else { stored.0 };
        let last = if recent.1.earliest > stored.1.latest { recent.1 } else { stored.1 };
        Ok(Some((first, last)))
    }

    /// Returns the newest number, or what a command set it to since, and its time, or the start of its minute.
    pub(crate) fn last(&self) -> Result<Option<(Micros, Decimal)>, ReadError> {
        let last = self.ends(i64::MIN, i64::MAX)?.map(|(_, last)| last);
        let set = self.recent.sets.last().filter(|set| last.is_none_or(|last| last.latest <= set.time));
        let read = |last: ReadAt| Some((last.earliest, Decimal::from_f64(last.number)?));
        Ok(set.map(|set| (set.time, set.after)).or_else(|| last.and_then(read)))
    }

    /// Returns the quarters next to each edge, and perhaps others, in order. With `all`, those between the edges too.
    pub(crate) fn quarters(&self, edges: &[i64], all: bool) -> Result<Vec<Quarter>, ReadError> {
        let mut quarters = self.recent_quarters()?;
        if let Some(stored) = &self.stored {
            quarters.extend(stored.quarters_at(edges, all)?);
        }
        // Stable: a quarter that is partly checkpointed is complete in the recent ones.
        quarters.sort_by_key(|quarter| quarter.start);
        quarters.dedup_by_key(|quarter| quarter.start);
        Ok(quarters)
    }

    /// Returns the quarters with recent readings; of one that the database has too, the ends of all its readings.
    fn recent_quarters(&self) -> Result<Vec<Quarter>, ReadError> {
        let mut quarters = Vec::new();
        for within in self.recent.samples.chunk_by(|a, b| self.quarter_of(a) == self.quarter_of(b)) {
            let Some(start) = within.first().map(|first| self.quarter_of(first)) else { continue };
            let ends = self.ends(start, start.saturating_add(QUARTER_HOUR))?;
            let count = within.len() as i64;
            let quarter = |(first, last): (ReadAt, ReadAt)| {
                let times = first.time().zip(last.time());
                Quarter { start, first: first.number, last: last.number, count, times }
            };
            quarters.extend(ends.map(quarter));
        }
        Ok(quarters)
    }

    fn quarter_of(&self, sample: &Sample) -> i64 {
        quarter_start(sample.time.div_euclid(SECOND))
    }

    /// Returns the starts of quarters with readings: at most `count` up to `before`, and as many from `after` on.
    pub(crate) fn quarters_around(
        &self,
        before: i64,
        after: i64,
        count: usize,
    ) -> Result<(Vec<i64>, Vec<i64>), ReadError> {
        let mut starts: Vec<_> = self.recent.samples.iter().map(|sample| self.quarter_of(sample)).collect();
        if let Some(stored) = &self.stored {
            starts.extend(stored.quarters_around(before, after, count)?);
        }
        starts.sort_unstable();
        starts.dedup();
        let mut new = starts.split_off(starts.partition_point(|start| *start < after));
        new.truncate(count);
        starts.drain(..starts.len().saturating_sub(count));
        Ok((starts, new))
    }

    /// Returns the resets of the counter in order: those of the database from one second to before another, and all
    /// recent ones.
    pub(crate) fn resets(&self, counter: Counter, from: i64, to: i64) -> Result<Vec<Reset>, ReadError> {
        let mut resets = match &self.stored {
            Some(stored) => stored.resets(from, to)?,
            None => Vec::new(),
        };
        resets.extend(self.recent.sets.iter().map(CounterSet::reset));
        let ends = self.stored.as_ref().map(|stored| stored.ends(i64::MIN, i64::MAX)).transpose()?.flatten();
        let samples = &self.recent.samples;
        // In readings that came late, between those of the database, the next checkpoint finds them.
        let old = ends.map_or(0, |(first, _)| samples.partition_point(|sample| sample.time < first.earliest));
        let new = ends.map_or(0, |(_, last)| samples.partition_point(|sample| sample.time <= last.latest));
        let explained = self.is_explained(ends.map(|(_, last)| last), samples.get(new))?;
        let first = ends.map(|(first, _)| (first.earliest, first.number));
        let last = ends.map(|(_, last)| (last.latest, last.number));
        let was_set = |before: Point, after: Point| Ok(self.recent.was_set(before.0, after.0));
        let mut keep = |reset| {
            resets.push(reset);
            Ok::<_, ReadError>(())
        };
        find(counter, samples[..old].iter().map(point).chain(first), was_set, &mut keep)?;
        let new = last.into_iter().chain(samples[new..].iter().map(point));
        let was_set =
            |before, after| if Some(before) == last { Ok(explained) } else { was_set(before, after) };
        find(counter, new, was_set, &mut keep)?;
        resets.sort_by_key(|reset| reset.time);
        Ok(resets)
    }

    /// Returns whether a command set the counter between the last reading of the database and the first recent one.
    fn is_explained(&self, last: Option<ReadAt>, next: Option<&Sample>) -> Result<bool, ReadError> {
        let (Some(stored), Some(last), Some(next)) = (&self.stored, last, next) else { return Ok(false) };
        let (from, to) = (last.earliest.div_euclid(SECOND), next.time.div_euclid(SECOND).saturating_add(1));
        let mut sets = stored.resets(from, to)?;
        sets.extend(self.recent.sets.iter().map(CounterSet::reset));
        Ok(sets.iter().any(|set| set.set && set.time <= next.time && !set.is_before(&last)))
    }
}

/// Joins the extents of stored and recent readings.
pub(crate) fn join(stored: (Micros, Micros), recent: (Micros, Micros)) -> (Micros, Micros) {
    // A stored end is that of its minute, in which recent readings may go on.
    let end = if stored.1 - 60 * SECOND < recent.1 { recent.1 } else { stored.1 };
    (stored.0.min(recent.0), end)
}
