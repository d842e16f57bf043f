//! Walk through the history of the other box, a quarter of an hour at a time, in order of time.

use std::collections::{BTreeSet, HashMap};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    db::{Level, Quarter, Rollup, minute_of, rollup_tables},
    merge::{
        Last,
        around::Near,
        chunk::{Chunk, Minutes},
        events::{Known, Step},
        minute::{Around, Boxes, Kept, Minute, join, read_at, second},
        names::Names,
    },
    series::{ReadAt, Sample},
    time::{Micros, QUARTER_HOUR, quarter_start},
};

/// Merge that is going on.
pub(super) struct Walk<'c> {
    pub(super) own: &'c Connection,
    pub(super) other: &'c Connection,
    pub(super) names: Names,
    pub(super) zone: &'c TimeZone,
    /// By series: the last reading of both boxes, where it is not this one's alone.
    last: HashMap<u32, Last>,
    /// By series of a counter: the readings of this box around the minute that comes next.
    near: HashMap<u32, Near>,
    own_events: Known,
    other_events: Known,
    /// Hours and days whose quarters changed, by start.
    touched: BTreeSet<(i64, Level, u32)>,
    /// Minutes of a series that changed.
    pub(super) minutes: u64,
    /// By series: readings of the other box that contradict those of this one.
    pub(super) left_out: HashMap<u32, u64>,
}

/// Minute as it is kept.
struct Merged {
    rollup: Rollup,
    first: (ReadAt, Boxes),
    last: (ReadAt, Boxes),
}

/// Quarter of an hour of one series, as its minutes are merged.
struct Whole {
    rollup: Rollup,
    first: ReadAt,
    last: ReadAt,
}

impl<'c> Walk<'c> {
    pub(super) fn new(own: &'c Connection, other: &'c Connection, names: Names, zone: &'c TimeZone) -> Self {
        Self {
            own,
            other,
            names,
            zone,
            last: HashMap::new(),
            near: HashMap::new(),
            own_events: Known::default(),
            other_events: Known::default(),
            touched: BTreeSet::new(),
            minutes: 0,
            left_out: HashMap::new(),
        }
    }

    /// Merges everything. `progress` gets the seconds that are done, and all of them.
    pub(super) fn run(&mut self, progress: &mut dyn FnMut(u64, u64)) -> rusqlite::Result<()> {
        let ends = "SELECT (SELECT min(ts) FROM minute), (SELECT max(ts) FROM minute)";
        let ends: (Option<i64>, Option<i64>) =
            self.other.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = ends else { return Ok(()) };
        let all = last.saturating_sub(first).unsigned_abs() + 60;
        let mut next = Some(first);
        let mut end = i64::MIN;
        while let Some(from) = next {
            let start = quarter_start(from);
            if start > end {
                self.skip_to(start)?;
            }
            self.roll_up(start)?;
            self.chunk(start)?;
            end = start.saturating_add(QUARTER_HOUR);
            progress(end.min(last).saturating_sub(first).max(0).unsigned_abs(), all);
            let mut select = self.other.prepare_cached("SELECT min(ts) FROM minute WHERE ts >= ?1")?;
            next = select.query_row([end], |row| row.get(0))?;
        }
        self.skip_to(i64::MAX)?;
        self.roll_up(i64::MAX)?;
        progress(all, all);
        Ok(())
    }

    /// Passes over a time without readings of the other box: what this one read in it may follow on the other's.
    fn skip_to(&mut self, start: i64) -> rusqlite::Result<()> {
        let mut ended = Vec::new();
        for (&id, &last) in &self.last {
            let series = self.names.own(self.own, id);
            let next = series.first_minute_from(second(last.minute + 1))?;
            if let Some(next) = next.filter(|next| *next < start) {
                ended.push((id, last, next / 60));
            }
        }
        for (id, last, minute) in ended {
            self.last.remove(&id);
            if last.of.own {
                continue;
            }
            let chunk = Chunk::read(self.own, self.other, &self.names, quarter_start(second(minute)))?;
            self.follow(&chunk, id, last, minute)?;
        }
        Ok(())
    }

    /// Writes the event of a step from a reading of the other box to one of this box.
    fn follow(&mut self, chunk: &Chunk, id: u32, last: Last, minute: i64) -> rusqlite::Result<()> {
        let Some(counter) = self.names.counter(id) else { return Ok(()) };
        let section = self.names.section(id);
        let Some(ours) = chunk.ours(id, section, minute) else { return Ok(()) };
        let times = self.times(id, Some(chunk.start))?;
        let merged = Merged::of(&Kept::Own, minute, Some(&ours), None, times);
        let Some(merged) = merged else { return Ok(()) };
        let step = Step {
            id,
            counter,
            before: Some(last),
            minute,
            first: merged.first,
            kept: &Kept::Own,
            own: Some(&ours),
            other: None,
        };
        self.write(&step)
    }

    fn write(&mut self, step: &Step<'_>) -> rusqlite::Result<()> {
        let own = self.names.own(self.own, step.id);
        let other = self.names.there(self.other, step.id);
        step.write((&own, &mut self.own_events), (other.as_ref(), &mut self.other_events), self.own)
    }

    /// Returns the times of the ends of a quarter of both boxes, where they are known.
    fn times(&self, id: u32, start: Option<i64>) -> rusqlite::Result<[Option<Quarter>; 2]> {
        let Some(start) = start.filter(|_| self.names.counter(id).is_some()) else { return Ok([None, None]) };
        let own = self.names.own(self.own, id).quarter_at(start)?;
        let other = self.names.there(self.other, id).map(|series| series.quarter_at(start));
        Ok([own, other.transpose()?.flatten()])
    }

    fn chunk(&mut self, start: i64) -> rusqlite::Result<()> {
        let mut chunk = Chunk::read(self.own, self.other, &self.names, start)?;
        let ids: BTreeSet<_> = chunk.own.keys().chain(chunk.other.keys()).copied().collect();
        for id in ids {
            if !chunk.other.contains_key(&id) {
                // What only this box has stays, but for the step to it.
                let end = chunk.end();
                let first = chunk.own.get(&id).and_then(|minutes| minutes.keys().next().copied());
                if let Some(minute) = first.filter(|minute| *minute < end)
                    && let Some(last) = self.last.remove(&id)
                    && !last.of.own
                {
                    self.follow(&chunk, id, last, minute)?;
                }
                continue;
            }
            self.series(&mut chunk, id)?;
        }
        chunk.write(self.own)
    }

    /// Merges a quarter of an hour of a series that the other box has.
    fn series(&mut self, chunk: &mut Chunk, id: u32) -> rusqlite::Result<()> {
        let (section, counter, end) = (self.names.section(id), self.names.counter(id), chunk.end());
        let keys = |minutes: Option<&Minutes>| {
            minutes.into_iter().flat_map(|minutes| minutes.keys().copied()).collect::<Vec<_>>()
        };
        let minutes: BTreeSet<_> =
            keys(chunk.own.get(&id)).into_iter().chain(keys(chunk.other.get(&id))).collect();
        let times = self.times(id, Some(chunk.start))?;
        let mut last = match (self.last.get(&id), minutes.first()) {
            (None, Some(first)) if counter.is_some() => {
                // What this box read before, and what was passed over because the other one had nothing.
                let series = self.names.own(self.own, id);
                match series.last_minute_before(second(*first))? {
                    Some(start) => series.ends_of_minute(start)?.map(|(_, read)| Last {
                        minute: start / 60,
                        read,
                        of: Boxes::OWN,
                    }),
                    None => None,
                }
            }
            (known, _) => known.copied(),
        };
        let own_count: u64 = chunk
            .own
            .get(&id)
            .map_or(0, |minutes| minutes.range(..end).map(|(_, rollup)| rollup.count).sum());
        let (mut whole, mut changed) = (None::<Whole>, 0);
        for minute in minutes.into_iter().filter(|minute| *minute < end) {
            let (ours, theirs) = (chunk.ours(id, section, minute), chunk.theirs(id, minute));
            let around = match counter {
                Some(counter) => {
                    let series = self.names.own(self.own, id);
                    let mut near = Near::at(self.near.get(&id).copied(), &series, minute)?;
                    let around = near.around(counter);
                    if let Some(ours) = &ours {
                        near = near.pass(minute, ours, &series)?;
                    }
                    let after = near.around(counter);
                    self.near.insert(id, near);
                    Some(Around {
                        after: after.after,
                        is_steady: around.is_steady && (ours.is_none() || after.is_steady),
                        ..around
                    })
                }
                None => None,
            };
            let kept = join(
                ours.as_ref(),
                theirs.as_ref(),
                last.filter(|_| counter.is_some()).map(|last| last.of),
                around.as_ref(),
            );
            self.count_left_out(id, ours.as_ref(), theirs.as_ref(), &kept);
            let Some(merged) = Merged::of(&kept, minute, ours.as_ref(), theirs.as_ref(), times) else {
                continue;
            };
            if let Some(counter) = counter {
                let (own, other) = (ours.as_ref(), theirs.as_ref());
                let first = merged.first;
                self.write(&Step { id, counter, before: last, minute, first, kept: &kept, own, other })?;
            }
            last = Some(Last { minute, read: merged.last.0, of: merged.last.1 });
            Whole::add(&mut whole, &merged);
            if kept != Kept::Own {
                changed += 1;
                rollup_tables::put(self.own, Level::Minute, id, second(minute), &merged.rollup)?;
                let samples = match kept {
                    Kept::Samples(samples) => Some(samples),
                    _ => theirs.map(|minute| minute.samples.to_vec()).filter(|samples| !samples.is_empty()),
                };
                chunk.replace(id, section, minute, samples);
            }
        }
        match last {
            Some(last) => self.last.insert(id, last),
            None => self.last.remove(&id),
        };
        self.minutes += changed;
        match whole.filter(|_| changed > 0) {
            Some(whole) => self.quarter(id, chunk.start, &whole, own_count),
            None => Ok(()),
        }
    }

    fn count_left_out(
        &mut self,
        id: u32,
        ours: Option<&Minute<'_>>,
        theirs: Option<&Minute<'_>>,
        kept: &Kept,
    ) {
        let Some(theirs) = theirs else { return };
        if theirs.samples.is_empty() {
            if *kept == Kept::Nothing {
                *self.left_out.entry(id).or_default() += theirs.rollup.count;
            }
            return;
        }
        let own = ours.map_or(&[][..], |ours| ours.samples);
        let here: &[_] = match kept {
            Kept::Samples(samples) => samples,
            Kept::Own => own,
            Kept::Nothing => &[],
            Kept::Other => return,
        };
        if ours.is_some_and(|ours| ours.samples.is_empty()) {
            return; // a roll-up of more readings
        }
        let has = |time| here.binary_search_by_key(&time, |of| of.time).is_ok();
        let is_counter = self.names.counter(id).is_some();
        let contradicts = |sample: &&Sample| {
            let at = own.binary_search_by_key(&sample.time, |of| of.time);
            let same = at.ok().and_then(|at| own.get(at));
            !has(sample.time) || is_counter && same.is_some_and(|same| same.value != sample.value)
        };
        let count = theirs.samples.iter().filter(contradicts).count();
        if count > 0 {
            *self.left_out.entry(id).or_default() += count as u64;
        }
    }

    /// Writes a quarter of an hour, and notes the hour and the day.
    fn quarter(&mut self, id: u32, start: i64, whole: &Whole, own_count: u64) -> rusqlite::Result<()> {
        // One that is made of more than the minutes of this box has outlived some of them.
        let known = self.names.own(self.own, id).quarter_at(start)?;
        let known = known.map_or(0, |quarter| quarter.count.unsigned_abs());
        if known > own_count && known > whole.rollup.count {
            return Ok(());
        }
        rollup_tables::put(self.own, Level::Quarter, id, start, &whole.rollup)?;
        if self.names.counter(id).is_some() {
            let times = whole.first.time().zip(whole.last.time());
            rollup_tables::keep_times(self.own, id, start, times)?;
        }
        for level in [Level::Hour, Level::Day] {
            self.touched.insert((level.start(start, self.zone), level, id));
        }
        Ok(())
    }

    /// Rolls up the hours and days that ended before a second.
    fn roll_up(&mut self, before: i64) -> rusqlite::Result<()> {
        while let Some(&(start, level, id)) = self.touched.first() {
            let end = level.next(start, self.zone);
            if end > before {
                break;
            }
            let rollup = rollup_tables::of_quarters(self.own, id, start, end)?;
            rollup_tables::replace(self.own, (level, start), id, rollup, self.zone)?;
            self.touched.pop_first();
        }
        Ok(())
    }
}

impl Merged {
    fn of(
        kept: &Kept,
        minute: i64,
        own: Option<&Minute<'_>>,
        other: Option<&Minute<'_>>,
        [own_times, other_times]: [Option<Quarter>; 2],
    ) -> Option<Self> {
        let (rollup, samples) = match kept {
            Kept::Nothing => return None,
            Kept::Own => own.map(|minute| (minute.rollup, minute.samples))?,
            Kept::Other => other.map(|minute| (minute.rollup, minute.samples))?,
            Kept::Samples(samples) => (Rollup::of_samples(samples)?, &samples[..]),
        };
        // Whether a box has the same first reading, or the same last one.
        let has = |box_: Option<&Minute<'_>>, last: bool| {
            let end = |samples: &[Sample]| {
                if last { samples.last().copied() } else { samples.first().copied() }
            };
            box_.is_some_and(|minute| {
                if samples.is_empty() { minute.rollup == rollup } else { end(minute.samples) == end(samples) }
            })
        };
        let boxes = |last| Boxes { own: has(own, last), other: has(other, last) };
        let (first_of, last_of) = (boxes(false), boxes(true));
        let time = |of: Boxes, pick: fn((Micros, Micros)) -> Micros| {
            let known = |quarter: Option<Quarter>| quarter.and_then(|quarter| quarter.times).map(pick);
            let within = |time: &Micros| minute_of(*time) == minute;
            let own = known(own_times).filter(|_| of.own).filter(within);
            own.or_else(|| known(other_times).filter(|_| of.other).filter(within))
        };
        let first = match samples.first() {
            Some(sample) => sample.into(),
            None => read_at(rollup.first, minute, time(first_of, |times| times.0)),
        };
        let last = match samples.last() {
            Some(sample) => sample.into(),
            None => read_at(rollup.last, minute, time(last_of, |times| times.1)),
        };
        Some(Self { rollup, first: (first, first_of), last: (last, last_of) })
    }
}

impl Whole {
    fn add(whole: &mut Option<Self>, minute: &Merged) {
        match whole {
            Some(whole) => {
                whole.rollup.append(&minute.rollup);
                whole.last = minute.last.0;
            }
            None => *whole = Some(Self { rollup: minute.rollup, first: minute.first.0, last: minute.last.0 }),
        }
    }
}
