//! Merge: joins the history of another box into the one of this box.
//!
//! One transaction takes the other journal's minutes in order of time, a quarter of an hour at a time, so that neither
//! many years nor many series need memory. [`minute`] says what is kept of a minute that both have, [`events`] which
//! resets of counters there are then; quarters, hours and days are computed again where a minute changed.

mod around;
mod chunk;
mod coarse;
mod events;
mod minute;
mod names;
#[cfg(test)]
mod tests;
mod walk;

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::TransactionBehavior;

pub use self::names::Rename;
use self::{minute::Boxes, names::Names, walk::Walk};
use crate::{
    db::{Database, state::keep_state},
    series::{ReadAt, SeriesName},
    time::{Micros, SECOND, utc},
    transfer::{Closed, TransferError},
};

/// Time by which the clock of the other box may be ahead of this one's.
const AHEAD: Micros = 24 * 3600 * SECOND;

/// Result of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Minutes of a series that are new, or have more readings than before.
    pub minutes: u64,
    /// Series with readings of the other box that contradict those of this one, and were left out; with their number.
    pub left_out: Vec<(SeriesName, u64)>,
}

/// Last reading of a series before a moment, in the order of both boxes.
#[derive(Debug, Clone, Copy)]
struct Last {
    minute: i64,
    read: ReadAt,
    of: Boxes,
}

/// Joins the history of the journal `other` into the one of `path`. No program uses either; `other` is a copy that may
/// be changed: it is brought up to date. `progress` gets the seconds of its history that are done, and all of them.
///
/// All or nothing: until this returns, and where it fails, the journal is as it was.
///
/// # Errors
/// Returns [`TransferError::InUse`] if a program uses one of them, [`TransferError::NoSeries`] or
/// [`TransferError::Names`] if `renames` fit no series or take the name of another one, and the errors of the database.
pub fn merge(
    path: &Path,
    other: &Path,
    renames: &[Rename],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Merged, TransferError> {
    merge_in(path, other, renames, &TimeZone::system(), progress)
}

fn merge_in(
    path: &Path,
    other: &Path,
    renames: &[Rename],
    zone: &TimeZone,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Merged, TransferError> {
    if !other.exists() {
        return Err(TransferError::Missing(other.to_owned()));
    }
    let other = Closed::open_whole(other, zone.clone())?;
    if let Some(newest) = other.database.newest()?
        && newest > Timestamp::now().as_microsecond().saturating_add(AHEAD)
    {
        return Err(TransferError::Ahead(utc(newest)));
    }
    // A damaged history is not joined: the new one would lack everything that this box recorded.
    let mut own = Closed::open_whole(path, zone.clone())?;
    join(&mut own.database, &other.database, renames, zone, progress)
}

/// Joins one database into another one, in one transaction.
fn join(
    own: &mut Database,
    other: &Database,
    renames: &[Rename],
    zone: &TimeZone,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Merged, TransferError> {
    // Spills go to the `-wal` file, so the memory that this takes does not depend on the length of the histories.
    own.connection.execute_batch("PRAGMA cache_size = -8192")?;
    let transaction = own.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let names = Names::new(&transaction, &other.connection, renames)?;
    let mut walk = Walk::new(&transaction, &other.connection, names, zone);
    walk.run(progress)?;
    coarse::copy(walk.own, walk.other, &walk.names, zone)?;
    let (minutes, left_out) = (walk.minutes, std::mem::take(&mut walk.left_out));
    let mut left_out: Vec<_> =
        left_out.into_iter().filter_map(|(id, count)| Some((walk.names.name(id)?.clone(), count))).collect();
    left_out.sort();
    drop(walk);
    let known = own_states(&transaction)?;
    for (source, state) in other.states()? {
        let source = Rename::source_here(renames, &source);
        if !known.contains(&source) {
            keep_state(&transaction, &source, &state)?;
        }
    }
    transaction.commit()?;
    Ok(Merged { minutes, left_out })
}

/// Returns the sources that saved a state here.
fn own_states(own: &rusqlite::Connection) -> rusqlite::Result<std::collections::BTreeSet<String>> {
    let sql = "SELECT substr(key, 8) FROM state WHERE key >= 'source.' AND key < 'source/'";
    own.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}
