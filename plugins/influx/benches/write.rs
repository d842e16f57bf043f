//! How long a day of one batch a second takes into a local InfluxDB 1: `cargo bench -p plugin-influx`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "it prints figures, and nobody relies on it")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use framework::{Batch, Decimal, Reading, Record, Timestamp};
use servers::is_installed;
use support::influxd;

const RECORDS: i64 = 86_400;
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

fn records() -> Vec<Record> {
    let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let batch = |second: i64| {
        let number = |(i, name): (usize, &&str)| {
            let digits = 44_571_530_000 + second * (i as i64 * 37 + 11);
            Reading::number(*name, Decimal::new(digits, if i < 2 { 7 } else { 2 }).unwrap())
        };
        let taken_at = Timestamp::from_microsecond(start.as_microsecond() + second * 1_000_007).unwrap();
        Batch { taken_at, readings: NAMES.iter().enumerate().map(number).collect() }
    };
    (0..RECORDS).map(|second| Record { section: "grid".into(), batch: batch(second) }).collect()
}

fn main() {
    if !is_installed("influxd") {
        return println!("influxd is not installed");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = influxd(false);
        let client = server.client(None);
        let records = records();
        for gzip in [true, false] {
            client.query("", "CREATE DATABASE house").await;
            let (mut publisher, _) = server.publisher(&format!("database = \"house\"\ngzip = {gzip}"));
            let begun = Instant::now();
            for records in records.chunks(publisher.batching().records) {
                assert_eq!(publisher.publish(records).await, Ok(records.len()));
            }
            let took = begun.elapsed();
            let count = client.query("house", "SELECT count(POWER_IMPORT) FROM smartmeter").await;
            println!(
                "gzip = {gzip}: {RECORDS} records of {} values in {took:?}; found {}",
                NAMES.len(),
                count[0][1]
            );
            client.query("", "DROP DATABASE house").await;
        }
    });
    let sink = servers::http::Server::start(|_| 204.into());
    runtime.block_on(async {
        for gzip in [true, false] {
            let config = format!(
                "[publishers.test]\nplugin = \"influx\"\nurl = \"{}\"\ndatabase = \"house\"\ngzip = {gzip}\n",
                sink.url()
            );
            let mut publisher = framework::testing::publisher::<plugin_influx::Influx>(&config).publisher;
            let records = records();
            let records = &records[..publisher.batching().records];
            publisher.publish(records).await.unwrap();
            let asked = sink.asked().pop().unwrap();
            let bytes: usize = asked.header("content-length").unwrap().parse().unwrap();
            println!("gzip = {gzip}: {:.1} bytes a record", bytes as f64 / records.len() as f64);
        }
    });
}
