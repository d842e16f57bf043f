//! The plugin with real programs.

#![allow(clippy::unwrap_used)] // a test's own files and processes

mod bad_programs;
mod commands;
mod examples;
mod runs;
mod streams;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use framework::{AcquireError, Batch, ConfiguredSource, testing};
use plugin_exec::Exec;

/// Limit for everything that a test waits for. It is far longer than needed, for a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn keeps_the_contract() {
    testing::check::<Exec>();
}

/// A source with these keys.
fn source(keys: &str) -> ConfiguredSource {
    let config = format!("[sources.program]\nplugin = \"exec\"\n{keys}");
    testing::source::<Exec>(&config, Path::new("/nonexistent"))
}

/// A source that runs a script of the shell.
fn shell(script: &str, keys: &str) -> ConfiguredSource {
    let script = serde_json::to_string(script).unwrap(); // as TOML writes it, too
    source(&format!("command = [\"/bin/sh\", \"-c\", {script}]\n{keys}"))
}

async fn acquire(source: &mut ConfiguredSource) -> Result<Option<Batch>, AcquireError> {
    tokio::time::timeout(DEADLINE, source.acquisition.acquire()).await.expect("it waits for ever")
}

/// Opens a source and takes one batch.
async fn first(source: &mut ConfiguredSource) -> Result<Option<Batch>, AcquireError> {
    source.acquisition.open().await?;
    acquire(source).await
}

/// The readings of a batch, as one text.
fn shown(batch: &Batch) -> String {
    let reading = |reading: &framework::Reading| {
        let value = serde_json::to_string(&reading.value).unwrap();
        let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let kind = reading.kind.map(|kind| format!(" {kind}")).unwrap_or_default();
        format!("{}={value}{unit}{kind}", reading.name)
    };
    batch.readings.iter().map(reading).collect::<Vec<_>>().join(" ")
}

/// An error with its causes, as the log shows it.
fn chain(error: &AcquireError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Whether a process exists that is not a zombie.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

/// Waits for a condition.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "never {what}");
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks, not for timing
    }
}

/// Fact of a source in `/health`.
fn fact(source: &ConfiguredSource, name: &str) -> String {
    let facts = source.context.stats().facts();
    facts.iter().find(|(fact, _)| *fact == name).map(|(_, text)| text.to_string()).unwrap_or_default()
}
