//! Histories of two boxes, as people have them.

use rusqlite::Connection;

use crate::{
    Amount, Per, Sample, SeriesName, TransferError,
    db::{Database, Level, rollup_tables, state},
    merge::{join, merge_in, tests::Boxes},
    testing::{Household, at, named, sample},
    time::SECOND,
    wal::{CounterSet, Position},
};
use reading::Decimal;

const HOUR: i64 = 3600 * SECOND;

fn energy() -> SeriesName {
    named("d0", "E", "kWh")
}

fn start() -> i64 {
    at("2026-06-01T22:00:00Z")
}

/// A meter of 3.6 kW that shows `first` at the start and is read each `step` seconds: a thousandth a second.
fn meter(seconds: std::ops::Range<i64>, step: usize, first: i64, late: i64) -> Vec<Sample> {
    seconds.step_by(step).map(|second| sample(start() + second * SECOND, first + second - late)).collect()
}

impl Boxes {
    fn fill(&self, name: &str, samples: &[Sample], sets: &[CounterSet]) {
        Household::at(&self.path(name)).store(&energy(), "1.8.0", samples, sets);
    }

    /// Leaves only the roll-ups.
    fn prune(&self, name: &str) {
        Database::open(&self.path(name)).unwrap().0.prune(i64::MAX / 4).unwrap();
    }

    fn amounts(&self, name: &str, hours: i64) -> Vec<Amount> {
        let household = Household::at(&self.path(name));
        household.ask(|view| {
            let series = view.find("d0", "E", None).unwrap();
            series.consumption(start(), start() + hours * HOUR, Per::Hour).unwrap()
        })
    }

    /// Returns what was counted in thousandths.
    fn counted(&self, name: &str, hours: i64) -> i64 {
        let amounts = self.amounts(name, hours);
        (amounts.iter().filter_map(|of| of.amount).sum::<f64>() * 1000.0).round() as i64
    }

    fn events(&self, name: &str) -> i64 {
        self.journal(name).query("SELECT count(*) FROM event")[0].parse().unwrap()
    }

    /// Merges both ways. Returns what was counted, and how many events there are.
    fn both_ways(&self, hours: i64) -> [(i64, i64); 2] {
        [("a", "b", "ab"), ("b", "a", "ba")].map(|(own, other, to)| {
            self.merged(own, other, to);
            let counted = (self.counted(to, hours), self.events(to));
            assert_eq!(self.merge(to, other).minutes, 0, "merged again");
            assert_eq!((self.counted(to, hours), self.events(to)), counted);
            counted
        })
    }
}

#[test]
fn a_meter_that_was_swapped_between_the_boxes_does_not_count_as_consumption() {
    for (end, begin, new) in [(3590, 3600, 5_000), (3590, 3630, 17), (3590, 9000, 900_000_000)] {
        for pruned in [&[][..], &["a"], &["b"], &["a", "b"]] {
            let boxes = Boxes::new();
            boxes.fill("a", &meter(0..end, 10, 70_000_000, 0), &[]);
            boxes.fill("b", &meter(begin..begin + 3600, 10, new - begin, 0), &[]);
            pruned.iter().for_each(|name| boxes.prune(name));
            let counted = (3580 + 3590, 1);
            assert_eq!(boxes.both_ways(5), [counted; 2], "{end} {begin} {new} {pruned:?}");
        }
    }
}

#[test]
fn the_same_meter_read_by_both_boxes_does_not_count_twice() {
    // In turns of 10 minutes, both at once, and one after the other; the second box reads or dates each number late.
    let turns = |even: bool| {
        let turn = move |sample: &Sample| ((sample.time - start()) / (600 * SECOND) % 2 == 0) == even;
        move |samples: Vec<Sample>| samples.into_iter().filter(turn).collect::<Vec<_>>()
    };
    for late in [0, 29, -7] {
        for pruned in [&[][..], &["a", "b"]] {
            for (first, second) in [
                (meter(0..3600, 5, 1_000_000, 0), meter(0..3600, 5, 1_000_000, late)),
                (meter(0..3600, 5, 1_000_000, 0), meter(3..3600, 7, 1_000_000, late)),
                (
                    turns(true)(meter(0..3600, 5, 1_000_000, 0)),
                    turns(false)(meter(0..3600, 5, 1_000_000, late)),
                ),
                (meter(0..3600, 5, 1_000_000, 0), meter(3600..3600, 5, 1_000_000, late)),
            ] {
                let boxes = Boxes::new();
                boxes.fill("a", &first, &[]);
                boxes.fill("b", &second, &[]);
                pruned.iter().for_each(|name| boxes.prune(name));
                for (counted, events) in boxes.both_ways(2) {
                    assert_eq!(events, 0, "{late} {pruned:?}");
                    assert!((counted - 3595).abs() <= 5 + late.abs(), "{counted} {late} {pruned:?}");
                }
            }
        }
    }
}

#[test]
fn readings_of_another_meter_at_the_same_time_are_left_out_and_counted() {
    let boxes = Boxes::new();
    boxes.fill("a", &meter(0..3600, 10, 1_000_000, 0), &[]);
    boxes.fill("b", &meter(5..3600, 10, 70_000_000, 0), &[]);
    let before = boxes.journal("a").dump();
    let (journal, merged) = boxes.merged("a", "b", "ab");
    // The last one is after all readings of this box.
    assert_eq!(merged.left_out, [(energy(), 359)]);
    assert_eq!((merged.minutes, journal.events().len()), (1, 1));
    let kept: Vec<_> = journal.dump().into_iter().filter(|row| row.starts_with("raw")).collect();
    assert_eq!(kept[..360], before.into_iter().filter(|row| row.starts_with("raw")).collect::<Vec<_>>());
    drop(journal);
    assert_eq!(boxes.counted("ab", 2), 3590);
}

#[test]
fn another_meter_with_the_same_name_adds_nothing_however_seldom_both_are_read() {
    for (offset, first, left_out) in [
        (30, 70_000_000, 35),
        (30, 1_020_000, 35),
        (90, 70_000_000, 35),
        (300, 3_000, 35),
        (0, 70_000_000, 36),
    ] {
        for pruned in [&[][..], &["a", "b"]] {
            let boxes = Boxes::new();
            boxes.fill("a", &meter(0..21_600, 600, 1_000_000, 0), &[]);
            let end = if offset == 0 { 21_600 } else { 21_000 };
            boxes.fill("b", &meter(offset..end, 600, first, 0), &[]);
            pruned.iter().for_each(|name| boxes.prune(name));
            let before = boxes.journal("a").dump();
            let (journal, merged) = boxes.merged("a", "b", "ab");
            let case = format!("{offset} {first} {pruned:?}");
            // Of two roll-ups of the same minute one is taken, whichever box is here.
            if pruned.is_empty() || offset > 60 {
                assert_eq!(journal.events().len(), 0, "{case}");
                assert_eq!(merged.left_out, [(energy(), left_out)], "{case}");
                assert_eq!(journal.dump(), before, "{case}");
            }
        }
    }
}

#[test]
fn a_minute_of_both_boxes_has_every_reading_and_of_one_moment_that_of_this_box() {
    let boxes = Boxes::new();
    let power = named("d0", "P", "W");
    let store = |name: &str, readings: &[(i64, i64)]| {
        let samples: Vec<_> =
            readings.iter().map(|(second, n)| sample(start() + second * SECOND, *n)).collect();
        Household::at(&boxes.path(name)).store(&power, "", &samples, &[]);
    };
    store("a", &[(1, 250), (5, 500), (61, 1)]);
    store("b", &[(2, 750), (5, 999), (9, 1500), (130, 2)]);
    let (journal, merged) = boxes.merged("a", "b", "ab");
    let (base, ts) = (start(), start() / SECOND);
    let rows = journal.dump();
    for row in [
        format!("raw d0P {} 0.75", base + 2 * SECOND),
        format!("raw d0P {} 0.5", base + 5 * SECOND),
        format!("minute d0/P/W {ts} 0.25 1.5 0.25 1.5 0.75 4"),
        format!("minute d0/P/W {} 0.001 0.001 0.001 0.001 0.001 1", ts + 60),
        format!("minute d0/P/W {} 0.002 0.002 0.002 0.002 0.002 1", ts + 120),
    ] {
        assert!(rows.contains(&row), "{row} of {rows:#?}");
    }
    assert_eq!((merged.minutes, merged.left_out), (2, vec![]));
    assert_eq!(journal.query("SELECT count FROM day"), ["6"]);
}

#[test]
fn a_setting_of_the_other_box_comes_with_the_readings_around_it() {
    let number = |thousandths| Decimal::new(thousandths, 3).unwrap();
    let set = |second: i64, before, after| CounterSet {
        series: energy(),
        time: start() + second * SECOND,
        before: number(before),
        after: number(after),
    };
    for pruned in [&[][..], &["a"], &["b"], &["a", "b"]] {
        // Where this box was off, and where it read another count all the time.
        let boxes = Boxes::new();
        boxes.fill("a", &meter(0..1200, 10, 1_000_000, 0), &[]);
        let mut other = meter(1800..2400, 10, 500_000, 0);
        other.extend(meter(2400..3600, 10, -2400, 0));
        boxes.fill("b", &other, &[set(2395, 502_395, 0)]);
        pruned.iter().for_each(|name| boxes.prune(name));
        for (counted, events) in boxes.both_ways(2) {
            assert_eq!(events, 2, "the swap and the setting {pruned:?}");
            assert_eq!(counted, 1190 + 595 + 1190, "{pruned:?}");
        }
        let boxes = Boxes::new();
        boxes.fill("a", &meter(0..3600, 10, 1_000_000, 0), &[]);
        boxes.fill("b", &other, &[set(2395, 502_395, 0)]);
        ["a", "b"].iter().for_each(|name| boxes.prune(name));
        boxes.merged("a", "b", "ab");
        assert_eq!((boxes.counted("ab", 2), boxes.events("ab")), (3590, 0));
    }
}

#[test]
fn cursors_and_counts_of_this_box_stay() {
    let boxes = Boxes::new();
    for (name, segment, source) in [("a", 7, "s0"), ("b", 99, "s0"), ("b", 99, "gas")] {
        let database = Database::open(&boxes.path(name)).unwrap().0.connection;
        state::keep_cursor(&database, "home", Position { segment, offset: 3 }).unwrap();
        state::keep_state(&database, source, format!("count of {name}").as_bytes()).unwrap();
        state::keep_folded(&database, segment).unwrap();
    }
    boxes.fill("b", &meter(0..60, 10, 0, 0), &[]);
    boxes.merge("a", "b");
    let database = Database::open(&boxes.path("a")).unwrap().0;
    let states: Vec<_> = database.states().unwrap().into_iter().collect();
    let states = states.iter().map(|(name, state)| (&**name, std::str::from_utf8(state).unwrap()));
    assert_eq!(states.collect::<Vec<_>>(), [("gas", "count of b"), ("s0", "count of a")]);
    assert_eq!(database.cursors().unwrap()["home"], Position { segment: 7, offset: 3 });
    assert_eq!(database.folded().unwrap(), 7);
}

#[test]
fn a_source_has_another_name_here() {
    let boxes = Boxes::new();
    let rename = |text: &str| text.parse().unwrap();
    let merge = |renames: &[&str]| {
        let renames: Vec<_> = renames.iter().copied().map(rename).collect();
        merge_in(&boxes.path("a"), &boxes.path("b"), &renames, &jiff::tz::TimeZone::UTC, &mut |_, _| ())
    };
    boxes.fill("a", &meter(0..60, 10, 0, 0), &[]);
    let mut b = Household::at(&boxes.path("b"));
    b.store(&named("old", "energy", "kWh"), "1.8.0", &meter(60..120, 10, 0, 0), &[]);
    b.store(&named("old", "power", "W"), "", &meter(60..120, 10, 0, 0), &[]);
    state::keep_state(&b.database.connection, "old", b"5").unwrap();
    drop(b);
    let names = |expected: &[&str]| {
        let journal = boxes.journal("a");
        let sql = "SELECT section.name || '/' || series.name FROM series JOIN section ON section.id = section ORDER BY 1";
        assert_eq!(journal.query(sql), expected);
    };
    let error = merge(&["old/energy=d0/E", "old/power=d0/E", "old/x=d0/y"]).unwrap_err();
    assert!(matches!(&error, TransferError::NoSeries(name, _) if name == "old/x"), "{error}");
    names(&["d0/E"]);
    merge(&["old=d0", "old/energy=d0/E"]).unwrap();
    names(&["d0/E", "d0/power"]);
    let journal = boxes.journal("a");
    assert_eq!(journal.query("SELECT count FROM day ORDER BY series"), ["12", "6"]);
    assert_eq!(journal.query("SELECT key FROM state WHERE key LIKE 'source%'"), ["source.d0"]);
    for wrong in ["old", "old=", "=d0", "old/=d0/x", "old/energy=d0", "old=d0/E"] {
        let error = wrong.parse::<crate::Rename>().unwrap_err();
        assert!(error.starts_with(&format!("invalid rename `{wrong}`: expected ")), "{error}");
    }
}

#[test]
fn two_series_cannot_become_one() {
    let boxes = Boxes::new();
    let mut b = Household::at(&boxes.path("b"));
    for section in ["old", "d0"] {
        b.store(&named(section, "E", "kWh"), "1.8.0", &meter(0..60, 10, 0, 0), &[]);
    }
    drop(b);
    let renames = ["old=d0".parse().unwrap()];
    let error =
        merge_in(&boxes.path("a"), &boxes.path("b"), &renames, &jiff::tz::TimeZone::UTC, &mut |_, _| ());
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "`old/E` and `d0/E` of the other journal would both become `d0/E`");
}

#[test]
fn a_merge_that_is_interrupted_leaves_everything_as_it_was() {
    let boxes = Boxes::new();
    boxes.fill("a", &meter(0..7200, 10, 0, 0), &[]);
    boxes.fill("b", &meter(3600..10_800, 7, 0, 0), &[]);
    let before = boxes.journal("a").dump();
    let mut steps = 0;
    boxes.copy("b", "b1");
    boxes.copy("a", "a1");
    merge_in(&boxes.path("a1"), &boxes.path("b1"), &[], &jiff::tz::TimeZone::UTC, &mut |_, _| steps += 1)
        .unwrap();
    assert!(steps > 8);
    for end in 1..=steps {
        let ended = std::panic::catch_unwind(|| {
            let mut step = 0;
            let mut progress = |done: u64, all: u64| {
                assert!(done <= all);
                step += 1;
                if step == end {
                    std::panic::resume_unwind(Box::new(()));
                }
            };
            let zone = jiff::tz::TimeZone::UTC;
            merge_in(&boxes.path("a"), &boxes.path("b"), &[], &zone, &mut progress)
        });
        assert!(ended.is_err());
        assert_eq!(boxes.journal("a").dump(), before, "{end}");
    }
}

#[test]
fn a_merge_on_a_full_disk_leaves_everything_as_it_was() {
    let boxes = Boxes::new();
    boxes.fill("a", &meter(0..7200, 10, 0, 0), &[]);
    boxes.fill("b", &meter(3600..90_000, 7, 0, 0), &[]);
    let before = boxes.journal("a").dump();
    let [mut own, other] = ["a", "b"].map(|name| boxes.journal(name).database);
    let used: i64 = own.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    // The limit of pages counts beside the log only.
    own.connection.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    for more in [0, 1, 5, 20] {
        own.connection.execute_batch(&format!("PRAGMA max_page_count = {}", used + more)).unwrap();
        let error = join(&mut own, &other, &[], &jiff::tz::TimeZone::UTC, &mut |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("full"), "{more} {error}");
        assert_eq!(boxes.journal("a").dump(), before, "{more}");
        own.connection.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    }
    own.connection.execute_batch("PRAGMA max_page_count = 100000").unwrap();
    assert!(join(&mut own, &other, &[], &jiff::tz::TimeZone::UTC, &mut |_, _| ()).unwrap().minutes > 1000);
}

#[test]
fn roll_ups_whose_finer_ones_are_lost_are_taken_as_they_are() {
    let boxes = Boxes::new();
    boxes.fill("a", &meter(0..900, 10, 0, 0), &[]);
    boxes.fill("b", &meter(0..7200, 10, 0, 0), &[]);
    let lost =
        |name: &str, sql: &str| Connection::open(boxes.path(name)).unwrap().execute_batch(sql).unwrap();
    let from = start() / SECOND + 3600;
    lost("b", &format!("DELETE FROM raw; DELETE FROM minute WHERE ts >= {from}"));
    lost("b", &format!("DELETE FROM quarter WHERE ts >= {from} + 900"));
    let (journal, _) = boxes.merged("a", "b", "ab");
    assert_eq!(journal.query("SELECT count FROM quarter ORDER BY ts"), ["90"; 5]);
    assert_eq!(journal.query("SELECT count FROM hour ORDER BY ts"), ["360"; 2]);
    drop(journal);
    assert_eq!(boxes.merge("ab", "b").minutes, 0);
    // A quarter of this box that has outlived its minutes stays.
    lost("ab", "DELETE FROM raw; DELETE FROM minute");
    boxes.fill("c", &meter(3..60, 10, 0, 0), &[]);
    assert_eq!(boxes.merge("ab", "c").minutes, 1);
    assert_eq!(boxes.journal("ab").query("SELECT count FROM quarter ORDER BY ts"), ["90"; 5]);
}

#[test]
fn days_of_the_other_box_become_those_of_this_ones_time_zone() {
    let boxes = Boxes::new();
    let tokyo = jiff::tz::TimeZone::posix("JST-9").unwrap();
    boxes.fill("a", &meter(0..60, 10, 0, 0), &[]);
    let mut b = Household::at(&boxes.path("b"));
    b.zone = tokyo.clone();
    b.store(&energy(), "1.8.0", &meter(3600..100_000, 60, 0, 0), &[]);
    drop(b);
    let (journal, _) = boxes.merged("a", "b", "ab");
    let days: Vec<i64> =
        journal.query("SELECT ts FROM day ORDER BY ts").iter().map(|ts| ts.parse().unwrap()).collect();
    assert_eq!(days, [start() / SECOND, start() / SECOND + 86_400]);
    let own = rollup_tables::of_quarters(&journal.database.connection, 1, days[0], days[1]).unwrap().unwrap();
    assert_eq!(journal.query("SELECT count FROM day ORDER BY ts")[0], own.count.to_string());
    assert_ne!(Level::Day.start(days[0], &tokyo), days[0]);
}

#[test]
fn a_journal_of_an_older_version_is_merged_and_one_of_a_newer_is_refused() {
    for version in 1..=3 {
        let boxes = Boxes::new();
        boxes.fill("a", &meter(0..1800, 10, 0, 0), &[]);
        boxes.fill("b", &meter(1800..7200, 10, 0, 0), &[]);
        let old = Connection::open(boxes.path("b")).unwrap();
        for (since, table, column) in [
            (4, "quarter", "first_at"),
            (4, "quarter", "last_at"),
            (3, "series", "medium"),
            (2, "series", "kind"),
        ] {
            if version < since {
                old.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
            }
        }
        old.execute_batch(&format!("DELETE FROM raw; PRAGMA user_version = {version}")).unwrap();
        drop(old);
        assert_eq!(boxes.both_ways(2), [(7190, 0); 2], "{version}");
        boxes.fill("c", &meter(0..60, 10, 0, 0), &[]);
        Connection::open(boxes.path("c")).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
        let before = boxes.journal("a").dump();
        let zone = jiff::tz::TimeZone::UTC;
        let error = merge_in(&boxes.path("a"), &boxes.path("c"), &[], &zone, &mut |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("was written by a newer smartmeter (schema 9, "), "{error}");
        assert_eq!(boxes.journal("a").dump(), before);
    }
}

#[test]
fn a_journal_in_use_or_missing_or_of_the_future_is_refused() {
    let boxes = Boxes::new();
    let merge = |own: &str, other: &str| {
        let zone = jiff::tz::TimeZone::UTC;
        merge_in(&boxes.path(own), &boxes.path(other), &[], &zone, &mut |_, _| ()).unwrap_err()
    };
    assert!(matches!(merge("a", "b"), TransferError::Missing(_)));
    boxes.fill("b", &[sample(at("2200-01-01T00:00:00Z"), 1)], &[]);
    let error = merge("a", "b").to_string();
    assert!(error.starts_with("the newest reading is of 2200-01-01T00:0"), "{error}");
    assert!(!boxes.path("a").exists(), "nothing was written");
    boxes.fill("c", &meter(0..60, 10, 0, 0), &[]);
    boxes.fill("a", &meter(0..60, 10, 0, 0), &[]);
    let lock = crate::place::locked(&boxes.path("a")).unwrap();
    assert!(matches!(merge("a", "c"), TransferError::InUse(_)));
    drop(lock);
    let lock = crate::place::locked(&boxes.path("c")).unwrap();
    assert!(matches!(merge("a", "c"), TransferError::InUse(_)));
    drop(lock);
}

#[test]
fn a_damaged_own_history_is_refused_and_stays_in_its_place() {
    let boxes = Boxes::new();
    boxes.fill("other", &meter(0..60, 10, 0, 0), &[]);
    boxes.fill("own", &meter(0..60, 10, 0, 0), &[]);
    let mut bytes = std::fs::read(boxes.path("own")).unwrap();
    let start = 16.min(bytes.len());
    bytes[start..].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(boxes.path("own"), &bytes).unwrap();
    merge_in(&boxes.path("own"), &boxes.path("other"), &[], &jiff::tz::TimeZone::UTC, &mut |_, _| ())
        .unwrap_err();
    assert_eq!(std::fs::read(boxes.path("own")).unwrap(), bytes);
}
