//! Quarter of an hour of both boxes, as it is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Connection;

use crate::{
    db::{Block, Rollup, rows::row_key},
    merge::{minute::Minute, names::Names},
    series::Sample,
    time::{MINUTE, QUARTER_HOUR, SECOND},
};

/// Minutes of one series within a quarter of an hour, in order of time.
pub(super) type Minutes = BTreeMap<i64, Rollup>;

/// Quarter of an hour of both boxes, and the minute after it of this one.
pub(super) struct Chunk {
    /// Start in seconds since 1970.
    pub(super) start: i64,
    /// By series, with the ids of this box.
    pub(super) own: HashMap<u32, Minutes>,
    pub(super) other: HashMap<u32, Minutes>,
    /// Readings of this box, by section and minute.
    blocks: BTreeMap<(u16, i64), Block>,
    changed: BTreeSet<(u16, i64)>,
    /// Readings of the other one, by series and minute.
    samples: HashMap<(u32, i64), Vec<Sample>>,
}

impl Chunk {
    pub(super) fn read(
        own: &Connection,
        other: &Connection,
        names: &Names,
        start: i64,
    ) -> rusqlite::Result<Self> {
        let end = start.saturating_add(QUARTER_HOUR);
        let (first, after) = (start / 60, end / 60);
        let mut samples = HashMap::new();
        blocks(other, first, after, |_, minute, block| {
            for column in block.columns {
                if let Some(id) = names.here(column.series) {
                    samples.insert((id, minute), column.samples);
                }
            }
        })?;
        let mut known = BTreeMap::new();
        blocks(own, first, after + 1, |section, minute, block| {
            known.insert((section, minute), block);
        })?;
        Ok(Self {
            start,
            own: minutes(own, start, end + MINUTE / SECOND, Some)?,
            other: minutes(other, start, end, |id| names.here(id))?,
            blocks: known,
            changed: BTreeSet::new(),
            samples,
        })
    }

    /// Returns the first minute after the quarter of an hour.
    pub(super) fn end(&self) -> i64 {
        (self.start + QUARTER_HOUR) / 60
    }

    /// Returns a minute of this box.
    pub(super) fn ours(&self, id: u32, section: u16, minute: i64) -> Option<Minute<'_>> {
        let rollup = *self.own.get(&id)?.get(&minute)?;
        let column = self.blocks.get(&(section, minute)).and_then(|block| {
            let at = block.columns.binary_search_by_key(&id, |column| column.series).ok()?;
            block.columns.get(at)
        });
        Some(Minute { rollup, samples: column.map_or(&[], |column| &column.samples) })
    }

    /// Returns a minute of the other box.
    pub(super) fn theirs(&self, id: u32, minute: i64) -> Option<Minute<'_>> {
        let rollup = *self.other.get(&id)?.get(&minute)?;
        let samples = self.samples.get(&(id, minute)).map_or(&[][..], Vec::as_slice);
        Some(Minute { rollup, samples })
    }

    /// Replaces the readings of a series within a minute; `None` where only the roll-up is left.
    pub(super) fn replace(&mut self, id: u32, section: u16, minute: i64, samples: Option<Vec<Sample>>) {
        let key = (section, minute);
        let Some(samples) = samples else {
            if let Some(block) = self.blocks.get_mut(&key) {
                let before = block.columns.len();
                block.columns.retain(|column| column.series != id);
                if block.columns.len() < before {
                    self.changed.insert(key);
                }
            }
            return;
        };
        let block = self.blocks.entry(key).or_default();
        block.columns.retain(|column| column.series != id);
        samples.into_iter().for_each(|sample| block.add(id, sample));
        self.changed.insert(key);
    }

    /// Writes the readings that changed.
    pub(super) fn write(&self, own: &Connection) -> rusqlite::Result<()> {
        for key in &self.changed {
            let (section, minute) = *key;
            let block = self.blocks.get(key).filter(|block| !block.columns.is_empty());
            let row = row_key(minute, section);
            match block {
                Some(block) => {
                    let mut put = own.prepare_cached("INSERT OR REPLACE INTO raw VALUES (?1, ?2)")?;
                    put.execute((row, block.encode(minute)))?;
                }
                None => {
                    own.prepare_cached("DELETE FROM raw WHERE key = ?1")?.execute([row])?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the roll-ups of all minutes that begin within a span.
fn minutes(
    connection: &Connection,
    start: i64,
    end: i64,
    id: impl Fn(u32) -> Option<u32>,
) -> rusqlite::Result<HashMap<u32, Minutes>> {
    let sql = "SELECT series, ts, first, last, min, max, mean, count FROM minute WHERE ts >= ?1 AND ts < ?2";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([start, end])?;
    let mut found = HashMap::<u32, Minutes>::new();
    while let Some(row) = rows.next()? {
        if let Some(id) = id(row.get(0)?) {
            let minute = row.get::<_, i64>(1)?.div_euclid(60);
            found.entry(id).or_default().insert(minute, Rollup::from_row(row, 2)?);
        }
    }
    Ok(found)
}

/// Reads the readings of some minutes. One that is damaged is left out, as its roll-ups are there.
fn blocks(
    connection: &Connection,
    first: i64,
    end: i64,
    mut each: impl FnMut(u16, i64, Block),
) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare_cached("SELECT key, data FROM raw WHERE key >= ?1 AND key < ?2 ORDER BY key")?;
    let mut rows = select.query([row_key(first, 0), row_key(end, 0)])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let (minute, section) = (key >> 16, (key & 0xffff) as u16);
        match Block::decode(minute, row.get_ref(1)?.as_blob()?) {
            Ok(block) => each(section, minute, block),
            Err(_) => tracing::warn!("the readings of section {section} in minute {minute} are damaged"),
        }
    }
    Ok(())
}
