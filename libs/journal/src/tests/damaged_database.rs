//! Databases with pages that were overwritten: what can be read stays, and the rest is named.

use std::{fs, path::Path};

use rusqlite::Connection;

use crate::{
    Archive, Journal, Level, Selection, Step,
    db::{Database, Found, open_for_reading},
    tests::whole::{Clock, NOON, SECOND, points, samples},
};
use reading::{Decimal, Reading};

const PAGE: usize = 4096;
const MINUTES: i64 = 240;

/// A journal of two sources that are read each ten seconds for four hours.
fn filled(folder: &Path) -> Clock {
    let clock = Clock::new();
    let (journal, mut keeper) = clock.journal(folder);
    for n in 0..MINUTES * 6 {
        clock.pass(10 * SECOND);
        for section in ["meter", "heat"] {
            // Of the noise there is no short form.
            let noise = (n * 7_919 + 13) * 104_729 % 1_000_003;
            let readings =
                [("energy", "kWh", n), ("power", "W", noise), ("l1", "W", noise / 3), ("l2", "W", noise / 7)];
            let readings =
                readings.map(|(name, unit, value)| Reading::number(name, Decimal::from(value)).unit(unit));
            journal.record(&section.into(), &clock.batch(readings.to_vec()));
        }
        if n % 360 == 359 {
            keeper.checkpoint();
        }
    }
    keeper.checkpoint();
    clock
}

/// Returns how many rows a table has.
fn rows(folder: &Path, table: &str) -> i64 {
    let connection = open_for_reading(&folder.join("journal.db")).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Asks all that can be asked.
fn ask(journal: &Journal) {
    for listed in journal.read(|view| view.series()).unwrap() {
        for step in Step::words() {
            let (from, to) = (NOON - 3600 * SECOND, NOON + 86_400 * SECOND);
            let name = &listed.name;
            let read = journal.read(|view| {
                points(&view.find(&name.section, &name.name, Some(&*name.unit))?, (from, to), step)
            });
            read.unwrap();
        }
    }
}

#[test]
fn a_page_that_was_overwritten_costs_what_was_in_it_and_is_named() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let bytes = fs::read(whole.path().join("journal.db")).unwrap();
    let pages = bytes.len() / PAGE;
    let tables = ["minute", "quarter", "hour", "day"];
    let before = tables.map(|table| rows(whole.path(), table));
    let (mut replaced, mut complete) = (0, 0);
    for page in (1..pages).step_by(3) {
        let dir = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        let noise = (0..PAGE).map(|n| ((n * 2_654_435_761) >> 7) as u8);
        damaged.splice(page * PAGE..(page + 1) * PAGE, noise);
        fs::write(dir.path().join("journal.db"), damaged).unwrap();
        let clock = Clock::new();
        clock.pass(86_400 * SECOND);
        let (journal, mut keeper) = clock.journal(dir.path());
        let shared = journal.0.as_ref().unwrap();
        shared.check();
        keeper.turn(false, false);
        // Whatever it was, recording goes on, and each question has an answer.
        clock.record(&journal, "9999");
        keeper.checkpoint();
        ask(&journal);
        let status = journal.status().unwrap();
        assert_eq!((status.problem, status.open), (None, true), "page {page}");
        let Some(notice) = status.notice else { continue };
        replaced += 1;
        assert!(notice.contains("was damaged") && notice.contains("lost: "), "{notice}");
        let after = tables.map(|table| rows(dir.path(), table));
        // The new reading is in a day of its own.
        complete += usize::from(before.iter().zip(after).all(|(before, after)| after == before + 1));
        let found = journal.read(|view| {
            let series = view.find("meter", "energy", None)?;
            points(&series, (NOON - 3600 * SECOND, NOON + 80_000 * SECOND), "raw")
        });
        let (found, _) = found.unwrap();
        let most = if notice.contains("`raw`") { 900 } else { 0 };
        let named = notice.contains("`series`") || notice.contains("`section`");
        assert!(named || found.len() as i64 + most >= MINUTES * 6, "page {page}: {} {notice}", found.len());
    }
    assert!(replaced * 3 > pages * 2 / 3, "{replaced} of {} pages", pages / 3);
    assert!(complete * 2 > replaced, "only {complete} of {replaced} have all roll-ups");
}

#[test]
fn damage_that_a_question_meets_is_mended_and_the_next_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let clock = filled(dir.path());
    let (journal, mut keeper) = clock.journal(dir.path());
    // Pages of the table `minute`, apart from its root.
    let connection = Connection::open(dir.path().join("journal.db")).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let root: i64 = connection
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'minute'", [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let path = dir.path().join("journal.db");
    let mut bytes = fs::read(&path).unwrap();
    let root = root as usize;
    bytes[(root - 1) * PAGE..root * PAGE].fill(0x77);
    fs::write(&path, bytes).unwrap();
    let minutes = || {
        journal.read(|view| {
            let series = view.find("meter", "energy", None)?;
            points(&series, (NOON, NOON + 4 * 3600 * SECOND), "1m")
        })
    };
    assert!(minutes().is_err(), "the damage is met");
    keeper.turn(false, false);
    let (_, found) = minutes().unwrap();
    assert!(
        found.iter().filter(|(_, rollup)| rollup.is_some()).count() as i64 >= MINUTES - 1,
        "rebuilt from raw"
    );
    assert!(samples(&journal).len() as i64 == MINUTES * 6);
}

#[test]
fn a_salvage_that_was_interrupted_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = filled(dir.path());
    let path = dir.path().join("journal.db");
    // As a kill would leave it: a new database that is empty, and the damaged one beside it.
    let (database, found) = Database::replace(&path).unwrap();
    assert!(matches!(found, Found::SetAside(_)));
    drop(database);
    let (journal, mut keeper) = clock.journal(dir.path());
    assert_eq!(samples(&journal).len() as i64, MINUTES * 6);
    assert!(journal.status().unwrap().notice.unwrap().contains("lost: nothing"));
    drop((journal, keeper));
    (_, keeper) = clock.journal(dir.path());
    keeper.checkpoint();
}

#[test]
fn an_export_leaves_out_damaged_pages_only_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let path = dir.path().join("journal.db");
    let bytes = fs::read(&path).unwrap();
    let all = (MINUTES * 6 * 2 * 4) as u64;
    let mut said = 0;
    for page in (12..bytes.len() / PAGE).step_by(2) {
        let mut damaged = bytes.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0x99);
        fs::write(&path, damaged).unwrap();
        let archive = Archive::open(&path).unwrap();
        let mut rows = 0u64;
        let summary = archive.readings(&Selection::default(), |_, _, _, _| {
            rows += 1;
            Ok(())
        });
        let summary = summary.unwrap();
        assert_eq!(rows, summary.rows);
        if summary.gaps.is_empty() {
            assert_eq!(rows, all, "page {page}");
        } else {
            said += 1;
            assert!(rows < all && rows + all / 8 > all, "page {page}: {rows} of {all}");
        }
        let summary = archive.rollups(&Selection::default(), Level::Minute, |_, _, _| Ok(())).unwrap();
        let minutes = (MINUTES * 8 + 8) as u64;
        assert!(summary.rows >= minutes - 8 || !summary.gaps.is_empty(), "page {page}: {}", summary.rows);
    }
    assert!(said > 3, "{said}");
}

#[test]
fn a_first_page_that_is_overwritten_costs_nothing_as_the_schema_is_known() {
    for content in [0x55, 0, 0xff] {
        let dir = tempfile::tempdir().unwrap();
        let clock = filled(dir.path());
        let tables = ["section", "series", "raw", "minute", "quarter", "hour", "day"];
        let before = tables.map(|table| rows(dir.path(), table));
        let path = dir.path().join("journal.db");
        let mut bytes = fs::read(&path).unwrap();
        bytes[..PAGE].fill(content);
        fs::write(&path, &bytes).unwrap();
        let (journal, mut keeper) = clock.journal(dir.path());
        let notice = journal.status().unwrap().notice.unwrap();
        assert!(notice.contains("was damaged") && notice.ends_with("lost: nothing"), "{notice}");
        assert_eq!(tables.map(|table| rows(dir.path(), table)), before);
        ask(&journal);
        clock.record(&journal, "7");
        keeper.checkpoint();
        let left =
            fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let left: Vec<_> = left.filter(|name| name.contains(".copy") || name.ends_with(".part")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
