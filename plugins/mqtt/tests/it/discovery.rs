//! Home Assistant discovery.

use framework::{Batch, PublisherContext, Reading, Timestamp, testing::publisher_context};
use serde_json::{Value as Json, json};

use crate::{
    mosquitto::Mosquitto,
    support::{deliver, grid, open, record},
    watcher::{Heard, Watcher},
};

const DEVICE: &str = "homeassistant/device/smartmeter_1EBZ01/config";
const ENTITY: &str = "homeassistant/sensor/smartmeter_1EBZ01/POWER_IMPORT/config";

fn context() -> PublisherContext {
    let mut readings = grid(0);
    readings.push(Reading::text("METER_NUMBER", "1EBZ01"));
    publisher_context(&[("grid", Batch::now(readings))])
}

fn count(heard: &[Heard], topic: &str) -> usize {
    heard.iter().filter(|heard| heard.topic == topic && !heard.payload.is_empty()).count()
}

pub(crate) async fn a_source_is_announced_and_again_when_home_assistant_starts() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let mut home = open(&broker.url(), "", &context()).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| count(heard, DEVICE) == 1).await;
    let message: Json = serde_json::from_str(&watcher.on(DEVICE)[0]).unwrap();
    assert_eq!(
        message["dev"],
        json!({"identifiers": ["smartmeter_1EBZ01"], "name": "grid", "serial_number": "1EBZ01"})
    );
    let components: Vec<_> = message["cmps"].as_object().unwrap().keys().collect();
    assert_eq!(components, ["CURRENT_POWER_SUM", "METER_NUMBER", "POWER_IMPORT"]);
    watcher.send("homeassistant/status", "offline", false).await;
    watcher.send("homeassistant/status", "online", false).await;
    watcher.until("second announcement", |heard| count(heard, DEVICE) == 2).await;
    let later = Watcher::latecomer(broker.port).await;
    later.until("retained announcement", |heard| count(heard, DEVICE) == 1).await;

    // New readings are added.
    let mut more = grid(2);
    more.push(Reading::number("VOLTAGE_L1", framework::Decimal::from(230)).unit("V"));
    deliver(&mut home, &[record("grid", Timestamp::now(), more)]).await;
    watcher.until("third announcement", |heard| count(heard, DEVICE) == 3).await;
    assert!(watcher.on(DEVICE)[2].contains("VOLTAGE_L1"));
}

pub(crate) async fn the_other_form_is_handed_over() {
    let broker = Mosquitto::start();
    let cx = context();
    let watcher = Watcher::new(broker.port).await;
    let mut home = open(&broker.url(), "discovery = 'device'", &cx).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| count(heard, DEVICE) == 1).await;
    drop(home);

    let mut home = open(&broker.url(), "discovery = 'entity'", &cx).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| count(heard, ENTITY) == 1).await;
    // The entities are released, the old message is removed, the new ones follow.
    let order: Vec<_> = watcher
        .all()
        .into_iter()
        .filter(|heard| heard.topic == DEVICE || heard.topic == ENTITY)
        .map(|heard| (heard.topic == DEVICE, heard.payload))
        .collect();
    assert_eq!(order.len(), 4, "{order:#?}");
    assert_eq!(order[1], (true, r#"{"migrate_discovery":true}"#.to_owned()));
    assert_eq!(order[2], (true, String::new()));
    assert!(!order[3].0 && order[3].1.contains("total_increasing"));
    drop(home);

    let mut home = open(&broker.url(), "discovery = 'device'", &cx).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until_last(ENTITY, "").await;
    watcher.until("announcement", |heard| count(heard, DEVICE) == 3).await;
    let later = Watcher::latecomer(broker.port).await;
    later.until("retained announcement", |heard| count(heard, DEVICE) == 1).await;
    assert!(later.all().iter().all(|heard| !heard.topic.starts_with("homeassistant/sensor")));
}

pub(crate) async fn nothing_is_announced_if_discovery_is_off() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = context();
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    // While another publisher makes its announcement, the first would have made one too.
    let mut other = open(&broker.url(), "topic = 'x'\ndiscovery_prefix = 'ha'\nclient_id = 'x'", &cx).await;
    deliver(&mut other, &[record("grid", Timestamp::now(), grid(1))]).await;
    watcher.until("announcement", |heard| count(heard, "ha/device/smartmeter_1EBZ01/config") == 1).await;
    assert!(watcher.all().iter().all(|heard| !heard.topic.starts_with("homeassistant/")));
}
