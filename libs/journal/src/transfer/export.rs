//! Export: readings in order of time, minute by minute, however many years there are.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    path::Path,
};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    db::{
        Block, Database, Level, Rollup, folded, minute_of,
        walk::{Key, Walk},
    },
    series::SeriesName,
    time::{MINUTE, Micros, SECOND, TimeCorrection},
    transfer::{
        Labels, TransferError,
        files::{check, connect, folded_of, read_segments},
        matches,
    },
    wal::{Entry, frame},
};
use reading::{Decimal, Text};

/// Attempts to read segments and database at one moment, beside a program that writes checkpoints.
const ATTEMPTS: usize = 5;

/// Part of the journal that is exported.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// First moment, in microseconds since 1970 UTC.
    pub from: Option<i64>,
    /// End, which is not included.
    pub to: Option<i64>,
    /// Patterns of `section/name`, with `*` and `?`; without any, all series.
    pub series: Vec<String>,
}

/// Result of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that were passed on.
    pub rows: u64,
    /// Minutes of a source that are damaged, and were left out.
    pub damaged: u64,
    /// Times from which on and before which the pages of the database cannot be read, in microseconds since 1970.
    pub gaps: Vec<(i64, i64)>,
}

/// Journal at one moment, beside a program that may go on recording.
///
/// It is two databases: the one on the disk, and one in memory of what is not checkpointed yet.
pub struct Archive {
    parts: Vec<Part>,
}

/// Database of an archive.
struct Part {
    connection: Connection,
    /// Corrections of the clock that it has not seen.
    corrections: Vec<TimeCorrection>,
}

/// Series of a part that are exported: their ids, and their places among the labels.
type Wanted = HashMap<i64, usize>;

/// Reading, or setting of a counter with the number before.
type Row = (Micros, usize, Decimal, Option<Decimal>);

/// Part while its readings are exported.
struct Readings<'a> {
    part: &'a Part,
    wanted: Wanted,
    raw: Walk<'a, Vec<u8>>,
    sets: VecDeque<(Micros, Row)>,
}

impl Archive {
    /// Opens the journal whose database is `path`.
    ///
    /// # Errors
    /// Returns an error if there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        check(path)?;
        let mut attempt = 1;
        loop {
            let before = folded_of(path)?;
            let segments = read_segments(path, before.unwrap_or(0))?;
            if before.is_none() && segments.is_empty() {
                return Err(TransferError::Missing(path.to_owned()));
            }
            let database = connect(path)?;
            if let Some(connection) = &database {
                connection.execute_batch("BEGIN")?;
            }
            let now = database.as_ref().map(folded).transpose()?;
            // Otherwise segments were checkpointed, and others begun, while these were read.
            if now == before || attempt == ATTEMPTS {
                return Self::of(database, now.unwrap_or(0), &segments);
            }
            attempt += 1;
        }
    }

    fn of(
        database: Option<Connection>,
        folded: u64,
        segments: &[(u64, Vec<u8>)],
    ) -> Result<Self, TransferError> {
        let segments: Vec<_> = segments
            .iter()
            .filter(|(number, _)| *number > folded)
            .map(|(n, bytes)| (*n, &bytes[..]))
            .collect();
        let mut corrections = Vec::new();
        for (_, bytes) in &segments {
            frame::entries(bytes, |entry| {
                if let Entry::TimeCorrection(correction) = entry {
                    corrections.push(correction);
                }
            });
        }
        let mut recent = Database::in_memory()?;
        recent.checkpoint(&segments, &TimeZone::system())?;
        let mut parts: Vec<_> = database
            .into_iter()
            .map(|connection| Part { connection, corrections: corrections.clone() })
            .collect();
        parts.push(Part { connection: recent.connection, corrections: Vec::new() });
        Ok(Self { parts })
    }

    /// Returns the times of the first reading and of the last one, in microseconds since 1970; `None` if there are none,
    /// or the database does not tell.
    pub fn span(&self) -> Option<(i64, i64)> {
        let minutes = self.parts.iter().filter_map(|part| {
            // Two queries, as SQLite needs only the first row and the last one for each.
            let key = |of: &str| {
                let sql = format!("SELECT {of}(key) FROM raw");
                part.connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten()
            };
            Some((key("min")? >> 16, key("max")? >> 16))
        });
        let (first, last) = minutes.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some((first.saturating_mul(MINUTE), last.saturating_add(1).saturating_mul(MINUTE)))
    }

    /// Passes every reading to `sink`, in order of time. The setting of a counter is a row with the number before; such
    /// a row is not a reading.
    ///
    /// A reading from before a correction of the clock that is not checkpointed yet has its right time, but may come
    /// where it had the wrong one.
    ///
    /// # Errors
    /// Returns the error of the database or of `sink`, or [`TransferError::NoSeries`].
    pub fn readings(
        &self,
        selection: &Selection,
        mut sink: impl FnMut(&Labels, i64, Decimal, Option<Decimal>) -> io::Result<()>,
    ) -> Result<Summary, TransferError> {
        let (labels, wanted) = self.select(selection)?;
        let (from, to) = limits(selection);
        let slack = self.parts.iter().map(Part::slack).max().unwrap_or(0);
        let (start, end) = (from.saturating_sub(slack), to.saturating_add(slack));
        let parts = self.parts.iter().zip(wanted);
        let mut parts =
            parts.map(|(part, wanted)| Readings::new(part, wanted, start)).collect::<Result<Vec<_>, _>>()?;
        let mut summary = Summary::default();
        loop {
            let mut next = None;
            for part in &mut parts {
                next = [next, part.next_minute()?].into_iter().flatten().min();
            }
            let Some(minute) = next.filter(|minute| minute.saturating_mul(MINUTE) < end) else {
                let time = |(_, key): Key| (key >> 16).saturating_mul(MINUTE);
                summary.gaps = gaps(parts.iter().flat_map(|part| &part.raw.gaps), time);
                return Ok(summary);
            };
            let mut rows = Vec::new();
            for part in &mut parts {
                summary.damaged += part.minute(minute, &mut rows)?;
            }
            // Stable: a reading of the database comes before its repetition in the log.
            rows.sort_by_key(|(time, series, _, set)| (*time, *series, set.is_none()));
            rows.dedup_by_key(|(time, series, _, set)| (*time, *series, set.is_none()));
            for (time, series, value, set) in rows {
                if (from..to).contains(&time) {
                    sink(&labels[series], time, value, set)?;
                    summary.rows += 1;
                }
            }
        }
    }

    /// Passes every roll-up of spans that begin within the selection to `sink`, with its start in seconds since 1970,
    /// in order of time.
    ///
    /// # Errors
    /// Returns the same errors as [`readings`](Self::readings).
    pub fn rollups(
        &self,
        selection: &Selection,
        level: Level,
        mut sink: impl FnMut(&Labels, i64, &Rollup) -> io::Result<()>,
    ) -> Result<Summary, TransferError> {
        let (labels, wanted) = self.select(selection)?;
        let (from, to) = limits(selection);
        let up = |micros: Micros| micros.div_euclid(SECOND) + i64::from(micros.rem_euclid(SECOND) > 0);
        let (from, to) = (up(from), up(to));
        // The part on the disk comes first, as what is not checkpointed yet is later.
        let mut walks = Vec::new();
        for (part, wanted) in self.parts.iter().zip(&wanted) {
            // The key of `minute` begins with the time, those of the others with the series.
            if level == Level::Minute {
                walks.push((part.rollups(level, None, from), wanted));
            } else {
                walks.extend(wanted.keys().map(|id| (part.rollups(level, Some(*id), from), wanted)));
            }
        }
        let mut summary = Summary::default();
        loop {
            let mut next = None;
            for (walk, _) in &mut walks {
                next = [next, walk.peek()?.map(|(key, _)| key.0)].into_iter().flatten().min();
            }
            let Some(start) = next.filter(|start| *start < to) else {
                summary.gaps = gaps(walks.iter().flat_map(|(walk, _)| &walk.gaps), |(start, _)| {
                    start.saturating_mul(SECOND)
                });
                return Ok(summary);
            };
            let mut rows = BTreeMap::<usize, Rollup>::new();
            for (walk, wanted) in &mut walks {
                while let Some(((_, id), rollup)) = walk.next_if(|key| key.0 == start)? {
                    let Some(series) = wanted.get(&id) else { continue };
                    rows.entry(*series).and_modify(|row| row.append(&rollup)).or_insert(rollup);
                }
            }
            for (series, rollup) in rows {
                sink(&labels[series], start, &rollup)?;
                summary.rows += 1;
            }
        }
    }

    /// Returns the labels that are selected, in order, and their places in each part.
    fn select(&self, selection: &Selection) -> Result<(Vec<Labels>, Vec<Wanted>), TransferError> {
        let (mut all, mut ids) = (BTreeMap::<SeriesName, Text>::new(), Vec::new());
        for part in &self.parts {
            // Also those of version 1, which have no kind.
            let mut series = part.connection.prepare(
                "SELECT series.id, section.name, series.name, unit, obis FROM series JOIN section ON section = section.id",
            )?;
            let mut rows = series.query([])?;
            let mut of_part = Vec::new();
            while let Some(row) = rows.next()? {
                let text = |column| row.get_ref(column).and_then(|text| Ok(Text::from(text.as_str()?)));
                let name = SeriesName { section: text(1)?, name: text(2)?, unit: text(3)? };
                let obis = all.entry(name.clone()).or_default();
                if obis.is_empty() {
                    *obis = text(4)?;
                }
                of_part.push((row.get::<_, i64>(0)?, name));
            }
            ids.push(of_part);
        }
        let full = |name: &SeriesName| format!("{}/{}", name.section, name.name);
        for pattern in &selection.series {
            if !all.keys().any(|name| matches(pattern, &full(name))) {
                let mut known: Vec<_> = all.keys().map(full).collect();
                known.dedup();
                return Err(TransferError::NoSeries(pattern.clone(), known));
            }
        }
        let wanted = |name: &SeriesName| {
            selection.series.is_empty()
                || selection.series.iter().any(|pattern| matches(pattern, &full(name)))
        };
        all.retain(|name, _| wanted(name));
        let places: HashMap<_, _> = all.keys().cloned().zip(0..).collect();
        let wanted = ids
            .into_iter()
            .map(|of_part| of_part.iter().filter_map(|(id, name)| Some((*id, *places.get(name)?))).collect());
        let wanted = wanted.collect();
        let labels = |(SeriesName { section, name, unit }, obis)| Labels { section, name, unit, obis };
        Ok((all.into_iter().map(labels).collect(), wanted))
    }
}

impl Part {
    /// Returns by how much the corrections may move a time.
    fn slack(&self) -> Micros {
        let deltas = self.corrections.iter().map(|correction| correction.delta.saturating_abs());
        deltas.fold(0, Micros::saturating_add)
    }

    fn corrected(&self, time: Micros) -> Micros {
        self.corrections.iter().fold(time, |time, correction| correction.apply(time))
    }

    /// Returns the roll-ups from a second on in order of time, of one series or of all.
    fn rollups(&self, level: Level, series: Option<i64>, from: i64) -> Walk<'_, Rollup> {
        let table = level.table();
        let filter = series.map_or("(ts, series) >= (?1, ?2)".to_owned(), |id| {
            format!("series = {id} AND ts >= ?1 AND (ts > ?1 OR series >= ?2)")
        });
        let sql = format!(
            "SELECT ts, series, first, last, min, max, mean, count FROM {table} \
             WHERE {filter} ORDER BY ts, series LIMIT ?3"
        );
        Walk::new(&self.connection, sql, (from, i64::MIN), |row| {
            Ok(((row.get(0)?, row.get(1)?), Rollup::from_row(row, 2)?))
        })
    }
}

impl<'a> Readings<'a> {
    fn new(part: &'a Part, wanted: Wanted, from: Micros) -> Result<Self, TransferError> {
        let sql = "SELECT key, data FROM raw WHERE key >= ?2 AND ?1 = 0 ORDER BY key LIMIT ?3";
        let first = minute_of(from).saturating_mul(1 << 16);
        let raw = Walk::new(&part.connection, sql.to_owned(), (0, first), |row| {
            Ok(((0, row.get(0)?), row.get(1)?))
        });
        let mut sets = part.connection.prepare(
            "SELECT ts, series, before, after FROM event WHERE kind = 'set' AND ts >= ?1 ORDER BY ts, series",
        )?;
        let sets = sets.query_map([from], |row| {
            let (time, id) = (row.get(0)?, row.get(1)?);
            // A number that is not a decimal was not recorded as one.
            let (before, after) = (Decimal::from_f64(row.get(2)?), Decimal::from_f64(row.get(3)?));
            let set = wanted.get(&id).copied().zip(before.zip(after));
            Ok(set
                .map(|(series, (before, after))| (time, (part.corrected(time), series, after, Some(before)))))
        })?;
        let sets = sets.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Self { part, wanted, raw, sets })
    }

    /// Returns the next minute that has readings or settings.
    fn next_minute(&mut self) -> Result<Option<i64>, TransferError> {
        let raw = self.raw.peek()?.map(|((_, key), _)| key >> 16);
        let set = self.sets.front().map(|(time, _)| minute_of(*time));
        Ok([raw, set].into_iter().flatten().min())
    }

    /// Appends the rows of a minute. Returns how many sections' rows are damaged.
    fn minute(&mut self, minute: i64, out: &mut Vec<Row>) -> Result<u64, TransferError> {
        let mut damaged = 0;
        while let Some((_, row)) = self.raw.next_if(|(_, key)| key >> 16 == minute)? {
            let Ok(block) = Block::decode(minute, &row) else {
                damaged += 1;
                continue;
            };
            for column in &block.columns {
                let Some(series) = self.wanted.get(&i64::from(column.series)) else { continue };
                let samples = column.samples.iter();
                out.extend(
                    samples.map(|sample| (self.part.corrected(sample.time), *series, sample.value, None)),
                );
            }
        }
        while self.sets.front().is_some_and(|(time, _)| minute_of(*time) == minute)
            && let Some((_, set)) = self.sets.pop_front()
        {
            out.push(set);
        }
        Ok(damaged)
    }
}

/// Returns the gaps of several walks as times, in order.
fn gaps<'g>(
    gaps: impl IntoIterator<Item = &'g (Key, Key)>,
    time: impl Fn(Key) -> Micros,
) -> Vec<(Micros, Micros)> {
    let mut gaps: Vec<_> = gaps.into_iter().map(|(from, to)| (time(*from), time(*to))).collect();
    gaps.sort_unstable();
    gaps.dedup_by(|next, before| {
        let touches = next.0 <= before.1;
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
    gaps
}

/// Returns the ends of a selection: far enough that nothing is beyond them, near enough to calculate with.
fn limits(selection: &Selection) -> (Micros, Micros) {
    (selection.from.unwrap_or(i64::MIN / 4), selection.to.unwrap_or(i64::MAX / 4))
}
