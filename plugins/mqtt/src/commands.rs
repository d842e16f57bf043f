//! Commands that come over MQTT.

use framework::{CommandSpec, Entry, House};
use rumqttc::Publish;
use serde_json::{Map, Value as Json};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::topics::Topics;

/// More at once are refused.
const AT_ONCE: usize = 4;

/// Runs commands, beside everything else.
#[derive(Debug)]
pub(crate) struct Runner {
    publisher: String,
    house: House,
    running: JoinSet<()>,
}

impl Runner {
    pub(crate) fn new(publisher: String, house: House) -> Self {
        Self { publisher, house, running: JoinSet::new() }
    }

    /// Begins what a message on a command's topic asks for.
    pub(crate) fn call(&mut self, topics: &Topics, topic: &str, message: &Publish) {
        while self.running.try_join_next().is_some() {}
        let called = match read(topics, &self.house, topic, message) {
            Ok(_) if self.running.len() >= AT_ONCE => Err("too many commands at once".to_owned()),
            other => other,
        };
        let publisher = self.publisher.clone();
        let (entry, args) = match called {
            Ok((entry, args)) => (entry.clone(), args),
            Err(reason) => return warn!(publisher, "ignores a message on `{topic}`: {reason}"),
        };
        let commands = self.house.commands.clone();
        self.running.spawn(async move {
            let name = &entry.full_name;
            match commands.run(&entry, args).await {
                Ok(result) => info!(publisher, "ran `{name}`: {result}"),
                Err(error) => warn!(publisher, "could not run `{name}`: {error}"),
            }
        });
    }
}

/// The command that a message asks for, and its arguments.
fn read<'h>(
    topics: &Topics,
    house: &'h House,
    topic: &str,
    message: &Publish,
) -> Result<(&'h Entry, Map<String, Json>), String> {
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
