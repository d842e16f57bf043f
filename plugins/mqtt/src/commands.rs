//! Commands that come over MQTT.

use framework::{CommandSpec, Faults, InstalledCommand, PublisherContext};
use rumqttc::Publish;
use serde_json::{Map, Value as Json};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{info, warn};

use crate::topics::Topics;

/// With more that wait, one is refused.
const WAITING: usize = 4;

/// Runs commands beside everything else, one after the other: of two that set a count, the later one counts.
#[derive(Debug)]
pub(crate) struct Runner {
    publisher: String,
    house: PublisherContext,
    waiting: mpsc::Sender<(InstalledCommand, Map<String, Json>)>,
    /// Whoever may write to the broker must not fill the log.
    ignored: Faults<()>,
    _running: JoinSet<()>,
}

impl Runner {
    pub(crate) fn new(publisher: String, house: PublisherContext) -> Self {
        let (waiting, commands) = mpsc::channel(WAITING);
        let mut running = JoinSet::new();
        running.spawn(run(publisher.clone(), house.clone(), commands));
        Self { publisher, house, waiting, ignored: Faults::default(), _running: running }
    }

    /// Begins what a message on a command's topic asks for.
    pub(crate) fn call(&mut self, topics: &Topics, topic: &str, message: &Publish) {
        let called = read(topics, &self.house, topic, message).and_then(|(entry, args)| {
            self.waiting.try_send((entry.clone(), args)).map_err(|_| "too many commands wait".to_owned())
        });
        if let Err(reason) = called {
            let message = format!("ignores a message on `{topic}`: {reason}");
            if let Some(text) = self.ignored.note((), &message) {
                warn!(publisher = self.publisher, "{text}");
            }
        }
    }
}

async fn run(
    publisher: String,
    house: PublisherContext,
    mut commands: mpsc::Receiver<(InstalledCommand, Map<String, Json>)>,
) {
    while let Some((entry, args)) = commands.recv().await {
        let name = &entry.full_name;
        match house.commands.run(&entry, args).await {
            Ok(result) => info!(publisher, "ran `{name}`: {result}"),
            Err(error) => warn!(publisher, "could not run `{name}`: {error}"),
        }
    }
}

/// The command that a message asks for, and its arguments.
fn read<'h>(
    topics: &Topics,
    house: &'h PublisherContext,
    topic: &str,
    message: &Publish,
) -> Result<(&'h InstalledCommand, Map<String, Json>), String> {
    if message.retain {
        return Err(
            "it was kept by the broker, and would be done again at each start; send it without `retain`"
                .into(),
        );
    }
    let none = "there is no such command";
    let (section, name) =
        topics.read_command(topic).filter(|(section, _)| house.route.has_source(section)).ok_or(none)?;
    let entry = house.commands.resolve(&format!("{section}.{name}")).map_err(|_| none)?;
    let args = arguments(entry.command.spec(), &message.payload)?;
    Ok((entry, args))
}

/// A command without arguments takes any payload, as Home Assistant's buttons send `PRESS`; one with one argument takes
/// its bare value; and each takes a JSON object.
fn arguments(spec: &CommandSpec, payload: &[u8]) -> Result<Map<String, Json>, String> {
    let text = std::str::from_utf8(payload).map_err(|_| "it is no text")?.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is no JSON object: {error}"));
    }
    match spec.args {
        [] => Ok(Map::new()),
        [arg] => Ok(Map::from_iter([(arg.name.to_owned(), text.into())])),
        _ => Err("it must be a JSON object with the arguments".to_owned()),
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
        assert_eq!(read(&[ARG, ARG], "1").unwrap_err(), "it must be a JSON object with the arguments");
        assert!(read(&[ARG], r#"{"value": "#).unwrap_err().starts_with("it is no JSON object: "));
        let spec = CommandSpec { name: "set", aliases: &[], about: "", args: &[ARG] };
        assert_eq!(arguments(&spec, b"\xff").unwrap_err(), "it is no text");
    }
}
