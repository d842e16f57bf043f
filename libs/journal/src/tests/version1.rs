//! Files of version 1, as a release before this one left them: they have no kinds.

use std::fs;

use rusqlite::Connection;

use crate::{
    db::Database,
    tests::whole::{Clock, NOON, SECOND, samples},
    wal::{
        frame::{CRC, HEADER, entries, open},
        segment_path,
    },
};
use reading::{Decimal, Kind, Medium, Reading};

/// Schema of version 1, apart from the tables that are the same.
const SERIES: &str = "CREATE TABLE series (id INTEGER PRIMARY KEY, section INTEGER NOT NULL REFERENCES section(id), name TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT '', obis TEXT NOT NULL DEFAULT '', UNIQUE (section, name, unit))";

/// A segment of version 1, byte by byte: a layout, and two batches one second apart.
fn segment(number: u64) -> Vec<u8> {
    fn varint(out: &mut Vec<u8>, mut n: u64) {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    }
    fn frame(out: &mut Vec<u8>, payload: &[u8]) {
        varint(out, payload.len() as u64);
        out.extend_from_slice(payload);
        out.extend_from_slice(&CRC.checksum(payload).to_le_bytes());
    }
    let mut out = b"smtail\x01\n".to_vec();
    out.extend_from_slice(&number.to_le_bytes());
    // A column `energy` in kWh without a code, of one decimal.
    frame(&mut out, b"\x00\x05meter\x01\x06energy\x03kWh\x00\x01");
    let mut first = vec![1, 0];
    varint(&mut first, (NOON + SECOND) as u64 * 2);
    varint(&mut first, 15 * 2);
    frame(&mut out, &first);
    // The difference of the differences is the difference itself here, as there was none before.
    let mut second = vec![1, 0];
    varint(&mut second, SECOND as u64 * 2);
    varint(&mut second, 5 * 2);
    frame(&mut out, &second);
    out
}

#[test]
fn segments_of_version_1_are_read_checkpointed_and_delivered() {
    let bytes = segment(7);
    let mut count = 0;
    assert_eq!(entries(&bytes, |_| count += 1), bytes.len());
    assert_eq!((count, open(&bytes).unwrap().0), (2, 7));
    let mut newer = bytes.clone();
    newer[6] = 6;
    assert!(open(&newer).is_none() && open(&bytes[..HEADER - 1]).is_none());

    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    clock.pass(5 * SECOND);
    fs::write(segment_path(&dir.path().join("journal.db"), 7), &bytes).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "2.5");
    let all = [(1, "1.5"), (2, "2.0"), (6, "2.5")].map(|(second, value)| (second, value.to_owned()));
    assert_eq!(samples(&journal), all);
    keeper.checkpoint();
    assert_eq!(samples(&journal), all);
}

#[test]
fn a_database_of_version_1_is_brought_up_to_date() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let path = dir.path().join("journal.db");
    {
        let (journal, mut keeper) = clock.journal(dir.path());
        clock.record(&journal, "1");
        keeper.checkpoint();
    }
    let old = Connection::open(&path).unwrap();
    let sql = format!(
        "ALTER TABLE series RENAME TO new; {SERIES};
         INSERT INTO series SELECT id, section, name, unit, obis FROM new; DROP TABLE new; PRAGMA user_version = 1"
    );
    old.execute_batch(&sql).unwrap();
    drop(old);
    let exported =
        crate::Archive::open(&path).unwrap().readings(&crate::Selection::default(), |_, _, _, _| Ok(()));
    assert_eq!(exported.unwrap().rows, 1, "an export reads it as it is");

    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "2");
    clock.pass(SECOND);
    journal
        .record(&"meter".into(), &clock.batch(vec![Reading::gauge("energy", Decimal::from(3)).unit("kWh")]));
    let kind = |journal: &crate::Journal| {
        journal.read(|view| Ok(view.find("meter", "energy", None)?.meaning().kind)).unwrap()
    };
    assert_eq!(kind(&journal), Kind::Gauge);
    keeper.checkpoint();
    assert_eq!(samples(&journal).len(), 3);
    assert_eq!(kind(&journal), Kind::Gauge, "stated, and stored");
    drop((journal, keeper));
    let database = Database::open(&path).unwrap().0;
    let version: i64 =
        database.connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let stored: String =
        database.connection.query_row("SELECT kind FROM series", [], |row| row.get(0)).unwrap();
    assert_eq!((version, &*stored), (4, "gauge"));
}

#[test]
fn a_stated_kind_reaches_publishers_and_decides_what_counts() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = crate::wal::tests::queue::open(&clock, dir.path(), &["far"]);
    let record = |reading: Reading| {
        clock.pass(SECOND);
        journal.record(&"meter".into(), &clock.batch(vec![reading]));
    };
    record(Reading::counter("count", 5));
    record(Reading::number("count", 6));
    record(Reading::net("count", 7));
    let kinds = |most| {
        let batches = journal.queue("far").read(most).unwrap();
        batches.iter().map(|queued| queued.record.batch.readings[0].kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(9), [Some(Kind::Counter), None, Some(Kind::Net)]);
    for _ in 0..2 {
        let listed = journal.read(|view| view.series()).unwrap();
        assert_eq!(listed.iter().map(|of| of.meaning.kind).collect::<Vec<_>>(), [Kind::Net]);
        let (from, to) = (NOON - 3600 * SECOND, NOON + 3600 * SECOND);
        let hours =
            journal.read(|view| view.find("meter", "count", None)?.consumption(from, to, crate::Per::Hour));
        assert_eq!(hours.unwrap().iter().filter_map(|hour| hour.amount).sum::<f64>(), 2.0);
        keeper.checkpoint();
    }
}

#[test]
fn a_stated_medium_reaches_publishers_and_outlives_a_checkpoint() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.pass(SECOND);
    let heat = Reading::number("energy", Decimal::from(3)).unit("kWh").medium(Medium::Heat);
    journal.record(&"cellar".into(), &clock.batch(vec![heat]));
    let medium = |journal: &crate::Journal| {
        journal.read(|view| Ok(view.find("cellar", "energy", None)?.meaning().medium)).unwrap()
    };
    assert_eq!(medium(&journal), Some(Medium::Heat), "from the log");
    keeper.checkpoint();
    assert_eq!(medium(&journal), Some(Medium::Heat), "from the database");
    drop((journal, keeper));
    let (journal, _keeper) = clock.journal(dir.path());
    assert_eq!(medium(&journal), Some(Medium::Heat), "after a restart");
}
