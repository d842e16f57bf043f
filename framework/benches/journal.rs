//! Cost of the journal: bytes on the disk and written to it, processor time, and time of its answers.
//!
//! `cargo bench -p framework --bench journal [household] [queries] [many] [realtime]`; without a name all but the last.
//! `DAYS` (30; a year takes a quarter of an hour): how long a household is simulated. `REALTIME_MINUTES` (10): how long
//! `realtime` takes; on a machine that does nothing else, as others' syncs make the system write pages back sooner.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a bench says what it found

#[path = "journal/process.rs"]
mod process;
#[path = "journal/queries.rs"]
mod queries;
#[path = "journal/source.rs"]
mod source;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use framework::{
    Text,
    journal::{ClockReading, ClockSource, Journal, Keeper, Settings},
};
use jiff::tz::TimeZone;
use rusqlite::Connection;

use self::{
    process::{Written, cpu},
    source::{Household, Pulses},
};

/// Seconds since 1970 of the first simulated batch: a local midnight.
const START: i64 = 1_789_948_800;
const DAY: i64 = 86_400;
const NAME: &str = "journal.db";
/// Intervals of the keeper's own work, in simulated seconds.
const COMMIT_EVERY: i64 = 60;
const FOLD_EVERY: i64 = 4 * 3600;

/// A journal with a made-up clock.
struct Made {
    journal: Journal,
    keeper: Keeper,
    now: Arc<AtomicI64>,
}

impl Made {
    fn new(folder: &Path) -> Self {
        let now = Arc::new(AtomicI64::new(START * 1_000_000));
        let clock = Arc::clone(&now);
        let clock = ClockSource::with("bench", move || {
            let wall = clock.load(Relaxed);
            let boottime = wall - START * 1_000_000 + 1_000_000_000;
            ClockReading { boottime, wall, synchronized: Some((START - 1) * 1_000_000) }
        });
        let settings = Settings { clock, zone: TimeZone::UTC, ..Settings::new(folder.join(NAME)) };
        let (journal, mut keeper) = Journal::new(settings);
        keeper.open();
        let made = Self { journal, keeper, now };
        made.assert_well();
        made
    }

    fn set(&self, second: i64) {
        self.now.store((START + second) * 1_000_000 + 500_000, Relaxed);
    }

    fn assert_well(&self) {
        let status = self.journal.status().unwrap();
        assert!(status.open && status.problem.is_none() && status.notice.is_none(), "{status:?}");
    }
}

fn main() {
    // Cargo passes `--bench`.
    let names: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let number = |key: &str, usual| std::env::var(key).map_or(usual, |text| text.parse::<i64>().unwrap());
    let wanted =
        |name: &str| if names.is_empty() { name != "realtime" } else { names.iter().any(|n| n == name) };
    if wanted("household") || wanted("queries") {
        let dir = folder();
        household(dir.path(), number("DAYS", 30));
        if wanted("queries") {
            queries::run(dir.path());
        }
    }
    if wanted("many") {
        many(500, 20 * 60);
    }
    if wanted("realtime") {
        realtime(number("REALTIME_MINUTES", 10));
    }
}

/// Beside the target folder: on a disk, where `/tmp` may be memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A meter with 8 values each second, and a heat pump's pulses.
fn household(folder: &Path, days: i64) {
    println!("== a household for {days} days: a meter with 8 values a second, and pulses");
    let mut made = Made::new(folder);
    let (mut household, mut pulses) = (Household::new(), Pulses::default());
    let (meter, heat) = (Text::from("smartmeter_d0"), Text::from("smartmeter_s0"));
    let (begun, before) = (Instant::now(), Written::now());
    let (mut recording, mut folding) = (Vec::new(), Vec::new());
    let (mut by_folds, mut tail, mut readings) = (Written::default(), 0, 0);
    let mut last_fold = Duration::ZERO;
    for minute in 0..days * DAY / COMMIT_EVERY {
        let batches: Vec<_> = (0..COMMIT_EVERY)
            .map(|second| {
                let second = START + minute * COMMIT_EVERY + second;
                let (batch, moment) = household.batch(second);
                (batch, pulses.batches(second, &moment))
            })
            .collect();
        made.set((minute + 1) * COMMIT_EVERY - 1);
        for (_, pulses) in &batches {
            for batch in pulses {
                made.journal.record(&heat, batch);
                readings += batch.readings.len();
            }
        }
        let start = Instant::now();
        for (batch, _) in &batches {
            made.journal.record(&meter, batch);
        }
        recording.push(start.elapsed() / COMMIT_EVERY as u32);
        readings += batches.len() * 8;
        made.keeper.sync();
        if (minute + 1) * COMMIT_EVERY % FOLD_EVERY == 0 {
            tail += tail_bytes(folder);
            let (start, before) = (Instant::now(), Written::now());
            made.keeper.checkpoint();
            last_fold = start.elapsed();
            folding.push(last_fold);
            made.keeper.prune();
            by_folds = by_folds + (Written::now() - before);
        }
    }
    made.assert_well();
    let took = begun.elapsed();
    let written = Written::now() - before;
    recording.sort();
    folding.sort();
    println!("   {readings} readings in {took:.1?}");
    println!("   record() of 8 values: {:?} (median of minutes)", recording[recording.len() / 2]);
    println!(
        "   fold and prune of 4 hours: median {:.1?}, slowest {:.1?}, the last one {last_fold:.1?}",
        folding[folding.len() / 2],
        folding[folding.len() - 1]
    );
    let per_day = |bytes: u64| bytes as f64 / days as f64 / 1e6;
    println!(
        "   written a day: {:.2} MB to the disk ({:.2} MB of them by folds), {:.2} MB by the program ({:.2} MB by folds); \
         segments {:.2} MB",
        per_day(written.disk),
        per_day(by_folds.disk),
        per_day(written.calls),
        per_day(by_folds.calls),
        per_day(tail)
    );
    drop(made);
    sizes(folder);
}

fn tail_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .filter(|f| f.file_name().to_string_lossy().contains("-tail."))
        .map(|f| f.metadata().unwrap().len())
        .sum()
}

fn sizes(folder: &Path) {
    let database = Connection::open(folder.join(NAME)).unwrap();
    let one = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let size = fs::metadata(folder.join(NAME)).unwrap().len();
    println!("   the database: {:.2} MB", size as f64 / 1e6);
    for table in ["raw", "minute", "quarter", "hour", "day"] {
        let rows = one(&format!("SELECT count(*) FROM {table}"));
        let bytes = one(&format!("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = '{table}'"));
        println!(
            "   {table}: {rows} rows, {:.2} MB, {:.1} bytes a row",
            bytes as f64 / 1e6,
            bytes as f64 / rows as f64
        );
    }
    let raw = one("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = 'raw'");
    let readings = one("SELECT sum(count) FROM minute WHERE ts >= (SELECT min(key) >> 16 FROM raw) * 60");
    println!("   {:.3} bytes a raw reading, of {readings} (goal: 3)", raw as f64 / readings as f64);
}

/// Many meters: how much of a processor they take.
fn many(sections: usize, seconds: i64) {
    println!("== {sections} meters with 8 values a second, for {seconds} simulated seconds");
    let dir = folder();
    let mut made = Made::new(dir.path());
    let names: Vec<Text> = (0..sections).map(|n| format!("meter_{n}").into()).collect();
    let mut household = Household::new();
    let (mut recording, mut committing, mut folding) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut folds, mut slowest) = (0, Duration::ZERO);
    let mut timed = |total: &mut Duration, work: &mut dyn FnMut()| {
        let (start, before) = (Instant::now(), cpu());
        work();
        *total += cpu() - before;
        slowest = slowest.max(start.elapsed());
    };
    for second in 0..seconds {
        let batches: Vec<_> = names.iter().map(|_| household.batch(START + second).0).collect();
        made.set(second);
        let mut record =
            || names.iter().zip(&batches).for_each(|(name, batch)| made.journal.record(name, batch));
        timed(&mut recording, &mut record);
        if (second + 1) % COMMIT_EVERY == 0 {
            timed(&mut committing, &mut || made.keeper.sync());
        }
        if tail_bytes(dir.path()) >= 4 << 20 || second + 1 == seconds {
            folds += 1;
            timed(&mut folding, &mut || made.keeper.checkpoint());
        }
    }
    made.assert_well();
    let share = |time: Duration| time.as_secs_f64() / seconds as f64 * 100.0;
    println!(
        "   {:.1} % of a processor (goal: 30): recording {:.1} %, committing {:.2} %, {folds} folds {:.1} %; the longest \
         took {slowest:.1?}",
        share(recording + committing + folding),
        share(recording),
        share(committing),
        share(folding)
    );
}

/// The usual settings and the real time: the system writes dirty pages back by itself, every 30 s.
fn realtime(minutes: i64) {
    println!("== a meter with 8 values a second, in real time for {minutes} minutes");
    let dir = folder();
    let (journal, running) = Journal::start(Settings::new(dir.path().join(NAME))).unwrap();
    journal.wait_open(Duration::from_secs(10));
    let (mut household, name) = (Household::new(), Text::from("smartmeter_d0"));
    let (begun, mut before) = (Instant::now(), Written::now());
    let mut written = Vec::new();
    for second in 1..=minutes * 60 {
        let mut batch = household.batch(START + second).0;
        batch.taken_at = framework::Timestamp::now();
        journal.record(&name, &batch);
        thread::sleep(Duration::from_secs(second as u64).saturating_sub(begun.elapsed()));
        if second % 60 == 0 {
            let now = Written::now();
            written.push(now - before);
            before = now;
        }
    }
    running.stop();
    let figures = |of: fn(&Written) -> u64| {
        let mut bytes: Vec<_> = written.iter().map(of).collect();
        bytes.sort();
        let per_day = |bytes: u64| bytes as f64 * 1440.0 / 1e6;
        let mean = per_day(bytes.iter().sum::<u64>()) / minutes as f64;
        format!("{:.2} MB ({mean:.2} MB by the mean)", per_day(bytes[bytes.len() / 2]))
    };
    println!(
        "   written a day without folds, by the median minute: {} to the disk, {} by the program",
        figures(|written| written.disk),
        figures(|written| written.calls)
    );
}
