//! Salvage: what can be read of a damaged database goes into the new one.
//!
//! The new database notes the name of the damaged one until everything is copied, so that a salvage that was
//! interrupted begins again: to copy a row twice changes nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use rusqlite::{Connection, Row, types::Value};

use crate::{
    db::{
        Block, Catalogue, Database, DatabaseError, Level, Rollup, Rows,
        first_page::{open_damaged, remove_copy},
        open_for_reading, rollup_tables,
        schema::TABLES,
        state,
        walk::{Key, Walk},
    },
    time::{MINUTE, SECOND, utc},
};

/// Rows that are written in one transaction.
const AT_ONCE: usize = 10_000;
/// Time after which `pause` is called again.
const PAUSE_EVERY: Duration = Duration::from_secs(5);
/// Most gaps of a table that are named.
const NAMED: usize = 5;

/// Salvage that is going on.
struct Salvage<'a> {
    from: &'a Connection,
    to: &'a mut Connection,
    zone: &'a TimeZone,
    lost: Vec<String>,
    pause: &'a mut dyn FnMut(),
    paused_at: Instant,
}

impl Database {
    /// Notes that a damaged database is to be copied from.
    pub(crate) fn note_salvage(&self, damaged: &Path) -> Result<(), DatabaseError> {
        let name = damaged.file_name().unwrap_or_default().to_string_lossy();
        Ok(state::keep(&self.connection, "salvage", &*name)?)
    }

    /// Returns the damaged database that was noted, beside `path`.
    fn damaged(&self, path: &Path) -> Result<Option<PathBuf>, DatabaseError> {
        let name = state::state::<String>(&self.connection, "salvage")?;
        Ok(name.map(|name| path.with_file_name(name)))
    }

    /// Copies what the log and the publishers need of the damaged database that was noted. Where that cannot be read,
    /// segments are read again, which changes nothing.
    pub(crate) fn salvage_state(&self, path: &Path) -> Result<(), DatabaseError> {
        let Some(damaged) = self.damaged(path)? else { return Ok(()) };
        let copy = || {
            let from = open_damaged(&damaged)?;
            let mut rows = from.prepare(
                "SELECT key, value FROM state \
                 WHERE key IN ('folded', 'epoch') OR key >= 'cursor.' AND key < 'cursor/' \
                 OR key >= 'source.' AND key < 'source/'",
            )?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                state::keep(&self.connection, &row.get::<_, String>(0)?, row.get::<_, Value>(1)?)?;
            }
            Ok::<_, DatabaseError>(())
        };
        if let Err(error) = copy() {
            tracing::warn!("the state of the log is lost with the database: {error}");
        }
        Ok(())
    }

    /// Copies what can be read of the damaged database that was noted. Returns what was lost, in words; `None` where
    /// none was noted. `pause` is called every few seconds.
    pub(crate) fn salvage(
        &mut self,
        path: &Path,
        zone: &TimeZone,
        pause: &mut dyn FnMut(),
    ) -> Result<Option<Vec<String>>, DatabaseError> {
        let Some(damaged) = self.damaged(path)? else { return Ok(None) };
        let lost = match open_damaged(&damaged) {
            Ok(from) => {
                let (to, paused_at) = (&mut self.connection, Instant::now());
                let mut salvage = Salvage { from: &from, to, zone, lost: Vec::new(), pause, paused_at };
                salvage.run()?;
                salvage.lost
            }
            Err(error) => vec![format!("everything in it: {error}")],
        };
        self.connection.execute("DELETE FROM state WHERE key = 'salvage'", [])?;
        remove_copy(&damaged);
        Ok(Some(lost))
    }

    /// Looks for damage in all tables. Reads the whole file.
    pub(crate) fn check(path: &Path) -> Result<(), DatabaseError> {
        for table in TABLES {
            // One after the other, as a long transaction would make the `-wal` file grow.
            let connection = open_for_reading(path)?;
            let found: String =
                connection.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
            if found != "ok" {
                tracing::error!("the table `{table}` of {} is damaged: {found}", path.display());
                return Err(DatabaseError::Damaged("a check of its pages failed"));
            }
        }
        Ok(())
    }
}

impl Salvage<'_> {
    fn run(&mut self) -> Result<(), DatabaseError> {
        // Names and ids first: what comes later refers to them.
        let ids = |(_, id): Key| id.to_string();
        for table in ["section", "series"] {
            self.copy(
                table,
                &format!("SELECT 0, id, * FROM {table} WHERE id >= ?2 AND ?1 = 0 ORDER BY id LIMIT ?3"),
                ids,
            )?;
        }
        let minute = |(_, key): Key| utc((key >> 16).saturating_mul(MINUTE));
        self.copy(
            "raw",
            "SELECT 0, key, * FROM raw WHERE key >= ?2 AND ?1 = 0 ORDER BY key LIMIT ?3",
            minute,
        )?;
        let second = |ts: i64| utc(ts.saturating_mul(SECOND));
        let sql =
            "SELECT ts, series, * FROM minute WHERE (ts, series) >= (?1, ?2) ORDER BY ts, series LIMIT ?3";
        self.copy("minute", sql, |(ts, _)| second(ts))?;
        for table in ["quarter", "hour", "day", "event"] {
            let sql = format!(
                "SELECT series, ts, * FROM {table} WHERE (series, ts) >= (?1, ?2) ORDER BY series, ts LIMIT ?3"
            );
            let micros = table == "event";
            self.copy(table, &sql, |(series, ts)| {
                format!("series {series} at {}", if micros { utc(ts) } else { second(ts) })
            })?;
        }
        self.name_orphans()?;
        self.roll_up()
    }

    /// Copies the rows of a table that can be read. Names the gaps.
    fn copy(&mut self, table: &str, sql: &str, name: impl Fn(Key) -> String) -> Result<(), DatabaseError> {
        let read = |row: &Row<'_>| {
            let columns = 2..row.as_ref().column_count();
            let values = columns.map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>()?;
            Ok(((row.get(0)?, row.get(1)?), values))
        };
        // The first column of a key that has one only is 0.
        let first = if sql.contains("?1 = 0") { 0 } else { i64::MIN };
        let mut rows = Walk::new(self.from, sql.to_owned(), (first, i64::MIN), read);
        // Of version 1, a table has fewer columns.
        let columns = match self.from.prepare(sql) {
            Ok(statement) => statement.column_names().skip(2).collect::<Vec<_>>().join(", "),
            Err(error) => {
                self.lost.push(format!("all rows of `{table}`: {error}"));
                return Ok(());
            }
        };
        let places = vec!["?"; columns.split(", ").count()].join(", ");
        // A column that is of no use in this row breaks a constraint, and costs the row.
        let insert = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})");
        let mut more = true;
        while more {
            let transaction = self.to.transaction()?;
            for _ in 0..AT_ONCE {
                match rows.next_if(|_| true) {
                    Ok(Some((_, values))) => {
                        transaction.prepare_cached(&insert)?.execute(rusqlite::params_from_iter(values))?;
                    }
                    Ok(None) => more = false,
                    Err(error) => {
                        self.lost.push(format!("rows of `{table}`: {error}"));
                        more = false;
                    }
                }
                if !more {
                    break;
                }
            }
            transaction.commit()?;
            self.breathe();
        }
        // The first page of a table may be damaged, or the last.
        let begin = |key: Key| if key.1 == i64::MIN { "the first".to_owned() } else { name(key) };
        let end = |key: Key| if key.1 == i64::MAX { "the last".to_owned() } else { name(key) };
        let gaps = rows.gaps.iter().take(NAMED);
        let gaps: Vec<_> = gaps.map(|(from, to)| format!("from {} to {}", begin(*from), end(*to))).collect();
        if !gaps.is_empty() {
            let made_again = match table {
                "minute" | "quarter" | "hour" | "day" => ", but for those that could be computed again",
                _ => "",
            };
            self.lost.push(format!("rows of `{table}` {}{made_again}", gaps.join(", ")));
        }
        Ok(())
    }

    fn breathe(&mut self) {
        if self.paused_at.elapsed() >= PAUSE_EVERY {
            (self.pause)();
            self.paused_at = Instant::now();
        }
    }

    /// Gives a name to ids whose names are lost, so that no new series gets the id, and with it the numbers of another.
    fn name_orphans(&mut self) -> Result<(), DatabaseError> {
        let named = self.to.execute_batch(
            "INSERT OR IGNORE INTO section SELECT DISTINCT key & 65535, 'lost_' || (key & 65535) FROM raw
                 WHERE key & 65535 NOT IN (SELECT id FROM section);
             INSERT OR IGNORE INTO section SELECT DISTINCT section, 'lost_' || section FROM series
                 WHERE section NOT IN (SELECT id FROM section);
             INSERT OR IGNORE INTO section SELECT 65535, 'lost' WHERE EXISTS
                 (SELECT 1 FROM quarter WHERE series NOT IN (SELECT id FROM series));
             INSERT OR IGNORE INTO series (id, section, name) SELECT DISTINCT series, 65535, 'series_' || series
                 FROM quarter WHERE series NOT IN (SELECT id FROM series);",
        );
        Ok(named?)
    }

    /// Makes the roll-ups that are missing of what is finer, as far as that is there.
    fn roll_up(&mut self) -> Result<(), DatabaseError> {
        let transaction = self.to.transaction()?;
        let mut damaged = BTreeMap::<i64, u64>::new();
        {
            let mut rows = Rows { connection: &transaction, touched: Default::default() };
            let mut raw = transaction.prepare("SELECT key, data FROM raw ORDER BY key")?;
            let mut raw = raw.query([])?;
            while let Some(row) = raw.next()? {
                let minute = row.get::<_, i64>(0)? >> 16;
                let Ok(block) = Block::decode(minute, row.get_ref(1)?.as_blob().unwrap_or_default()) else {
                    *damaged.entry(minute).or_default() += 1;
                    continue;
                };
                for column in block.columns {
                    // The readings have a checksum, and the roll-up has none.
                    if let Some(rollup) = Rollup::of_samples(&column.samples) {
                        let known = rollup_tables::minute(&transaction, column.series, minute * 60)?;
                        if known != Some(rollup) {
                            rollup_tables::put(
                                &transaction,
                                Level::Minute,
                                column.series,
                                minute * 60,
                                &rollup,
                            )?;
                            rows.touched.insert((column.series, minute));
                        }
                    }
                }
            }
            let catalogue = Catalogue::read(&transaction)?;
            rollup_tables::roll_up(&rows, &catalogue, self.zone)?;
            rollup_tables::fill(&transaction, &catalogue, self.zone)?;
        }
        transaction.commit()?;
        let span = damaged.first_key_value().zip(damaged.last_key_value());
        if let Some(((first, _), (last, _))) = span {
            let (count, time) =
                (damaged.values().sum::<u64>(), |minute: i64| utc(minute.saturating_mul(MINUTE)));
            self.lost.push(format!(
                "readings of {count} minutes from {} to {}",
                time(*first),
                time(last + 1)
            ));
        }
        Ok(())
    }
}
