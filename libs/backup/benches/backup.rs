//! Time and memory of a backup beside a program that records once a second, and of its check and restore.
//!
//! `cargo bench -p backup --bench backup [YEARS]`; a year of nine series is 410 MB of journal.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a measuring instrument, not a service

use std::{
    fs::{self, File},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use backup::Places;
use journal::{Journal, Settings, testing::Household};
use reading::{Batch, Decimal, Reading};
use rusqlite::{Connection, params};

const SERIES: i64 = 9;
/// Bytes of all single readings of a minute: 1.3 each.
const RAW: usize = 700;

fn main() {
    let years = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1);
    let folder =
        tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "/var/tmp".into())).unwrap();
    let state_dir = folder.path().join("state");
    fs::create_dir(&state_dir).unwrap();
    let places =
        Places { journal: Some(state_dir.join("journal.db")), state_dir, runtime_dir: None, config: None };
    let path = places.journal.as_deref().unwrap();
    fill(path, years);
    let len = fs::metadata(path).unwrap().len();
    println!("{years} year(s): {} MB of journal", len / 1_000_000);

    let file = folder.path().join("home.tar.gz");
    let (journal, thread) = Journal::start(Settings::new(path)).unwrap();
    journal.wait_open(Duration::from_secs(60));
    let done = AtomicBool::new(false);
    let slowest = thread::scope(|scope| {
        let recording = scope.spawn(|| record(&journal, &done));
        let writing = scope.spawn(|| {
            let _ = rustix::process::nice(10); // of this thread alone, and those that it starts
            let start = Instant::now();
            backup::write_file(&places, &file, &mut |_, _| {}).unwrap();
            println!(
                "backup    {:6.2} s, {} MB",
                start.elapsed().as_secs_f64(),
                fs::metadata(&file).unwrap().len() / 1_000_000
            );
        });
        writing.join().unwrap();
        done.store(true, Relaxed);
        recording.join().unwrap()
    });
    println!("          latest batch beside it {:.1} ms", slowest.as_secs_f64() * 1e3);
    println!("          peak memory {} MB", peak());
    thread.stop();
    drop(journal);

    let start = Instant::now();
    backup::check(File::open(&file).unwrap(), &mut |_, _| {}).unwrap();
    println!("check     {:6.2} s", start.elapsed().as_secs_f64());

    let state_dir = folder.path().join("other");
    let other =
        Places { journal: Some(state_dir.join("journal.db")), state_dir, runtime_dir: None, config: None };
    let start = Instant::now();
    backup::restore(&other, File::open(&file).unwrap(), false, &mut |_, _| {}).unwrap();
    println!("restore   {:6.2} s, peak memory {} MB", start.elapsed().as_secs_f64(), peak());
}

/// Records a batch each second, and returns how long the slowest one took.
fn record(journal: &Journal, done: &AtomicBool) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut next = Instant::now();
    for number in 0.. {
        if done.load(Relaxed) {
            break;
        }
        let readings = (0..SERIES)
            .map(|n| Reading::number(format!("S{n}"), Decimal::new(number * 10 + n, 3).unwrap()).unit("W"));
        let batch = Batch::now(readings.collect());
        // From when it is due: a thread that does not get the processor is late, too.
        journal.record(&"meter".into(), &batch);
        slowest = slowest.max(next.elapsed());
        next += Duration::from_secs(1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    slowest
}

/// Fills a journal: minutes and longer roll-ups of all years, and single readings of a month.
fn fill(path: &Path, years: i64) {
    drop(Household::at(path));
    let mut database = Connection::open(path).unwrap();
    database.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let end = reading::Timestamp::now().as_second() / 86_400 * 86_400;
    let start = end - years * 365 * 86_400;
    let mut random = 0x5eed_u64;
    let mut below = move |limit: u64| {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let transaction = database.transaction().unwrap();
    {
        transaction.execute("INSERT INTO section VALUES (1, 'meter')", []).unwrap();
        for n in 0..SERIES {
            let sql = "INSERT INTO series (id, section, name, unit) VALUES (?1, 1, ?2, 'W')";
            transaction.execute(sql, params![n + 1, format!("S{n}")]).unwrap();
        }
        for (table, span, keys) in [
            ("minute", 60, "ts, series"),
            ("quarter", 900, "series, ts"),
            ("hour", 3600, "series, ts"),
            ("day", 86_400, "series, ts"),
        ] {
            let (first, second) = keys.split_once(", ").unwrap();
            let sql = format!(
                "INSERT INTO {table} ({first}, {second}, first, last, min, max, mean, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            );
            let mut insert = transaction.prepare(&sql).unwrap();
            let mut row = |ts: i64, series: i64| {
                // Counters have four decimals, and powers one; a mean has all of them.
                let scale = if series <= 3 { 1e4 } else { 10.0 };
                let level = if series <= 3 { ((ts - start) / 6) as u64 } else { 5000 };
                let mut number = || (level * 10 + below(5000)) as f64 / scale;
                let (first, last, min, max) = (number(), number(), number(), number());
                let mean = (first + last + min + max) / 4.0 + below(1 << 20) as f64 / 1e9;
                let key = if first_is_time(table) { (ts, series) } else { (series, ts) };
                insert.execute(params![key.0, key.1, first, last, min, max, mean, span]).unwrap();
            };
            let times = (start..end).step_by(span as usize);
            if first_is_time(table) {
                times.for_each(|ts| (1..=SERIES).for_each(|series| row(ts, series)));
            } else {
                (1..=SERIES).for_each(|series| times.clone().for_each(|ts| row(ts, series)));
            }
        }
        let mut insert = transaction.prepare("INSERT INTO raw VALUES (?1, ?2)").unwrap();
        for minute in (end / 60 - 43_200)..end / 60 {
            // As dense as packed readings are: they cannot be compressed again.
            let bytes: Vec<u8> = (0..RAW).map(|_| below(256) as u8).collect();
            insert.execute(params![minute << 16 | 1, bytes]).unwrap();
        }
    }
    transaction.commit().unwrap();
    database.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
}

fn first_is_time(table: &str) -> bool {
    table == "minute"
}

/// Returns the most memory that this process has had, in megabytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
