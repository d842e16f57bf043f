//! What a memory card must bear: bytes that the program makes the system write in real time.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use simulator::{Household, Pty, PushingMeter, Timing, ebz};

use super::program::{Program, Stop, d0, line, s0, smartmeter};

/// Pages of 4 KiB, in which the system writes.
const PAGE: u64 = 4096;

/// Measures a meter of nine numbers at 1 Hz, a pulse each two seconds, and two publishers, for `CARD_MINUTES` (60),
/// beside two databases that commit each second unless `CARD_ALONE` is set. `CARD_FOLDER` must be on a disk, and
/// `CARD_RUNTIME` in memory; `CARD_RUNTIME=` is without such a folder.
pub(crate) fn card() {
    let text = |key: &str, usual: &str| std::env::var(key).unwrap_or_else(|_| usual.to_owned());
    let minutes: u64 = text("CARD_MINUTES", "60").parse().unwrap();
    let folder = tempfile::tempdir_in(text("CARD_FOLDER", env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let memory = Some(text("CARD_RUNTIME", "/dev/shm")).filter(|folder| !folder.is_empty());
    let runtime = memory.map(|folder| tempfile::tempdir_in(folder).unwrap());
    let is_alone = std::env::var_os("CARD_ALONE").is_some();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&done);
        let sinks = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let publishers = ["a", "b"].iter().zip(&sinks).map(|(name, sink)| {
            let url = sink.local_addr().unwrap();
            format!("[publishers.{name}]\nplugin = \"webhook\"\nurl = \"http://{url}/\"\n")
        });
        let publishers: String = publishers.collect();
        for sink in sinks {
            thread::spawn(move || sink.incoming().for_each(|client| _ = answer(&client.unwrap())));
        }
        for name in ["first.db", "second.db"].iter().filter(|_| !is_alone) {
            let path = folder.path().join(name);
            scope.spawn({
                let done = &done;
                move || commit_each_second(&path, done)
            });
        }
        let (meter, adapter) = (Pty::open().unwrap(), line());
        let sources = format!("{}{}", d0("m", meter.path()), s0("s", adapter.path()));
        let program = start(folder.path(), &format!("{sources}{publishers}"), runtime.as_ref());
        let mut household = Household::new(1);
        let timing = Timing { interval: Duration::from_secs(1), baud: Some(9600) };
        let _meter = PushingMeter::start(meter, timing, move || {
            let mut telegram = ebz::telegram(&household.advance(), ebz::DataSet::Voltages).into_bytes();
            ebz::seven_e_one(&mut telegram);
            telegram
        })
        .unwrap();
        let begun = Instant::now();
        let mut by_minute: Vec<u64> = Vec::new();
        let mut before = written(program.pid());
        for second in (2..=minutes * 60).step_by(2) {
            adapter.write_all(&[0]).unwrap();
            thread::sleep((begun + Duration::from_secs(second)).saturating_duration_since(Instant::now()));
            if second % 60 == 0 {
                let now = written(program.pid());
                by_minute.push(now - before);
                before = now;
            }
        }
        let health = program.get("/health").1;
        for name in ["a", "b"] {
            let backlog = health["publishers"][name]["backlog"].as_u64();
            assert!(backlog.is_some_and(|backlog| backlog < 100), "{name}: {backlog:?}");
        }
        assert_eq!(health["status"], "ok", "{health:#}");
        report(&by_minute);
    });
}

fn start(folder: &Path, sources: &str, runtime: Option<&tempfile::TempDir>) -> Program {
    let config = folder.join("config.toml");
    let state = folder.join("state");
    let text = format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n{sources}", state.display());
    fs::write(&config, text).unwrap();
    let mut command = smartmeter();
    command.arg("--config").arg(config).env_remove("RUNTIME_DIRECTORY");
    if let Some(runtime) = runtime {
        command.env("RUNTIME_DIRECTORY", runtime.path());
    }
    Program::run(command)
}

/// Bytes that a process made the system write to a disk (proc(5), `/proc/pid/io`).
fn written(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).unwrap();
    line.trim().parse().unwrap()
}

fn report(by_minute: &[u64]) {
    let pages: Vec<_> = by_minute.iter().map(|bytes| (bytes / PAGE).to_string()).collect();
    println!("card: pages written in each minute: {}", pages.join(" "));
    let per_day = |bytes: f64| bytes * 1440.0 / 1e6;
    // The first minute also creates the files.
    let mut usual = by_minute.get(1..).unwrap_or_default().to_vec();
    usual.sort_unstable();
    let median = usual.get(usual.len() / 2).copied().unwrap_or_default();
    let all = by_minute.iter().sum::<u64>() as f64 / by_minute.len() as f64;
    println!(
        "card: {:.1} MB a day by all {} minutes, {:.1} MB by the median minute",
        per_day(all),
        by_minute.len(),
        per_day(median as f64)
    );
}

/// Server that takes everything.
fn answer(client: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(client);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        lines.by_ref().take(length).read_to_end(&mut Vec::new())?;
        let mut client = client;
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Other program that syncs the same disk.
fn commit_each_second(path: &Path, done: &AtomicBool) {
    let database = Connection::open(path).unwrap();
    database.execute_batch("CREATE TABLE log (at INTEGER PRIMARY KEY, value REAL)").unwrap();
    while !done.load(Relaxed) {
        database.execute("INSERT INTO log (value) VALUES (random())", []).unwrap();
        thread::sleep(Duration::from_secs(1));
    }
}
