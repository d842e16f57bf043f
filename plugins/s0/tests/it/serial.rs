//! The whole plugin on a real pseudo terminal: bytes in, batches out.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use framework::{AcquireError, Batch, ConfiguredSource, DataAcquisition, Value, testing};
use plugin_s0::S0;
use serde_json::{Value as Json, json};
use simulator::Pty;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

fn pty() -> Pty {
    Pty::open().unwrap().held().unwrap()
}

fn send(pty: &Pty, bytes: &[u8]) {
    pty.write_blocking(bytes, Instant::now() + LIMIT).unwrap();
}

/// A source that reads `pty`, with further keys.
fn configured(pty: &Pty, state_dir: &Path, keys: &str) -> ConfiguredSource {
    let port = pty.path().display();
    testing::source::<S0>(&format!("[sources.heat]\nplugin = \"s0\"\nport = \"{port}\"\n{keys}\n"), state_dir)
}

async fn next(source: &mut Box<dyn DataAcquisition>) -> Batch {
    timeout(LIMIT, source.acquire()).await.expect("no batch in time").unwrap().unwrap()
}

/// Reads batches until the count is `expected`; a higher count fails.
async fn count(source: &mut Box<dyn DataAcquisition>, expected: i64) -> Batch {
    loop {
        let batch = next(source).await;
        let pulses = number(&batch, "pulses").parse::<i64>().unwrap();
        assert!(pulses <= expected, "{pulses} pulses, more than {expected}");
        if pulses == expected {
            return batch;
        }
    }
}

fn number(batch: &Batch, name: &str) -> String {
    match &batch.get(name).expect(name).value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => panic!("{name} is the text {text}"),
    }
}

async fn run(source: &ConfiguredSource, command: &str, args: Json) -> Result<Json, String> {
    let command = source.commands.iter().find(|c| c.spec().name == command).unwrap();
    let Json::Object(args) = args else { panic!("no object") };
    let args = framework::Args::check(args, command.spec()).map_err(|error| error.to_string())?;
    command.run(args).await.map_err(|error| error.to_string())
}

#[test]
fn keeps_the_contract() {
    testing::check::<S0>();
}

#[tokio::test]
async fn every_byte_counts_without_debounce_and_survives_a_restart() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut expected = 0;
    for _ in 0..3 {
        let mut source = configured(&pty, dir.path(), "debounce = \"0s\"").acquisition;
        source.open().await.unwrap();
        let first = next(&mut source).await;
        assert_eq!(number(&first, "pulses"), expected.to_string(), "shown at once, before any byte");
        assert!(first.get("power").is_none(), "not known yet");
        send(&pty, &[0; 1234]);
        expected += 1234;
        let batch = count(&mut source, expected).await;
        assert_eq!(number(&batch, "count"), (expected as f64 / 1000.0).to_string());
        source.close().await;
    }
}

#[tokio::test]
async fn a_burst_is_one_pulse() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "debounce = \"100ms\"").acquisition;
    source.open().await.unwrap();
    next(&mut source).await;
    for pulse in 1..=3 {
        // A pause that is longer than the debounce ends the burst.
        assert!(timeout(Duration::from_millis(150), source.acquire()).await.is_err());
        send(&pty, b"\0\xFF\0");
        count(&mut source, pulse).await;
    }
    source.close().await;
}

#[tokio::test]
async fn bursts_right_after_the_start_are_pulses_too() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "debounce = \"100ms\"").acquisition;
    source.open().await.unwrap();
    for pulse in 1..=10 {
        send(&pty, b"\0\xFF\0");
        count(&mut source, pulse).await;
        assert!(timeout(Duration::from_millis(150), source.acquire()).await.is_err());
    }
    source.close().await;
}

#[tokio::test]
async fn bytes_waiting_in_the_kernel_are_one_pulse_or_one_each_without_debounce() {
    for (keys, expected) in [("", 1), ("debounce = \"0s\"", 16)] {
        let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
        send(&pty, &[0; 16]);
        let mut source = configured(&pty, dir.path(), keys).acquisition;
        source.open().await.unwrap();
        count(&mut source, expected).await;
        assert!(timeout(Duration::from_millis(50), source.acquire()).await.is_err(), "no more");
        source.close().await;
    }
}

#[tokio::test]
async fn a_dropped_acquire_loses_nothing() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "debounce = \"0s\"").acquisition;
    source.open().await.unwrap();
    for n in 1..=500 {
        send(&pty, b"\0");
        let _ = timeout(Duration::from_micros(n % 50), source.acquire()).await;
    }
    count(&mut source, 500).await;
    source.close().await;
}

#[tokio::test]
async fn commands_set_the_count_at_once_and_for_good() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "debounce = \"0s\"");
    source.acquisition.open().await.unwrap();
    next(&mut source.acquisition).await;
    send(&pty, &[0; 7]);
    count(&mut source.acquisition, 7).await;

    assert_eq!(run(&source, "set_s0", json!({"value": "13756.57"})).await, Ok(json!(true)));
    let batch = next(&mut source.acquisition).await;
    assert_eq!((number(&batch, "count"), number(&batch, "pulses")), ("13756.57".into(), "13756570".into()));
    for wrong in [json!({"value": -1}), json!({"value": 1e9 + 1.0}), json!({"value": "NaN"}), json!({})] {
        run(&source, "set_s0", wrong.clone()).await.expect_err(&wrong.to_string());
    }
    // Dropped as by kill -9: neither closed nor synced.
    drop(source);
    let mut source = configured(&pty, dir.path(), "debounce = \"0s\"");
    // It may be set before the device is there, too.
    assert_eq!(run(&source, "set_s0", json!({"value": 13756.57})).await, Ok(json!(true)));
    source.acquisition.open().await.unwrap();
    assert_eq!(number(&next(&mut source.acquisition).await, "pulses"), "13756570");
    send(&pty, b"\0");
    count(&mut source.acquisition, 13_756_571).await;

    assert_eq!(run(&source, "reset_s0", json!({})).await, Ok(json!(true)));
    assert_eq!(number(&next(&mut source.acquisition).await, "count"), "0.0");
    source.acquisition.close().await;
}

#[tokio::test]
async fn power_comes_with_the_second_pulse_and_falls_to_zero() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "power_timeout = \"2s\"").acquisition;
    source.open().await.unwrap();
    next(&mut source).await;
    assert!(timeout(Duration::from_millis(100), source.acquire()).await.is_err(), "nothing happens");
    send(&pty, b"\0");
    assert!(count(&mut source, 1).await.get("power").is_none());
    assert!(timeout(Duration::from_millis(100), source.acquire()).await.is_err(), "nothing happens");
    send(&pty, b"\0");
    let first: f64 = number(&count(&mut source, 2).await, "power").parse().unwrap();
    assert!((1_000.0..=36_000.0).contains(&first), "{first} W from two pulses at least 100 ms apart");
    let mut last = first;
    while last > 0.0 {
        let watts = number(&next(&mut source).await, "power").parse().unwrap();
        assert!(watts < last, "{watts} W after {last} W");
        last = watts;
    }
    source.close().await;
}

#[tokio::test]
async fn without_pulses_it_shows_a_sign_of_life() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "stale_after = \"600ms\"").acquisition;
    source.open().await.unwrap();
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(number(&next(&mut source).await, "pulses"), "0");
    }
    assert!(start.elapsed() >= Duration::from_millis(600), "three heartbeats of 200 ms");
    source.close().await;
}

#[tokio::test]
async fn a_device_that_goes_away_is_unavailable_and_its_last_pulses_count() {
    let (pty, dir) = (Pty::open().unwrap(), tempfile::tempdir().unwrap());
    let mut source = configured(&pty, dir.path(), "debounce = \"0s\"").acquisition;
    source.open().await.unwrap();
    next(&mut source).await;
    send(&pty, &[0; 3]);
    count(&mut source, 3).await;
    drop(pty);
    let error = timeout(LIMIT, source.acquire()).await.unwrap().unwrap_err();
    assert!(matches!(error, AcquireError::Unavailable { .. }), "{error:?}");
    source.close().await;
    let error = source.open().await.unwrap_err();
    assert!(matches!(error, AcquireError::Unavailable { .. }), "{error:?}");
}

/// Opens a source whose count is not available, and returns the error's text.
async fn without_count(source: &mut Box<dyn DataAcquisition>) -> String {
    let error = source.open().await.unwrap_err();
    let AcquireError::Unavailable { device, source, .. } = error else {
        panic!("not to be tried again: {error:?}")
    };
    assert!(device.starts_with("the count of /dev/"), "{device}");
    source.to_string()
}

#[tokio::test]
async fn a_second_counter_of_the_same_name_waits_for_the_end_of_the_first() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let mut first = configured(&pty, dir.path(), "").acquisition;
    first.open().await.unwrap();
    let mut second = configured(&pty, dir.path(), "").acquisition;
    let reason = without_count(&mut second).await;
    assert!(
        reason.starts_with("another process counts in") && reason.ends_with("stop that process first"),
        "{reason}"
    );
    first.close().await;
    drop(first);
    second.open().await.unwrap();
    second.close().await;
}

#[tokio::test]
async fn a_count_that_cannot_be_read_is_not_shown_as_another_one() {
    let (pty, dir) = (pty(), tempfile::tempdir().unwrap());
    let in_the_way = dir.path().join("heat.count");
    std::fs::create_dir(&in_the_way).unwrap();
    let mut source = configured(&pty, dir.path(), "").acquisition;
    let reason = without_count(&mut source).await;
    assert!(reason.starts_with("could not read `"), "{reason}");
    std::fs::remove_dir(&in_the_way).unwrap();
    source.open().await.unwrap();
    source.close().await;
}

#[tokio::test]
async fn a_missing_line_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing =
        ["pin = 21\nchip = \"gpiochip99\"", "line = 3\nchip = \"/dev/null/gpiochip\"\nbackend = \"cdev\""];
    // Where there is no GPIO at all, `pin` alone ends at rppal, which knows no such machine.
    let bare = ["pin = 21", "pin = 21\nbackend = \"rppal\""];
    let bare = bare.iter().filter(|_| !Path::new("/dev/gpiochip0").exists());
    for keys in missing.iter().chain(bare) {
        let config = format!("[sources.heat]\nplugin = \"s0\"\n{keys}");
        let mut source = testing::source::<S0>(&config, dir.path()).acquisition;
        let error = source.open().await.unwrap_err();
        let AcquireError::Unavailable { source: reason, .. } = error else { panic!("{error:?}") };
        let reason = reason.to_string();
        assert!(
            reason.contains("there is no") && reason.contains("`port`") || reason.contains("could not use"),
            "{reason}"
        );
    }
}
