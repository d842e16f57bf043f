//! Ids of sections and series.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::{
    db::Counter,
    series::{SeriesName, Stated},
    wal::Layout,
};
use reading::{Kind, Medium, Text};

/// Ids of all sections and series. A new one gets its id when it is first met.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    sections: HashMap<Text, u16>,
    ids: HashMap<SeriesName, u32>,
    series: HashMap<u32, Series>,
    /// By section: the series of the columns of each layout that was met.
    layouts: HashMap<Text, Vec<(Layout, Vec<u32>)>>,
    /// Whether it was logged that a section found no id.
    full: bool,
}

/// Properties of a series that a later batch may add to.
#[derive(Debug)]
struct Series {
    section: u16,
    stated: Stated,
    counter: Option<Counter>,
}

impl Catalogue {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let (mut catalogue, mut names) = (Self::default(), HashMap::new());
        let mut rows = connection.prepare("SELECT id, name FROM section")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name) = (row.get(0)?, Text::from(row.get_ref(1)?.as_str()?));
            names.insert(id, name.clone());
            catalogue.sections.insert(name, id);
        }
        let mut rows =
            connection.prepare("SELECT section, id, name, unit, obis, kind, medium FROM series")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (section, id): (u16, u32) = (row.get(0)?, row.get(1)?);
            let text = |column| Ok::<_, rusqlite::Error>(Text::from(row.get_ref(column)?.as_str()?));
            let (name, unit) = (text(2)?, text(3)?);
            let (kind, medium) = (Kind::parse(&text(5)?), Medium::parse(&text(6)?));
            let stated = Stated { obis: text(4)?, kind, medium };
            let Some(of) = names.get(&section) else { continue };
            let name = SeriesName { section: of.clone(), name, unit };
            catalogue.series.insert(id, Series::new(section, &name, stated));
            catalogue.ids.insert(name, id);
        }
        Ok(catalogue)
    }

    /// Returns the section of a layout and the series of its columns; `None` where no id is left for the section.
    pub(crate) fn columns(
        &mut self,
        connection: &Connection,
        layout: &Layout,
    ) -> rusqlite::Result<Option<(u16, &[u32])>> {
        let Some(section) = self.section(connection, &layout.section)? else { return Ok(None) };
        let known = self.layouts.get(&layout.section);
        let index = known.and_then(|known| known.iter().rposition(|(known, _)| known == layout));
        if index.is_none() {
            let mut columns = Vec::with_capacity(layout.columns.len());
            for column in &layout.columns {
                let (name, unit) = (column.name.clone(), column.unit.clone());
                let name = SeriesName { section: layout.section.clone(), name, unit };
                let stated = Stated { obis: column.obis.clone(), kind: column.kind, medium: column.medium };
                columns.push(self.id(connection, section, &name, stated)?);
            }
            self.layouts.entry(layout.section.clone()).or_default().push((layout.clone(), columns));
        }
        let known = self.layouts.get(&layout.section).map(Vec::as_slice).unwrap_or_default();
        let columns = index.map_or(known.last(), |index| known.get(index));
        Ok(columns.map(|(_, columns)| (section, &columns[..])))
    }

    /// Returns a series by its name; `None` where no id is left for its section.
    pub(crate) fn named(
        &mut self,
        connection: &Connection,
        name: &SeriesName,
    ) -> rusqlite::Result<Option<u32>> {
        let Some(section) = self.section(connection, &name.section)? else { return Ok(None) };
        self.id(connection, section, name, Stated::default()).map(Some)
    }

    /// Returns a series of another journal and its section, by its name; `None` where no id is left for its section.
    /// What is stated of it here stays.
    pub(crate) fn adopt(
        &mut self,
        connection: &Connection,
        name: &SeriesName,
        stated: Stated,
    ) -> rusqlite::Result<Option<(u32, u16)>> {
        let Some(section) = self.section(connection, &name.section)? else { return Ok(None) };
        let known = self.ids.get(name).and_then(|id| self.series.get(id)).map(|series| &series.stated);
        let (kind, medium) = known.map_or((None, None), |known| (known.kind, known.medium));
        let stated =
            Stated { kind: kind.or(stated.kind), medium: medium.or(stated.medium), obis: stated.obis };
        Ok(Some((self.id(connection, section, name, stated)?, section)))
    }

    /// Returns the id of a series that is known.
    pub(crate) fn id_of(&self, name: &SeriesName) -> Option<u32> {
        self.ids.get(name).copied()
    }

    /// Returns the section of a series that is known.
    pub(crate) fn section_of(&self, name: &SeriesName) -> Option<u16> {
        self.sections.get(&name.section).copied()
    }

    /// Returns the section and the counter of a series; `None` if it does not count.
    pub(crate) fn counter(&self, id: u32) -> Option<(u16, Counter)> {
        let series = self.series.get(&id)?;
        Some((series.section, series.counter?))
    }

    fn section(&mut self, connection: &Connection, name: &Text) -> rusqlite::Result<Option<u16>> {
        if let Some(id) = self.sections.get(name) {
            return Ok(Some(*id));
        }
        if self.sections.len() >= usize::from(u16::MAX) {
            if !self.full {
                tracing::error!(
                    "the journal has no id left for the source `{name}`; its readings are not recorded"
                );
            }
            self.full = true;
            return Ok(None);
        }
        let mut insert = connection.prepare_cached("INSERT INTO section (name) VALUES (?1) RETURNING id")?;
        let id = insert.query_row([name.as_str()], |row| row.get(0))?;
        self.sections.insert(name.clone(), id);
        Ok(Some(id))
    }

    fn id(
        &mut self,
        connection: &Connection,
        section: u16,
        name: &SeriesName,
        new: Stated,
    ) -> rusqlite::Result<u32> {
        let words = |stated: &Stated| {
            (stated.kind.map_or("", Kind::as_str), stated.medium.map_or("", Medium::as_str))
        };
        if let Some(&id) = self.ids.get(name) {
            let Some(known) = self.series.get_mut(&id) else { return Ok(id) };
            let mut stated = known.stated.clone();
            stated.update(&new.obis, new.kind, new.medium);
            if stated != known.stated {
                let sql = "UPDATE series SET obis = ?2, kind = ?3, medium = ?4 WHERE id = ?1";
                let (kind, medium) = words(&stated);
                connection.execute(sql, (id, stated.obis.as_str(), kind, medium))?;
                *known = Series::new(section, name, stated);
            }
            return Ok(id);
        }
        let sql = "INSERT INTO series (section, name, unit, obis, kind, medium) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id";
        let (kind, medium) = words(&new);
        let values = (section, name.name.as_str(), name.unit.as_str(), new.obis.as_str(), kind, medium);
        let id = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        self.series.insert(id, Series::new(section, name, new));
        self.ids.insert(name.clone(), id);
        Ok(id)
    }
}

impl Series {
    fn new(section: u16, name: &SeriesName, stated: Stated) -> Self {
        let counter = Counter::of(&stated.meaning(name));
        Self { section, stated, counter }
    }
}
