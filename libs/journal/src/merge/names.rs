//! Names that the series of another box have here.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use rusqlite::Connection;

use crate::{
    db::{Catalogue, Counter, DbSeries},
    series::SeriesName,
    transfer::TransferError,
};
use reading::Text;

/// Other name for a source of the other box, or for one reading of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    section: Text,
    /// `None` for all readings of the source.
    name: Option<Text>,
    to_section: Text,
    to_name: Option<Text>,
}

impl FromStr for Rename {
    type Err = String;

    /// Parses `OLD=NEW`: a source each, or `section/name` each.
    fn from_str(text: &str) -> Result<Self, String> {
        let part = |text: &str| match text.split_once('/') {
            Some((section, name)) => (Text::from(section), Some(Text::from(name))),
            None => (Text::from(text), None),
        };
        let is_whole = |(section, name): &(Text, Option<Text>)| {
            !section.is_empty() && name.as_ref().is_none_or(|name| !name.is_empty())
        };
        let both = text.split_once('=').map(|(old, new)| (part(old), part(new)));
        let both =
            both.filter(|(old, new)| is_whole(old) && is_whole(new) && old.1.is_some() == new.1.is_some());
        let ((section, name), (to_section, to_name)) = both.ok_or_else(|| {
            format!(
                "invalid rename `{text}`: expected two sources, `OLD=NEW`, or two readings, \
                 `OLD_SOURCE/OLD_NAME=NEW_SOURCE/NEW_NAME`"
            )
        })?;
        Ok(Self { section, name, to_section, to_name })
    }
}

impl Rename {
    /// Returns the name of the source that it gives.
    pub fn source(&self) -> &str {
        &self.to_section
    }

    fn apply(&self, known: &SeriesName) -> Option<SeriesName> {
        let fits = known.section == self.section && self.name.as_ref().is_none_or(|name| *name == known.name);
        fits.then(|| SeriesName {
            section: self.to_section.clone(),
            name: self.to_name.clone().unwrap_or_else(|| known.name.clone()),
            unit: known.unit.clone(),
        })
    }

    /// Returns the name of a series here; that of a reading goes before that of its source.
    fn of(renames: &[Self], known: &SeriesName) -> SeriesName {
        let names = renames.iter().filter(|rename| rename.name.is_some());
        let sources = renames.iter().filter(|rename| rename.name.is_none());
        names.chain(sources).find_map(|rename| rename.apply(known)).unwrap_or_else(|| known.clone())
    }

    /// Returns the name that a source of the other box has here.
    pub fn source_here(renames: &[Self], source: &str) -> String {
        let fits = |rename: &&Self| rename.name.is_none() && rename.section == *source;
        renames.iter().find(fits).map_or(source, |rename| &rename.to_section).to_owned()
    }
}

/// Series of this box, and the ids that they have in the other one.
pub(super) struct Names {
    pub(super) catalogue: Catalogue,
    /// By the id there.
    here: HashMap<u32, u32>,
    /// By the id here: the series there, as its section and its id.
    there: HashMap<u32, (u16, u32)>,
    names: HashMap<u32, SeriesName>,
    sections: HashMap<u32, u16>,
}

impl Names {
    /// Looks up the series of the other box, and adds those that are new.
    pub(super) fn new(
        own: &Connection,
        other: &Connection,
        renames: &[Rename],
    ) -> Result<Self, TransferError> {
        let mut catalogue = Catalogue::read(own)?;
        let theirs = Catalogue::read(other)?;
        let mut taken = BTreeMap::<SeriesName, SeriesName>::new();
        let (mut here, mut there) = (HashMap::new(), HashMap::new());
        let (mut names, mut sections) = (HashMap::new(), HashMap::new());
        let mut used = vec![false; renames.len()];
        for (known, stated, _) in DbSeries::all(other)? {
            let name = Rename::of(renames, &known);
            for (used, rename) in used.iter_mut().zip(renames) {
                *used |= rename.apply(&known).is_some();
            }
            if let Some(first) = taken.insert(name.clone(), known.clone()) {
                let full = |of: &SeriesName| format!("`{}/{}`", of.section, of.name);
                return Err(TransferError::Names(format!(
                    "{} and {} of the other journal would both become {}",
                    full(&first),
                    full(&known),
                    full(&name)
                )));
            }
            let (Some(of_theirs), Some(section)) = (theirs.id_of(&known), theirs.section_of(&known)) else {
                continue;
            };
            let Some((id, own_section)) = catalogue.adopt(own, &name, stated)? else {
                let message = format!("there is no place left for the source `{}`", name.section);
                return Err(TransferError::Names(message));
            };
            here.insert(of_theirs, id);
            there.insert(id, (section, of_theirs));
            sections.insert(id, own_section);
            names.insert(id, name);
        }
        if let Some((_, rename)) = used.iter().zip(renames).find(|(used, _)| !**used) {
            let name = rename.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
            let mut known: Vec<_> = taken.values().map(|of| format!("{}/{}", of.section, of.name)).collect();
            known.dedup();
            return Err(TransferError::NoSeries(format!("{}{name}", rename.section), known));
        }
        Ok(Self { catalogue, here, there, names, sections })
    }

    /// Returns the id here of a series there.
    pub(super) fn here(&self, there: u32) -> Option<u32> {
        self.here.get(&there).copied()
    }

    /// Returns a series of this box in the other one.
    pub(super) fn there<'c>(&self, other: &'c Connection, id: u32) -> Option<DbSeries<'c>> {
        let (section, there) = *self.there.get(&id)?;
        Some(DbSeries::new(other, section, there))
    }

    /// Returns a series of this box.
    pub(super) fn own<'c>(&self, own: &'c Connection, id: u32) -> DbSeries<'c> {
        DbSeries::new(own, self.section(id), id)
    }

    /// Returns the id of its section.
    pub(super) fn section(&self, id: u32) -> u16 {
        self.sections.get(&id).copied().unwrap_or(u16::MAX)
    }

    pub(super) fn counter(&self, id: u32) -> Option<Counter> {
        self.catalogue.counter(id).map(|(_, counter)| counter)
    }

    pub(super) fn name(&self, id: u32) -> Option<&SeriesName> {
        self.names.get(&id)
    }
}
