//! Series in the database.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row};

use crate::{
    db::{Block, Level, Reset, Rollup, minute_of, rollup_tables},
    series::{ReadAt, Sample, SeriesName, Stated},
    time::{Micros, QUARTER_HOUR, SECOND, quarter_start},
};
use reading::{Kind, Medium, Text};

/// One series in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DbSeries<'v> {
    database: &'v Connection,
    section: i64,
    series: i64,
}

/// Quarter of an hour of a counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quarter {
    /// Start in seconds since 1970.
    pub(crate) start: i64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// Number of readings.
    pub(crate) count: i64,
    /// Times of the first number and the last, in microseconds since 1970; `None` where they are not known, as in rows of
    /// an older version.
    pub(crate) times: Option<(Micros, Micros)>,
}

impl Quarter {
    pub(crate) fn end(&self) -> i64 {
        self.start.saturating_add(QUARTER_HOUR)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let start: i64 = row.get(0)?;
        let time = |offset: i64| start.saturating_mul(SECOND).saturating_add(offset);
        let times = row.get::<_, Option<i64>>(4)?.zip(row.get::<_, Option<i64>>(5)?);
        let times = times.map(|(first, last)| (time(first), time(last)));
        Ok(Self { start, first: row.get(1)?, last: row.get(2)?, count: row.get(3)?, times })
    }
}

impl Reset {
    /// Returns whether it came before a number was read.
    pub(crate) fn is_before(&self, read: &ReadAt) -> bool {
        if (read.earliest..=read.latest).contains(&self.time) {
            // No time tells, so the side counts to which the number is nearer.
            return (read.number - self.after).abs() <= (read.number - self.before).abs();
        }
        self.time < read.earliest
    }
}

const SERIES: &str = "SELECT section.name, series.name, series.unit, series.obis, series.kind, series.medium, section.id, series.id \
                      FROM series JOIN section ON section.id = series.section";

/// Columns of a [`Quarter`].
const QUARTER: &str = "ts, first, last, count, first_at, last_at";

/// Roll-up of one minute.
const MINUTE: &str = "SELECT first, last, min, max, mean, count FROM minute WHERE ts = ?1 AND series = ?2";

type Found<'v> = (SeriesName, Stated, DbSeries<'v>);

impl<'v> DbSeries<'v> {
    pub(crate) fn new(database: &'v Connection, section: u16, series: u32) -> Self {
        Self { database, section: section.into(), series: series.into() }
    }

    /// Returns all series, with what was stated of them.
    pub(crate) fn all(database: &'v Connection) -> rusqlite::Result<Vec<Found<'v>>> {
        let mut all = database.prepare_cached(SERIES)?;
        all.query_map([], |row| Self::from_row(database, row))?.collect()
    }

    /// Returns the series of a name, with what was stated of them.
    pub(crate) fn called(
        database: &'v Connection,
        section: &str,
        name: &str,
    ) -> rusqlite::Result<Vec<Found<'v>>> {
        let mut called =
            database.prepare_cached(&format!("{SERIES} WHERE section.name = ?1 AND series.name = ?2"))?;
        called.query_map([section, name], |row| Self::from_row(database, row))?.collect()
    }

    fn from_row(database: &'v Connection, row: &Row<'_>) -> rusqlite::Result<Found<'v>> {
        let text = |column| row.get_ref(column).and_then(|text| Ok(Text::from(text.as_str()?)));
        let name = SeriesName { section: text(0)?, name: text(1)?, unit: text(2)? };
        let (kind, medium) = (Kind::parse(&text(4)?), Medium::parse(&text(5)?));
        let stated = Stated { obis: text(3)?, kind, medium };
        Ok((name, stated, Self { database, section: row.get(6)?, series: row.get(7)? }))
    }

    /// Returns the oldest minute of which there are all readings: its start in seconds since 1970.
    pub(crate) fn oldest_raw(database: &Connection) -> rusqlite::Result<Option<i64>> {
        let key = database.query_row("SELECT min(key) FROM raw", [], |row| row.get::<_, Option<i64>>(0))?;
        Ok(key.map(|key| (key >> 16) * 60))
    }

    /// Returns that minute, of all series of its database.
    pub(crate) fn oldest_raw_of_all(&self) -> rusqlite::Result<Option<i64>> {
        Self::oldest_raw(self.database)
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'v>> {
        self.database.prepare_cached(sql)
    }

    /// Returns the start of the first minute and the end of the last.
    pub(crate) fn extent(&self) -> rusqlite::Result<Option<(Micros, Micros)>> {
        let ends = self.first_minute_from(i64::MIN)?.zip(self.last_minute_before(i64::MAX)?);
        Ok(ends.map(|(first, last)| (first * SECOND, (last + 60) * SECOND)))
    }

    /// Returns the start of the first minute with a reading that begins at a second or later, or less than a minute
    /// before.
    pub(crate) fn first_minute_from(&self, second: i64) -> rusqlite::Result<Option<i64>> {
        let mut first = None;
        self.minutes(second.saturating_sub(59), i64::MAX, |minute, _| {
            first = Some(minute);
            false
        })?;
        Ok(first)
    }

    /// Returns the start of the last minute with a reading that begins before a second.
    pub(crate) fn last_minute_before(&self, second: i64) -> rusqlite::Result<Option<i64>> {
        let mut minute = self.statement(MINUTE)?;
        let mut before = second;
        while let Some(quarter) = self.quarter_before(before)? {
            let starts = (0..15).rev().map(|minute| quarter.start + 60 * minute);
            for start in starts.filter(|start| *start < second) {
                if minute.exists([start, self.series])? {
                    return Ok(Some(start));
                }
            }
            before = quarter.start;
        }
        Ok(None)
    }

    /// Visits the minutes with readings that begin within a range, until `visit` returns false. The table is in order
    /// of time, then of series, so each minute is looked up, in the quarters that have one.
    fn minutes(
        &self,
        from: i64,
        to: i64,
        mut visit: impl FnMut(i64, Rollup) -> bool,
    ) -> rusqlite::Result<()> {
        let mut minute = self.statement(MINUTE)?;
        let mut next = from.saturating_sub(QUARTER_HOUR - 1);
        while let Some(quarter) = self.quarter_from(next)?.filter(|quarter| quarter.start < to) {
            next = quarter.end();
            for start in (quarter.start..next.min(to)).step_by(60).filter(|start| *start >= from) {
                let mut rows = minute.query([start, self.series])?;
                if let Some(row) = rows.next()?
                    && !visit(start, Rollup::from_row(row, 0)?)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns the last reading before a minute.
    pub(crate) fn last_before(&self, minute: i64) -> rusqlite::Result<Option<ReadAt>> {
        let Some(last) = self.last_minute_before(minute * 60)? else { return Ok(None) };
        Ok(self.ends_of_minute(last)?.map(|(_, last)| last))
    }

    /// Returns the first reading of the minutes from one second to before another, and the last.
    pub(crate) fn ends(&self, from: i64, to: i64) -> rusqlite::Result<Option<(ReadAt, ReadAt)>> {
        let first = self.first_minute_from(from)?.filter(|minute| *minute < to);
        let last = self.last_minute_before(to)?.filter(|minute| *minute >= from);
        let Some((first, last)) = first.zip(last) else { return Ok(None) };
        let (first, last) = (self.ends_of_minute(first)?, self.ends_of_minute(last)?);
        Ok(first.zip(last).map(|((first, _), (_, last))| (first, last)))
    }

    /// Returns the first reading of a minute, and the last.
    pub(crate) fn ends_of_minute(&self, minute: i64) -> rusqlite::Result<Option<(ReadAt, ReadAt)>> {
        let samples = self.samples(minute)?.unwrap_or_default();
        if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
            return Ok(Some((first.into(), last.into())));
        }
        let Some(rollup) = self.minute(minute)? else { return Ok(None) };
        let times = self.quarter_at(quarter_start(minute))?.and_then(|quarter| quarter.times);
        let (begin, end) = (minute * SECOND, (minute + 60) * SECOND - 1);
        // The quarter keeps the times of its ends for good.
        let read = |number, time: Option<Micros>| match time.filter(|time| (begin..=end).contains(time)) {
            Some(time) => ReadAt { number, earliest: time, latest: time },
            None => ReadAt { number, earliest: begin, latest: end },
        };
        let (first, last) = times.unzip();
        Ok(Some((read(rollup.first, first), read(rollup.last, last))))
    }

    /// Returns the roll-up of the minute that begins at a second.
    pub(crate) fn minute(&self, start: i64) -> rusqlite::Result<Option<Rollup>> {
        rollup_tables::minute(self.database, self.key(), start)
    }

    /// Returns the readings of a minute, of which there may be only the roll-up; `None` where they are damaged.
    pub(crate) fn samples(&self, minute: i64) -> rusqlite::Result<Option<Vec<Sample>>> {
        let mut block = self.statement("SELECT data FROM raw WHERE key = ?1")?;
        let (minute, mut samples) = (minute.div_euclid(60), Vec::new());
        let mut rows = block.query([(minute << 16) | self.section])?;
        let Some(row) = rows.next()? else { return Ok(Some(samples)) };
        let read = Block::decode_series(minute, row.get_ref(0)?.as_blob()?, self.key(), &mut samples);
        Ok(read.is_ok().then_some(samples))
    }

    /// Returns the id as blocks have it.
    fn key(&self) -> u32 {
        u32::try_from(self.series).unwrap_or(u32::MAX)
    }

    /// Keeps those of the readings, which are in order, that a checkpoint will add.
    pub(crate) fn retain_new(&self, samples: &mut Vec<Sample>) -> rusqlite::Result<()> {
        let Some(last) = self.quarter_before(i64::MAX)? else { return Ok(()) };
        let late = samples.partition_point(|sample| sample.time < last.end().saturating_mul(SECOND));
        let mut new = Vec::with_capacity(late);
        for within in samples[..late].chunk_by(|a, b| minute_of(a.time) == minute_of(b.time)) {
            let minute = minute_of(within[0].time) * 60;
            let stored = if self.minute(minute)?.is_some() { self.samples(minute)? } else { None };
            match stored {
                // Where only the roll-up of a minute is left, nobody can tell which readings are in it.
                Some(stored) if stored.is_empty() => {}
                Some(stored) => {
                    let known = |time| stored.binary_search_by_key(&time, |of: &Sample| of.time).is_ok();
                    new.extend(within.iter().filter(|sample| !known(sample.time)));
                }
                None => new.extend_from_slice(within),
            }
        }
        samples.splice(..late, new);
        Ok(())
    }

    /// Returns whether the readings of a minute are still there.
    pub(crate) fn has_raw(&self, minute: i64) -> rusqlite::Result<bool> {
        Ok(self.samples(minute)?.is_none_or(|samples| !samples.is_empty()))
    }

    /// Returns the moment from which on all its readings are there: `oldest`, or later.
    pub(crate) fn raw_from(&self, oldest: i64) -> rusqlite::Result<i64> {
        let Some(first) = self.first_minute_from(oldest)? else { return Ok(oldest) };
        if self.has_raw(first)? {
            return Ok(oldest);
        }
        let end = self.last_minute_before(i64::MAX)?.unwrap_or(first) + 60;
        let (mut without, mut with) = (first, end);
        while with - without > 60 {
            let middle = without + (with - without) / 120 * 60;
            match self.first_minute_from(middle)?.filter(|minute| *minute < with) {
                Some(minute) if !self.has_raw(minute)? => without = minute,
                _ => with = middle,
            }
        }
        Ok(with)
    }

    /// Returns the last quarter that begins before a second.
    pub(crate) fn quarter_before(&self, second: i64) -> rusqlite::Result<Option<Quarter>> {
        self.quarter("ts < ?2 ORDER BY ts DESC LIMIT 1", second)
    }

    /// Returns the first quarter that begins at a second or later.
    pub(crate) fn quarter_from(&self, second: i64) -> rusqlite::Result<Option<Quarter>> {
        self.quarter("ts >= ?2 ORDER BY ts LIMIT 1", second)
    }

    /// Returns the quarter that begins at a second.
    pub(crate) fn quarter_at(&self, start: i64) -> rusqlite::Result<Option<Quarter>> {
        self.quarter("ts = ?2", start)
    }

    fn quarter(&self, which: &str, second: i64) -> rusqlite::Result<Option<Quarter>> {
        let mut quarter =
            self.statement(&format!("SELECT {QUARTER} FROM quarter WHERE series = ?1 AND {which}"))?;
        quarter.query_row([self.series, second], Quarter::from_row).optional()
    }

    /// Returns the quarters next to each edge, and perhaps others. With `all`, those between the edges too: one pass is
    /// faster than many searches.
    pub(crate) fn quarters_at(&self, edges: &[i64], all: bool) -> rusqlite::Result<Vec<Quarter>> {
        let (first, last) = (self.quarter_from(i64::MIN)?, self.quarter_before(i64::MAX)?);
        let Some((first, last)) = first.zip(last) else { return Ok(Vec::new()) };
        let mut quarters = vec![first];
        // Beyond the ends there are none.
        let within: Vec<_> =
            edges.iter().copied().filter(|edge| first.start < *edge && *edge < last.end()).collect();
        if let ([from, .., to], true) = (&within[..], all) {
            quarters.extend(self.quarter_before(*from)?);
            quarters.extend(self.quarters_within(*from, *to)?);
            quarters.extend(self.quarter_from(*to)?);
        } else {
            // Most often both are neighbours in the table.
            let sql =
                format!("SELECT {QUARTER} FROM quarter WHERE series = ?1 AND ts >= ?2 ORDER BY ts LIMIT 2");
            let mut next = self.statement(&sql)?;
            for edge in within {
                let mut rows = next.query([self.series, edge.saturating_sub(QUARTER_HOUR)])?;
                let mut has_before = false;
                while let Some(row) = rows.next()? {
                    let quarter = Quarter::from_row(row)?;
                    if quarter.start >= edge && !has_before {
                        quarters.extend(self.quarter_before(edge)?);
                    }
                    has_before = true;
                    quarters.push(quarter);
                    if quarter.start >= edge {
                        break;
                    }
                }
            }
        }
        quarters.push(last);
        Ok(quarters)
    }

    /// Returns the quarters that begin within a range, in order.
    fn quarters_within(&self, from: i64, to: i64) -> rusqlite::Result<Vec<Quarter>> {
        let sql =
            format!("SELECT {QUARTER} FROM quarter WHERE series = ?1 AND ts >= ?2 AND ts < ?3 ORDER BY ts");
        self.statement(&sql)?.query_map([self.series, from, to], Quarter::from_row)?.collect()
    }

    /// Returns the starts of the last quarters up to one that begins at `before`, and of the first ones from `after`
    /// on.
    pub(crate) fn quarters_around(
        &self,
        before: i64,
        after: i64,
        count: usize,
    ) -> rusqlite::Result<Vec<i64>> {
        let mut starts = Vec::new();
        for (which, second) in [("<= ?2 ORDER BY ts DESC", before), (">= ?2 ORDER BY ts", after)] {
            let sql = format!("SELECT ts FROM quarter WHERE series = ?1 AND ts {which} LIMIT ?3");
            let limit = i64::try_from(count).unwrap_or(i64::MAX);
            let mut rows = self.statement(&sql)?;
            for start in rows.query_map([self.series, second, limit], |row| row.get(0))? {
                starts.push(start?);
            }
        }
        Ok(starts)
    }

    /// Visits the roll-ups of a level that begin within a range, in order. After `visit` has returned false, it may be
    /// called in vain.
    pub(crate) fn rollups(
        &self,
        level: Level,
        from: i64,
        to: i64,
        mut visit: impl FnMut(i64, Rollup) -> bool,
    ) -> rusqlite::Result<()> {
        if level == Level::Minute {
            return self.minutes(from, to, visit);
        }
        rollup_tables::rollups(self.database, (level, self.series), from..to, |start, rollup| {
            visit(start, rollup);
        })
    }

    /// Returns how many readings there are from a moment to before another, or more: those of whole quarters, also
    /// where they were removed as too old.
    pub(crate) fn most_raw(&self, from: Micros, to: Micros) -> rusqlite::Result<i64> {
        let sql = "SELECT total(count) FROM quarter WHERE series = ?1 AND ts > ?2 - 900 AND ts <= ?3";
        let range = [self.series, from.div_euclid(SECOND), to.div_euclid(SECOND)];
        self.statement(sql)?.query_row(range, |row| row.get::<_, f64>(0)).map(|count| count as i64)
    }

    /// Visits the readings from a moment to before another, in order, until `visit` returns false.
    pub(crate) fn raw(
        &self,
        from: Micros,
        to: Micros,
        mut visit: impl FnMut(&Sample) -> bool,
    ) -> rusqlite::Result<()> {
        let (first, last) = (from.div_euclid(SECOND), to.div_euclid(SECOND) + 1);
        let Some(oldest) = Self::oldest_raw(self.database)? else { return Ok(()) };
        let mut rows = self.statement(
            "SELECT key >> 16, data FROM quarter CROSS JOIN raw ON key >= ts / 60 << 16 \
             AND key < ts / 60 + 15 << 16 AND key & 65535 = ?4 \
             WHERE series = ?1 AND ts > ?2 - 900 AND ts < ?3 ORDER BY ts, key",
        )?;
        let mut rows = rows.query([self.series, first.max(oldest), last, self.section])?;
        let mut samples = Vec::new();
        while let Some(row) = rows.next()? {
            let minute: i64 = row.get(0)?;
            if (minute + 1) * 60 * SECOND <= from || minute * 60 * SECOND >= to {
                continue;
            }
            samples.clear();
            // A damaged row is left out; its roll-up is still there.
            let _ = Block::decode_series(minute, row.get_ref(1)?.as_blob()?, self.key(), &mut samples);
            let mut within = samples.iter().filter(|sample| (from..to).contains(&sample.time));
            if !within.all(&mut visit) {
                break;
            }
        }
        Ok(())
    }

    /// Returns the resets within a range of seconds, in order.
    pub(crate) fn resets(&self, from: i64, to: i64) -> rusqlite::Result<Vec<Reset>> {
        let mut rows = self.statement(
            "SELECT ts, kind, before, after FROM event WHERE series = ?1 AND ts >= ?2 AND ts < ?3 ORDER BY ts",
        )?;
        let reset = |row: &Row<'_>| {
            let set = row.get_ref(1)?.as_str()? == "set";
            Ok(Reset { time: row.get(0)?, set, before: row.get(2)?, after: row.get(3)? })
        };
        let range = [self.series, from.saturating_mul(SECOND), to.saturating_mul(SECOND)];
        rows.query_map(range, reset)?.collect()
    }

    /// Returns the time of the first reset at a moment or later.
    pub(crate) fn next_reset(&self, from: Micros) -> rusqlite::Result<Option<Micros>> {
        let mut next = self.statement("SELECT min(ts) FROM event WHERE series = ?1 AND ts >= ?2")?;
        next.query_row([self.series, from], |row| row.get(0))
    }
}
