//! Cost of publishing: the real binary, a real Mosquitto and a real InfluxDB.
//!
//! `cargo bench -p smartmeter --bench publish [NAME…]` runs all or some of `latency mqtt influx`. A day is 86,400
//! batches of eight values, recorded while the remote server was down.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a measuring instrument, not a service

#[path = "../process.rs"]
mod process;
#[path = "../../../tests/program/mod.rs"]
mod program;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use framework::{
    Batch, Decimal, Obis, Reading, Timestamp,
    journal::{ClockReading, ClockSource, Journal, Settings},
};
use program::{Program, d0, line};
use rumqttc::{Event, MqttOptions, Packet, QoS};
use test_servers::free_port;

use self::process::Usage;

const DAY: u64 = 86_400;
const METER: &str = "m";
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let benches: [(&str, &str, fn()); 3] =
        [("latency", "mosquitto", latency), ("mqtt", "mosquitto", mqtt), ("influx", "influxd", influx)];
    for (name, needed, bench) in benches {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            if test_servers::is_installed(needed) {
                bench();
            } else {
                println!("{name}: not measured, as `{needed}` is not installed");
            }
        }
    }
}

/// Telegram of eight values; the first one is a running number.
fn numbered(n: u64) -> Vec<u8> {
    let import = format!("{:06}.{:08}", n / 100_000_000, n % 100_000_000);
    let power = 200 + n % 1000;
    let text = format!(
        "/EBZ5DD32R06ETA_107\r\n\r\n1-0:96.1.0*255(1EBZ0100000042)\r\n1-0:1.8.0*255({import}*kWh)\r\n\
         1-0:2.8.0*255(000001.20600000*kWh)\r\n1-0:16.7.0*255({power:06}.26*W)\r\n1-0:36.7.0*255({power:06}.11*W)\r\n\
         1-0:56.7.0*255(000100.{:02}*W)\r\n1-0:76.7.0*255(000050.05*W)\r\n1-0:32.7.0*255(230.{}*V)\r\n1-0:52.7.0*255(231.{}*V)\r\n!\r\n",
        n % 100,
        n % 10,
        n % 7,
    );
    program::seven_e_one(text.into_bytes())
}

fn publisher(kind: &str, url: &str, more: &str) -> String {
    format!("[publishers.far]\nplugin = \"{kind}\"\nurl = \"{url}\"\n{more}")
}

/// Starts a program whose remote server has been down for a day and still is.
fn with_a_day(folder: &Path, publisher: &str) -> Program {
    record_a_day(&folder.join("state/journal.db"));
    let meter = line();
    let program = Program::with_config(folder, &format!("{}{publisher}", d0(METER, meter.path())));
    std::mem::forget(meter); // the line stays open and silent
    program.until("/health", "waiting", |health| health["publishers"]["far"]["backlog"] == DAY);
    program
}

/// Writes the journal of an earlier run: a checkpoint every four hours, and nothing delivered.
fn record_a_day(path: &Path) {
    let start = Timestamp::now().as_microsecond() - (DAY as i64 + 10) * 1_000_000;
    let clock = Arc::new(AtomicI64::new(start));
    let now = Arc::clone(&clock);
    let look = ClockSource::with("bench", move || {
        let wall = now.load(Relaxed);
        ClockReading { boottime: wall - start, wall, synchronized: Some(start) }
    });
    let settings = Settings { clock: look, publishers: vec!["far".into()], ..Settings::new(path) };
    let (journal, mut keeper) = Journal::new(settings);
    keeper.open();
    let section = METER.into();
    for n in 1..=DAY {
        let taken_at = Timestamp::from_microsecond(clock.fetch_add(1_000_000, Relaxed)).unwrap();
        journal.record(&section, &batch(n, taken_at));
        if n % (4 * 3600) == 0 && n < DAY {
            keeper.checkpoint();
        }
    }
    keeper.sync();
}

fn batch(n: u64, taken_at: Timestamp) -> Batch {
    let n = n as i64;
    let number = |obis: &str, unit: &str, mantissa: i64, scale: u8| {
        let value = Decimal::new(mantissa, scale).unwrap();
        Reading::number(obis, value).unit(unit).obis(Obis::parse(obis.as_bytes()).unwrap())
    };
    let readings = vec![
        number("1.8.0", "kWh", n, 8),
        number("2.8.0", "kWh", 120_600_000, 8),
        number("16.7.0", "W", 20_026 + n * 37 % 99_991, 2),
        number("36.7.0", "W", 20_011 + n * 41 % 99_989, 2),
        number("56.7.0", "W", 10_000 + n % 100, 2),
        number("76.7.0", "W", 5005, 2),
        number("32.7.0", "V", 2300 + n % 10, 1),
        number("52.7.0", "V", 2310 + n % 7, 1),
    ];
    Batch { taken_at, readings }
}

/// Returns the time in which the backlog falls to nothing, and the program's memory before and at most.
fn caught_up(program: &Program) -> (Duration, u64, u64) {
    let idle = Usage::of(program.pid()).resident;
    let mut most = idle;
    let mut begun = None;
    let asked = Instant::now();
    loop {
        let backlog = program.get("/health").1["publishers"]["far"]["backlog"].as_u64().unwrap();
        if backlog < DAY {
            begun.get_or_insert_with(Instant::now);
        }
        if let (0, Some(begun)) = (backlog, begun) {
            return (begun.elapsed(), idle, most);
        }
        assert!(asked.elapsed() < DEADLINE, "{:#}\n{}", program.get("/health").1, program.log());
        most = most.max(Usage::of(program.pid()).resident);
        thread::sleep(Duration::from_millis(5)); // between two checks
    }
}

fn report(what: &str, (took, idle, most): (Duration, u64, u64)) {
    println!(
        "{what}: a day ({DAY} batches of 8 values) in {:.1} s; {:.1} MB resident at most, {:.1} MB before",
        took.as_secs_f64(),
        most as f64 / 1e6,
        idle as f64 / 1e6,
    );
}

fn subscribe(port: u16) -> mpsc::Receiver<(String, Vec<u8>)> {
    let (sender, receiver) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let options = MqttOptions::new("bench", ("127.0.0.1", port));
        let (client, mut connection) = rumqttc::Client::builder(options).capacity(10).build();
        let _ = client.try_subscribe(format!("smartmeter/{METER}/+"), QoS::AtLeastOnce);
        for event in connection.iter().map_while(Result::ok) {
            match event {
                Event::Incoming(Packet::SubAck(_)) => drop(ready.send(())),
                Event::Incoming(Packet::Publish(message)) if !message.retain => {
                    let topic = String::from_utf8_lossy(&message.topic).into_owned();
                    let _ = sender.send((topic, message.payload.to_vec()));
                }
                _ => {}
            }
        }
    });
    is_ready.recv_timeout(DEADLINE).unwrap();
    receiver
}

fn mqtt() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let url = format!("mqtt://127.0.0.1:{port}");
    let program = with_a_day(folder.path(), &publisher("mqtt", &url, "discovery = \"off\"\n"));
    // The subscriber is slower than the broker, whose queue is therefore unbounded.
    let _broker = test_servers::mosquitto(folder.path(), port, "max_queued_messages 0\n");
    let messages = subscribe(port);
    report("mqtt", caught_up(&program));
    let is_reading =
        |(topic, _): &(String, Vec<u8>)| topic.ends_with("/history") || topic.ends_with("/state");
    let received = messages.iter().filter(is_reading).take(DAY as usize).count();
    println!("mqtt: the subscriber has all {received}");
}

fn influx() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let database = test_servers::influxd(folder.path(), port, false);
    let query = format!("http://127.0.0.1:{port}/query");
    ureq::post(&query).query("q", "CREATE DATABASE house").send_empty().unwrap();
    database.stop();
    let url = format!("http://127.0.0.1:{port}");
    let program = with_a_day(folder.path(), &publisher("influx", &url, "database = \"house\"\n"));
    let _database = test_servers::influxd(folder.path(), port, false);
    report("influx", caught_up(&program));
}

/// Measures the time from the last byte of a telegram to a subscriber.
fn latency() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = test_servers::mosquitto(folder.path(), port, "");
    let messages = subscribe(port);
    let meter = line();
    let url = format!("mqtt://127.0.0.1:{port}");
    let _program = Program::with_config(
        folder.path(),
        &format!("{}{}", d0(METER, meter.path()), publisher("mqtt", &url, "")),
    );
    let mut took = Vec::new();
    for n in 1..=1000 {
        let telegram = numbered(n);
        let import = format!("\"POWER_IMPORT\":{}", format!("0.{n:08}").trim_end_matches('0'));
        program::send(&meter, &telegram);
        let sent = Instant::now();
        loop {
            let (topic, payload) = messages.recv_timeout(DEADLINE).unwrap();
            if topic.ends_with("/state") && String::from_utf8_lossy(&payload).contains(&import) {
                break;
            }
        }
        took.push(sent.elapsed());
    }
    took.sort();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "latency: last byte to a subscriber: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({} telegrams)",
        at(0.5),
        at(0.99),
        at(1.0),
        took.len()
    );
}
