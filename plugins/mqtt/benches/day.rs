//! How fast a day of readings goes to a Mosquitto on this machine: `cargo bench -p plugin-mqtt`.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program for people")]

#[path = "../tests/broker/mosquitto.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod mosquitto;

use std::time::{Duration, Instant};

use framework::{
    Batch, Decimal, Reading, Record, Timestamp,
    testing::{house, publisher},
};
use plugin_mqtt::Mqtt;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::task::JoinHandle;

const RECORDS: u32 = 86_400;
const NAMES: [&str; 8] = [
    "POWER_IMPORT",
    "POWER_EXPORT",
    "CURRENT_POWER_SUM",
    "CURRENT_POWER_L1",
    "CURRENT_POWER_L2",
    "CURRENT_POWER_L3",
    "VOLTAGE_L1",
    "FREQUENCY",
];

fn main() {
    if !servers::is_installed("mosquitto") {
        return println!("mosquitto is not installed");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for (late, subscriber) in [("history", false), ("state", false), ("state", true)] {
            run(late, subscriber).await;
        }
    });
}

async fn run(late: &str, subscriber: bool) {
    let broker = mosquitto::Mosquitto::start();
    let readings = |n: u32| -> Vec<_> {
        let value = |i: usize| Decimal::new(i64::from(n) * 1_000 + i as i64, 8).unwrap();
        NAMES.iter().enumerate().map(|(i, name)| Reading::number(*name, value(i)).unit("kWh")).collect()
    };
    let begin = Timestamp::now() - Duration::from_secs(u64::from(RECORDS) + 60);
    let record = |n: u32| Record {
        section: "grid".into(),
        batch: Batch { taken_at: begin + Duration::from_secs(u64::from(n)), readings: readings(n) },
    };
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    let house = house(&[("grid", Batch::now(readings(0)))]);
    let config = format!("[publishers.home]\nplugin = 'mqtt'\nurl = '{}'\nlate = '{late}'\n", broker.url());
    let mut home = publisher::<Mqtt>(&config);
    home.publisher.open(&house).await.unwrap();
    let heard = if subscriber { Some(hear(broker.port).await) } else { None };
    let mut rest = &records[..];
    let most = home.publisher.batching().records;
    // Connecting is not counted.
    rest = &rest[home.publisher.publish(&rest[..1]).await.unwrap()..];
    let begun = Instant::now();
    while !rest.is_empty() {
        rest = &rest[home.publisher.publish(&rest[..rest.len().min(most)]).await.unwrap()..];
    }
    let took = begun.elapsed().as_secs_f64();
    println!("{RECORDS} records of 8 to `{late}`, subscriber {subscriber}: confirmed after {took:.2} s");
    if let Some(heard) = heard {
        heard.await.unwrap();
        println!("  heard by the subscriber after {:.2} s", begun.elapsed().as_secs_f64());
    }
}

/// Hears everything; Mosquitto keeps what a subscriber is behind, as far as `max_queued_messages` lets it: 1000 where
/// nothing is configured, without a bound here.
async fn hear(port: u16) -> JoinHandle<()> {
    let (client, mut events) =
        AsyncClient::builder(MqttOptions::new("hear", rumqttc::Broker::tcp("127.0.0.1", port))).build();
    client.try_subscribe("smartmeter/grid/state", QoS::AtLeastOnce).unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    tokio::spawn(async move {
        let _client = client;
        let mut count = 0;
        while count < RECORDS {
            if let Event::Incoming(Packet::Publish(_)) = events.poll().await.unwrap() {
                count += 1;
            }
        }
    })
}
