//! Folding: segments become rows, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{
    block::{Block, minute_of},
    breaks,
    bucket::{Level, Rollup},
    catalogue::Catalogue,
    database::{Database, DatabaseError, keep_cursor, keep_epoch, keep_folded, row_key},
    frame,
    redate::redate,
    rollup,
    types::{CounterSet, Entry, Layout, Micros, Position, Sample},
};
use crate::{Decimal, Text};

impl Database {
    /// Takes all entries of the segments (number, bytes; ascending) into the tables, and notes the last number.
    /// All or nothing; on the disk when this returns. A segment that was folded before counts once.
    pub(crate) fn fold(&mut self, segments: &[(u64, &[u8])], zone: &TimeZone) -> Result<(), DatabaseError> {
        let folded = self.folded()?;
        let mut segments = segments.iter().filter(|(number, _)| *number > folded).peekable();
        if segments.peek().is_none() {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut folding = Folding::begin(&transaction)?;
        for (number, bytes) in segments {
            let mut result = Ok(());
            frame::entries(bytes, |entry| {
                if result.is_ok() {
                    result = folding.take(entry);
                }
            });
            result?;
            keep_folded(&transaction, *number)?;
        }
        folding.finish(zone)?;
        Ok(transaction.commit()?)
    }

    /// Removes raw rows before a moment; gives how many. The minute in which it lies stays whole.
    pub(crate) fn prune(&mut self, before: Micros) -> Result<usize, DatabaseError> {
        let first = row_key(minute_of(before), 0);
        Ok(self.connection.execute("DELETE FROM raw WHERE key < ?1", [first])?)
    }
}

/// A fold that is going on.
struct Folding<'a> {
    catalogue: Catalogue,
    rows: Rows<'a>,
    /// The minute of each section that its last batch belongs to.
    open: BTreeMap<u16, (i64, Block)>,
    /// How far publishers got: there are thousands of these, of which the last counts.
    cursors: BTreeMap<Text, Position>,
}

impl<'a> Folding<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        let rows = Rows { connection, touched: BTreeSet::new() };
        Ok(Self {
            catalogue: Catalogue::read(connection)?,
            rows,
            open: BTreeMap::new(),
            cursors: BTreeMap::new(),
        })
    }

    fn take(&mut self, entry: Entry<'_>) -> rusqlite::Result<()> {
        match entry {
            Entry::Batch { layout, time, mantissas } => self.batch(layout, time, mantissas),
            Entry::CounterSet(set) => self.counter_set(&set),
            Entry::Redate(change) => {
                self.close()?;
                redate(&mut self.rows, change)
            }
            Entry::Epoch(epoch) => keep_epoch(self.rows.connection, &epoch),
            Entry::Cursor { publisher, position } => {
                self.cursors.insert(publisher, position);
                Ok(())
            }
        }
    }

    fn batch(&mut self, layout: &Layout, time: Micros, mantissas: &[i64]) -> rusqlite::Result<()> {
        let Some((section, series)) = self.catalogue.columns(self.rows.connection, layout)? else {
            return Ok(());
        };
        let minute = minute_of(time);
        let open = self.open.entry(section).or_insert_with(|| (minute, Block::default()));
        if open.0 != minute {
            let (minute, block) = mem::replace(open, (minute, Block::default()));
            self.rows.merge(section, minute, block)?;
        }
        for ((column, mantissa), series) in layout.columns.iter().zip(mantissas).zip(series) {
            if let Some(value) = Decimal::new(*mantissa, column.scale) {
                open.1.add(*series, Sample { time, value });
            }
        }
        Ok(())
    }

    fn counter_set(&mut self, set: &CounterSet) -> rusqlite::Result<()> {
        let connection = self.rows.connection;
        let Some(series) = self.catalogue.named(connection, &set.series)? else { return Ok(()) };
        breaks::keep(connection, series, set.time, "set", set.before.to_f64(), set.after.to_f64())?;
        self.rows.touched.insert((series, minute_of(set.time)));
        Ok(())
    }

    /// Writes the minutes that are still open.
    fn close(&mut self) -> rusqlite::Result<()> {
        for (section, (minute, block)) in mem::take(&mut self.open) {
            self.rows.merge(section, minute, block)?;
        }
        Ok(())
    }

    fn finish(mut self, zone: &TimeZone) -> rusqlite::Result<()> {
        self.close()?;
        for (publisher, position) in &self.cursors {
            keep_cursor(self.rows.connection, publisher, *position)?;
        }
        rollup::roll_up(&self.rows, zone)?;
        breaks::find(&self.rows, &self.catalogue)
    }
}

/// The rows of `raw` and `minute`, and which of them changed.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    /// Series and minutes whose numbers or events are others than before.
    pub(super) touched: BTreeSet<(u32, i64)>,
}

impl Rows<'_> {
    /// Adds numbers to those of a minute of a section. What is there stays.
    pub(super) fn merge(&mut self, section: u16, minute: i64, new: Block) -> rusqlite::Result<()> {
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
            // Rolled up, and its numbers removed: whether these are among them, nobody can tell.
            if !known && !damaged && self.is_rolled_up(column.series, minute)? {
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
                rollup::put(self.connection, Level::Minute, column.series, minute * 60, &rollup)?;
                self.touched.insert((column.series, minute));
            }
        }
        Ok(())
    }

    /// Takes a minute of a section out; `None` where there is none, or none that can be read.
    pub(super) fn remove(&mut self, section: u16, minute: i64) -> rusqlite::Result<Option<Block>> {
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

    /// The numbers of a series in a minute; none where they cannot be read.
    pub(super) fn samples(&self, section: u16, minute: i64, series: u32) -> rusqlite::Result<Vec<Sample>> {
        let mut samples = Vec::new();
        if let Some(row) = self.row(section, minute)?
            && Block::decode_series(minute, &row, series, &mut samples).is_err()
        {
            tracing::error!("the numbers of section {section} in minute {minute} are damaged");
        }
        Ok(samples)
    }

    pub(super) fn is_rolled_up(&self, series: u32, minute: i64) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM minute WHERE ts = ?1 AND series = ?2";
        self.connection.prepare_cached(sql)?.exists((minute * 60, series))
    }

    fn row(&self, section: u16, minute: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut select = self.connection.prepare_cached("SELECT data FROM raw WHERE key = ?1")?;
        select.query_row([row_key(minute, section)], |row| row.get(0)).optional()
    }
}

fn numbers(block: &Block) -> usize {
    block.columns.iter().map(|column| column.samples.len()).sum()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;
