//! What a reader sees: the database and what is not folded yet, at one moment.

pub(crate) mod consumption;
pub(crate) mod history;
pub(crate) mod readers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    counter::Counter,
    db::db_series::DbSeries,
    quoted,
    series::{Sample, SeriesName},
    time::{Micros, SECOND},
    wal::{
        entry::{CounterSet, Entry, Layout},
        frame,
    },
};
use reading::{Decimal, Text};

/// So many names are listed in the message that one of them was missed.
const LISTED: usize = 12;

/// The journal at one moment.
pub struct View<'a> {
    /// In a read transaction; `None` where there is no database (yet).
    pub database: Option<&'a Connection>,
    /// The bytes of the segments that the database does not have, ascending.
    pub segments: &'a [&'a [u8]],
    /// Whose days are days.
    pub zone: &'a TimeZone,
}

/// What of a series is not folded yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recent {
    /// In order of time, no time twice, and none that is stored.
    pub samples: Vec<Sample>,
    /// In order of time.
    pub sets: Vec<CounterSet>,
}

/// A series, and from when to when there are readings of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: SeriesName,
    /// Empty where there is none.
    pub obis: Text,
    pub counter: bool,
    /// The first reading; of a folded one the start of its minute.
    pub from: Micros,
    /// The last reading; of a folded one the end of its minute.
    pub to: Micros,
}

/// One series, for questions about it.
pub struct Series<'v> {
    pub name: SeriesName,
    pub obis: Text,
    /// `None` where the database has nothing of it.
    pub stored: Option<DbSeries<'v>>,
    pub recent: Recent,
    pub zone: &'v TimeZone,
}

/// A number, and when it was read: between two moments, as of old readings the minute is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReadAt {
    pub number: f64,
    pub earliest: Micros,
    pub latest: Micros,
}

impl From<&Sample> for ReadAt {
    fn from(sample: &Sample) -> Self {
        Self { number: sample.value.to_f64(), earliest: sample.time, latest: sample.time }
    }
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such series: a sentence.
    #[error("{0}")]
    NotFound(String),
    /// The question makes no sense, or too much of it: a sentence.
    #[error("{0}")]
    BadRequest(String),
    /// The journal is off, or its database is not there: a sentence.
    #[error("{0}")]
    Unavailable(String),
    /// The database says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl<'v> View<'v> {
    /// What is not folded yet of a name, by unit, with the OBIS code.
    fn unfolded(&self, section: &str, name: &str) -> Vec<(Text, Text, Recent)> {
        fn of<'f>(found: &'f mut Vec<(Text, Text, Recent)>, unit: &Text, obis: &str) -> &'f mut Recent {
            let at = found.iter().position(|(known, _, _)| known == unit).unwrap_or_else(|| {
                found.push((unit.clone(), Text::default(), Recent::default()));
                found.len() - 1
            });
            let (_, known, recent) = &mut found[at];
            if known.is_empty() {
                *known = obis.into();
            }
            recent
        }
        let mut found = Vec::new();
        self.entries(|entry| match entry {
            Entry::Batch { layout, time, mantissas } if layout.section == section => {
                for (column, &mantissa) in layout.columns.iter().zip(mantissas) {
                    if column.name == name
                        && let Some(value) = Decimal::new(mantissa, column.scale)
                    {
                        of(&mut found, &column.unit, &column.obis).samples.push(Sample { time, value });
                    }
                }
            }
            Entry::CounterSet(set) if set.series.section == section && set.series.name == name => {
                of(&mut found, &set.series.unit, "").sets.push(set);
            }
            Entry::TimeCorrection(correction) => {
                for (_, _, recent) in &mut found {
                    let times = recent.samples.iter_mut().map(|sample| &mut sample.time);
                    for time in times.chain(recent.sets.iter_mut().map(|set| &mut set.time)) {
                        *time = correction.apply(*time);
                    }
                }
            }
            _ => {}
        });
        for (_, _, recent) in &mut found {
            // Stable: of two with one time the one that came first stays.
            recent.samples.sort_by_key(|sample| sample.time);
            recent.samples.dedup_by_key(|sample| sample.time);
            recent.sets.sort_by_key(|set| set.time);
        }
        found
    }

    fn entries(&self, mut visit: impl FnMut(Entry<'_>)) {
        for segment in self.segments {
            frame::entries(segment, &mut visit);
        }
    }

    /// The series of a name; where it had several units, the one that was read last.
    ///
    /// # Errors
    /// `NotFound` names what there is.
    pub fn find(&self, section: &str, name: &str, unit: Option<&str>) -> Result<Series<'v>, ReadError> {
        let mut found: Vec<Series<'v>> = Vec::new();
        if let Some(database) = self.database {
            for (name, obis, stored) in DbSeries::called(database, section, name)? {
                let (stored, recent) = (Some(stored), Recent::default());
                found.push(Series { name, obis, stored, recent, zone: self.zone });
            }
        }
        for (unit, obis, recent) in self.unfolded(section, name) {
            match found.iter_mut().find(|series| series.name.unit == unit) {
                Some(series) => {
                    series.recent = recent;
                    if let Some(stored) = &series.stored {
                        stored.retain_new(&mut series.recent.samples)?;
                    }
                    if series.obis.is_empty() {
                        series.obis = obis;
                    }
                }
                None => {
                    let name = SeriesName { section: section.into(), name: name.into(), unit };
                    found.push(Series { name, obis, stored: None, recent, zone: self.zone });
                }
            }
        }
        if found.is_empty() {
            return Err(self.missing(section, name)?);
        }
        if let Some(unit) = unit {
            let units = quoted(found.iter().map(|series| &*series.name.unit));
            let right = found.into_iter().find(|series| series.name.unit == unit);
            return right.ok_or_else(|| {
                ReadError::NotFound(format!("`{section}/{name}` has no unit `{unit}`: it has {units}"))
            });
        }
        if found.len() > 1 {
            let mut newest = Vec::with_capacity(found.len());
            for series in found {
                newest.push((series.extent()?.map(|(_, last)| last), series));
            }
            newest.sort_by_key(|(last, _)| *last);
            found = newest.into_iter().map(|(_, series)| series).collect();
        }
        found.pop().ok_or_else(|| ReadError::NotFound(format!("no reading `{name}`")))
    }

    fn missing(&self, section: &str, name: &str) -> Result<ReadError, ReadError> {
        let mut names = BTreeSet::new();
        if let Some(database) = self.database {
            names.extend(DbSeries::names(database)?);
        }
        self.entries(|entry| {
            if let Entry::Batch { layout, .. } = entry
                && layout
                    .columns
                    .iter()
                    .any(|column| !names.contains(&(layout.section.clone(), column.name.clone())))
            {
                let of = layout.columns.iter();
                names.extend(of.map(|column| (layout.section.clone(), column.name.clone())));
            }
        });
        let in_section: Vec<_> =
            names.iter().filter(|(of, _)| of == section).map(|(_, name)| &**name).collect();
        let (what, missed, parent, there) = if in_section.is_empty() {
            let sections: BTreeSet<_> = names.iter().map(|(section, _)| &**section).collect();
            ("section", section, "the journal".to_owned(), sections.into_iter().collect())
        } else {
            ("reading", name, format!("`{section}`"), in_section)
        };
        let there = match there.len() {
            0 => format!("{parent} has none"),
            1..=LISTED => format!("{parent} has {}", quoted(there)),
            n => format!("{parent} has {n} others"),
        };
        Ok(ReadError::NotFound(format!("no {what} `{missed}`: {there}")))
    }

    /// All series, by section and name.
    pub fn series(&self) -> Result<Vec<Listed>, ReadError> {
        let mut all: BTreeMap<SeriesName, (Text, Option<(Micros, Micros)>)> = BTreeMap::new();
        if let Some(database) = self.database {
            for (name, obis, stored) in DbSeries::all(database)? {
                all.insert(name, (obis, stored.extent()?));
            }
        }
        for extent in self.unfolded_extents() {
            for column in extent.layout.columns {
                let section = extent.layout.section.clone();
                let name = SeriesName { section, name: column.name, unit: column.unit };
                let (obis, known) = all.entry(name).or_default();
                if obis.is_empty() {
                    *obis = column.obis;
                }
                *known = Some(known.map_or(extent.times, |known| join(known, extent.times)));
            }
        }
        let listed = all.into_iter().filter_map(|(name, (obis, extent))| {
            let (from, to) = extent?;
            Some(Listed { counter: Counter::of(&name.unit, &obis).is_some(), name, obis, from, to })
        });
        Ok(listed.collect())
    }

    /// From when to when there are batches of each layout.
    fn unfolded_extents(&self) -> impl Iterator<Item = Extent> + use<> {
        let mut extents = HashMap::<Text, Vec<Extent>>::new();
        self.entries(|entry| match entry {
            Entry::Batch { layout, time, .. } => {
                let known = match extents.get_mut(&layout.section) {
                    Some(known) => known,
                    None => extents.entry(layout.section.clone()).or_default(),
                };
                match known.iter_mut().find(|extent| extent.layout == *layout) {
                    Some(Extent { times: (from, to), .. }) => (*from, *to) = (time.min(*from), time.max(*to)),
                    None => known.push(Extent { layout: layout.clone(), times: (time, time) }),
                }
            }
            Entry::TimeCorrection(correction) => {
                for Extent { times: (from, to), .. } in extents.values_mut().flatten() {
                    (*from, *to) =
                        (correction.apply(*from), correction.apply(*to).max(correction.apply(*from)));
                }
            }
            _ => {}
        });
        extents.into_values().flatten()
    }

    /// From when on there are all readings of all series, not just their roll-ups; `None` where there is nothing yet.
    pub fn raw_from(&self) -> Result<Option<Micros>, ReadError> {
        if let Some(database) = self.database
            && let Some(oldest) = DbSeries::oldest_raw(database)?
        {
            let mut from = oldest;
            for (_, _, stored) in DbSeries::all(database)? {
                from = from.max(stored.raw_from(oldest)?);
            }
            return Ok(Some(from * SECOND));
        }
        Ok(self.unfolded_extents().map(|extent| extent.times.0).min())
    }
}

/// From when to when there are batches of a layout.
struct Extent {
    layout: Layout,
    times: (Micros, Micros),
}

/// From when to when there is something, stored to the minute or not folded yet.
fn join(stored: (Micros, Micros), recent: (Micros, Micros)) -> (Micros, Micros) {
    // A stored end is that of its minute, in which what is not folded may go on.
    let end = if stored.1 - 60 * SECOND < recent.1 { recent.1 } else { stored.1 };
    (stored.0.min(recent.0), end)
}

impl Series<'_> {
    /// Its first reading and its last one; of folded ones the start of the first minute and the end of the last.
    pub fn extent(&self) -> Result<Option<(Micros, Micros)>, ReadError> {
        let stored = self.stored.as_ref().map(DbSeries::extent).transpose()?.flatten();
        let recent = match &self.recent.samples[..] {
            [first, .., last] => Some((first.time, last.time)),
            [only] => Some((only.time, only.time)),
            [] => None,
        };
        Ok(match (stored, recent) {
            (Some(stored), Some(recent)) => Some(join(stored, recent)),
            (stored, recent) => stored.or(recent),
        })
    }

    /// Those not folded yet, from one moment to before another.
    pub fn recent_within(&self, from: Micros, to: Micros) -> &[Sample] {
        let samples = &self.recent.samples;
        let start = samples.partition_point(|sample| sample.time < from);
        let end = samples.partition_point(|sample| sample.time < to);
        samples.get(start..end).unwrap_or_default()
    }

    /// The first reading from one full minute to before another, and the last.
    pub fn ends(&self, from: i64, to: i64) -> Result<Option<(ReadAt, ReadAt)>, ReadError> {
        let recent = self.recent_within(from.saturating_mul(SECOND), to.saturating_mul(SECOND));
        let recent = recent.first().zip(recent.last()).map(|(first, last)| (first.into(), last.into()));
        let stored = self.stored.as_ref().map(|stored| stored.ends(from, to)).transpose()?.flatten();
        let (Some(stored), Some(recent)) = (stored, recent) else { return Ok(stored.or(recent)) };
        let first = if recent.0.latest < stored.0.earliest { recent.0 } else { stored.0 };
        let last = if recent.1.earliest > stored.1.latest { recent.1 } else { stored.1 };
        Ok(Some((first, last)))
    }
}
