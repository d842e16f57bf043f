//! Rows of `raw` and `minute`.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use crate::db::{Block, DbSeries, Level, Rollup, rollup_tables};

/// Rows of `raw` and `minute`, and those of them that changed.
pub(crate) struct Rows<'a> {
    pub(crate) connection: &'a Connection,
    /// Series and minutes whose numbers or events changed.
    pub(crate) touched: BTreeSet<(u32, i64)>,
}

impl Rows<'_> {
    /// Adds numbers to those of a minute of a section. Numbers that are there stay.
    pub(crate) fn merge(&mut self, section: u16, minute: i64, new: Block) -> rusqlite::Result<()> {
        let row = self.row(section, minute)?;
        let stored = row.as_ref().map(|row| Block::decode(minute, row));
        let damaged = matches!(stored, Some(Err(_)));
        if damaged {
            tracing::error!(
                "the numbers of section {section} in minute {minute} are damaged: replaced by new ones"
            );
        }
        let mut block = stored.and_then(Result::ok).unwrap_or_default();
        let before = numbers(&block);
        for column in new.columns {
            let known = block.columns.binary_search_by_key(&column.series, |column| column.series).is_ok();
            // Only the roll-up is left, and nobody can tell whether these numbers are in it.
            let series = DbSeries::new(self.connection, section, column.series);
            if !known && !damaged && series.minute(minute * 60)?.is_some() {
                continue;
            }
            column.samples.into_iter().for_each(|sample| block.add(column.series, sample));
        }
        if numbers(&block) == before {
            return Ok(());
        }
        let mut insert = self.connection.prepare_cached("INSERT OR REPLACE INTO raw VALUES (?1, ?2)")?;
        insert.execute((row_key(minute, section), block.encode(minute)))?;
        for column in &block.columns {
            if let Some(rollup) = Rollup::of_samples(&column.samples) {
                rollup_tables::put(self.connection, Level::Minute, column.series, minute * 60, &rollup)?;
                self.touched.insert((column.series, minute));
            }
        }
        Ok(())
    }

    /// Takes a minute of a section out. Returns `None` if there is none, or it is damaged.
    pub(crate) fn remove(&mut self, section: u16, minute: i64) -> rusqlite::Result<Option<Block>> {
        let Some(row) = self.row(section, minute)? else { return Ok(None) };
        let Ok(block) = Block::decode(minute, &row) else {
            tracing::error!(
                "the numbers of section {section} in minute {minute} are damaged: they stay there"
            );
            return Ok(None);
        };
        let mut delete = self.connection.prepare_cached("DELETE FROM raw WHERE key = ?1")?;
        delete.execute([row_key(minute, section)])?;
        let mut delete =
            self.connection.prepare_cached("DELETE FROM minute WHERE ts = ?1 AND series = ?2")?;
        for column in &block.columns {
            delete.execute((minute * 60, column.series))?;
            self.touched.insert((column.series, minute));
        }
        Ok(Some(block))
    }

    fn row(&self, section: u16, minute: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut select = self.connection.prepare_cached("SELECT data FROM raw WHERE key = ?1")?;
        select.query_row([row_key(minute, section)], |row| row.get(0)).optional()
    }
}

fn numbers(block: &Block) -> usize {
    block.columns.iter().map(|column| column.samples.len()).sum()
}

/// Returns the key of a row of `raw`. `minute` = minutes since 1970.
pub(crate) fn row_key(minute: i64, section: u16) -> i64 {
    minute.saturating_mul(1 << 16) | i64::from(section)
}
