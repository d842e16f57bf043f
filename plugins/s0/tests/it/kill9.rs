//! kill -9 under pulses: no count that was shown is lost, and nothing is counted twice.
//!
//! The test runs itself again as the process that is killed.

#![allow(clippy::print_stdout)] // the child prints the count for its parent

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use framework::{Value, testing};
use plugin_s0::S0;
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::ioctl_tiocnxcl,
};
use simulator::Pty;

const KILLS: u32 = 120;
const PORT: &str = "S0_KILL9_PORT";
const STATE: &str = "S0_KILL9_STATE";
const LIMIT: Duration = Duration::from_secs(10);
/// After this long without a line, the process has read everything.
const QUIET: Duration = Duration::from_secs(1);

/// Body of the process that is killed: the real source, which prints each count after it was delivered.
#[test]
fn child() {
    let (Ok(port), Ok(state)) = (std::env::var(PORT), std::env::var(STATE)) else { return };
    // With a runtime folder, kills must come before a commit too.
    let sync = if std::env::var_os("RUNTIME_DIRECTORY").is_some() { "1h" } else { "20ms" };
    let config = format!(
        "[sources.heat]\nplugin = \"s0\"\nport = \"{port}\"\ndebounce = \"0s\"\nsync_interval = \"{sync}\"\n"
    );
    let mut source = testing::source::<S0>(&config, Path::new(&state)).acquisition;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        source.open().await.unwrap();
        loop {
            let batch = source.acquire().await.unwrap().unwrap();
            let Value::Number(pulses) = batch.get("pulses").unwrap().value else { panic!("no number") };
            let mut out = std::io::stdout().lock();
            writeln!(out, "\npulses {pulses}").unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn nothing_shown_is_lost_and_nothing_counts_twice() {
    kill(None);
}

#[test]
fn nothing_shown_is_lost_of_what_is_only_in_the_runtime_folder() {
    kill(Some(tempfile::tempdir().unwrap().path()));
}

fn kill(runtime: Option<&Path>) {
    let dir = tempfile::tempdir().unwrap();
    let pty = Pty::open().unwrap().held().unwrap();
    // A killed program cannot release its claim on the terminal.
    let claim = std::fs::OpenOptions::new().read(true).write(true).open(pty.path()).unwrap();
    let mut random = Random(0x5eed);
    let (mut sent, mut shown, mut slowest) = (0u64, 0u64, Duration::ZERO);

    for round in 0..=KILLS {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill9::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(PORT, pty.path())
            .env(STATE, dir.path())
            .envs(runtime.map(|folder| ("RUNTIME_DIRECTORY", folder)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(pulses) = line.strip_prefix("pulses ") {
                    let _ = tell.send(pulses.parse::<u64>().unwrap());
                }
            }
        });

        let first = told.recv_timeout(LIMIT).expect("it does not start");
        slowest = slowest.max(started.elapsed());
        // A count that was shown is there; a count that is there was sent.
        assert!(first >= shown, "round {round}: {first} after the restart, {shown} were shown");
        assert!(first <= sent, "round {round}: {first} after the restart, {sent} were sent");

        if round == KILLS {
            // The end: all that still waits is counted, and the numbers agree.
            let mut last = first;
            while let Ok(pulses) = told.recv_timeout(QUIET) {
                last = pulses;
            }
            assert!(last >= shown && last <= sent, "{last} in the end, {shown} were shown, {sent} sent");
            // Only what the killed process had read and not counted yet is missing: less than one read each.
            let missing = sent - last;
            assert!(missing <= u64::from(KILLS) * 8, "{missing} of {sent} pulses are missing");
            println!("{sent} pulses, {KILLS} kills: {missing} were in flight; slowest start {slowest:?}");
            kill_process(pid, Signal::KILL).unwrap();
        } else {
            let end = Instant::now() + Duration::from_micros(random.below(60_000));
            while Instant::now() < end {
                let pulses = 1 + random.below(3);
                pty.write_blocking(&vec![0; pulses as usize], Instant::now() + LIMIT).unwrap();
                sent += pulses;
                thread::sleep(Duration::from_micros(random.below(800))); // pulses have distances
            }
            kill_process(pid, Signal::KILL).unwrap();
        }
        child.wait().unwrap();
        reader.join().unwrap();
        shown = told.try_iter().last().unwrap_or(first).max(shown);
        ioctl_tiocnxcl(&claim).unwrap();
    }
    assert!(slowest < Duration::from_secs(5), "a restart took {slowest:?}");
}

/// Random numbers that are the same in each run, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
