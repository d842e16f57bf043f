//! Commands over MQTT.

use std::sync::{Arc, Mutex};

use framework::{
    Arg, Args, Batch, Command, CommandError, CommandSpec, Commands, PublisherContext, Timestamp, async_trait,
    testing::publisher_context,
};
use serde_json::Value as Json;
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    mosquitto::Mosquitto,
    support::{deliver, grid, only, open, record},
    watcher::{Heard, Watcher},
};

/// Record of the commands that ran.
#[derive(Default)]
struct Done {
    log: Mutex<Vec<String>>,
    news: Notify,
}

struct Fake(CommandSpec, Arc<Done>);

#[async_trait]
impl Command for Fake {
    fn spec(&self) -> &CommandSpec {
        &self.0
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        let value = args.number("value").map(|value| value.to_string()).unwrap_or_default();
        // Smaller values take longer: a command that ran in parallel would finish first.
        let takes = 100.0 - args.number("value").map_or(100.0, |value| value.to_f64()).min(100.0);
        tokio::time::sleep(std::time::Duration::from_millis(takes as u64)).await;
        self.1.log.lock().unwrap().push(format!("{} {value}", self.0.name));
        self.1.news.notify_one();
        Ok(Json::Bool(true))
    }
}

fn context() -> (PublisherContext, Arc<Done>) {
    let done = Arc::<Done>::default();
    let command = |spec| -> Arc<dyn Command> { Arc::new(Fake(spec, Arc::clone(&done))) };
    let value = Arg::number("value", "energy").unit("kWh").min(0).max(20_000);
    let all = [
        command(CommandSpec::new("reset_s0", "does it")),
        command(CommandSpec::new("set_s0", "does it").arg(value)),
    ];
    let mut cx = publisher_context(&[("grid", Batch::now(grid(0))), ("heat", Batch::now(grid(0)))]);
    let here = Handle::current;
    cx.commands = Commands::new([("grid", &all[..], here()), ("heat", &all[..1], here())]);
    (cx, done)
}

impl Done {
    async fn until(&self, count: usize) -> Vec<String> {
        loop {
            let log = self.log.lock().unwrap().clone();
            if log.len() >= count {
                return log;
            }
            tokio::time::timeout(std::time::Duration::from_secs(60), self.news.notified()).await.unwrap();
        }
    }
}

fn announced(heard: &[Heard]) -> usize {
    heard.iter().filter(|heard| heard.topic == "homeassistant/device/smartmeter_grid/config").count()
}

/// Waits for the announcement, which comes after all subscriptions.
async fn ready(watcher: &Watcher, home: &mut framework::ConfiguredPublisher) {
    deliver(home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| announced(heard) == 1).await;
}

pub(crate) async fn a_button_runs_its_command() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (cx, done) = context();
    let mut home = open(&broker.url(), "allow_commands = true", &cx).await;
    ready(&watcher, &mut home).await;
    let message = watcher.on("homeassistant/device/smartmeter_grid/config");
    let message: Json = serde_json::from_str(&message[0]).unwrap();
    let button = &message["cmps"]["command-reset_s0"];
    assert_eq!(button["p"], "button");
    let number = &message["cmps"]["command-set_s0"];
    assert_eq!((&number["p"], &number["unit_of_measurement"]), (&"number".into(), &"kWh".into()));
    watcher.send(button["command_topic"].as_str().unwrap(), "PRESS", false).await;
    assert_eq!(done.until(1).await, ["reset_s0 "]);
    // Invalid commands are ignored.
    watcher.send("smartmeter/grid/command/none", "", false).await;
    watcher.send("smartmeter/grid/command/set_s0", "much", false).await;
    watcher.send(number["command_topic"].as_str().unwrap(), "13756.57", false).await;
    assert_eq!(done.until(2).await, ["reset_s0 ", "set_s0 13756.57"]);
}

pub(crate) async fn commands_are_run_in_order() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (cx, done) = context();
    let mut home = open(&broker.url(), "allow_commands = true", &cx).await;
    ready(&watcher, &mut home).await;
    for value in ["1", "50", "99"] {
        watcher.send("smartmeter/grid/command/set_s0", value, false).await;
    }
    assert_eq!(done.until(3).await, ["set_s0 1", "set_s0 50", "set_s0 99"]);
}

pub(crate) async fn a_retained_command_is_ignored() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    watcher.send("smartmeter/grid/command/reset_s0", "PRESS", true).await;
    let (cx, done) = context();
    let mut home = open(&broker.url(), "allow_commands = true", &cx).await;
    ready(&watcher, &mut home).await;
    watcher.send("smartmeter/grid/command/set_s0", "1", false).await;
    assert_eq!(done.until(1).await, ["set_s0 1"]);
}

pub(crate) async fn commands_are_ignored_unless_allowed() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (cx, done) = context();
    let mut home = open(&broker.url(), "", &cx).await;
    ready(&watcher, &mut home).await;
    assert!(!watcher.on("homeassistant/device/smartmeter_grid/config")[0].contains("command"));
    watcher.send("smartmeter/grid/command/reset_s0", "PRESS", false).await;
    // The answer to a later message shows that the command was received, if it was at all.
    watcher.send("homeassistant/status", "online", false).await;
    watcher.until("second announcement", |heard| announced(heard) == 2).await;
    assert_eq!(*done.log.lock().unwrap(), [""; 0]);
}

pub(crate) async fn only_selected_sources_take_commands() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (cx, done) = context();
    let mut home = open(&broker.url(), "allow_commands = true", &only("grid", cx)).await;
    ready(&watcher, &mut home).await;
    watcher.send("smartmeter/heat/command/reset_s0", "PRESS", false).await;
    watcher.send("smartmeter/grid/command/set_s0", "1", false).await;
    assert_eq!(done.until(1).await, ["set_s0 1"]);
}
