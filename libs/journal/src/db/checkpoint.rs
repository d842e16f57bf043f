//! Checkpoint: segments become rows, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use jiff::tz::TimeZone;
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    db::{
        Block, Catalogue, Database, DatabaseError, Rows,
        corrections::correct,
        counter_resets, events, minute_of, rollup_tables,
        rows::row_key,
        state::{keep_cursor, keep_epoch, keep_folded, keep_state},
    },
    series::Sample,
    time::Micros,
    wal::{CounterSet, Entry, Layout, Position, frame},
};
use reading::{Decimal, Text};

impl Database {
    /// Merges all entries of segments (number, bytes; ascending) into the tables, and notes the last number. All or
    /// nothing, and on the disk when this returns. A segment that was checkpointed before is ignored.
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
        let mut checkpoint = Checkpoint::begin(&transaction)?;
        for (number, bytes) in segments {
            let mut result = Ok(());
            frame::entries(bytes, |entry| {
                if result.is_ok() {
                    result = checkpoint.take(entry);
                }
            });
            result?;
            keep_folded(&transaction, *number)?;
        }
        checkpoint.finish(zone)?;
        Ok(transaction.commit()?)
    }

    /// Removes raw rows before a moment, and returns how many. The minute in which the moment lies stays whole.
    pub(crate) fn prune(&mut self, before: Micros) -> Result<usize, DatabaseError> {
        let first = row_key(minute_of(before), 0);
        Ok(self.connection.execute("DELETE FROM raw WHERE key < ?1", [first])?)
    }
}

/// Checkpoint that is going on.
struct Checkpoint<'a> {
    catalogue: Catalogue,
    rows: Rows<'a>,
    /// By section: the minute of its last batch.
    open: BTreeMap<u16, (i64, Block)>,
    /// Last cursor of each publisher; a segment has thousands of them.
    cursors: BTreeMap<Text, Position>,
    /// Last state of each source, of which there is one for each sync.
    states: BTreeMap<Text, Vec<u8>>,
}

impl<'a> Checkpoint<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        let rows = Rows { connection, touched: BTreeSet::new() };
        Ok(Self {
            catalogue: Catalogue::read(connection)?,
            rows,
            open: BTreeMap::new(),
            cursors: BTreeMap::new(),
            states: BTreeMap::new(),
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
            Entry::Synced { .. } => Ok(()),
            Entry::Cursor { publisher, position } => {
                self.cursors.insert(publisher, position);
                Ok(())
            }
            Entry::State { section, state } => {
                self.states.insert(section, state.to_vec());
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
        for (section, state) in &self.states {
            keep_state(self.rows.connection, section, state)?;
        }
        rollup_tables::roll_up(&self.rows, &self.catalogue, zone)?;
        counter_resets::update(&self.rows, &self.catalogue)
    }
}
