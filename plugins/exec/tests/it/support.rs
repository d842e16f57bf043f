//! What tests with real programs share.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use framework::{AcquireError, Batch, CommandError, ConfiguredSource, testing};
use plugin_exec::Exec;
use serde_json::Value as Json;

/// Limit for everything that a test waits for. It is far longer than needed, for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A source with these keys.
pub(crate) fn source(keys: &str) -> ConfiguredSource {
    let config = format!("[sources.program]\nplugin = \"exec\"\n{keys}");
    testing::source::<Exec>(&config, Path::new("/nonexistent"))
}

/// A source that runs a script of the shell.
pub(crate) fn shell(script: &str, keys: &str) -> ConfiguredSource {
    let script = serde_json::to_string(script).unwrap(); // as TOML writes it, too
    source(&format!("command = [\"/bin/sh\", \"-c\", {script}]\n{keys}"))
}

pub(crate) async fn acquire(source: &mut ConfiguredSource) -> Result<Option<Batch>, AcquireError> {
    tokio::time::timeout(DEADLINE, source.acquisition.acquire()).await.expect("it waits for ever")
}

/// Opens a source and takes one batch.
pub(crate) async fn first(source: &mut ConfiguredSource) -> Result<Option<Batch>, AcquireError> {
    source.acquisition.open().await?;
    acquire(source).await
}

/// The readings of a batch, as one text.
pub(crate) fn shown(batch: &Batch) -> String {
    let reading = |reading: &framework::Reading| {
        let value = serde_json::to_string(&reading.value).unwrap();
        let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let kind = reading.kind.map(|kind| format!(" {kind}")).unwrap_or_default();
        format!("{}={value}{unit}{kind}", reading.name)
    };
    batch.readings.iter().map(reading).collect::<Vec<_>>().join(" ")
}

/// Whether a process exists that is not a zombie.
pub(crate) fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "never {what}");
        tokio::time::sleep(Duration::from_millis(5)).await; // between two looks, not for timing
    }
}

/// Fact of a source in `/health`.
pub(crate) fn fact(source: &ConfiguredSource, name: &str) -> String {
    let facts = source.context.stats().facts();
    facts.iter().find(|(fact, _)| *fact == name).map(|(_, text)| text.to_string()).unwrap_or_default()
}

/// Calls a command of a source.
pub(crate) async fn call(source: &ConfiguredSource, name: &str, args: Json) -> Result<Json, CommandError> {
    let command = source.commands.iter().find(|command| command.spec().name == name).unwrap();
    let Json::Object(args) = args else { panic!("{args}") };
    let args = framework::Args::check(args, command.spec())?;
    tokio::time::timeout(DEADLINE, command.run(args)).await.expect("it waits for ever")
}

/// Path of an example of the documents.
pub(crate) fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples").join(name).display().to_string()
}
