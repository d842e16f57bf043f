//! Reload with one of many sources changed.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::program::Program;

const SOURCES: usize = 50;
const RELOADS: usize = 20;

/// Measures the time from the signal to the end of the reload. The sources that did not change count on without a gap.
pub(crate) fn reload() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let sources = |changed: usize| -> String {
        let source = |n: usize| {
            let key = if n == 0 { changed } else { 0 };
            format!(
                "[sources.s{n}]\nplugin = \"exec\"\nmode = \"stream\"\ncommand = [\"sh\", \"-c\", \
                 'i=0; while :; do i=$((i+1)); echo \"{{\\\"n\\\": $i, \\\"key\\\": {key}}}\"; sleep 0.2; done']\n"
            )
        };
        (0..SOURCES).map(source).collect()
    };
    let program = Program::with_config(folder.path(), &sources(0));
    program.until("/data", "complete", |data| data.as_object().is_some_and(|all| all.len() == SOURCES));
    let server: String =
        fs::read_to_string(&config).unwrap().lines().take(3).map(|l| format!("{l}\n")).collect();
    let mut took = Vec::new();
    for round in 1..=RELOADS {
        fs::write(&config, server.clone() + &sources(round)).unwrap();
        let start = Instant::now();
        program.signal(Signal::HUP);
        while program.log().matches("restarted sources.s0; 49 unchanged").count() < round {
            assert!(start.elapsed() < Duration::from_secs(10), "no reload: {}", program.log());
            thread::sleep(Duration::from_micros(200));
        }
        took.push(start.elapsed());
        thread::sleep(Duration::from_millis(200));
    }
    for n in 1..SOURCES {
        let (_, history) = program.get(&format!("/history/s{n}/n?step=raw&from=0"));
        let numbers: Vec<_> =
            history["value"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1.0), "a gap in `s{n}`: {numbers:?}");
    }
    took.sort_unstable();
    println!(
        "reload: one of {SOURCES} sources changed: {:.1?}, at most {:.1?}; the others lost nothing",
        took[RELOADS / 2],
        took[RELOADS - 1]
    );
}
