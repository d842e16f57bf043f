//! Helpers that the tests share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use framework::{
    Batch, ConfiguredPublisher, Decimal, PublishError, PublisherContext, Reading, Record, Route, Timestamp,
    testing::{publisher, publisher_context},
};
use plugin_mqtt::Mqtt;
use wildmatch::WildMatch;

/// Builds a publisher `home` with these keys, not open yet.
pub(crate) fn configured(url: &str, keys: &str) -> ConfiguredPublisher {
    publisher::<Mqtt>(&format!("[publishers.home]\nplugin = \"mqtt\"\nurl = \"{url}\"\n{keys}\n"))
}

/// Builds and opens a publisher, with its own `series` and the context's `sources` as selection.
pub(crate) async fn open(url: &str, keys: &str, cx: &PublisherContext) -> ConfiguredPublisher {
    let mut configured = configured(url, keys);
    // The configuration has no sources that a pattern could match.
    let route = Route { sources: cx.route.sources.clone(), ..configured.route.clone() };
    let cx = PublisherContext { route: Arc::new(route), ..cx.clone() };
    configured.publisher.open(&cx).await.unwrap();
    configured
}

/// Delivers all records as the framework does: unacknowledged ones are passed again.
pub(crate) async fn deliver(home: &mut ConfiguredPublisher, records: &[Record]) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut rest = records;
    while !rest.is_empty() {
        match home.publisher.publish(&rest[..rest.len().min(1000)]).await {
            Ok(count) => rest = &rest[count..],
            Err(PublishError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "{} records are left", rest.len());
    }
}

pub(crate) fn grid(watts: i64) -> Vec<Reading> {
    let reading = |name: &str, mantissa, scale, unit: &str, code: &str| {
        let code = framework::Obis::parse(code.as_bytes()).unwrap();
        Reading::number(name, Decimal::new(mantissa, scale).unwrap()).unit(unit).obis(code)
    };
    vec![
        reading("POWER_IMPORT", 4_457_153, 3, "kWh", "1-0:1.8.0*255"),
        reading("CURRENT_POWER_SUM", watts, 0, "W", "1-0:16.7.0*255"),
    ]
}

/// Returns a context with one meter.
pub(crate) fn context() -> PublisherContext {
    publisher_context(&[("grid", Batch::now(grid(0)))])
}

pub(crate) fn record(section: &str, taken_at: Timestamp, readings: Vec<Reading>) -> Record {
    Record { section: section.into(), batch: Batch { taken_at, readings } }
}

/// Returns the time `seconds` ago.
pub(crate) fn ago(seconds: u64) -> Timestamp {
    Timestamp::now() - Duration::from_secs(seconds)
}

/// Returns the power in a state.
pub(crate) fn power(state: &str) -> i64 {
    let state: serde_json::Value = serde_json::from_str(state).unwrap();
    state["CURRENT_POWER_SUM"].as_i64().unwrap()
}

/// Selects only one source of a context.
pub(crate) fn only(source: &str, cx: PublisherContext) -> PublisherContext {
    let route = Route { sources: vec![WildMatch::new(source)], ..Route::default() };
    PublisherContext { route: Arc::new(route), ..cx }
}

/// Returns the number of reconnects.
pub(crate) fn reconnects(home: &ConfiguredPublisher) -> u64 {
    match home.context.stats().counters()[..] {
        [("reconnects", count)] => count,
        ref other => panic!("{other:?}"),
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
