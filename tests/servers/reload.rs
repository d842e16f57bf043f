//! Reload under load: all kinds of sources, publishers and endpoints run while one source is changed again and again.
//!
//! `SMARTMETER_ROUNDS=1000 cargo test -p smartmeter --test servers reload` is the long run.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Failed, Trial};
use rustix::process::Signal;
use test_servers::free_port;

use crate::{
    nothing_lost::{METER, Subscriber, recorded, send_all, start_broker, until},
    program::*,
};

pub(crate) fn trials() -> Vec<Trial> {
    let is_missing = !test_servers::is_installed("mosquitto");
    let name = "reloads_under_load_lose_no_reading_and_no_pulse_and_reopen_no_port (needs mosquitto)";
    vec![Trial::test(name, reloads).with_ignored_flag(is_missing)]
}

fn reloads() -> Result<(), Failed> {
    let rounds =
        std::env::var("SMARTMETER_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(100);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (mqtt, vz) = (free_port(), free_port());
    let _broker = start_broker(folder, mqtt);
    let subscriber = Subscriber::start(mqtt);
    let hook = test_servers::http::Server::start(|_| 204.into());
    let (meter, pulses) = (line(), line());
    fs::create_dir(folder.join("csv"))?;
    let config = |round: usize| {
        format!(
            "{}{}\
             [sources.stream]\nplugin = \"exec\"\nmode = \"stream\"\n\
             command = [\"sh\", \"-c\", 'while :; do echo \"{{\\\"n\\\": 7}}\"; sleep 0.1; done']\n\
             [sources.sum]\nplugin = \"derived\"\n\
             values.DOUBLE = {{ expression = \"2 * stream.n\", unit = \"W\" }}\n\
             [sources.changed]\nplugin = \"exec\"\ninterval = \"1s\"\ncommand = [\"echo\", '{{\"n\": {round}}}']\n\
             [publishers.broker]\nplugin = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{mqtt}\"\n\
             [publishers.files]\nplugin = \"csv\"\nfolder = \"{}\"\n\
             [publishers.hook]\nplugin = \"webhook\"\nurl = \"{}\"\nflush_interval = \"100ms\"\n\
             [endpoints.vz]\nplugin = \"vzlogger\"\nlisten = \"127.0.0.1:{vz}\"\n",
            d0(METER, meter.path()),
            s0("heat", pulses.path()),
            folder.join("csv").display(),
            hook.url(),
        )
    };
    let program = Program::with_config(folder, &config(0));
    let text = fs::read_to_string(folder.join("config.toml"))?;
    let server: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    program.until("/data/heat", "ready", |json| json["pulses"] == 0);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let counted = AtomicU64::new(0);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| send_all(&meter, &sent, &stop));
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                send(&pulses, &[0; 3]);
                counted.fetch_add(3, Relaxed);
                thread::sleep(Duration::from_millis(7)); // pulses have gaps between them
            }
        });
        until(&program, "synchronised", || program.count(METER, "batches") > 20);
        let first = *recorded(&program).last().unwrap();
        let mut longest = Duration::ZERO;
        for round in 1..=rounds {
            fs::write(folder.join("config.toml"), format!("{server}{}", config(round))).unwrap();
            let done = || program.log().matches("restarted sources.changed; 8 unchanged").count();
            let start = Instant::now();
            program.signal(Signal::HUP);
            until(&program, "reloaded", || done() == round);
            longest = longest.max(start.elapsed());
        }
        stop.store(true, Relaxed);
        let last = sent.load(Relaxed);
        until(&program, "all recorded", || recorded(&program).last() >= Some(&last));
        let recorded = recorded(&program);
        let after: Vec<_> = recorded.iter().copied().filter(|number| *number >= first).collect();
        assert_eq!(after, (first..=*after.last().unwrap()).collect::<Vec<_>>(), "readings are missing");
        until(&program, "all at the broker", || subscriber.numbers().last() == recorded.last());
        let received: Vec<_> = subscriber.numbers().into_iter().filter(|number| *number >= first).collect();
        assert_eq!(received, after, "the broker and the journal differ");
        let sent = counted.load(Relaxed);
        program.until("/data/heat", "all counted", |json| json["pulses"] == sent);
        for source in [METER, "heat", "stream", "sum"] {
            assert_eq!(program.count(source, "reopened"), 0, "{source} was opened again");
        }
        assert!(program.count(METER, "batches") >= last - first, "its count begins anew");
        println!("{rounds} reloads, {} readings, {sent} pulses, the longest took {longest:?}", after.len());
        drop(program);
    });
    Ok(())
}
