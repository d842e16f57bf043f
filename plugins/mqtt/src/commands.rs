//! Commands received over MQTT.

use framework::{CommandSpec, Faults, InstalledCommand, PublisherContext};
use rumqttc::Publish;
use serde_json::{Map, Value as Json};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::{info, warn};

use crate::{discovery::main_arg, topics::Topics};

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
            self.waiting.try_send((entry, args)).map_err(|_| "too many commands are waiting".to_owned())
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
fn read(
    topics: &Topics,
    cx: &PublisherContext,
    topic: &str,
    message: &Publish,
) -> Result<(InstalledCommand, Map<String, Json>), String> {
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

/// Parses the payload of a command: a JSON object with the arguments, or the bare value of the [main
/// argument](main_arg). Without one, any payload will do: Home Assistant's buttons send `PRESS`.
fn arguments(spec: &CommandSpec, payload: &[u8]) -> Result<Map<String, Json>, String> {
    let text = std::str::from_utf8(payload).map_err(|_| "expected text (UTF-8)")?.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not a valid JSON object: {error}"));
    }
    let arg = main_arg(spec).ok_or("expected a JSON object with the arguments")?;
    Ok(arg.map(|arg| (arg.name.to_string(), text.into())).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use framework::Arg;

    use super::*;

    fn spec(args: usize) -> CommandSpec {
        let arg = Arg::number("value", "energy").unit("kWh");
        CommandSpec { args: vec![arg; args], ..CommandSpec::new("set", "sets it") }
    }

    fn read(args: usize, payload: &str) -> Result<String, String> {
        arguments(&spec(args), payload.as_bytes()).map(|args| Json::Object(args).to_string())
    }

    #[test]
    fn a_payload_is_the_argument_or_an_object() {
        assert_eq!(read(0, "PRESS").unwrap(), "{}");
        assert_eq!(read(1, " 13756.57 ").unwrap(), r#"{"value":"13756.57"}"#);
        assert_eq!(read(1, r#"{"value": 1.5}"#).unwrap(), r#"{"value":1.5}"#);
        let more = spec(1).arg(Arg::integer("minutes", "time").optional());
        assert_eq!(Json::Object(arguments(&more, b"1.5").unwrap()).to_string(), r#"{"value":"1.5"}"#);
        let none = CommandSpec::new("start", "")
            .arg(Arg::bool("a", "").default(true))
            .arg(Arg::text("b", "").optional());
        assert_eq!(arguments(&none, b"PRESS").unwrap(), Map::new());
        assert_eq!(read(2, "1").unwrap_err(), "expected a JSON object with the arguments");
        assert!(read(1, r#"{"value": "#).unwrap_err().starts_with("not a valid JSON object: "));
        assert_eq!(arguments(&spec(1), b"\xff").unwrap_err(), "expected text (UTF-8)");
    }
}
