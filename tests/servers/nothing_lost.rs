//! At-least-once delivery: a broker and a database are stopped repeatedly, and the program is killed meanwhile. At the
//! end both have every reading of the journal, in order.
//!
//! `SMARTMETER_ROUNDS=200 cargo test -p smartmeter --test servers outages` is the long run.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Failed, Trial};
use rumqttc::{Event, MqttOptions, Packet, QoS};
use rustix::termios::ioctl_tiocnxcl;
use simulator::Pty;
use test_servers::{Server, free_port};

use crate::program::*;

pub(crate) const METER: &str = "smartmeter_d0";
/// Limit for the end of a round, which takes seconds on a calm machine.
const ROUND: Duration = Duration::from_secs(120);

pub(crate) fn trials() -> Vec<Trial> {
    let needed = ["mosquitto", "influxd"];
    let missing: Vec<_> = needed.into_iter().filter(|program| !test_servers::is_installed(program)).collect();
    let name = match missing.is_empty() {
        true => "outages_and_kills_lose_nothing".to_owned(),
        false => format!("outages_and_kills_lose_nothing (needs {})", missing.join(" and ")),
    };
    let outages = Trial::test(name, outages).with_ignored_flag(!missing.is_empty());
    let name = "a_wrong_path_at_victoria_metrics_loses_nothing (needs victoria-metrics)";
    let is_missing = !test_servers::is_installed("victoria-metrics");
    let wrong_path = Trial::test(name, wrong_path).with_ignored_flag(is_missing);
    vec![outages, wrong_path]
}

fn outages() -> Result<(), Failed> {
    let rounds = std::env::var("SMARTMETER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(10);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (mqtt, influx) = (free_port(), free_port());
    let (mut broker, mut database) =
        (start_broker(folder, mqtt), test_servers::influxd(folder, influx, false));
    query(influx, "CREATE DATABASE house");
    let subscriber = Subscriber::start(mqtt);
    let meter = line();
    let claim = std::fs::File::options().read(true).write(true).open(meter.path())?;
    let config = format!(
        "{}[publishers.broker]\nplugin = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{mqtt}\"\n\
         [publishers.database]\nplugin = \"influx\"\nurl = \"http://127.0.0.1:{influx}\"\ndatabase = \"house\"\n\
         flush_interval = \"100ms\"\n",
        d0(METER, meter.path()),
    );
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| send_all(&meter, &sent, &stop));
        let mut random = Random(0x5eed);
        let mut program = Program::with_config(folder, &config);
        for round in 0..rounds {
            pause(&mut random, 300);
            // The servers are stopped and the program is killed in any order and at any moment.
            broker.stop();
            pause(&mut random, 300);
            if round % 2 == 0 {
                database.stop()
            } else {
                database.kill()
            }
            pause(&mut random, 500);
            drop(program);
            ioctl_tiocnxcl(&claim).unwrap();
            pause(&mut random, 100);
            program = Program::with_config(folder, &config);
            pause(&mut random, 500);
            broker = start_broker(folder, mqtt);
            pause(&mut random, 300);
            database = test_servers::influxd(folder, influx, false);
            let now = sent.load(Relaxed);
            let arrived = |number: Option<&u64>| number.is_some_and(|number| *number >= now);
            until(&program, "at the broker", || arrived(subscriber.numbers().last()));
            until(&program, "in the database", || arrived(stored(influx).last()));
        }
        stop.store(true, Relaxed);
        let last = |program: &Program| recorded(program).last().copied();
        let mut known = None;
        until(&program, "calm", || std::mem::replace(&mut known, last(&program)) == last(&program));
        let recorded = recorded(&program);
        until(&program, "all at the broker", || subscriber.numbers().last() == recorded.last());
        until(&program, "all in the database", || stored(influx).last() == recorded.last());
        assert_eq!(stored(influx), recorded, "the database and the journal differ");
        let received = subscriber.numbers();
        let repeated = without_repetitions(&received, &recorded);
        println!(
            "{rounds} rounds: {} readings at both, {repeated} of them more than once at the broker",
            recorded.len()
        );
        let shown = subscriber.shown.lock().unwrap().clone();
        let back = shown.windows(2).find(|pair| pair[0] > pair[1]);
        assert_eq!(back, None, "the state went back");
        assert!(recorded.len() > 50 * rounds, "only {} readings", recorded.len());
        drop(program);
    });
    Ok(())
}

/// VictoriaMetrics answers 400 to everything at the URL of its remote write.
fn wrong_path() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (folder, port) = (folder.path(), free_port());
    let _database = test_servers::victoria_metrics(folder, port);
    let meter = line();
    let claim = std::fs::File::options().read(true).write(true).open(meter.path())?;
    let config = |url: &str| {
        let hook = "[publishers.hook]\nplugin = \"webhook\"\nflush_interval = \"100ms\"";
        format!("{}{hook}\nurl = \"{url}\"\n", d0(METER, meter.path()))
    };
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| send_all(&meter, &sent, &stop));
        let program = Program::with_config(folder, &config(&format!("http://127.0.0.1:{port}/api/v1/write")));
        let hook = |program: &Program| program.get("/health").1["publishers"]["hook"].clone();
        let said = |hook: &serde_json::Value| hook.to_string().contains("it accepts no record at all");
        until(&program, "misconfigured", || {
            said(&hook(&program)) && hook(&program)["backlog"].as_u64() > Some(50)
        });
        let hook = hook(&program);
        assert_eq!((&hook["counts"]["refused"], &hook["state"]), (&0.into(), &"waiting".into()), "{hook}");
        assert!(program.log().contains("answered 400"), "{}", program.log());
        drop(program);
        ioctl_tiocnxcl(&claim).unwrap();
        // Where the right server is, everything arrives.
        let server = test_servers::http::Server::start(|_| 204.into());
        let program = Program::with_config(folder, &config(&server.url()));
        stop.store(true, Relaxed);
        let received = || -> Vec<u64> {
            let bodies = server.received().into_iter().map(|request| request.body);
            let records =
                bodies.flat_map(|body| serde_json::from_str::<Vec<serde_json::Value>>(&body).unwrap());
            let value = |record: serde_json::Value| record["readings"]["POWER_IMPORT"]["value"].as_f64();
            records.filter_map(|record| value(record).map(number)).collect()
        };
        until(&program, "all at the right server", || {
            !received().is_empty() && received() == recorded(&program)
        });
        drop(program);
    });
    Ok(())
}

pub(crate) fn start_broker(folder: &Path, port: u16) -> Server {
    // Messages that are acknowledged but not yet forwarded must survive the broker's end.
    let keep =
        format!("persistence true\npersistence_location {}/\nmax_queued_messages 0\n", folder.display());
    test_servers::mosquitto(folder, port, &keep)
}

fn pause(random: &mut Random, most: u64) {
    thread::sleep(Duration::from_millis(random.below(most))); // a random moment
}

pub(crate) fn until(program: &Program, what: &str, mut wanted: impl FnMut() -> bool) {
    let start = Instant::now();
    while !wanted() {
        if start.elapsed() > ROUND {
            panic!("never {what}: {:#}\n{}", program.get("/health").1, program.log());
        }
        thread::sleep(Duration::from_millis(50)); // between two checks, not for timing
    }
}

/// Sends telegrams with a running number.
pub(crate) fn send_all(meter: &Pty, sent: &AtomicU64, stop: &AtomicBool) {
    for number in 1.. {
        if stop.load(Relaxed) {
            return;
        }
        let import = format!("{:06}.{:08}", number / 100_000_000, number % 100_000_000);
        send(meter, &seven_e_one(telegram(&import, "000010.00")));
        sent.store(number, Relaxed);
        thread::sleep(Duration::from_millis(5)); // telegrams have gaps between them
    }
}

fn number(import: f64) -> u64 {
    (import * 1e8).round() as u64
}

/// Running numbers in the journal.
pub(crate) fn recorded(program: &Program) -> Vec<u64> {
    let (status, history) = program.get(&format!("/history/{METER}/POWER_IMPORT?step=raw&from=0"));
    assert_eq!(status, 200, "{history}");
    history["value"].as_array().unwrap().iter().map(|value| number(value.as_f64().unwrap())).collect()
}

/// Running numbers in the database, by time.
fn stored(port: u16) -> Vec<u64> {
    let answer = query(port, "SELECT POWER_IMPORT FROM smartmeter");
    let rows = answer["results"][0]["series"][0]["values"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| number(row[1].as_f64().unwrap())).collect()
}

fn query(port: u16, text: &str) -> serde_json::Value {
    let url = format!("http://127.0.0.1:{port}/query");
    let mut answer = ureq::post(url).query("db", "house").query("q", text).send_empty().unwrap();
    serde_json::from_str(&answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap()).unwrap()
}

/// Returns the number of repetitions. Each number that is not a repetition must be the next one.
fn without_repetitions(received: &[u64], recorded: &[u64]) -> usize {
    let mut next = 0;
    for number in received {
        if recorded.get(next) == Some(number) {
            next += 1;
        } else {
            let known = recorded[..next].binary_search(number).is_ok();
            assert!(
                known,
                "{number} came after {:?}, where {:?} was due",
                recorded[..next].last(),
                recorded.get(next)
            );
        }
    }
    assert_eq!(next, recorded.len(), "the end is missing at the broker");
    received.len() - next
}

/// Subscriber to everything, whose session the broker keeps.
pub(crate) struct Subscriber {
    numbers: Arc<Mutex<Vec<u64>>>,
    /// Those on the state topic.
    shown: Arc<Mutex<Vec<u64>>>,
}

impl Subscriber {
    pub(crate) fn start(port: u16) -> Self {
        let numbers = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let this = Self { numbers: Arc::clone(&numbers), shown: Arc::clone(&shown) };
        let received = numbers;
        let mut options = MqttOptions::new("subscriber", ("127.0.0.1", port));
        options.set_clean_session(false);
        thread::spawn(move || {
            let (client, mut connection) = rumqttc::Client::builder(options).capacity(10).build();
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for topic in ["state", "history"] {
                            let _ =
                                client.try_subscribe(format!("smartmeter/{METER}/{topic}"), QoS::AtLeastOnce);
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(message))) if !message.retain => {
                        let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                        let number = number(json["POWER_IMPORT"].as_f64().unwrap());
                        received.lock().unwrap().push(number);
                        // The broker itself repeats what this subscriber has not acknowledged.
                        if message.topic.ends_with(b"/state") && !message.dup {
                            shown.lock().unwrap().push(number);
                        }
                    }
                    Ok(_) => {}
                    Err(_) => thread::sleep(Duration::from_millis(50)), // between two attempts
                }
            }
        });
        this
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.numbers.lock().unwrap().clone()
    }
}
