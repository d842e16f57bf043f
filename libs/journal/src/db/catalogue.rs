//! Sections and series by number, as the database knows them.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::{counter::Counter, series::SeriesName, wal::entry::Layout};
use reading::Text;

/// The numbers of all sections and series; what is new is numbered as it comes.
#[derive(Debug)]
pub(crate) struct Catalogue {
    sections: HashMap<Text, Section>,
    series: HashMap<u32, Series>,
    /// A section found no number; that was logged.
    full: bool,
}

#[derive(Debug)]
struct Section {
    id: u16,
    /// By name and unit.
    series: HashMap<(Text, Text), u32>,
    /// The series of the columns of each layout that was met.
    layouts: Vec<(Layout, Vec<u32>)>,
}

/// What a fold needs to know of a series.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) section: u16,
    pub(crate) counter: Option<Counter>,
    has_obis: bool,
}

impl Catalogue {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut catalogue = Self { sections: HashMap::new(), series: HashMap::new(), full: false };
        let mut names = HashMap::new();
        let mut rows = connection.prepare("SELECT id, name FROM section")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name) = (row.get(0)?, Text::from(row.get_ref(1)?.as_str()?));
            names.insert(id, name.clone());
            catalogue.sections.insert(name, Section::new(id));
        }
        let mut rows = connection.prepare("SELECT section, id, name, unit, obis FROM series")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (section, id) = (row.get(0)?, row.get(1)?);
            let text = |column| Ok::<_, rusqlite::Error>(Text::from(row.get_ref(column)?.as_str()?));
            let (name, unit, obis) = (text(2)?, text(3)?, text(4)?);
            catalogue.series.insert(id, Series::new(section, &unit, &obis));
            if let Some(section) = names.get(&section).and_then(|name| catalogue.sections.get_mut(name)) {
                section.series.insert((name, unit), id);
            }
        }
        Ok(catalogue)
    }

    /// The section of a layout and the series of its columns; `None` where no number is left for it.
    pub(crate) fn columns(
        &mut self,
        connection: &Connection,
        layout: &Layout,
    ) -> rusqlite::Result<Option<(u16, &[u32])>> {
        let Some(id) = self.section(connection, &layout.section)? else { return Ok(None) };
        let position = |section: &Section| section.layouts.iter().rposition(|(known, _)| known == layout);
        let index = match self.sections.get(&layout.section).and_then(position) {
            Some(index) => index,
            None => {
                let mut columns = Vec::with_capacity(layout.columns.len());
                for column in &layout.columns {
                    let key = (column.name.clone(), column.unit.clone());
                    columns.push(self.number(connection, id, &layout.section, key, &column.obis)?);
                }
                let layouts = self.sections.get_mut(&layout.section).map(|section| &mut section.layouts);
                layouts.map_or(0, |layouts| {
                    layouts.push((layout.clone(), columns));
                    layouts.len() - 1
                })
            }
        };
        let layouts = self.sections.get(&layout.section).map(|section| &section.layouts);
        let columns = layouts.and_then(|layouts| layouts.get(index));
        Ok(columns.map(|(_, columns)| (id, &columns[..])))
    }

    /// A series by its name; `None` where no number is left for its section.
    pub(crate) fn named(
        &mut self,
        connection: &Connection,
        name: &SeriesName,
    ) -> rusqlite::Result<Option<u32>> {
        let Some(section) = self.section(connection, &name.section)? else { return Ok(None) };
        let key = (name.name.clone(), name.unit.clone());
        self.number(connection, section, &name.section, key, "").map(Some)
    }

    /// A series by its number.
    pub(crate) fn series(&self, id: u32) -> Option<&Series> {
        self.series.get(&id)
    }

    fn section(&mut self, connection: &Connection, name: &Text) -> rusqlite::Result<Option<u16>> {
        if let Some(section) = self.sections.get(name) {
            return Ok(Some(section.id));
        }
        if self.sections.len() >= usize::from(u16::MAX) {
            if !self.full {
                tracing::error!("no number is left for the section `{name}`: its readings are not recorded");
            }
            self.full = true;
            return Ok(None);
        }
        let mut insert = connection.prepare_cached("INSERT INTO section (name) VALUES (?1) RETURNING id")?;
        let id = insert.query_row([name.as_str()], |row| row.get(0))?;
        self.sections.insert(name.clone(), Section::new(id));
        Ok(Some(id))
    }

    fn number(
        &mut self,
        connection: &Connection,
        section: u16,
        section_name: &Text,
        key: (Text, Text),
        obis: &str,
    ) -> rusqlite::Result<u32> {
        let known = self.sections.get(section_name).and_then(|section| section.series.get(&key)).copied();
        if let Some(id) = known {
            if let Some(series) =
                self.series.get_mut(&id).filter(|series| !series.has_obis && !obis.is_empty())
            {
                connection.execute("UPDATE series SET obis = ?2 WHERE id = ?1", (id, obis))?;
                *series = Series::new(section, &key.1, obis);
            }
            return Ok(id);
        }
        let sql = "INSERT INTO series (section, name, unit, obis) VALUES (?1, ?2, ?3, ?4) RETURNING id";
        let values = (section, key.0.as_str(), key.1.as_str(), obis);
        let id = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        self.series.insert(id, Series::new(section, &key.1, obis));
        if let Some(section) = self.sections.get_mut(section_name) {
            section.series.insert(key, id);
        }
        Ok(id)
    }
}

impl Section {
    fn new(id: u16) -> Self {
        Self { id, series: HashMap::new(), layouts: Vec::new() }
    }
}

impl Series {
    fn new(section: u16, unit: &str, obis: &str) -> Self {
        Self { section, counter: Counter::of(unit, obis), has_obis: !obis.is_empty() }
    }
}
