//! Cost of the program: the real binary on real pseudo terminals.
//!
//! `cargo bench -p smartmeter --bench program [NAME…]` runs all or some of
//! `throughput latency http idle start many reload`. `card`, which takes an hour (`CARD_MINUTES`), runs if it is named.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a measuring instrument, not a service

#[path = "../../../tests/program/mod.rs"]
mod program;

mod card;
mod http;
#[path = "../process.rs"]
mod process;
mod reload;

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use program::{Program, d0, line, s0, telegram};
use simulator::{Pty, PushingMeter, Timing};

use self::{http::Connection, process::Usage};

fn main() {
    if std::env::var_os(http::BARE).is_some() {
        return http::bare_server();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let benches: [(&str, fn()); 7] = [
        ("throughput", throughput),
        ("latency", latency),
        ("http", http::ratio),
        ("start", start),
        ("idle", idle),
        ("many", many),
        ("reload", reload::reload),
    ];
    if wanted.iter().any(|wanted| wanted == "card") {
        card::card();
    }
    for (name, bench) in benches {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            bench();
        }
    }
}

/// Telegram whose counter and operating time are the same number; a torn answer would have two.
fn numbered(n: u64) -> Vec<u8> {
    let text = telegram(&format!("{:06}.{:08}", n / 100_000_000, n % 100_000_000), "000211.26");
    let text = String::from_utf8(text).unwrap().replace("02FAB8BF", &format!("{n:08X}"));
    program::seven_e_one(text.into_bytes())
}

/// Returns the two numbers of an answer.
fn numbers(json: &serde_json::Value) -> Option<(u64, u64)> {
    let import = json["POWER_IMPORT"]["value"].as_f64()?;
    let time = json["OPERATING_TIME"]["value"].as_str()?;
    Some(((import * 1e8).round() as u64, u64::from_str_radix(time, 16).ok()?))
}

/// Sends as many telegrams as the terminal takes: none may be lost or torn.
fn throughput() {
    const COUNT: u64 = 300_000;
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("m", meter.path()));
    let wire: Vec<u8> = (1..=COUNT).flat_map(numbered).collect();
    let before = Usage::of(program.pid());
    let start = Instant::now();
    let done = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                if let Some((import, time)) = numbers(&program.get("/data/m").1) {
                    assert_eq!(import, time, "a torn answer");
                }
                answers += 1;
                thread::sleep(Duration::from_millis(2));
            }
            answers
        });
        meter.write_blocking(&wire, Instant::now() + Duration::from_secs(120)).unwrap();
        program.until("/data/m", "complete", |json| numbers(json).is_some_and(|(import, _)| import == COUNT));
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    let took = start.elapsed();
    let used = Usage::of(program.pid()).cpu - before.cpu;
    assert_eq!(program.count("m", "telegrams"), COUNT, "telegrams were lost");
    assert_eq!(program.count("m", "batches"), COUNT, "telegrams were refused");
    println!(
        "throughput: {:.0} telegrams/s through a PTY, {:.2} µs CPU each; {COUNT} sent, none lost; {answers} answers, none torn",
        COUNT as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / COUNT as f64,
    );
}

/// Measures the time from the last byte written to the value in `/data`, at full speed and at 9600 baud.
fn latency() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("m", meter.path()));
    let mut connection = Connection::open(program.address());
    let mut n = 0;
    let mut measure = |count: u64, send: &dyn Fn(&[u8])| {
        let mut took = Vec::new();
        for _ in 0..count {
            n += 1;
            let (telegram, import) = (numbered(n), format!("0.{n:08}"));
            let import = format!("\"value\":{}", import.trim_end_matches('0'));
            send(&telegram);
            let sent = Instant::now();
            while !connection.get("/data").contains(&import) {
                assert!(
                    sent.elapsed() < Duration::from_secs(10),
                    "{import} never came: {}",
                    program.text("/data")
                );
            }
            took.push(sent.elapsed());
        }
        took.sort();
        took
    };
    let report = |what: &str, took: &[Duration]| {
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        println!(
            "latency: last byte to /data, {what}: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms ({} telegrams)",
            at(0.5),
            at(0.99),
            at(1.0),
            took.len()
        );
    };
    let whole = measure(1000, &|telegram| {
        program::send(&meter, telegram);
    });
    report("whole telegrams", &whole);
    let paced = measure(100, &|telegram| {
        let start = Instant::now();
        for (i, byte) in telegram.iter().enumerate() {
            let due = start + Duration::from_micros(1042) * i as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            program::send(&meter, &[*byte]);
        }
    });
    report("byte by byte at 9600 baud", &paced);
}

/// Measures the time from the start of the process to its first answer.
fn start() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    for (what, port) in [("devices there", meter.path()), ("devices missing", "/dev/nonexistent".as_ref())] {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = folder.path().join("config.toml");
        let text = format!(
            "[server]\nlisten = \"{listen}\"\nstate_dir = \"{}\"\n{}[sources.s]\nplugin = \"s0\"\nport = \"{}-s0\"\n",
            folder.path().display(),
            d0("m", port),
            port.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut took: Vec<_> = (0..30)
            .map(|_| {
                let start = Instant::now();
                let mut command = program::smartmeter();
                let mut child =
                    command.arg("--config").arg(&config).stderr(std::process::Stdio::null()).spawn().unwrap();
                let mut connection = loop {
                    match Connection::try_open(&listen.to_string()) {
                        Ok(connection) => break connection,
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                };
                assert!(connection.get("/data").starts_with('{'));
                let took = start.elapsed();
                child.kill().unwrap();
                child.wait().unwrap();
                took
            })
            .collect();
        took.sort();
        println!(
            "start: first answer after {:.1} ms, {what} (median of {}, longest {:.1} ms)",
            took[took.len() / 2].as_secs_f64() * 1e3,
            took.len(),
            took[took.len() - 1].as_secs_f64() * 1e3
        );
    }
}

/// Measures a household: one meter at 1 Hz, byte by byte at 9600 baud, and a pulse a second.
fn idle() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, adapter) = (Pty::open().unwrap(), line());
    let sources = format!("{}{}", d0("m", meter.path()), s0("s", adapter.path()));
    let program = Program::with_config(folder.path(), &sources);
    let mut n = 0;
    let timing = Timing { interval: Duration::from_secs(1), baud: Some(9600) };
    let _meter = PushingMeter::start(meter, timing, move || {
        n += 1;
        numbered(n)
    })
    .unwrap();
    let second = |count: u32| {
        for _ in 0..count {
            adapter.write_all(&[0]).unwrap();
            thread::sleep(Duration::from_secs(1));
        }
    };
    second(15); // the program learns the telegram's length
    let (before, telegrams) = (Usage::of(program.pid()), program.count("m", "batches"));
    second(30);
    let after = Usage::of(program.pid());
    let telegrams = program.count("m", "batches") - telegrams;
    println!(
        "idle: {:.2} MB resident ({:.2} MB of it anonymous), {:.2} MB proportional (PSS), {:.3} ms CPU a second, {:.1} wake-ups a second; {telegrams} telegrams in 30 s",
        after.resident as f64 / 1e6,
        after.anonymous as f64 / 1e6,
        after.proportional as f64 / 1e6,
        (after.cpu - before.cpu).as_secs_f64() * 1e3 / 30.0,
        (after.switches - before.switches) as f64 / 30.0,
    );
}

/// Measures 500 meters at 1 Hz in one process.
fn many() {
    process::raise_file_limit();
    let mut resident = Vec::new();
    for count in [100, 500] {
        let folder = tempfile::tempdir().unwrap();
        let meters: Vec<_> = (0..count).map(|_| Pty::open().unwrap()).collect();
        let sources: String =
            meters.iter().enumerate().map(|(i, meter)| d0(&format!("m{i}"), meter.path())).collect();
        let program = Program::with_config(folder.path(), &sources);
        for meter in &meters {
            while !meter.has_reader().unwrap() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let round = |n: u64| {
            let (start, telegram) = (Instant::now(), numbered(n));
            for (i, meter) in meters.iter().enumerate() {
                let due = start + Duration::from_secs(1) * i as u32 / count;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                program::send(meter, &telegram);
            }
        };
        (1..=5).for_each(round);
        let before = Usage::of(program.pid());
        (6..=25).for_each(round);
        let after = Usage::of(program.pid());
        let got = program.until("/health", "complete", |health| {
            (0..count).all(|i| health["sources"][format!("m{i}")]["counts"]["batches"] == 25)
        });
        assert_eq!(got["status"], "ok");
        resident.push(after.resident as f64);
        println!(
            "many: {count} meters at 1 Hz: nothing lost, {:.1} % of one core, {:.2} MB resident",
            (after.cpu - before.cpu).as_secs_f64() * 100.0 / 20.0,
            after.resident as f64 / 1e6
        );
    }
    println!("many: {:.1} KiB a meter", (resident[1] - resident[0]) / 400.0 / 1024.0);
}
