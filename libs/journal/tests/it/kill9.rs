//! kill -9 of a program that records, syncs and checkpoints all the time: all recorded readings are there, each once.
//!
//! The test runs itself again as the program that is killed. `tests/it/journal_kill9.rs` of the workspace kills the real one.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::support::{
    Random,
    load::{Found, Load},
};

const FOLDER: &str = "JOURNAL_KILL9_FOLDER";
const FIRST: &str = "JOURNAL_KILL9_FIRST";
/// Folder in memory, where there is one.
const RUNTIME: &str = "JOURNAL_KILL9_RUNTIME";
const KILLS: u64 = 100;
/// A program says so often that it has recorded a batch, before it is killed at the latest.
const SAID: u64 = 40;
/// Distance of the next program's first number, which tells new batches from those in flight.
const BETWEEN: u64 = 10_000;
const LIMIT: Duration = Duration::from_secs(20);

/// The killed program: it prints each batch after it was recorded.
#[test]
fn program() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let (load, mut keeper) = Load::new(&PathBuf::from(folder), "boot", first, |settings| {
        settings.runtime_dir = std::env::var_os(RUNTIME).map(PathBuf::from);
    });
    keeper.open();
    load.assert_well("opened");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(first + 1);
            while !stop.load(Relaxed) {
                keeper.checkpoint();
                (0..random.below(3)).for_each(|_| keeper.sync());
            }
        });
        for number in first..first + BETWEEN / 2 {
            load.record(number);
            let mut out = std::io::stdout().lock();
            if writeln!(out, "\nrecorded {number}").and_then(|()| out.flush()).is_err() {
                break; // the test has failed
            }
            drop(out);
            thread::sleep(Duration::from_micros(100)); // batches have distances
        }
        stop.store(true, Relaxed);
    });
}

#[test]
fn what_was_recorded_survives_kill_9() {
    survives_kill_9(None);
}

#[test]
fn with_a_folder_in_memory_what_was_recorded_survives_kill_9() {
    survives_kill_9(Some(tempfile::tempdir().unwrap()));
}

/// A program that is just being started holds what this process has open, and with it the lock of the other test.
static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());

fn survives_kill_9(runtime: Option<tempfile::TempDir>) {
    let _turn = ONE_AFTER_THE_OTHER.lock();
    let runtime = runtime.as_ref().map(tempfile::TempDir::path);
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(0x5eed);
    // Printed by each program: the first batch, and the one after the last.
    let mut said = Vec::new();
    for round in 0..KILLS {
        let first = round * BETWEEN;
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["kill9::program", "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, dir.path())
            .env(FIRST, first.to_string())
            .envs(runtime.map(|folder| (RUNTIME, folder)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(number) = line.strip_prefix("recorded ") {
                    let _ = tell.send(number.parse::<u64>().unwrap());
                }
            }
        });
        let mut next = first;
        for _ in 0..1 + random.below(SAID) {
            next = told.recv_timeout(LIMIT).expect("it records nothing") + 1;
        }
        thread::sleep(Duration::from_micros(random.below(3000))); // in the middle of whatever it does
        program.kill().unwrap();
        program.wait().unwrap();
        reader.join().unwrap();
        said.push(first..told.try_iter().last().map_or(next, |last| last + 1));

        if round % 10 == 9 {
            let (load, mut keeper) = Load::new(dir.path(), "boot", first + BETWEEN - 1, |settings| {
                settings.runtime_dir = runtime.map(PathBuf::from);
            });
            keeper.open();
            load.assert_well("after the kill");
            keeper.checkpoint();
            drop((load, keeper));
            let found = Found::read(dir.path());
            found.check_database(dir.path());
            found.check_sets(said.iter().cloned().flatten());
            for number in said.iter().cloned().flatten() {
                assert!(found.batches.contains(&number), "batch {number} was recorded, and is lost");
            }
            // Those that were recorded and not said: at most one for each kill.
            let extra =
                found.batches.len() as u64 - said.iter().map(|said| said.end - said.start).sum::<u64>();
            assert!(extra <= said.len() as u64, "{extra} batches are there that nobody recorded");
        }
    }
    let recorded: u64 = said.iter().map(|said| said.end - said.start).sum();
    println!("{KILLS} kills while folding: all {recorded} batches are there");
}
