//! Commands over MQTT.

use std::sync::{Arc, Mutex};

use framework::{
    Arg, Args, Batch, Command, CommandError, CommandSpec, Commands, PublisherContext, Timestamp, async_trait,
    testing::{publisher_context, source_has_nothing_new},
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

pub(crate) async fn every_kind_of_value_is_entered_and_checked() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let done = Arc::<Done>::default();
    let command = |name: &str, arg| -> Arc<dyn Command> {
        let (name, done) = (name.to_owned(), Arc::clone(&done));
        let spec = CommandSpec::new(name.clone(), "does it").arg(arg).shown_by("CURRENT_POWER_SUM");
        Arc::new(spec.run(async move |args| {
            done.log.lock().unwrap().push(format!("{name} {}", serde_json::to_string(&args).unwrap()));
            done.news.notify_one();
            Ok(())
        }))
    };
    let all = [
        command("target", Arg::number("x", "temperature").unit("°C").min(-5).max(30)),
        command("minutes", Arg::integer("x", "time").unit("min").max(90)),
        command("pump", Arg::bool("x", "whether it runs")),
        command("mode", Arg::one_of("x", "mode", ["eco", "boost"])),
        command("note", Arg::text("x", "note")),
    ];
    let mut cx = publisher_context(&[("grid", Batch::now(grid(0)))]);
    cx.commands = Commands::new([("grid", &all[..], Handle::current())]);
    let mut home = open(&broker.url(), "allow_commands = true", &cx).await;
    ready(&watcher, &mut home).await;
    let message: Json =
        serde_json::from_str(&watcher.on("homeassistant/device/smartmeter_grid/config")[0]).unwrap();
    let entity = |name: &str| message["cmps"][format!("command-{name}")].clone();
    assert_eq!((&entity("target")["min"], &entity("target")["max"]), (&(-5).into(), &30.into()));
    for (name, platform) in [
        ("target", "number"),
        ("minutes", "number"),
        ("pump", "switch"),
        ("mode", "select"),
        ("note", "text"),
    ] {
        assert_eq!(entity(name)["p"], platform);
        assert_eq!(entity(name)["state_topic"], "smartmeter/grid/state");
    }
    let payload_on = entity("pump")["payload_on"].clone();
    for (name, payload) in [
        ("target", "-5"),
        ("target", "-5.5"), // ignored, as three of the next ones
        ("minutes", "90"),
        ("minutes", "91"),
        ("pump", payload_on.as_str().unwrap()),
        ("pump", "maybe"),
        ("pump", "off"),
        ("mode", "fast"),
        ("mode", "boost"),
        ("note", "good night"),
    ] {
        let topic = entity(name)["command_topic"].as_str().unwrap().to_owned();
        let count = done.log.lock().unwrap().len();
        watcher.send(&topic, payload, false).await;
        if !["-5.5", "91", "maybe", "fast"].contains(&payload) {
            done.until(count + 1).await;
        }
    }
    let ran = done.log.lock().unwrap().join(" ");
    let expected = r#"target {"x":-5} minutes {"x":90} pump {"x":true} pump {"x":false} mode {"x":"boost"} note {"x":"good night"}"#;
    assert_eq!(ran, expected);
}

pub(crate) async fn a_source_that_has_commands_only_is_announced() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let (mut cx, done) = context();
    let stats = framework::Stats::default();
    let heat = framework::Section::new("heat", "test", std::time::Duration::from_secs(30), stats);
    cx.store = framework::Store::new([heat]);
    source_has_nothing_new(&cx, "heat");
    let _home = open(&broker.url(), "allow_commands = true", &cx).await;
    watcher.until_last("smartmeter/heat/availability", "online").await;
    let device = "homeassistant/device/smartmeter_heat/config";
    watcher.until("announcement", |heard| heard.iter().any(|heard| heard.topic == device)).await;
    let message: Json = serde_json::from_str(&watcher.on(device)[0]).unwrap();
    assert_eq!(message["cmps"].as_object().unwrap().keys().collect::<Vec<_>>(), ["command-reset_s0"]);
    watcher.send("smartmeter/heat/command/reset_s0", "PRESS", false).await;
    assert_eq!(done.until(1).await, ["reset_s0 "]);
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
