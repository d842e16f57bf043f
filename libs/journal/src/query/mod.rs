//! Questions, answered from the database and the log at one moment.

pub(crate) mod consumption;
pub(crate) mod history;
pub(crate) mod readers;
pub(crate) mod recent;
pub(crate) mod register;
pub(crate) mod series;
#[cfg(test)]
mod tests;
pub(crate) mod total;
mod untimed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use jiff::{civil::Date, tz::TimeZone};
use rusqlite::Connection;

pub(crate) use self::series::Series;
use self::{
    recent::{Recent, entries},
    series::join,
};
use crate::{
    db::DbSeries,
    quoted,
    series::{SeriesName, Stated},
    time::{Micros, SECOND, span::day_start},
    wal::{Entry, Layout},
};
use reading::{Meaning, Text};

/// Most names that a message lists where one was not found.
const LISTED: usize = 12;

/// The journal at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// In a read transaction; `None` where there is no database (yet).
    pub(crate) database: Option<&'a Connection>,
    /// Bytes of the segments that the database does not have, ascending.
    pub(crate) segments: &'a [&'a [u8]],
    /// Time zone of local days.
    pub zone: &'a TimeZone,
    pub(crate) wanted: Wanted<'a>,
}

/// Tells whether somebody still waits for an answer, which ends a long walk.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a>(pub(crate) Option<&'a dyn Fn() -> bool>);

impl Wanted<'_> {
    /// Returns an error if nobody waits any more.
    pub(crate) fn check(self) -> Result<(), ReadError> {
        if self.0.is_none_or(|is_wanted| is_wanted()) { Ok(()) } else { Err(ReadError::Unwanted) }
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wanted").field(&self.0.is_some()).finish()
    }
}

/// Series with the times of its readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name of the series.
    pub name: SeriesName,
    /// OBIS code; empty where there is none.
    pub obis: Text,
    /// Meaning of its numbers.
    pub meaning: Meaning,
    /// Time of the first reading; of a checkpointed one the start of its minute.
    pub from: Micros,
    /// Time of the last reading; of a checkpointed one the end of its minute.
    pub to: Micros,
}

/// Error of a question.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The series does not exist; the message names those that do.
    #[error("{0}")]
    NotFound(String),
    /// The question makes no sense, or its answer is too long.
    #[error("{0}")]
    BadRequest(String),
    /// The journal is off, or its database cannot be opened.
    #[error("{0}")]
    Unavailable(String),
    /// Whoever asked has gone.
    #[error("nobody waits for the answer any more")]
    Unwanted,
    /// The database failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl<'v> View<'v> {
    /// Returns whether there is a database. Without one, as while the journal is being opened, only what the log has is
    /// seen.
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// Returns the second since 1970 at which a local day begins.
    pub fn day_start(&self, day: Date) -> i64 {
        day_start(day, self.zone)
    }

    /// Returns the series of a name. Without a unit: of several the one that was read last.
    ///
    /// # Errors
    /// Returns [`ReadError::NotFound`] with the names that exist, or the error of the database.
    pub fn find(&self, section: &str, name: &str, unit: Option<&str>) -> Result<Series<'v>, ReadError> {
        self.wanted.check()?;
        let mut found: Vec<Series<'v>> = Vec::new();
        if let Some(database) = self.database {
            for (name, stated, stored) in DbSeries::called(database, section, name)? {
                let (stored, recent) = (Some(stored), Recent::default());
                found.push(Series { name, stated, stored, recent, zone: self.zone, wanted: self.wanted });
            }
        }
        for (unit, stated, recent) in Recent::read(self.segments, section, name) {
            match found.iter_mut().find(|series| series.name.unit == unit) {
                Some(series) => {
                    series.recent = recent;
                    if let Some(stored) = &series.stored {
                        stored.retain_new(&mut series.recent.samples)?;
                    }
                    series.stated.update(&stated.obis, stated.kind, stated.medium);
                }
                None => {
                    let name = SeriesName { section: section.into(), name: name.into(), unit };
                    let (zone, wanted) = (self.zone, self.wanted);
                    found.push(Series { name, stated, stored: None, recent, zone, wanted });
                }
            }
        }
        if let Some(unit) = unit.filter(|_| !found.is_empty()) {
            let units = quoted(found.iter().map(|series| &*series.name.unit));
            let right = found.into_iter().find(|series| series.name.unit == unit);
            return right.ok_or_else(|| {
                ReadError::NotFound(format!("`{section}/{name}` has no unit `{unit}`: it has {units}"))
            });
        }
        let last = |series: Series<'v>| Ok((series.extent()?.map(|(_, last)| last), series));
        let found: Vec<_> = found.into_iter().map(last).collect::<Result<_, ReadError>>()?;
        match found.into_iter().max_by_key(|(last, _)| *last) {
            Some((_, series)) => Ok(series),
            None => Err(self.missing(section, name)?),
        }
    }

    /// Returns the error that names what exists in the place of what was not found.
    fn missing(&self, section: &str, name: &str) -> Result<ReadError, ReadError> {
        let mut names = BTreeSet::new();
        if let Some(database) = self.database {
            let all = DbSeries::all(database)?.into_iter();
            names.extend(all.map(|(name, ..)| (name.section, name.name)));
        }
        for Extent { layout: Layout { section, columns }, .. } in self.recent_extents() {
            names.extend(columns.into_iter().map(|column| (section.clone(), column.name)));
        }
        let of_section = names.iter().filter(|(of, _)| of == section).map(|(_, name)| &**name);
        let (what, missed, parent, existing) = match of_section.collect::<Vec<_>>() {
            none if none.is_empty() => {
                let sections: BTreeSet<_> = names.iter().map(|(section, _)| &**section).collect();
                ("source", section, "the journal".to_owned(), sections.into_iter().collect())
            }
            names => ("reading", name, format!("`{section}`"), names),
        };
        let existing = match existing.len() {
            0 => format!("{parent} has none"),
            1..=LISTED => format!("{parent} has {}", quoted(existing)),
            n => format!("{parent} has {n} others"),
        };
        Ok(ReadError::NotFound(format!("no {what} `{missed}`: {existing}")))
    }

    /// Checks that a section has a series.
    ///
    /// # Errors
    /// Returns [`ReadError::NotFound`] with the sections that exist, or the error of the database.
    pub fn check_section(&self, section: &str) -> Result<(), ReadError> {
        match self.series()?.iter().any(|listed| listed.name.section == section) {
            true => Ok(()),
            false => Err(self.missing(section, "")?),
        }
    }

    /// Returns all series, by section and name.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub fn series(&self) -> Result<Vec<Listed>, ReadError> {
        let mut all: BTreeMap<SeriesName, (Stated, Option<(Micros, Micros)>)> = BTreeMap::new();
        if let Some(database) = self.database {
            for (name, stated, stored) in DbSeries::all(database)? {
                all.insert(name, (stated, stored.extent()?));
            }
        }
        for Extent { layout, times } in self.recent_extents() {
            for column in layout.columns {
                let (name, unit) = (column.name, column.unit);
                let name = SeriesName { section: layout.section.clone(), name, unit };
                let (stated, known) = all.entry(name).or_default();
                stated.update(&column.obis, column.kind, column.medium);
                *known = Some(known.map_or(times, |known| join(known, times)));
            }
        }
        let listed = all.into_iter().filter_map(|(name, (stated, extent))| {
            let (from, to) = extent?;
            Some(Listed { meaning: stated.meaning(&name), obis: stated.obis, name, from, to })
        });
        Ok(listed.collect())
    }

    /// Returns the times of the first batch and the last of each layout in the log.
    fn recent_extents(&self) -> impl Iterator<Item = Extent> + use<> {
        let mut extents = HashMap::<Text, Vec<Extent>>::new();
        entries(self.segments, |entry| match entry {
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

    /// Returns the moment from which on every single reading of all series is there; `None` where there is none yet.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub fn raw_from(&self) -> Result<Option<Micros>, ReadError> {
        if let Some(database) = self.database
            && let Some(oldest) = DbSeries::oldest_raw(database)?
        {
            let mut from = oldest;
            for (.., stored) in DbSeries::all(database)? {
                from = from.max(stored.raw_from(oldest)?);
            }
            return Ok(Some(from * SECOND));
        }
        Ok(self.recent_extents().map(|extent| extent.times.0).min())
    }
}

/// Times of the first batch and the last of a layout.
struct Extent {
    layout: Layout,
    times: (Micros, Micros),
}
