//! Folding: segments become rows, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use jiff::tz::TimeZone;
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    db::{
        Database, DatabaseError,
        block::{Block, minute_of},
        catalogue::Catalogue,
        corrections::correct,
        counter_resets, events, rollup_tables,
        rows::{Rows, row_key},
        state::{keep_cursor, keep_epoch, keep_folded},
    },
    series::Sample,
    time::Micros,
    wal::{
        entry::{CounterSet, Entry, Layout, Position},
        frame,
    },
};
use reading::{Decimal, Text};

impl Database {
    /// Takes all entries of the segments (number, bytes; ascending) into the tables, and notes the last number.
    /// All or nothing; on the disk when this returns. A segment that was folded before counts once.
    pub(crate) fn checkpoint(
        &mut self,
        segments: &[(u64, &[u8])],
        zone: &TimeZone,
    ) -> Result<(), DatabaseError> {
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
            Entry::TimeCorrection(change) => {
                self.close()?;
                correct(&mut self.rows, change)
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
        events::put(connection, series, &set.reset())?;
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
        rollup_tables::roll_up(&self.rows, zone)?;
        counter_resets::update(&self.rows, &self.catalogue)
    }
}
