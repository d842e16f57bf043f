//! The journal as a whole, with clocks that the tests make up.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::{
    ClockReading, ClockSource, History, Journal, Keeper, Micros, Per, ReadError, Sample, Series, Settings,
    Spanned, Step, wal::segment,
};
use reading::{Batch, Decimal, Reading, Timestamp};

pub(crate) const SECOND: i64 = 1_000_000;
/// 2026-11-23 12:00:00 UTC.
pub(crate) const NOON: i64 = 1_795_435_200 * SECOND;

/// A clock that the test sets and advances.
#[derive(Clone)]
pub(crate) struct Clock {
    pub(crate) boot: &'static str,
    pub(crate) boottime: Arc<AtomicI64>,
    pub(crate) wall_offset: Arc<AtomicI64>,
    pub(crate) synchronized: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let at = |micros| Arc::new(AtomicI64::new(micros));
        Self {
            boot: "first",
            boottime: at(1000 * SECOND),
            wall_offset: at(NOON - 1000 * SECOND),
            synchronized: at(NOON),
        }
    }

    pub(crate) fn unset() -> Self {
        let clock = Self { boot: "second", ..Self::new() };
        clock.synchronized.store(0, Relaxed);
        clock.wall_offset.store(0, Relaxed);
        clock
    }

    pub(crate) fn pass(&self, micros: i64) {
        self.boottime.fetch_add(micros, Relaxed);
    }

    fn wall(&self) -> i64 {
        self.boottime.load(Relaxed) + self.wall_offset.load(Relaxed)
    }

    pub(crate) fn settings(&self, folder: &Path) -> Settings {
        let clock = self.clone();
        let clock = ClockSource::with(self.boot, move || ClockReading {
            boottime: clock.boottime.load(Relaxed),
            wall: clock.wall(),
            synchronized: Some(clock.synchronized.load(Relaxed)).filter(|at| *at > 0),
        });
        Settings { clock, zone: TimeZone::UTC, ..Settings::new(folder.join("journal.db")) }
    }

    pub(crate) fn journal(&self, folder: &Path) -> (Journal, Keeper) {
        let (journal, mut keeper) = Journal::new(self.settings(folder));
        keeper.open();
        (journal, keeper)
    }

    pub(crate) fn batch(&self, readings: Vec<Reading>) -> Batch {
        Batch { taken_at: Timestamp::from_microsecond(self.wall()).unwrap(), readings }
    }

    /// A second passes, and a batch with this energy is recorded.
    pub(crate) fn record(&self, journal: &Journal, kwh: &str) {
        self.pass(SECOND);
        let value = Decimal::parse(kwh.as_bytes()).unwrap();
        journal.record(&"meter".into(), &self.batch(vec![Reading::number("energy", value).unit("kWh")]));
    }
}

/// The readings of a series, or its roll-ups.
pub(crate) fn points(
    series: &Series<'_>,
    (from, to): (Micros, Micros),
    step: &str,
) -> Result<(Vec<Sample>, Vec<Spanned>), ReadError> {
    collect(&series.history(from, to, Step::named(step))?)
}

/// The readings of a history, or its roll-ups.
pub(crate) fn collect(history: &History<'_>) -> Result<(Vec<Sample>, Vec<Spanned>), ReadError> {
    let (mut raw, mut spans) = (Vec::new(), Vec::new());
    if history.step.is_raw() {
        history.readings(|sample| {
            raw.push(*sample);
            true
        })?;
    } else {
        history.spans(|span| {
            spans.push(*span);
            true
        })?;
    }
    Ok((raw, spans))
}

/// All samples, checkpointed or not, as seconds since noon and numbers.
pub(crate) fn samples(journal: &Journal) -> Vec<(i64, String)> {
    let (from, to) = (NOON - 86_400 * SECOND, NOON + 86_400 * SECOND);
    let read = journal.read(|view| points(&view.find("meter", "energy", None)?, (from, to), "raw"));
    let (samples, _) = read.unwrap();
    samples.iter().map(|sample| ((sample.time - NOON) / SECOND, sample.value.to_string())).collect()
}

fn expected(samples: &[(i64, &str)]) -> Vec<(i64, String)> {
    samples.iter().map(|(second, value)| (*second, (*value).to_owned())).collect()
}

pub(crate) fn tails(folder: &Path) -> usize {
    segment::segment_numbers(&folder.join("journal.db")).unwrap().len()
}

#[test]
fn what_was_recorded_is_there_at_once_and_after_any_end() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let all = [(1, "1.0"), (2, "1.5"), (3, "2.0")];
    {
        let (journal, keeper) = clock.journal(dir.path());
        clock.record(&journal, "1.0");
        clock.record(&journal, "1.5");
        assert_eq!(samples(&journal), expected(&all[..2]));
        // As kill -9: nobody closes anything.
        std::mem::forget(keeper);
        std::mem::forget(journal);
    }
    fs::remove_file(dir.path().join("journal.db-lock")).unwrap(); // the system would have let go of it
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "2.0");
    assert_eq!(samples(&journal), expected(&all));
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&all), "each once, now from rows");
    keeper.checkpoint();
    assert_eq!(tails(dir.path()), 1, "what is folded has no file any more");
}

#[test]
fn a_torn_end_costs_only_itself() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = clock.journal(dir.path());
    clock.record(&journal, "1.0");
    clock.record(&journal, "1.5");
    drop((journal, keeper));
    let number = segment::segment_numbers(&dir.path().join("journal.db")).unwrap()[0];
    let path = segment::segment_path(&dir.path().join("journal.db"), number);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "2.0");
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(1, "1.0"), (3, "2.0")]));
}

#[test]
fn a_second_program_is_kept_out_and_records_when_the_first_ends() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (first, keeper) = clock.journal(dir.path());
    let (second, mut waiting) = clock.journal(dir.path());
    let problem = second.status().unwrap().problem.unwrap();
    assert!(problem.contains("another program uses the journal"), "{problem}");
    clock.record(&first, "1.0");
    clock.record(&second, "7.0");
    assert_eq!(samples(&first), expected(&[(1, "1.0")]));
    drop((first, keeper));
    waiting.open();
    assert_eq!(second.status().unwrap().problem, None);
    assert_eq!(samples(&second), expected(&[(1, "1.0"), (2, "7.0")]), "what waited in memory is not lost");
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_trouble() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let blocked = dir.path().join("file");
    fs::write(&blocked, "").unwrap();
    let (journal, mut keeper) = clock.journal(&blocked);
    let problem = journal.status().unwrap().problem.unwrap();
    assert!(problem.contains("set another `[journal] path`"), "{problem}");
    clock.record(&journal, "1.0");
    assert_eq!(samples(&journal).len(), 1, "it is in memory");
    fs::remove_file(&blocked).unwrap();
    keeper.open();
    assert_eq!(journal.status().unwrap().problem, None);
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(1, "1.0")]));
}

#[test]
fn a_damaged_database_is_set_aside_and_a_new_one_begun() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    {
        let (journal, mut keeper) = clock.journal(dir.path());
        clock.record(&journal, "1.0");
        keeper.sync();
    }
    // The log beside it shows that it was a journal.
    fs::write(dir.path().join("journal.db"), vec![7; 5000]).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    let notice = journal.status().unwrap().notice.unwrap();
    assert!(notice.contains("was damaged: it was renamed to"), "{notice}");
    clock.record(&journal, "2.0");
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(1, "1.0"), (2, "2.0")]));
    let kept = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    assert!(
        kept.into_iter()
            .any(|f| f.file_name().to_string_lossy().contains("damaged")
                && f.metadata().unwrap().len() == 5000)
    );
}

#[test]
fn a_database_that_is_damaged_while_it_runs_costs_only_what_was_in_it() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let path = dir.path().join("journal.db");
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1.0");
    keeper.checkpoint();
    clock.record(&journal, "2.0");
    drop((journal, keeper));
    // It is still a database, but of nothing.
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x55);
    fs::write(&path, bytes).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    keeper.checkpoint();
    let status = journal.status().unwrap();
    assert!(status.notice.unwrap().contains("was damaged"), "said");
    keeper.checkpoint();
    clock.record(&journal, "3.0");
    assert_eq!(
        samples(&journal),
        expected(&[(2, "2.0"), (3, "3.0")]),
        "what was not folded is in the new one"
    );
}

#[test]
fn a_newer_journal_is_left_alone() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = clock.journal(dir.path());
    drop((journal, keeper));
    let raise = |version: i64| {
        let connection = Connection::open(dir.path().join("journal.db")).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
    };
    raise(99);
    let (journal, mut keeper) = clock.journal(dir.path());
    let problem = journal.status().unwrap().problem.unwrap();
    assert!(problem.contains("written by a newer smartmeter (schema 99"), "{problem}");
    clock.record(&journal, "1.0");
    raise(2);
    keeper.open();
    assert_eq!(samples(&journal), expected(&[(1, "1.0")]));
}

#[test]
fn a_registers_own_time_is_recorded_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, _keeper) = clock.journal(dir.path());
    for second in 0..5 {
        clock.pass(SECOND);
        let mut gas = Reading::number("energy", Decimal::from(7 + second / 3)).unit("kWh");
        let own = NOON - 3600 * SECOND + second / 3 * 1800 * SECOND;
        let utc = Timestamp::from_microsecond(own).ok();
        gas.time = Some(reading::DeviceTime { sent: "x".into(), utc });
        let power = Reading::number("power", Decimal::from(second)).unit("W");
        journal.record(&"meter".into(), &clock.batch(vec![gas, power]));
    }
    assert_eq!(samples(&journal), expected(&[(-3600, "7"), (-1800, "8")]));
}

#[test]
fn a_repeated_batch_is_harmless() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let batch = clock.batch(vec![Reading::number("energy", Decimal::from(1)).unit("kWh")]);
    journal.record(&"meter".into(), &batch);
    journal.record(&"meter".into(), &batch);
    assert_eq!(samples(&journal), expected(&[(0, "1")]));
    keeper.checkpoint();
    journal.record(&"meter".into(), &batch);
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(0, "1")]));
}

#[test]
fn readings_before_the_clock_was_set_are_dated_when_it_is() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::unset());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1.0");
    keeper.checkpoint();
    clock.record(&journal, "1.5");
    // The network is there: it is noon and a minute.
    clock.pass(SECOND);
    clock.wall_offset.store(NOON + 60 * SECOND - clock.boottime.load(Relaxed), Relaxed);
    clock.synchronized.store(NOON + 60 * SECOND, Relaxed);
    clock.record(&journal, "2.0");
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(58, "1.0"), (59, "1.5"), (61, "2.0")]));
}

#[test]
fn a_machine_that_boots_with_an_old_clock_records_after_what_is_there() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1.0");
    keeper.checkpoint();
    drop((journal, keeper));
    // An hour behind, and nobody says that it is right.
    let behind = Clock::unset();
    behind.wall_offset.store(NOON - 3600 * SECOND - 1000 * SECOND, Relaxed);
    let (journal, mut keeper) = behind.journal(dir.path());
    behind.record(&journal, "2.0");
    keeper.sync();
    let said = journal.status().unwrap().clock.unwrap();
    assert!(said.contains("the system clock is 360") && said.contains("s behind"), "{said}");
    let both = samples(&journal);
    assert!(both[1].0 > 1 && both[1].1 == "2.0", "{both:?}");
    behind.wall_offset.store(NOON + 7200 * SECOND - behind.boottime.load(Relaxed), Relaxed);
    behind.synchronized.store(NOON + 7200 * SECOND, Relaxed);
    behind.record(&journal, "3.0");
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(1, "1.0"), (7200, "2.0"), (7201, "3.0")]));
}

/// Without a clock of its own, a machine with systemd begins at the date at which that was built.
#[test]
fn a_clock_that_begins_months_behind_moves_no_older_reading_when_it_is_set() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1.0");
    keeper.checkpoint();
    drop((journal, keeper));
    let behind = Clock { boot: "other", ..Clock::unset() };
    behind.wall_offset.store(NOON - 214 * 86_400 * SECOND, Relaxed);
    let (journal, mut keeper) = behind.journal(dir.path());
    behind.record(&journal, "2.0");
    // Somebody sets it by hand: nothing confirms it.
    behind.wall_offset.store(NOON + 7200 * SECOND - behind.boottime.load(Relaxed), Relaxed);
    behind.record(&journal, "3.0");
    keeper.checkpoint();
    assert_eq!(samples(&journal), expected(&[(1, "1.0"), (7200, "2.0"), (7201, "3.0")]));
}

#[test]
fn a_counter_that_is_set_keeps_its_total() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let set = |before: &str, after: &str| {
        let value = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        journal.counter_set("meter", "energy", "kWh", value(before), value(after));
    };
    clock.record(&journal, "100.0");
    clock.record(&journal, "100.05");
    clock.pass(SECOND);
    set("100.06", "0");
    clock.record(&journal, "0.01");
    keeper.checkpoint();
    clock.pass(SECOND);
    set("0.02", "5000");
    clock.record(&journal, "5000.03");
    // 0.06 until the reset, 0.02 until the setting, 0.03 since.
    let total = || {
        let (from, to) = (NOON - 3600 * SECOND, NOON + 3600 * SECOND);
        let hours = journal.read(|view| view.find("meter", "energy", None)?.consumption(from, to, Per::Hour));
        hours.unwrap().iter().filter_map(|hour| hour.amount).sum::<f64>()
    };
    assert!((total() - 0.11).abs() < 1e-9, "{}", total());
    keeper.checkpoint();
    assert!((total() - 0.11).abs() < 1e-9, "{}", total());
}

#[test]
fn a_segment_that_is_checkpointed_while_somebody_reads_counts_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let value = |n| Decimal::from(n);
    clock.record(&journal, "100");
    clock.pass(SECOND);
    journal.counter_set("meter", "energy", "kWh", value(100), value(7));
    clock.record(&journal, "7");
    let shared = journal.0.as_ref().unwrap();
    let segments = shared.wal.log().segments();
    keeper.checkpoint();
    let (from, to) = (NOON - 3600 * SECOND, NOON + 3600 * SECOND);
    let total = |segments: &[_]| {
        let read = shared.answer(segments, crate::query::Wanted(None), |view| {
            view.find("meter", "energy", None)?.consumption(from, to, Per::Hour)
        });
        read.unwrap().iter().filter_map(|hour| hour.amount).sum::<f64>()
    };
    assert_eq!((total(&segments), total(&shared.wal.log().segments())), (0.0, 0.0));
}

#[test]
fn telegrams_that_came_at_once_keep_their_order() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let taken_at = clock.batch(Vec::new()).taken_at;
    for n in 0..5 {
        // The two clocks are never read at quite the same moment.
        clock.wall_offset.fetch_add(if n % 2 == 0 { 7 } else { -7 }, Relaxed);
        let reading = Reading::number("energy", Decimal::from(n)).unit("kWh");
        journal.record(&"meter".into(), &Batch { taken_at, readings: vec![reading] });
    }
    keeper.checkpoint();
    assert_eq!(
        samples(&journal).iter().map(|sample| &*sample.1).collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4"]
    );
}
