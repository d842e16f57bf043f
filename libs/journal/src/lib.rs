//! Journal of a meter: every number of every batch, kept for years, and the delivery queue of the publishers.
//!
//! ```text
//! batch ─▶ log: an append-only segment file, written for each batch, synced each `sync_interval`; a copy in memory
//!            │ checkpoint every few hours: one transaction, by the keeper's thread
//!            ▼
//!          database (SQLite): raw minutes ─▶ minute ─▶ quarter, hour ─▶ day
//! ```
//!
//! # Design constraints
//!
//! 1. A batch is recorded before anybody sees it. When [`Journal::record`] returns, its bytes are in the page cache,
//!    so neither a panic nor `kill -9` loses it.
//! 2. A power cut costs at most one [`Settings::sync_interval`].
//! 3. Each reading counts once, whatever is killed in between: the checkpoint and the number of its last segment are
//!    one transaction, and both readers and the next checkpoint ignore segments up to that number.
//! 4. A publisher receives each batch at least once and in order.
//! 5. A few megabytes a day go to the disk, as it may be a memory card.
//! 6. A full, read-only or hanging disk never stops the readings: [`Journal::record`] waits at most 50 ms, and memory
//!    has a limit.
//! 7. A wrong clock is corrected later, for what was recorded and what is not delivered yet.
//! 8. A damaged file costs what was in it, and is kept for a person to look at.
//!
//! # On-disk format
//!
//! `wal::frame` documents the segments (frames with a checksum, so that a torn end is seen), `db::block` a row of raw
//! readings, `docs/journal.md` the tables. All files lie beside the database, and their names begin with its name.
//!
//! # Writing
//!
//! `wal::intake` picks the numbers of a batch and dates them with `time::dating`; `wal::log` appends them to the open
//! segment. [`Keeper`] syncs it, closes it and checkpoints it: `db::checkpoint` merges its entries into the rows of
//! `raw`, makes the roll-ups of the minutes that changed (`db::rollup_tables`), and finds the resets of counters
//! (`db::counter_resets`).
//!
//! # Reading
//!
//! [`Journal::read`] passes a closure a [`View`]: a read transaction, and the segments that are not in it. `query`
//! answers from both. A publisher's [`Queue`] reads segments from its cursor on. `transfer` exports and imports while
//! no program runs, or beside one, and `merge` joins the histories of two boxes.
//!
//! [`backup`] copies all files of one moment beside a program, and puts such files in the place of others.
//!
//! # Damage, and places that change
//!
//! Frames are found again after damage (`wal::frame`), and a damaged database is copied as far as it can be read
//! (`db::salvage`, by `db::walk`). [`Keeper`] compares device and inode of its files (`place`), and goes on in the place
//! that is there. Where there is a folder in memory that survives the process, segments grow in it (`wal::live`).
//!
//! # Deleting
//!
//! A segment's file is removed when it is checkpointed and every publisher's cursor has moved past it; cursors are
//! entries of the log themselves. Raw rows older than [`Settings::raw_retention`] are removed; roll-ups and events
//! stay.

pub mod backup;
mod db;
mod journal;
mod keeper;
mod merge;
mod paths;
mod place;
mod query;
mod series;
mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod time;
mod transfer;
mod varint;
mod wal;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::{
    db::counter_resets::is_counter_reset,
    db::is_other_file,
    db::rollup::{Level, Rollup},
    journal::{Journal, Record, Status},
    keeper::{JournalThread, Keeper, life::KeeperWatch},
    merge::{Merged, Rename, merge},
    query::{
        Listed, ReadError, View,
        consumption::{Amount, Per, quarter_hours},
        history::{History, Spanned, Step},
        register::{Register, Registered, Swap},
        series::Series,
    },
    series::{Sample, SeriesName},
    settings::Settings,
    time::{
        Micros, SECOND,
        clock_source::{ClockReading, ClockSource},
        quarter::{QUARTER_HOUR, quarter_start, quarters},
        span::utc,
        time_spec::{parse_end, parse_time},
    },
    transfer::{Archive, Import, Imported, Labels, Selection, Summary, TransferError},
    wal::{
        entry::CounterSet,
        queue::{Mark, Queue, Queued},
    },
};

/// Joins words for a message: each in backticks, with commas between.
fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Locks plain data that is never left half changed, so that poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
