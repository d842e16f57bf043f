//! Readings, settings and roll-ups of one database of an export.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use rusqlite::{Connection, params, params_from_iter};

use crate::{
    db::{Block, Level, Rollup, minute_of},
    time::{MINUTE, Micros, TimeCorrection},
    transfer::TransferError,
};
use reading::Decimal;

/// Settings of counters that are read at once.
const SETS: usize = 1000;

/// Database of an export.
pub(crate) struct Part {
    pub(crate) connection: Connection,
    /// Corrections of the clock that it has not seen.
    pub(crate) corrections: Vec<TimeCorrection>,
}

/// Part with the series that are exported: their ids, and their places among the labels.
pub(crate) struct Source<'a> {
    part: &'a Part,
    wanted: HashMap<i64, usize>,
    sets: VecDeque<Set>,
    /// Last setting that was read.
    asked: Option<(i64, i64)>,
}

/// Setting of a counter.
struct Set {
    time: Micros,
    series: usize,
    before: f64,
    after: f64,
}

/// Row of an export: time, place of its labels, value, value before a setting.
pub(crate) type Row = (Micros, usize, Decimal, Option<Decimal>);

impl<'a> Source<'a> {
    pub(crate) fn new(part: &'a Part, wanted: HashMap<i64, usize>) -> Self {
        Self { part, wanted, sets: VecDeque::new(), asked: None }
    }

    /// Returns by how much the corrections may move a time.
    pub(crate) fn slack(&self) -> Micros {
        self.part
            .corrections
            .iter()
            .fold(0, |sum, correction| correction.delta.saturating_abs().saturating_add(sum))
    }

    fn corrected(&self, time: Micros) -> Micros {
        self.part.corrections.iter().fold(time, |time, correction| correction.apply(time))
    }

    /// Returns the first minute from `at` on that has readings or settings.
    pub(crate) fn next_minute(&mut self, at: i64) -> Result<Option<i64>, TransferError> {
        let mut statement =
            self.part.connection.prepare_cached("SELECT min(key) FROM raw WHERE key >= ?1")?;
        let key: Option<i64> = statement.query_row([at.saturating_mul(1 << 16)], |row| row.get(0))?;
        let set = self.next_set(at.saturating_mul(MINUTE))?;
        Ok([key.map(|key| key >> 16), set.map(minute_of)].into_iter().flatten().min())
    }

    /// Returns the time of the next setting from `at` on.
    fn next_set(&mut self, at: Micros) -> Result<Option<Micros>, TransferError> {
        loop {
            while self.sets.front().is_some_and(|set| set.time < at) {
                self.sets.pop_front();
            }
            if let Some(set) = self.sets.front() {
                return Ok(Some(set.time));
            }
            let after = match self.asked {
                Some((i64::MAX, _)) => return Ok(None),
                Some(after) => after,
                None => (at, i64::MIN),
            };
            let mut statement = self.part.connection.prepare_cached(
                "SELECT ts, series, before, after FROM event WHERE kind = 'set' AND (ts, series) > (?1, ?2) \
                 ORDER BY ts, series LIMIT ?3",
            )?;
            let mut rows = statement.query(params![after.0, after.1, SETS as i64])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let (time, id) = (row.get(0)?, row.get(1)?);
                count += 1;
                self.asked = Some((time, id));
                if let Some(series) = self.wanted.get(&id) {
                    let (before, after) = (row.get(2)?, row.get(3)?);
                    self.sets.push_back(Set { time, series: *series, before, after });
                }
            }
            if count < SETS {
                self.asked = Some((i64::MAX, 0));
            }
        }
    }

    /// Appends the rows of a minute. Returns how many sections' rows are damaged.
    pub(crate) fn minute(&mut self, minute: i64, out: &mut Vec<Row>) -> Result<u64, TransferError> {
        let mut damaged = 0;
        let mut statement =
            self.part.connection.prepare_cached("SELECT data FROM raw WHERE key >= ?1 AND key < ?2")?;
        let key = minute.saturating_mul(1 << 16);
        let mut rows = statement.query([key, key.saturating_add(1 << 16)])?;
        while let Some(row) = rows.next()? {
            let Ok(block) = Block::decode(minute, row.get_ref(0)?.as_blob().unwrap_or_default()) else {
                damaged += 1;
                continue;
            };
            for column in &block.columns {
                let Some(series) = self.wanted.get(&i64::from(column.series)) else { continue };
                let samples = column.samples.iter();
                out.extend(samples.map(|sample| (self.corrected(sample.time), *series, sample.value, None)));
            }
        }
        let start = minute.saturating_mul(MINUTE);
        while let Some(time) = self.next_set(start)?.filter(|time| minute_of(*time) == minute) {
            let Some(set) = self.sets.pop_front() else { break };
            // A number that is not a decimal was not recorded as one.
            if let (Some(before), Some(after)) = (Decimal::from_f64(set.before), Decimal::from_f64(set.after))
            {
                out.push((self.corrected(time), set.series, after, Some(before)));
            }
        }
        Ok(damaged)
    }

    /// Returns the start of the first span from `at` on.
    pub(crate) fn next_span(&self, level: Level, at: i64) -> Result<Option<i64>, TransferError> {
        let connection = &self.part.connection;
        if level == Level::Minute {
            let mut statement = connection.prepare_cached("SELECT min(ts) FROM minute WHERE ts >= ?1")?;
            return Ok(statement.query_row([at], |row| row.get(0))?);
        }
        let table = level.table();
        let sql = format!("SELECT min(ts) FROM {table} WHERE series = ?1 AND ts >= ?2");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut first: Option<i64> = None;
        for id in self.wanted.keys() {
            let next = statement.query_row([*id, at], |row| row.get(0))?;
            first = [first, next].into_iter().flatten().min();
        }
        Ok(first)
    }

    /// Passes on the spans that begin within `range`.
    pub(crate) fn spans(
        &self,
        level: Level,
        range: Range<i64>,
        mut each: impl FnMut(i64, usize, Rollup),
    ) -> Result<(), TransferError> {
        const COLUMNS: &str = "ts, series, first, last, min, max, mean, count";
        let table = level.table();
        // The key of `minute` begins with the time, those of the others with the series.
        let (sql, ids): (_, Vec<i64>) = if level == Level::Minute {
            (format!("SELECT {COLUMNS} FROM {table} WHERE ts >= ?1 AND ts < ?2"), vec![0])
        } else {
            let sql = format!("SELECT {COLUMNS} FROM {table} WHERE ts >= ?1 AND ts < ?2 AND series = ?3");
            (sql, self.wanted.keys().copied().collect())
        };
        let mut statement = self.part.connection.prepare_cached(&sql)?;
        let parameters = statement.parameter_count();
        for id in ids {
            let mut rows = statement
                .query(params_from_iter([range.start, range.end, id].into_iter().take(parameters)))?;
            while let Some(row) = rows.next()? {
                let Some(series) = self.wanted.get(&row.get(1)?) else { continue };
                each(row.get(0)?, *series, Rollup::from_row(row, 2)?);
            }
        }
        Ok(())
    }
}

/// Returns how many seconds of a level are read at once: few rows, and few queries.
pub(crate) fn window(level: Level) -> i64 {
    match level {
        Level::Minute => 900,
        Level::Quarter => 86_400,
        Level::Hour => 4 * 86_400,
        Level::Day => 96 * 86_400,
    }
}
