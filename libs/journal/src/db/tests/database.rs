use jiff::tz::TimeZone;
use tempfile::TempDir;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::db::*;
use crate::paths::with_suffix;
use crate::{
    time::{Epoch, TimeCorrection},
    wal::{Cell, Encoder, frame::header},
};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    (folder, path)
}

/// A segment of a counter's numbers, one every seven seconds.
fn segment(number: u64, seconds: std::ops::Range<i64>) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::default(), header(number));
    let (name, unit, obis) = ("energy".into(), "kWh".into(), "1.8.0".into());
    for second in seconds.step_by(7) {
        let value = reading::Decimal::new(second * 3, 3).unwrap();
        let cell = Cell { name: &name, unit: &unit, obis: &obis, kind: None, medium: None, value };
        encoder.batch(&mut out, &"meter".into(), second * 1_000_000, &[cell]);
    }
    out
}

/// A closed database of a few pages.
fn filled(path: &Path) {
    let mut database = Database::open(path).unwrap().0;
    database.checkpoint(&[(1, &segment(1, 0..7200))], &TimeZone::UTC).unwrap();
}

fn works(database: &mut Database) {
    let next = database.folded().unwrap() + 1;
    database.checkpoint(&[(next, &segment(next, 9000..9100))], &TimeZone::UTC).unwrap();
    assert_eq!(database.newest().unwrap(), Some(9098 * 1_000_000));
}

#[test]
fn a_new_one_is_made_with_its_folder_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/journal.db");
    let (mut database, found) = Database::open(&path).unwrap();
    assert_eq!(found, Found::New);
    assert_eq!((database.folded().unwrap(), database.newest().unwrap()), (0, None));
    assert_eq!(database.epoch().unwrap(), None);
    works(&mut database);
    let pragma = |name| {
        database
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal".to_string().into());
    let numbers =
        [("page_size", 4096), ("application_id", 0x736d_7472), ("user_version", 4), ("synchronous", 2)];
    for (name, number) in numbers {
        assert_eq!(pragma(name), number.into(), "{name}");
    }
    drop(database);
    let (database, found) = Database::open(&path).unwrap();
    assert_eq!((found, database.folded().unwrap()), (Found::Whole, 1));
}

#[test]
fn an_empty_file_is_a_new_one() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    let (mut database, found) = Database::open(&path).unwrap();
    assert_eq!(found, Found::New);
    works(&mut database);
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    let (_folder, whole) = folder();
    filled(&whole);
    let bytes = fs::read(&whole).unwrap();
    assert!(bytes.len() > 4 * 4096);
    let mut flipped = bytes.clone();
    flipped[16] ^= 0x40;
    let mut schema = bytes.clone();
    schema[100..4096].fill(0x55);
    let mut pages = bytes.clone();
    pages[4096..].fill(0x55);
    let cut = |length: usize| bytes[..length].to_vec();
    let garbage = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let damaged = [
        garbage,
        b"key = \"value\"\n".to_vec(),
        vec![0; 8192],
        cut(1),
        cut(50),
        cut(100),
        cut(511),
        cut(4096),
        cut(bytes.len() / 2),
        cut(bytes.len() - 4096),
        flipped,
        schema,
        pages,
    ];
    for (index, bytes) in damaged.iter().enumerate() {
        let (_folder, path) = folder();
        fs::write(&path, bytes).unwrap();
        fs::write(with_suffix(&path, "-wal"), "what was not in it yet").unwrap();
        let (mut database, found) = Database::open(&path).unwrap();
        let Found::SetAside(aside) = found else { panic!("{index}: {found:?}") };
        assert_eq!(aside.parent(), path.parent());
        assert!(aside.to_string_lossy().contains("/journal.db.damaged-2"), "{aside:?}");
        assert_eq!(&fs::read(&aside).unwrap(), bytes, "{index}");
        works(&mut database);
        // The next one in the same second has a name of its own.
        drop(database);
        assert_ne!(set_aside(&path).unwrap(), aside);
        assert_eq!(Database::open(&path).unwrap().1, Found::New);
    }
}

#[test]
fn what_belongs_to_it_goes_along() {
    let (_folder, path) = folder();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        fs::write(with_suffix(&path, suffix), format!("x{suffix}")).unwrap();
    }
    let aside = set_aside(&path).unwrap();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        assert_eq!(fs::read_to_string(with_suffix(&aside, suffix)).unwrap(), format!("x{suffix}"));
        assert!(!with_suffix(&path, suffix).exists());
    }
}

#[test]
fn any_damage_of_the_header_is_found_or_harmless() {
    let (_folder, whole) = folder();
    filled(&whole);
    let bytes = fs::read(&whole).unwrap();
    let mut aside = 0;
    for at in 0..100 {
        for flip in [0x01, 0x80] {
            let (_folder, path) = folder();
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            match Database::open(&path) {
                Ok((mut database, found)) => {
                    aside += usize::from(matches!(found, Found::SetAside(_)));
                    let segment = segment(2, 9000..9100);
                    if let Err(error) = database.checkpoint(&[(2, &segment)], &TimeZone::UTC) {
                        assert!(error.is_damage(), "{at} {flip}: {error}");
                    }
                }
                Err(DatabaseError::Foreign { .. }) => assert!((68..72).contains(&at), "{at}"),
                Err(DatabaseError::Newer { .. }) => assert!((60..64).contains(&at), "{at}"),
                Err(error) => panic!("{at} {flip}: {error}"),
            }
        }
    }
    assert!(aside >= 2 * 16, "{aside}");
}

#[test]
fn another_programs_database_stays_as_it_is() {
    let (_folder, path) = folder();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE raw (key INTEGER); INSERT INTO raw VALUES (5)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(matches!(error, DatabaseError::Foreign { .. }) && !error.is_damage());
    assert!(error.to_string().contains("belongs to another program"), "{error}");
    assert!(matches!(open_for_reading(&path), Err(DatabaseError::Foreign { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!with_suffix(&path, "-wal").exists());
}

#[test]
fn a_file_that_never_was_a_journal_is_left_alone() {
    let (folder, usual) = folder();
    let of_others = folder.path().join("contacts.db");
    Connection::open(&of_others).unwrap().execute_batch("CREATE TABLE contact (name TEXT)").unwrap();
    let mut damaged = fs::read(&of_others).unwrap();
    damaged[18..20].fill(9);
    fs::write(&usual, &damaged).unwrap();
    assert!(Database::open(&usual).is_err(), "also under the usual name");
    assert_eq!(fs::read(&usual).unwrap(), damaged);
    let noise = (0..9000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let path = folder.path().join("notes.txt");
    for bytes in [b"milk\nbread\n".to_vec(), b"x".to_vec(), vec![0; 8192], noise, damaged] {
        fs::write(&path, &bytes).unwrap();
        let error = Database::open(&path).unwrap_err();
        let expected = format!(
            "`{}` is not a journal, and was left alone: name another path with `[journal] path`",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
    // With a segment of its log beside it, it was one.
    fs::write(folder.path().join("notes.txt-tail.1"), segment(1, 0..70)).unwrap();
    assert!(matches!(Database::open(&path).unwrap().1, Found::SetAside(_)));
}

#[test]
fn a_damaged_journal_of_another_name_is_still_set_aside() {
    let (folder, whole) = folder();
    filled(&whole);
    let bytes = fs::read(&whole).unwrap();
    for damage in [0..16, 16..18, 0..100, 100..3000] {
        let path = folder.path().join(format!("energy-{}-{}.db", damage.start, damage.end));
        let mut bytes = bytes.clone();
        bytes[damage.clone()].fill(0x55);
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Database::open(&path).unwrap().1, Found::SetAside(_)), "{damage:?}");
    }
}

#[test]
fn a_newer_one_is_left_alone() {
    let (_folder, path) = folder();
    filled(&path);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 5").unwrap();
    for error in [Database::open(&path).unwrap_err(), open_for_reading(&path).unwrap_err()] {
        assert!(matches!(error, DatabaseError::Newer { found: 5, known: 4, .. }), "{error}");
        assert!(!error.is_damage());
    }
}

#[test]
fn a_missing_table_is_damage() {
    let (_folder, path) = folder();
    filled(&path);
    Connection::open(&path).unwrap().execute_batch("DROP TABLE hour").unwrap();
    assert!(matches!(Database::open(&path).unwrap().1, Found::SetAside(_)));
}

#[test]
fn what_is_no_file_is_an_error_that_names_it() {
    let (folder, path) = folder();
    fs::create_dir(&path).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(!error.is_damage() && error.to_string().contains("journal.db"), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Database::open(&file.join("journal.db")).unwrap_err();
    assert!(!error.is_damage() && error.to_string().contains("/file`"), "{error}");
}

#[test]
fn the_state_comes_back() {
    let (_folder, path) = folder();
    let epoch =
        Epoch { boot: "4f1c\"{".into(), since: -5, wall_offset: i64::MAX, offset: i64::MIN, confirmed: true };
    let mut out = segment(41, 0..60);
    Encoder::default().epoch(&mut out, &epoch);
    let mut database = Database::open(&path).unwrap().0;
    database.checkpoint(&[(41, &out)], &TimeZone::UTC).unwrap();
    drop(database);
    let database = Database::open(&path).unwrap().0;
    assert_eq!(database.epoch().unwrap(), Some(epoch));
    assert_eq!(database.folded().unwrap(), 41);
    database.connection.execute_batch("UPDATE state SET value = '{}' WHERE key = 'epoch'").unwrap();
    assert_eq!(database.epoch().unwrap(), None);
}

#[test]
fn the_newest_reading_is_known_to_the_minute_once_it_is_removed() {
    let (_folder, path) = folder();
    let mut database = Database::open(&path).unwrap().0;
    database.checkpoint(&[(1, &segment(1, 0..100))], &TimeZone::UTC).unwrap();
    assert_eq!(database.newest().unwrap(), Some(98_000_000));
    database.prune(200_000_000).unwrap();
    assert_eq!(database.newest().unwrap(), Some(120_000_000));
    // What was moved before 1970 by a wrong clock is a time like any other.
    let (mut database, mut out) = (Database::open(&path).unwrap().0, segment(2, 200..300));
    Encoder::default().time_correction(&mut out, TimeCorrection { since: 0, delta: -86_400_000_000 });
    database.checkpoint(&[(2, &out)], &TimeZone::UTC).unwrap();
    let first: i64 = database.connection.query_row("SELECT min(key) FROM raw", [], |row| row.get(0)).unwrap();
    assert_eq!(first >> 16, -1440 + 3);
}

#[test]
fn readers_come_beside_a_writer_and_without_one() {
    let (_folder, path) = folder();
    assert!(open_for_reading(&path).is_err());
    assert!(!path.exists());
    let rows = |reader: &Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM minute", [], |row| row.get(0)).unwrap()
    };
    let mut database = Database::open(&path).unwrap().0;
    let reader = open_for_reading(&path).unwrap();
    assert_eq!(rows(&reader), 0);
    database.checkpoint(&[(1, &segment(1, 0..7200))], &TimeZone::UTC).unwrap();
    assert_eq!(rows(&reader), 120);
    assert!(reader.execute_batch("DELETE FROM minute").is_err());
    drop(reader);
    drop(database);
    assert!(!with_suffix(&path, "-wal").exists());
    assert_eq!(rows(&open_for_reading(&path).unwrap()), 120);
}

#[test]
fn a_folder_that_cannot_be_written_holds_up_no_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b?c#d%20.db");
    filled(&path);
    // Nobody can make a file where there is a folder: not even root, which ignores permissions.
    fs::create_dir(with_suffix(&path, "-shm")).unwrap();
    let reader = open_for_reading(&path).unwrap();
    let rows: i64 = reader.query_row("SELECT count(*) FROM minute", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 120);
    drop(reader);
    // With something left in the log, that would not be the whole truth.
    fs::write(with_suffix(&path, "-wal"), [1; 100]).unwrap();
    assert!(open_for_reading(&path).is_err());
}
