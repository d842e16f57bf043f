//! Requests to a server that records them.

#![allow(clippy::unwrap_used)] // a test's own files

use std::time::Duration;

use framework::{
    Batch, Batching, Decimal, Obis, PublishError, Publisher, Reading, Record,
    testing::{self, check_publisher},
};
use plugin_webhook::Webhook;
use serde_json::{Value, json};
use test_servers::http::{Reply, Server};

#[test]
fn keeps_the_contract() {
    check_publisher::<Webhook>();
}

fn config(url: &str, more: &str) -> String {
    format!("[publishers.hook]\nplugin = \"webhook\"\nurl = \"{url}\"\n{more}\n")
}

fn publisher(url: &str, more: &str) -> Box<dyn Publisher> {
    testing::publisher::<Webhook>(&config(url, more)).publisher
}

fn records() -> Vec<Record> {
    let import = Reading::number("POWER_IMPORT", Decimal::parse(b"4457.153").unwrap())
        .obis(Obis::parse(b"1-0:1.8.0*255").unwrap())
        .unit("kWh");
    let record = |section: &str, readings| Record {
        section: section.into(),
        batch: Batch { taken_at: "2026-11-23T07:52:59.168513Z".parse().unwrap(), readings },
    };
    let count = Reading::number("count \"1\"", Decimal::new(1_375_657, 2).unwrap());
    vec![record("grid", vec![import, count]), record("heat", vec![Reading::number("pulses", 7)])]
}

#[tokio::test]
async fn records_are_a_list_of_objects() {
    let server = Server::start(|_| 204.into());
    let mut publisher = publisher(&format!("{}/hook/?key=1", server.url()), "");
    assert_eq!(publisher.batching(), Batching { records: 100, linger: Duration::from_secs(1) });
    assert_eq!(publisher.publish(&records()).await, Ok(2));
    let received = server.received().pop().unwrap();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/hook/?key=1"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&received.body).unwrap();
    let time = "2026-11-23T07:52:59.168513+00:00";
    assert_eq!(
        body,
        json!([
            {"section": "grid", "timestampUTC": time, "readings": {
                "POWER_IMPORT": {"OBIS_Code": "1.8.0", "unit": "kWh", "value": 4457.153},
                "count \"1\"": 13756.57,
            }},
            {"section": "heat", "timestampUTC": time, "readings": {"pulses": 7}},
        ])
    );
}

#[tokio::test]
async fn the_request_is_configurable() {
    let server = Server::start(|_| 200.into());
    let more = "method = \"PUT\"\ngzip = true\ntoken = \"geheim\"\nbatch_size = 7\nflush_interval = \"1m\"\n\
                headers = { Content-Type = \"application/x-readings\", X-Of = \"{publisher}, {count}\" }";
    let mut publisher = publisher(&server.url(), more);
    assert_eq!(publisher.batching(), Batching { records: 7, linger: Duration::from_secs(60) });
    assert_eq!(publisher.publish(&records()).await, Ok(2));
    let received = server.received().pop().unwrap();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("PUT", "/"));
    for (name, value) in [
        ("content-type", "application/x-readings"),
        ("content-encoding", "gzip"),
        ("authorization", "Bearer geheim"),
        ("x-of", "hook, 2"),
    ] {
        let values: Vec<_> =
            received.headers.iter().filter(|(key, _)| key == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(values, [value], "{name}");
    }
    assert!(received.body.starts_with("[{\"section\":\"grid\""));
}

#[tokio::test]
async fn the_status_decides_the_error() {
    let wait = Some(Duration::from_secs(9));
    for (reply, expected) in [
        (
            Reply::WithHeaders(503, "Retry-After: 9\r\n", "later".into()),
            PublishError::Unavailable { reason: "answered 503: later".into(), retry_after: wait },
        ),
        (Reply::Status(422, "{\"detail\":\"no\"}".into()), PublishError::refused("answered 422: no")),
        (
            403.into(),
            PublishError::misconfigured(
                "answered 403; the user or the token needs permission to write there",
            ),
        ),
        (
            302.into(),
            PublishError::misconfigured(
                "answered 302; it redirects: set `url` to the address that it redirects to",
            ),
        ),
    ] {
        let server = Server::start(move |_| reply.clone());
        let error = publisher(&format!("{}/geheim", server.url()), "").publish(&records()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` {expected}", server.url()));
        assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected));
    }
}

#[test]
fn every_mistake_is_reported_without_secrets() {
    let more = "batch_size = 0\nusername = \"anna\"\nheaders = { \"a b\" = \"geheim\" }\nmethod = \"GET\"";
    let mistakes = |more| {
        let text = config("ftp://nas", more);
        framework::Config::parse("config.toml", &text, &[]).err().unwrap().to_string()
    };
    assert!(mistakes(more).contains("unknown value `GET`, expected one of `POST`, `PUT`"));
    let found = mistakes("batch_size = 0\nheaders = { \"a b\" = \"x\" }");
    for message in
        ["`batch_size` must be 1 to 10000", "`a b` is not a valid name of a header", "not a valid HTTP URL"]
    {
        assert_eq!(found.matches(message).count(), 1, "{found}");
    }
    let found = mistakes("flush_interval = \"2h\"");
    assert!(found.contains("`flush_interval` must be at most 1h, not 2h"), "{found}");
    let found = mistakes("token = \"x\"\nheaders = { authorization = \"x\" }");
    assert!(found.contains("exclude each other"), "{found}");
}

#[test]
fn a_mistake_in_the_url_does_not_show_it() {
    for url in ["ftp://nas/geheim", "nas/geheim", "https://a b/geheim", "https:/geheim"] {
        let found = framework::Config::parse("config.toml", &config(url, ""), &[]).err().unwrap().to_string();
        assert!(found.contains("config.toml:3:7") && !found.contains("geheim"), "{found}");
    }
}
