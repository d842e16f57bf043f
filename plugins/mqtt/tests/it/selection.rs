//! Selection: nothing else leaves the LAN.

use framework::{Batch, PublisherContext, Reading, Timestamp, testing::publisher_context};
use serde_json::Value as Json;

use crate::{
    mosquitto::Mosquitto,
    support::{deliver, grid, only, open, record},
    watcher::Watcher,
};

const DEVICE: &str = "homeassistant/device/smartmeter_grid/config";

fn context() -> PublisherContext {
    let mut readings = grid(0);
    readings.push(Reading::text("METER_NUMBER", "1EBZ01"));
    readings.push(Reading::text("STATUS", "ok"));
    publisher_context(&[("grid", Batch::now(readings.clone())), ("cellar", Batch::now(readings))])
}

pub(crate) async fn unselected_readings_appear_nowhere() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let keys = "series = ['CURRENT_*', 'STATUS']";
    let mut home = open(&broker.url(), keys, &only("grid", context())).await;
    let power = grid(1).split_off(1);
    deliver(&mut home, &[record("grid", Timestamp::now(), power)]).await;
    watcher.until("announcement", |heard| heard.iter().any(|heard| heard.topic == DEVICE)).await;
    home.publisher.close().await;
    watcher.until_last("smartmeter/status", "offline").await;

    let state: Json = serde_json::from_str(&watcher.on("smartmeter/grid/state")[0]).unwrap();
    let members: Vec<_> = state.as_object().unwrap().keys().collect();
    assert_eq!(members, ["CURRENT_POWER_SUM", "STATUS", "timestampUTC"]);
    let message: Json = serde_json::from_str(&watcher.on(DEVICE)[0]).unwrap();
    let components: Vec<_> = message["cmps"].as_object().unwrap().keys().collect();
    assert_eq!(components, ["CURRENT_POWER_SUM", "STATUS"]);
    assert_eq!(message["dev"]["identifiers"][0], "smartmeter_grid");
    for heard in watcher.all() {
        let text = format!("{heard:?}");
        assert!(!["1EBZ01", "METER_NUMBER", "cellar"].iter().any(|secret| text.contains(secret)), "{text}");
    }
}
