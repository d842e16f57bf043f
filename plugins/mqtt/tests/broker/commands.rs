//! Commands over MQTT.

use std::sync::{Arc, Mutex};

use framework::{
    ArgKind, ArgSpec, Args, Batch, Command, CommandError, CommandSpec, Commands, PublisherContext, Timestamp,
    async_trait, testing::publisher_context,
};
use serde_json::Value as Json;
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    mosquitto::Mosquitto,
    support::{deliver, grid, only, open, record},
    watcher::{Heard, Watcher},
};

/// What was done.
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
        // The smaller, the longer it takes: what ran beside it would be done first.
        let takes = 100.0 - args.number("value").map_or(100.0, |value| value.to_f64()).min(100.0);
        tokio::time::sleep(std::time::Duration::from_millis(takes as u64)).await;
        self.1.log.lock().unwrap().push(format!("{} {value}", self.0.name));
        self.1.news.notify_one();
        Ok(Json::Bool(true))
    }
}

const VALUE: ArgSpec = ArgSpec { name: "value", about: "energy in kWh, 0 to 100", kind: ArgKind::Number };

fn a_house() -> (PublisherContext, Arc<Done>) {
    let done = Arc::<Done>::default();
    let command = |name, args| -> Arc<dyn Command> {
        let spec = CommandSpec { name, aliases: &[], about: "does it", args };
        Arc::new(Fake(spec, Arc::clone(&done)))
    };
    let all = [command("reset_s0", &[]), command("set_s0", &[VALUE])];
    let mut house = publisher_context(&[("grid", Batch::now(grid(0))), ("heat", Batch::now(grid(0)))]);
    let here = Handle::current;
    house.commands = Commands::new([("grid", &all[..], here()), ("heat", &all[..1], here())]);
    (house, done)
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

/// Waits until it has subscribed to everything, which is before it announces something.
async fn ready(watcher: &Watcher, home: &mut framework::ConfiguredPublisher) {
    deliver(home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| announced(heard) == 1).await;
}

pub(crate) async fn a_button_runs_its_command() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (house, done) = a_house();
    let mut home = open(&broker.url(), "allow_commands = true", &house).await;
    ready(&watcher, &mut home).await;
    let message = watcher.on("homeassistant/device/smartmeter_grid/config");
    let message: Json = serde_json::from_str(&message[0]).unwrap();
    let button = &message["cmps"]["command-reset_s0"];
    assert_eq!(button["p"], "button");
    let number = &message["cmps"]["command-set_s0"];
    assert_eq!((&number["p"], &number["unit_of_measurement"]), (&"number".into(), &"kWh".into()));
    watcher.say(button["command_topic"].as_str().unwrap(), "PRESS", false).await;
    assert_eq!(done.until(1).await, ["reset_s0 "]);
    // What is wrong is refused, and does no harm.
    watcher.say("smartmeter/grid/command/none", "", false).await;
    watcher.say("smartmeter/grid/command/set_s0", "much", false).await;
    watcher.say(number["command_topic"].as_str().unwrap(), "13756.57", false).await;
    assert_eq!(done.until(2).await, ["reset_s0 ", "set_s0 13756.57"]);
}

pub(crate) async fn commands_are_run_in_order() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (house, done) = a_house();
    let mut home = open(&broker.url(), "allow_commands = true", &house).await;
    ready(&watcher, &mut home).await;
    for value in ["1", "50", "99"] {
        watcher.say("smartmeter/grid/command/set_s0", value, false).await;
    }
    assert_eq!(done.until(3).await, ["set_s0 1", "set_s0 50", "set_s0 99"]);
}

pub(crate) async fn a_command_that_the_broker_kept_is_ignored() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    watcher.say("smartmeter/grid/command/reset_s0", "PRESS", true).await;
    let (house, done) = a_house();
    let mut home = open(&broker.url(), "allow_commands = true", &house).await;
    ready(&watcher, &mut home).await;
    watcher.say("smartmeter/grid/command/set_s0", "1", false).await;
    assert_eq!(done.until(1).await, ["set_s0 1"]);
}

pub(crate) async fn nothing_runs_where_commands_are_not_allowed() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (house, done) = a_house();
    let mut home = open(&broker.url(), "", &house).await;
    ready(&watcher, &mut home).await;
    assert!(!watcher.on("homeassistant/device/smartmeter_grid/config")[0].contains("command"));
    watcher.say("smartmeter/grid/command/reset_s0", "PRESS", false).await;
    // What comes after it is answered, so that it was heard, if it was.
    watcher.say("homeassistant/status", "online", false).await;
    watcher.until("second announcement", |heard| announced(heard) == 2).await;
    assert_eq!(*done.log.lock().unwrap(), [""; 0]);
}

pub(crate) async fn only_selected_sources_take_commands() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (house, done) = a_house();
    let mut home = open(&broker.url(), "allow_commands = true", &only("grid", house)).await;
    ready(&watcher, &mut home).await;
    watcher.say("smartmeter/heat/command/reset_s0", "PRESS", false).await;
    watcher.say("smartmeter/grid/command/set_s0", "1", false).await;
    assert_eq!(done.until(1).await, ["set_s0 1"]);
}
