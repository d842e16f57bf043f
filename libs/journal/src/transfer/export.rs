//! Export: readings in order of time, minute by minute, however many years there are.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    path::Path,
};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    db::{Database, Level, Rollup, folded, minute_of, open_for_reading},
    time::{MINUTE, Micros, SECOND},
    transfer::{
        Labels, TransferError, matches,
        source::{Part, Source, window},
    },
    wal::{Entry, frame, segment_numbers, segment_path},
};
use reading::Decimal;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that were passed on.
    pub rows: u64,
    /// Minutes of a source that are damaged, and were left out.
    pub damaged: u64,
}

/// Journal at one moment, beside a program that may go on recording.
///
/// It is two databases: the one on the disk, and one in memory of what is not checkpointed yet.
pub struct Archive {
    parts: Vec<Part>,
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
        let (labels, mut sources) = self.select(selection)?;
        let (from, to) = limits(selection);
        let slack = sources.iter().map(Source::slack).max().unwrap_or(0);
        let mut at = minute_of(from.saturating_sub(slack));
        let end = to.saturating_add(slack);
        let mut summary = Summary::default();
        loop {
            let mut next = None;
            for source in &mut sources {
                next = [next, source.next_minute(at)?].into_iter().flatten().min();
            }
            let Some(minute) = next.filter(|minute| minute.saturating_mul(MINUTE) < end) else {
                return Ok(summary);
            };
            let mut rows = Vec::new();
            for source in &mut sources {
                summary.damaged += source.minute(minute, &mut rows)?;
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
            at = minute + 1;
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
        let (labels, sources) = self.select(selection)?;
        let (from, to) = limits(selection);
        let up = |micros: Micros| micros.div_euclid(SECOND) + i64::from(micros.rem_euclid(SECOND) > 0);
        let (mut at, to) = (up(from), up(to));
        let mut summary = Summary::default();
        loop {
            let mut next = None;
            for source in &sources {
                next = [next, source.next_span(level, at)?].into_iter().flatten().min();
            }
            let Some(start) = next.filter(|start| *start < to) else { return Ok(summary) };
            let end = start.saturating_add(window(level)).min(to);
            // The part on the disk comes first, as what is not checkpointed yet is later.
            let mut rows = BTreeMap::<(i64, usize), Rollup>::new();
            for source in &sources {
                source.spans(level, start..end, |ts, series, rollup| {
                    rows.entry((ts, series)).and_modify(|row| row.append(&rollup)).or_insert(rollup);
                })?;
            }
            for ((ts, series), rollup) in rows {
                sink(&labels[series], ts, &rollup)?;
                summary.rows += 1;
            }
            at = end;
        }
    }

    /// Returns the labels that are selected, in order, and the sources that have them.
    fn select(&self, selection: &Selection) -> Result<(Vec<Labels>, Vec<Source<'_>>), TransferError> {
        let mut all = BTreeMap::<_, Labels>::new();
        let mut ids = Vec::new();
        for part in &self.parts {
            let mut statement = part.connection.prepare(
                "SELECT series.id, section.name, series.name, unit, obis FROM series JOIN section ON section = section.id",
            )?;
            let mut rows = statement.query([])?;
            let mut of_part = Vec::new();
            while let Some(row) = rows.next()? {
                let [section, name, unit, obis] = [1, 2, 3, 4].map(|i| row.get::<_, String>(i));
                let labels = Labels {
                    section: section?.into(),
                    name: name?.into(),
                    unit: unit?.into(),
                    obis: obis?.into(),
                };
                let key = (labels.section.clone(), labels.name.clone(), labels.unit.clone());
                of_part.push((row.get::<_, i64>(0)?, key.clone()));
                let known = all.entry(key).or_insert_with(|| labels.clone());
                if known.obis.is_empty() {
                    known.obis = labels.obis;
                }
            }
            ids.push(of_part);
        }
        let full = |labels: &Labels| format!("{}/{}", labels.section, labels.name);
        for pattern in &selection.series {
            if !all.values().any(|labels| matches(pattern, &full(labels))) {
                let mut known: Vec<_> = all.values().map(full).collect();
                known.dedup();
                return Err(TransferError::NoSeries(pattern.clone(), known));
            }
        }
        let wanted = |labels: &Labels| {
            selection.series.is_empty()
                || selection.series.iter().any(|pattern| matches(pattern, &full(labels)))
        };
        all.retain(|_, labels| wanted(labels));
        let places: HashMap<_, _> = all.keys().enumerate().map(|(place, key)| (key.clone(), place)).collect();
        let source = |(part, ids): (_, Vec<(i64, _)>)| {
            Source::new(part, ids.iter().filter_map(|(id, key)| Some((*id, *places.get(key)?))).collect())
        };
        let sources = self.parts.iter().zip(ids).map(source).collect();
        Ok((all.into_values().collect(), sources))
    }
}

/// Returns the ends of a selection: far enough that nothing is beyond them, near enough to calculate with.
fn limits(selection: &Selection) -> (Micros, Micros) {
    (selection.from.unwrap_or(i64::MIN / 4), selection.to.unwrap_or(i64::MAX / 4))
}

/// Checks that the path is a file that may be read, or does not exist.
fn check(path: &Path) -> Result<(), TransferError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(TransferError::NoJournal(path.to_owned(), "it is a folder".to_owned()))
        }
        // SQLite does not tell which file it may not read, nor why.
        Ok(_) => File::open(path).map(drop).map_err(TransferError::file(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(TransferError::file(path)(error)),
    }
}

/// Reads the segments that the database does not have. Publishers may need many older ones.
fn read_segments(path: &Path, folded: u64) -> Result<Vec<(u64, Vec<u8>)>, TransferError> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let numbers = match segment_numbers(path) {
        Err(error) if missing(&error) => Vec::new(),
        numbers => numbers.map_err(TransferError::file(path.parent().unwrap_or(path)))?,
    };
    let mut read = Vec::new();
    for number in numbers.into_iter().filter(|number| *number > folded) {
        let file = segment_path(path, number);
        match fs::read(&file) {
            Ok(bytes) => read.push((number, bytes)),
            Err(error) if missing(&error) => {} // checkpointed just now
            Err(error) => return Err(TransferError::file(&file)(error)),
        }
    }
    Ok(read)
}

/// Opens the database; returns `None` if there is none yet.
fn connect(path: &Path) -> Result<Option<Connection>, TransferError> {
    let open = |path| open_for_reading(path).map_err(|error| TransferError::opening(path, error));
    path.exists().then(|| open(path)).transpose()
}

/// Returns the number of the last segment that the database has; `None` if there is no database yet.
fn folded_of(path: &Path) -> Result<Option<u64>, TransferError> {
    Ok(connect(path)?.as_ref().map(folded).transpose()?)
}
