//! `kill -9` at random moments: every batch that a client has seen is in the journal exactly once.
//!
//! The test of the same name in `libs/journal` kills a program that writes checkpoints all the time.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::program::*;
use framework::Timestamp;
use rustix::termios::ioctl_tiocnxcl;
use simulator::Pty;

const KILLS: u64 = 200;
/// Number of kills after which whole histories are checked, in place of their newest part.
const LOOK_AT_ALL: u64 = 50;
const METER: &str = "smartmeter_d0";
const PULSES: &str = "smartmeter_s0";

/// Batch of an event: its time in microseconds since 1970, and its running number.
type Seen = (i64, u64);

#[test]
fn every_batch_that_was_seen_is_in_the_journal_once() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, adapter) = (line(), line());
    let claims =
        [&meter, &adapter].map(|line| File::options().read(true).write(true).open(line.path()).unwrap());
    let sources = format!(
        "[journal]\nsync_interval = \"1s\"\n{}{}",
        d0(METER, meter.path()),
        s0(PULSES, adapter.path())
    );
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        // It stops the sender also when an assertion fails, as the scope waits for that thread.
        let _stop = Stop(&stop);
        scope.spawn(|| send_all(&meter, &adapter, &sent, &stop));
        let mut random = Random(0x5eed);
        // Batches of each round by source.
        let mut seen = Vec::<BTreeMap<String, Vec<Seen>>>::new();
        for round in 0..=KILLS {
            let program = Program::with_config(folder.path(), &sources);
            // The newest round, and now and then all of them.
            let new = if round % LOOK_AT_ALL == 0 { 0 } else { seen.len() - 1 };
            check(&program, &seen[new..], &sent, round);
            let events = Events::of(&program);
            if round < KILLS {
                thread::sleep(Duration::from_micros(random.below(150_000))); // a random moment
                drop(program);
            } else {
                program.until("/health", "reading", |json| json["sources"][METER]["state"] == "delivering");
                // An orderly end loses nothing either.
                assert_eq!(program.terminate().code(), Some(0));
            }
            seen.push(events.seen());
            claims.iter().for_each(|claim| ioctl_tiocnxcl(claim).unwrap());
        }
        let program = Program::with_config(folder.path(), &sources);
        check(&program, &seen, &sent, KILLS + 1);
        let [telegrams, counts] = [METER, PULSES].map(|section| of(section, &seen).count());
        println!("{KILLS} kills: all {telegrams} telegrams and {counts} counts that were seen are there");
        assert!(telegrams > KILLS as usize * 5, "only {telegrams} telegrams were seen");
    });
}

/// Sends telegrams with a running number, and pulses, as fast as the program reads them.
fn send_all(meter: &Pty, adapter: &Pty, sent: &AtomicU64, stop: &AtomicBool) {
    let mut random = Random(0xfeed);
    for number in 1.. {
        if stop.load(Relaxed) {
            return;
        }
        let import = format!("{:06}.{:08}", number / 100_000_000, number % 100_000_000);
        sent.store(number, Relaxed);
        send(meter, &seven_e_one(telegram(&import, "000010.00")));
        if random.below(3) == 0 {
            send(adapter, &[0]);
        }
        thread::sleep(Duration::from_micros(random.below(2000))); // telegrams have gaps between them
    }
}

fn of<'a>(section: &str, seen: &'a [BTreeMap<String, Vec<Seen>>]) -> impl Iterator<Item = &'a Seen> {
    seen.iter().filter_map(move |round| round.get(section)).flatten()
}

/// Checks that the histories have each batch that was seen once, and the numbers in order.
fn check(program: &Program, seen: &[BTreeMap<String, Vec<Seen>>], sent: &AtomicU64, round: u64) {
    for (section, name, scale) in [(METER, "POWER_IMPORT", 1e8), (PULSES, "pulses", 1.0)] {
        let Some((first, _)) = of(section, seen).next() else { continue };
        let from = first.div_euclid(1_000_000);
        let (status, history) = program.get(&format!("/history/{section}/{name}?step=raw&from={from}"));
        let what = format!("round {round}, {section}");
        assert_eq!(status, 200, "{what}: {history}\n{}", program.log());
        let list = |name: &str| history[name].as_array().unwrap().iter();
        let times = list("time").map(|time| time.as_i64().unwrap());
        let numbers = list("value").map(|value| (value.as_f64().unwrap() * scale).round() as u64);
        let there: Vec<_> = times.zip(numbers).collect();
        for pair in there.windows(2) {
            // A meter's number rises with each telegram; a count is repeated when the power falls.
            let rises = if section == METER { pair[0].1 < pair[1].1 } else { pair[0] != pair[1] };
            let in_order = pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1;
            assert!(rises && in_order, "{what}: {pair:?} are there twice, or not in order");
        }
        let sent = sent.load(Relaxed); // read late, as telegrams go on arriving
        assert!(there.last().is_none_or(|last| last.1 <= sent), "{what}: {:?} was never sent", there.last());
        let mut there = there.iter();
        for (time, number) in of(section, seen) {
            // Both are in order. The journal's clock follows the system's, which may be slewed.
            let same =
                |batch: &(i64, u64)| batch.1 == *number && (batch.0 - time.div_euclid(1000)).abs() <= 1;
            assert!(there.any(same), "{what}: number {number} of {time} was seen, and is lost");
        }
    }
}

/// Reader of a program's event stream until its end.
struct Events(JoinHandle<BTreeMap<String, Vec<Seen>>>);

impl Events {
    fn of(program: &Program) -> Self {
        let mut stream = TcpStream::connect(program.address()).unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        Self(thread::spawn(move || {
            let mut all = BTreeMap::<_, Vec<_>>::new();
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            for (section, batch) in lines.filter_map(|line| seen(line.strip_prefix("data:")?)) {
                all.entry(section).or_default().push(batch);
            }
            all
        }))
    }

    fn seen(self) -> BTreeMap<String, Vec<Seen>> {
        self.0.join().unwrap()
    }
}

/// Returns the batch in an event, or `None` if the program died within it.
fn seen(event: &str) -> Option<(String, Seen)> {
    let event: serde_json::Value = serde_json::from_str(event).ok()?;
    let (section, data) = event.as_object()?.iter().next()?;
    let time: Timestamp = data["timestampUTC"].as_str()?.parse().ok()?;
    let import = data["POWER_IMPORT"]["value"].as_f64().map(|value| (value * 1e8).round() as u64);
    Some((section.clone(), (time.as_microsecond(), import.or(data["pulses"].as_u64())?)))
}
