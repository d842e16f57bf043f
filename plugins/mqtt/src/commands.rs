//! Commands received over MQTT.

use framework::{CommandSpec, Faults, InstalledCommand, PublisherContext};
use rumqttc::Publish;
use serde_json::{Map, Value as Json};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{info, warn};

use crate::topics::Topics;

/// Commands that may wait; a further one is refused.
const CAPACITY: usize = 4;

/// Runs commands in a task of its own, one after the other: of two that set a count, the later one wins.
#[derive(Debug)]
pub(crate) struct Runner {
    cx: PublisherContext,
    waiting: mpsc::Sender<(InstalledCommand, Map<String, Json>)>,
    /// Limits the log, as anybody with access to the broker could fill it.
    ignored: Faults<()>,
    _running: JoinSet<()>,
}

impl Runner {
    pub(crate) fn new(cx: PublisherContext) -> Self {
        let (waiting, commands) = mpsc::channel(CAPACITY);
        let mut running = JoinSet::new();
        running.spawn(run(cx.clone(), commands));
        Self { cx, waiting, ignored: Faults::default(), _running: running }
    }

    /// Queues the command that a message asks for.
    pub(crate) fn call(&mut self, topics: &Topics, topic: &str, message: &Publish) {
        let called = read(topics, &self.cx, topic, message).and_then(|(entry, args)| {
            self.waiting
                .try_send((entry.clone(), args))
                .map_err(|_| "too many commands are waiting".to_owned())
        });
        if let Err(reason) = called {
            let message = format!("ignored a message on `{topic}`: {reason}");
            if let Some(text) = self.ignored.note((), &message) {
                warn!("{text}");
            }
        }
    }
}

async fn run(cx: PublisherContext, mut commands: mpsc::Receiver<(InstalledCommand, Map<String, Json>)>) {
    while let Some((entry, args)) = commands.recv().await {
        let name = &entry.full_name;
        match cx.commands.run(&entry, args).await {
            Ok(result) => info!("ran `{name}`: {result}"),
            Err(error) => warn!("could not run `{name}`: {error}"),
        }
    }
}

/// Parses the command that a message asks for, and its arguments.
fn read<'h>(
    topics: &Topics,
    cx: &'h PublisherContext,
    topic: &str,
    message: &Publish,
) -> Result<(&'h InstalledCommand, Map<String, Json>), String> {
    if message.retain {
        return Err(
            "the broker retained it, and would repeat it at each start; send it without `retain`".into()
        );
    }
    let none = "no such command";
    let (section, name) =
        topics.read_command(topic).filter(|(section, _)| cx.route.has_source(section)).ok_or(none)?;
    let entry = cx.commands.resolve(&format!("{section}.{name}")).map_err(|_| none)?;
    let args = arguments(entry.command.spec(), &message.payload)?;
    Ok((entry, args))
}

/// Parses the payload of a command.
///
/// Without arguments, any payload will do: Home Assistant's buttons send `PRESS`. A single argument may be a bare
/// value. A JSON object is always possible.
fn arguments(spec: &CommandSpec, payload: &[u8]) -> Result<Map<String, Json>, String> {
    let text = std::str::from_utf8(payload).map_err(|_| "expected text (UTF-8)")?.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not a valid JSON object: {error}"));
    }
    match spec.args {
        [] => Ok(Map::new()),
        [arg] => Ok(Map::from_iter([(arg.name.to_owned(), text.into())])),
        _ => Err("expected a JSON object with the arguments".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use framework::{ArgKind, ArgSpec};

    use super::*;

    const ARG: ArgSpec = ArgSpec { name: "value", about: "energy in kWh", kind: ArgKind::Number };

    fn read(args: &'static [ArgSpec], payload: &str) -> Result<String, String> {
        let spec = CommandSpec { name: "set", aliases: &[], about: "sets it", args };
        arguments(&spec, payload.as_bytes()).map(|args| Json::Object(args).to_string())
    }

    #[test]
    fn a_payload_is_the_argument_or_an_object() {
        assert_eq!(read(&[], "PRESS").unwrap(), "{}");
        assert_eq!(read(&[ARG], " 13756.57 ").unwrap(), r#"{"value":"13756.57"}"#);
        assert_eq!(read(&[ARG], r#"{"value": 1.5}"#).unwrap(), r#"{"value":1.5}"#);
        assert_eq!(read(&[ARG, ARG], "1").unwrap_err(), "expected a JSON object with the arguments");
        assert!(read(&[ARG], r#"{"value": "#).unwrap_err().starts_with("not a valid JSON object: "));
        let spec = CommandSpec { name: "set", aliases: &[], about: "", args: &[ARG] };
        assert_eq!(arguments(&spec, b"\xff").unwrap_err(), "expected text (UTF-8)");
    }
}
