//! Corrections of the clock: moves rows that were recorded with a wrong one.

use std::collections::BTreeMap;

use crate::{
    db::{Block, Reset, Rows, events, minute_of, rows::row_key},
    series::Sample,
    time::TimeCorrection,
};

/// Moves all numbers and settings at or after `since`. Minutes without single readings stay, and so do damaged ones.
pub(crate) fn correct(rows: &mut Rows<'_>, correction: TimeCorrection) -> rusqlite::Result<()> {
    if correction.delta == 0 {
        return Ok(());
    }
    numbers(rows, correction)?;
    settings(rows, correction)
}

fn numbers(rows: &mut Rows<'_>, correction: TimeCorrection) -> rusqlite::Result<()> {
    let mut keys = rows.connection.prepare("SELECT key FROM raw WHERE key >= ?1 ORDER BY key")?;
    let keys = keys.query_map([row_key(minute_of(correction.since), 0)], |row| row.get(0))?;
    let mut keys = keys.collect::<rusqlite::Result<Vec<i64>>>()?;
    // A minute must only move to where everything has moved already.
    if correction.delta > 0 {
        keys.reverse();
    }
    for key in keys {
        let (minute, section) = (key >> 16, (key & 0xffff) as u16);
        let mut minutes = BTreeMap::<i64, Block>::new();
        for column in rows.remove(section, minute)?.map(|block| block.columns).unwrap_or_default() {
            for Sample { time, value } in column.samples {
                let time = correction.apply(time);
                minutes.entry(minute_of(time)).or_default().add(column.series, Sample { time, value });
            }
        }
        for (minute, block) in minutes {
            rows.merge(section, minute, block)?;
        }
    }
    Ok(())
}

/// Moves the settings of counters. Breaks are found again where the numbers are.
fn settings(rows: &mut Rows<'_>, correction: TimeCorrection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM event WHERE ts >= ?1 AND kind = 'set' RETURNING series, ts, before, after";
    let mut moved = rows.connection.prepare(sql)?;
    let moved = moved.query_map([correction.since], |row| {
        Ok((row.get(0)?, Reset { time: row.get(1)?, set: true, before: row.get(2)?, after: row.get(3)? }))
    })?;
    for (series, mut set) in moved.collect::<rusqlite::Result<Vec<(u32, Reset)>>>()? {
        rows.touched.insert((series, minute_of(set.time)));
        set.time = correction.apply(set.time);
        events::put(rows.connection, series, &set)?;
        rows.touched.insert((series, minute_of(set.time)));
    }
    Ok(())
}
