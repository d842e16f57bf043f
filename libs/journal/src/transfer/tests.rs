use std::fs;

use crate::transfer::*;
use crate::{
    db::{Database, Level, open_for_reading},
    series::SeriesName,
    time::TimeCorrection,
    wal::{Cell, CounterSet, Encoder, frame, segment_numbers, segment_path},
};
use reading::Decimal;

#[test]
fn patterns_fit() {
    for (pattern, text, expected) in [
        ("d0/POWER", "d0/POWER", true),
        ("d0/POWER", "d0/POWER_L1", false),
        ("d0/*", "d0/POWER_L1", true),
        ("*", "", true),
        ("*/POWER_L?", "d0/POWER_L1", true),
        ("*/POWER_L?", "d0/POWER_L", false),
        ("*1*8*", "s/1-0:1.8.0", true),
        ("*aab", "aaaab", true),
        ("a*b*c", "abcb", false),
        ("?", "ß", true),
        ("", "a", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
    assert!(!matches(&"*a".repeat(50), &"a".repeat(40)));
}

#[test]
fn segments_are_found_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    for name in ["journal.db-tail.10", "journal.db-tail.9", "journal.db-tail.x", "journal.db-wal", "a-tail.3"]
    {
        fs::write(folder.path().join(name), "").unwrap();
    }
    assert_eq!(segment_numbers(&path).unwrap(), [9, 10]);
}

/// Eleven o'clock of a day, in seconds since 1970.
const T: i64 = 1_795_000_000 / 3600 * 3600;

/// A segment that is being made.
struct Segment {
    encoder: Encoder,
    bytes: Vec<u8>,
}

impl Segment {
    fn new(number: u64) -> Self {
        Self { encoder: Encoder::default(), bytes: frame::header(number) }
    }

    /// A batch of a counter and a power, `second` after `T`.
    fn batch(mut self, second: i64, count: &str, power: &str) -> Self {
        let [count, power] = [count, power].map(|text| Decimal::parse(text.as_bytes()).unwrap());
        let texts = ["count", "kWh", "power", "W", ""].map(Text::from);
        let [count_name, kwh, power_name, watt, none] = &texts;
        let cells = [
            Cell { name: count_name, unit: kwh, obis: none, kind: None, medium: None, value: count },
            Cell { name: power_name, unit: watt, obis: none, kind: None, medium: None, value: power },
        ];
        self.encoder.batch(&mut self.bytes, &"s0".into(), (T + second) * 1_000_000, &cells);
        self
    }

    fn set(mut self, second: i64, before: &str, after: &str) -> Self {
        let [before, after] = [before, after].map(|text| Decimal::parse(text.as_bytes()).unwrap());
        let series = SeriesName { section: "s0".into(), name: "count".into(), unit: "kWh".into() };
        let set = CounterSet { series, time: (T + second) * 1_000_000, before, after };
        self.encoder.counter_set(&mut self.bytes, &set);
        self
    }

    fn correction(mut self, second: i64, delta: i64) -> Self {
        self.encoder.time_correction(
            &mut self.bytes,
            TimeCorrection { since: (T + second) * 1_000_000, delta: delta * 1_000_000 },
        );
        self
    }
}

/// A journal with readings that are checkpointed, and some that are not.
fn journal(folded: &[Segment], tails: &[Segment]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    if !folded.is_empty() {
        let segments: Vec<_> = folded
            .iter()
            .map(|segment| (frame::open(&segment.bytes).unwrap().0, &segment.bytes[..]))
            .collect();
        let (mut database, _) = Database::open(&path).unwrap();
        database.checkpoint(&segments, &jiff::tz::TimeZone::UTC).unwrap();
    }
    for tail in tails {
        let number = frame::open(&tail.bytes).unwrap().0;
        fs::write(segment_path(&path, number), &tail.bytes).unwrap();
    }
    (folder, path)
}

/// The rows of an export, with seconds after `T`.
fn exported(path: &Path, selection: &Selection) -> Vec<String> {
    let mut rows = Vec::new();
    let summary = Archive::open(path).unwrap().readings(selection, |labels, time, value, set_from| {
        let from = set_from.map(|from| format!(" from {from}")).unwrap_or_default();
        rows.push(format!("{} {} {value}{from}", time / 1_000_000 - T, labels.name));
        Ok(())
    });
    assert_eq!(summary.unwrap(), Summary { rows: rows.len() as u64, ..Summary::default() });
    rows
}

#[test]
fn what_is_not_folded_is_exported_too_and_once() {
    let folded = || Segment::new(1).batch(1, "1.5", "10").batch(30, "1.7", "20").set(40, "1.7", "5");
    let tail = || {
        Segment::new(2)
            .batch(50, "5.5", "30")
            .batch(30, "1.7", "20")
            .set(90, "5.5", "0")
            .batch(100, "0.5", "7")
    };
    let expected = [
        "1 count 1.5",
        "1 power 10",
        "30 count 1.7",
        "30 power 20",
        "40 count 5 from 1.7",
        "50 count 5.5",
        "50 power 30",
        "90 count 0 from 5.5",
        "100 count 0.5",
        "100 power 7",
    ];
    let all = Selection::default();
    // A checkpointed segment may still lie there; one may be torn.
    let mut torn = tail();
    torn.bytes.extend_from_slice(b"\x20torn");
    for (_folder, path) in [
        journal(&[folded(), tail()], &[]),
        journal(&[folded()], &[torn]),
        journal(&[folded()], &[folded(), tail()]),
        journal(&[], &[folded(), tail()]),
    ] {
        assert_eq!(exported(&path, &all), expected);
        let some = Selection {
            from: Some((T + 40) * 1_000_000),
            to: Some((T + 90) * 1_000_000),
            series: vec!["*/count".to_owned()],
        };
        assert_eq!(exported(&path, &some), ["40 count 5 from 1.7", "50 count 5.5"]);
        let mut spans = Vec::new();
        let archive = Archive::open(&path).unwrap();
        for level in [Level::Minute, Level::Hour] {
            archive
                .rollups(
                    &Selection { series: vec!["s0/power".to_owned()], ..Selection::default() },
                    level,
                    |_, start, rollup| {
                        spans.push((start - T, rollup.first, rollup.last, rollup.max, rollup.mean));
                        Ok(())
                    },
                )
                .unwrap();
        }
        if path.exists() && !segment_numbers(&path).unwrap().is_empty() {
            // The repeated reading counts twice until it is checkpointed.
            assert_eq!((spans[0].0, spans[0].3), (0, 30.0));
        } else {
            assert_eq!(
                spans,
                [(0, 10.0, 30.0, 30.0, 20.0), (60, 7.0, 7.0, 7.0, 7.0), (0, 10.0, 7.0, 30.0, 16.75)]
            );
        }
    }
}

#[test]
fn a_correction_of_the_clock_counts_before_it_is_folded() {
    let folded = || Segment::new(1).batch(1, "1", "10").batch(30, "2", "20").set(35, "2", "1");
    let tail = || Segment::new(2).batch(40, "3", "30").correction(30, 7200).batch(7300, "4", "40");
    let expected = [
        "1 count 1",
        "1 power 10",
        "7230 count 2",
        "7230 power 20",
        "7235 count 1 from 2",
        "7240 count 3",
        "7240 power 30",
        "7300 count 4",
        "7300 power 40",
    ];
    for (_folder, path) in [journal(&[folded()], &[tail()]), journal(&[folded(), tail()], &[])] {
        assert_eq!(exported(&path, &Selection::default()), expected);
        let late = Selection { from: Some((T + 7230) * 1_000_000), ..Selection::default() };
        assert_eq!(exported(&path, &late), expected[2..]);
        let early = Selection { to: Some((T + 7230) * 1_000_000), ..Selection::default() };
        assert_eq!(exported(&path, &early), expected[..2]);
    }
}

#[test]
fn an_import_folds_first_what_a_killed_program_left() {
    let (_folder, path) = journal(
        &[Segment::new(4).batch(1, "1", "10")],
        &[
            Segment::new(4).batch(1, "1", "10"),
            Segment::new(5).batch(2, "2", "20"),
            Segment::new(7).batch(3, "3", "30"),
        ],
    );
    let mut import = Import::open(&path).unwrap();
    assert!(matches!(Import::open(&path), Err(TransferError::InUse(_))));
    assert!(segment_numbers(&path).unwrap().is_empty());
    let [section, name, unit, obis] = ["s0", "count", "kWh", ""].map(Text::from);
    let reading = Imported {
        time: (T + 9) * 1_000_000,
        labels: Labels { section, name, unit, obis },
        value: Decimal::from(4),
        set_from: None,
    };
    import.add(reading).unwrap();
    assert_eq!(import.finish().unwrap(), 1);
    let expected =
        ["1 count 1", "1 power 10", "2 count 2", "2 power 20", "3 count 3", "3 power 30", "9 count 4"];
    assert_eq!(exported(&path, &Selection::default()), expected);
    let folded: u64 = open_for_reading(&path)
        .unwrap()
        .query_row("SELECT value FROM state WHERE key = 'folded'", [], |row| row.get::<_, i64>(0))
        .unwrap() as u64;
    assert_eq!(folded, 8);
}

#[test]
fn a_damaged_minute_is_left_out_and_counted() {
    let (_folder, path) = journal(&[Segment::new(1).batch(1, "1", "10").batch(61, "2", "20")], &[]);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute("UPDATE raw SET data = x'0102' WHERE key < ?1", [(T / 60 + 1) << 16])
        .unwrap();
    let mut rows = 0;
    let summary = Archive::open(&path).unwrap().readings(&Selection::default(), |_, _, _, _| {
        rows += 1;
        Ok(())
    });
    assert_eq!(summary.unwrap(), Summary { rows: 2, damaged: 1, gaps: Vec::new() });
    assert_eq!(rows, 2);
}

#[test]
fn many_settings_are_read_in_parts() {
    let mut segment = Segment::new(1).batch(0, "1", "10");
    for second in 1..2500 {
        segment = segment.set(second * 7, "1", "2");
    }
    let (_folder, path) = journal(&[segment], &[]);
    let rows = exported(&path, &Selection::default());
    assert_eq!((rows.len(), rows.last().map(String::as_str)), (2501, Some("17493 count 2 from 1")));
}

#[test]
fn what_is_no_journal_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let shown = || Archive::open(&path).err().unwrap().to_string();
    let name = path.display();
    assert_eq!(shown(), format!("there is no journal `{name}`"));
    let below = folder.path().join("none/journal.db");
    assert!(matches!(Archive::open(&below), Err(TransferError::Missing(path)) if path == below));

    fs::create_dir(&path).unwrap();
    assert_eq!(shown(), format!("`{name}` is not a usable journal: it is a folder"));
    fs::remove_dir(&path).unwrap();

    fs::write(&path, "time,section,name,value\n".repeat(100)).unwrap();
    assert_eq!(shown(), format!("`{name}` is not a usable journal: it is not a database"));
    let within = path.join("journal.db");
    let error = Archive::open(&within).err().unwrap();
    assert!(matches!(&error, TransferError::File(path, _) if *path == within), "{error}");
    fs::remove_file(&path).unwrap();

    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE photo (id INTEGER)").unwrap();
    assert_eq!(shown(), format!("`{name}` is not a usable journal: it is another program's database"));

    // A segment that is none: a folder cannot be read, not even by root.
    fs::remove_file(&path).unwrap();
    let segment = segment_path(&path, 3);
    fs::create_dir(&segment).unwrap();
    assert!(shown().starts_with(&format!("could not open `{}`: ", segment.display())), "{}", shown());
}
