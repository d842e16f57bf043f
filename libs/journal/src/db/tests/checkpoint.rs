use std::{collections::BTreeMap, path::Path};

use rusqlite::types::Value;
use tempfile::TempDir;

use crate::db::{Block, Database};
use crate::{
    series::SeriesName,
    time::{Epoch, TimeCorrection},
    wal::{Cell, CounterSet, Encoder, frame::header},
};
use jiff::tz::TimeZone;
use reading::{Decimal, Text};

pub(crate) const SECOND: i64 = 1_000_000;
/// 2026-03-28 12:00 UTC: the clock goes forward in the night that follows.
pub(crate) const SPRING: i64 = 1_774_699_200;

pub(crate) fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

/// A segment that is being written.
pub(crate) struct Segment {
    encoder: Encoder,
    pub(crate) bytes: Vec<u8>,
}

impl Segment {
    pub(crate) fn new(number: u64) -> Self {
        Self { encoder: Encoder::default(), bytes: header(number) }
    }

    /// A batch of numbers; units by name: `e…` are counters.
    pub(crate) fn batch(&mut self, section: &str, time: i64, values: &[(&str, &str)]) {
        let texts: Vec<[Text; 3]> = values.iter().map(|(name, _)| texts(name)).collect();
        let values = values.iter().map(|(_, value)| Decimal::parse(value.as_bytes()).unwrap());
        let cell = |(text, value)| {
            let [name, unit, obis]: &[Text; 3] = text;
            Cell { name, unit, obis, kind: None, medium: None, value }
        };
        let cells: Vec<_> = texts.iter().zip(values).map(cell).collect();
        self.encoder.batch(&mut self.bytes, &section.into(), time, &cells);
    }

    pub(crate) fn set(&mut self, section: &str, name: &str, time: i64, before: &str, after: &str) {
        let [name, unit, _] = texts(name);
        let [before, after] = [before, after].map(|value| Decimal::parse(value.as_bytes()).unwrap());
        let series = SeriesName { section: section.into(), name, unit };
        self.encoder.counter_set(&mut self.bytes, &CounterSet { series, time, before, after });
    }

    pub(crate) fn correction(&mut self, since: i64, delta: i64) {
        self.encoder.time_correction(&mut self.bytes, TimeCorrection { since, delta });
    }
}

fn texts(name: &str) -> [Text; 3] {
    let (unit, obis) = if name.starts_with('e') { ("kWh", "1.8.0") } else { ("W", "") };
    [name, unit, obis].map(Text::from)
}

pub(crate) struct Journal {
    pub(crate) database: Database,
    _folder: Option<TempDir>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        Self { _folder: Some(folder), ..Self::at(&path) }
    }

    pub(crate) fn at(path: &Path) -> Self {
        let database = Database::open(path).unwrap().0;
        // Tests lose nothing when the power goes.
        database.connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
        Self { database, _folder: None }
    }

    /// Folds a segment of these entries.
    pub(crate) fn checkpoint(&mut self, write: impl FnOnce(&mut Segment)) {
        let number = self.database.folded().unwrap() + 1;
        let mut segment = Segment::new(number);
        write(&mut segment);
        self.database.checkpoint(&[(number, &segment.bytes)], &berlin()).unwrap();
    }

    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let mut statement = self.database.connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let show = |value| match value {
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => number.to_string(),
                Value::Text(text) => text,
                other => format!("{other:?}"),
            };
            (0..columns).map(|column| row.get(column).map(show)).collect::<Result<Vec<_>, _>>()
        });
        rows.unwrap().map(|row| row.unwrap().join(" ")).collect()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.query("SELECT kind, ts, before, after FROM event ORDER BY series, ts")
    }

    /// All tables, with names in the place of numbers that are given in the order of arrival.
    pub(crate) fn dump(&self) -> Vec<String> {
        let names = "(SELECT series.id id, section.name || '/' || series.name || '/' || unit label
            FROM series JOIN section ON section = section.id)";
        let mut all = self.query("SELECT name FROM section ORDER BY name");
        all.extend(self.query(&format!("SELECT label, obis FROM {names} JOIN series USING (id) ORDER BY 1")));
        for (name, samples) in self.raw() {
            all.extend(samples.iter().map(|(time, value)| format!("raw {name} {time} {value}")));
        }
        for table in ["minute", "quarter", "hour", "day", "event"] {
            let rows = self.query(&format!(
                "SELECT '{table}', label, {table}.* FROM {table} JOIN {names} ON id = series ORDER BY 2, ts"
            ));
            // Without the series' number.
            let strip = |row: String| {
                let mut words: Vec<_> = row.split(' ').collect();
                words.remove(if table == "minute" { 3 } else { 2 });
                words.join(" ")
            };
            all.extend(rows.into_iter().map(strip));
        }
        all
    }

    /// All numbers by section and name.
    pub(crate) fn raw(&self) -> BTreeMap<String, BTreeMap<i64, f64>> {
        let mut names = BTreeMap::new();
        for row in self.query(
            "SELECT series.id, section.name || series.name FROM series JOIN section ON section = section.id",
        ) {
            let (id, name) = row.split_once(' ').unwrap();
            names.insert(id.parse::<u32>().unwrap(), name.to_string());
        }
        let mut rows = self.database.connection.prepare("SELECT key, data FROM raw").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
        let mut all = BTreeMap::<_, BTreeMap<_, _>>::new();
        for row in rows {
            let (key, data) = row.unwrap();
            for column in Block::decode(key >> 16, &data).unwrap().columns {
                let samples = all.entry(names[&column.series].clone()).or_default();
                samples.extend(column.samples.iter().map(|sample| (sample.time, sample.value.to_f64())));
            }
        }
        all
    }
}

#[test]
fn a_batch_becomes_rows_of_all_tables() {
    let mut journal = Journal::new();
    let time = SPRING * SECOND;
    journal.checkpoint(|segment| {
        segment.batch("d0", time, &[("e", "100.5"), ("p", "200")]);
        segment.batch("d0", time + SECOND, &[("e", "100.75"), ("p", "-100")]);
    });
    let day = SPRING - 13 * 3600;
    assert_eq!(
        journal.dump(),
        [
            "d0".to_string(),
            "d0/e/kWh 1.8.0".into(),
            "d0/p/W ".into(),
            format!("raw d0e {time} 100.5"),
            format!("raw d0e {} 100.75", time + SECOND),
            format!("raw d0p {time} 200"),
            format!("raw d0p {} -100", time + SECOND),
            format!("minute d0/e/kWh {SPRING} 100.5 100.75 100.5 100.75 100.625 2"),
            format!("minute d0/p/W {SPRING} 200 -100 -100 200 50 2"),
            format!("quarter d0/e/kWh {SPRING} 100.5 100.75 100.5 100.75 100.625 2 0 1000000"),
            format!("quarter d0/p/W {SPRING} 200 -100 -100 200 50 2 Null Null"),
            format!("hour d0/e/kWh {SPRING} 100.5 100.75 100.5 100.75 100.625 2"),
            format!("hour d0/p/W {SPRING} 200 -100 -100 200 50 2"),
            format!("day d0/e/kWh {day} 100.5 100.75 100.5 100.75 100.625 2"),
            format!("day d0/p/W {day} 200 -100 -100 200 50 2"),
        ]
    );
}

#[test]
fn days_are_local_ones_of_23_and_25_hours() {
    let mut journal = Journal::new();
    // A number each half hour, in the nights in which the clock is set.
    for start in [1_774_652_400, 1_792_879_200] {
        for half in 0..144 {
            journal.checkpoint(|segment| segment.batch("d0", (start + half * 1800) * SECOND, &[("p", "1")]));
        }
    }
    let days = journal.query("SELECT datetime(ts, 'unixepoch'), count FROM day ORDER BY ts");
    assert_eq!(
        days,
        [
            "2026-03-27 23:00:00 48",
            "2026-03-28 23:00:00 46",
            "2026-03-29 22:00:00 48",
            "2026-03-30 22:00:00 2",
            "2026-10-24 22:00:00 50",
            "2026-10-25 23:00:00 48",
            "2026-10-26 23:00:00 46",
        ]
    );
}

#[test]
fn a_segment_counts_once() {
    let mut journal = Journal::new();
    let segments = [1, 2, 3].map(|number| {
        let mut segment = Segment::new(number);
        segment.batch("d0", number as i64 * SECOND, &[("e", "1")]);
        segment.correction(0, 60 * SECOND);
        segment.bytes
    });
    let of = |numbers: &[u64]| -> Vec<(u64, &[u8])> {
        numbers.iter().map(|number| (*number, &segments[*number as usize - 1][..])).collect()
    };
    journal.database.checkpoint(&of(&[1, 2]), &berlin()).unwrap();
    journal.database.checkpoint(&of(&[1, 2, 3]), &berlin()).unwrap();
    let folded = journal.dump();
    journal.database.checkpoint(&of(&[2, 3]), &berlin()).unwrap();
    assert_eq!(journal.dump(), folded);
    assert_eq!(journal.database.folded().unwrap(), 3);
    let times: Vec<_> = journal.raw()["d0e"].keys().map(|time| time / SECOND).collect();
    assert_eq!(times, [63, 122, 181]);
}

#[test]
fn late_numbers_of_removed_minutes_are_ignored() {
    let mut journal = Journal::new();
    let minutes = |segment: &mut Segment, numbers: std::ops::Range<i64>, names: &[&str]| {
        for minute in numbers {
            let values: Vec<_> = names.iter().map(|name| (*name, "5")).collect();
            segment.batch("d0", minute * 60 * SECOND + 7, &values);
        }
    };
    journal.checkpoint(|segment| minutes(segment, 0..10, &["p"]));
    assert_eq!(journal.database.prune(5 * 60 * SECOND + 30 * SECOND).unwrap(), 5);
    assert_eq!(journal.database.prune(5 * 60 * SECOND).unwrap(), 0);
    let pruned = journal.dump();
    journal.checkpoint(|segment| minutes(segment, 0..10, &["p"]));
    assert_eq!(journal.dump(), pruned);
    // Another series of the section is new there. The first is as unknown as before.
    journal.checkpoint(|segment| minutes(segment, 3..4, &["q"]));
    journal.checkpoint(|segment| minutes(segment, 3..4, &["p", "q"]));
    assert_eq!(journal.raw()["d0q"].len(), 1);
    assert_eq!(journal.raw()["d0p"].len(), 5);
    assert_eq!(journal.query("SELECT count FROM minute WHERE ts = 180"), ["1", "1"]);
}

#[test]
fn a_damaged_row_is_replaced() {
    let mut journal = Journal::new();
    let write = |segment: &mut Segment| {
        segment.batch("d0", 5 * SECOND, &[("p", "5"), ("e", "6")]);
        segment.batch("d0", 65 * SECOND, &[("p", "7"), ("e", "8")]);
    };
    journal.checkpoint(write);
    let whole = journal.dump();
    let connection = &journal.database.connection;
    connection.execute_batch("UPDATE raw SET data = x'0102030405' WHERE key < 65536").unwrap();
    journal.checkpoint(write);
    assert_eq!(journal.dump(), whole);
}

#[test]
fn a_full_disk_fails_the_fold_whole_and_for_now() {
    let mut journal = Journal::new();
    journal.checkpoint(|segment| segment.batch("d0", 0, &[("p", "5")]));
    let before = journal.dump();
    let pages = |count: i64| {
        format!("PRAGMA max_page_count = {count}; PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL")
    };
    let used: i64 =
        journal.database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    journal.database.connection.execute_batch(&pages(used)).unwrap();
    let mut segment = Segment::new(2);
    for second in 0..7200 {
        segment.batch("d0", second * SECOND, &[("p", &second.to_string()), ("e", "1")]);
    }
    segment.encoder.epoch(
        &mut segment.bytes,
        &Epoch { boot: "b".into(), since: 0, wall_offset: 0, offset: 0, confirmed: true },
    );
    let error = journal.database.checkpoint(&[(2, &segment.bytes)], &berlin()).unwrap_err();
    assert!(error.to_string().contains("full") && !error.is_damage(), "{error}");
    assert_eq!(journal.dump(), before);
    assert_eq!((journal.database.folded().unwrap(), journal.database.epoch().unwrap()), (1, None));
    journal.database.connection.execute_batch(&pages(100_000)).unwrap();
    journal.database.checkpoint(&[(2, &segment.bytes)], &berlin()).unwrap();
    assert_eq!(journal.raw()["d0p"].len(), 7200);
}

#[test]
fn names_units_and_codes_make_series() {
    let mut journal = Journal::new();
    let batch = |segment: &mut Segment, unit: &str, obis: &str| {
        let [name, unit, obis] = ["x", unit, obis].map(Text::from);
        let cell = Cell { name: &name, unit: &unit, obis: &obis, kind: None, medium: None, value: 1.into() };
        segment.encoder.batch(&mut segment.bytes, &"d0".into(), 0, &[cell]);
    };
    let series = "SELECT id, unit, obis FROM series ORDER BY id";
    journal.checkpoint(|segment| batch(segment, "Wh", ""));
    journal.checkpoint(|segment| batch(segment, "kWh", ""));
    assert_eq!(journal.query(series), ["1 Wh ", "2 kWh "]);
    journal.checkpoint(|segment| batch(segment, "kWh", "1.8.0"));
    journal.checkpoint(|segment| batch(segment, "kWh", "2.8.0"));
    journal.checkpoint(|segment| batch(segment, "kWh", ""));
    assert_eq!(journal.query(series), ["1 Wh ", "2 kWh 1.8.0"]);
}

#[test]
fn more_sections_than_have_numbers_are_passed_over() {
    let mut journal = Journal::new();
    let many = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 65534)
        INSERT INTO section (name) SELECT 's' || n FROM n";
    journal.database.connection.execute_batch(many).unwrap();
    journal.checkpoint(|segment| {
        for section in ["last", "beyond", "further"] {
            segment.batch(section, 0, &[("p", "5")]);
            segment.set(section, "e", 0, "1", "2");
        }
        segment.batch("s65534", SECOND, &[("p", "5")]);
    });
    assert_eq!(journal.raw().into_keys().collect::<Vec<_>>(), ["lastp", "s65534p"]);
    assert_eq!(journal.query("SELECT count(*), max(id) FROM section"), ["65535 65535"]);
}

#[test]
fn a_reading_of_a_meter_takes_less_than_two_bytes() {
    let mut journal = Journal::new();
    journal.checkpoint(|segment| {
        for second in 0..900i64 {
            let noise = |n: i64| (second * second * 7919 + n * 104_729 + second * 31 * n) % 1000 - 500;
            let energy = format!("2714.{:08}", 12_830_185 + second * 5870 + noise(0) % 50);
            let power = [1, 2, 3, 4].map(|n| {
                let power = 21_126 + 5 * n + noise(n);
                format!("{}.{:02}", power / 100, power % 100)
            });
            let volts = [5, 6].map(|n| format!("{}.{}", 230 + noise(n) % 3, noise(n).abs() % 10));
            let time = (SPRING + second) * SECOND + noise(7);
            segment.batch(
                "d0",
                time,
                &[
                    ("e1", &energy),
                    ("e2", "1.206"),
                    ("p1", &power[0]),
                    ("p2", &power[1]),
                    ("p3", &power[2]),
                    ("p4", &power[3]),
                    ("u1", &volts[0]),
                    ("u2", &volts[1]),
                ],
            );
        }
    });
    let bytes: u32 = journal.query("SELECT sum(length(data)) FROM raw")[0].parse().unwrap();
    assert!(bytes < 2 * 900 * 8, "{bytes}");
}
