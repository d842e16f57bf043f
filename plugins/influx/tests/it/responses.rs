//! Requests of each version, and the meaning of the responses.

use std::time::Duration;

use framework::PublishError;
use test_servers::http::{Reply, Server};

use crate::support::{AT, configured, kind, record};

/// Publishes two records. Returns the result, and the count of dropped readings.
async fn publish(server: &Server, keys: &str) -> (Result<usize, PublishError>, u64) {
    let mut configured = configured(&server.url(), keys);
    let records = [record("grid", AT, &[("power", "1")]), record("heat", AT, &[("count", "2.5")])];
    let result = configured.publisher.publish(&records).await;
    (result, configured.context.stats().counters()[0].1)
}

pub(crate) async fn each_version_has_its_own_requests() {
    for (keys, path, authorization) in [
        (
            "org = \"my home\"\nbucket = \"meters/1\"\ntoken = \"geheim\"",
            "/api/v2/write?precision=ns&org=my%20home&bucket=meters%2F1",
            "Token geheim",
        ),
        (
            "database = \"house\"\ntoken = \"geheim\"",
            "/api/v3/write_lp?precision=nanosecond&db=house",
            "Bearer geheim",
        ),
        (
            "database = \"house\"\nusername = \"anna\"\npassword = \"geheim\"",
            "/write?precision=ns&db=house",
            "Basic YW5uYTpnZWhlaW0=",
        ),
    ] {
        let server = Server::start(|_| 204.into());
        assert_eq!(publish(&server, keys).await.0, Ok(2));
        let received = server.received().pop().unwrap();
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", path));
        assert_eq!(received.header("authorization"), Some(authorization));
        assert_eq!(received.header("content-encoding"), Some("gzip"));
        assert_eq!(
            received.body,
            "smartmeter,section=grid power=1 1795420379168513000\nsmartmeter,section=heat count=2.5 1795420379168513000\n"
        );
    }
}

pub(crate) async fn the_response_decides_the_error() {
    let of_version_2 = |message: &str| format!("{{\"code\":\"x\",\"message\":\"{message}\"}}");
    for (status, body, expected) in [
        (401, of_version_2("unauthorized access"), "misconfigured"),
        (404, of_version_2("bucket \\\"b\\\" not found"), "misconfigured"),
        (404, String::new(), "misconfigured"),
        // Responses of InfluxDB 2 and VictoriaMetrics to version 3, and of QuestDB to gzip.
        (200, "<!doctype html><html><title>InfluxDB</title></html>".into(), "misconfigured"),
        (400, "unsupported path requested: \"/api/v3/write_lp\"".into(), "misconfigured"),
        (415, of_version_2("gzip encoding is not supported"), "misconfigured"),
        (400, of_version_2("unable to parse 'x'"), "refused"),
        (
            422,
            of_version_2("failure writing points: partial write: field type conflict dropped=1"),
            "refused",
        ),
        (500, of_version_2("unexpected error: partial write: field type conflict dropped=1"), "refused"),
        (
            422,
            of_version_2("partial write: field type conflict dropped=1 for retention policy: autogen"),
            "refused",
        ),
        (400, "{\"error\":\"partial write of line protocol occurred\",\"data\":[]}".into(), "refused"),
        (413, String::new(), "refused"),
        (500, "{\"error\":\"timeout\"}".into(), "unavailable"),
        (503, "<html>".into(), "unavailable"),
    ] {
        let server = Server::start(move |_| Reply::Status(status, body.clone()));
        let (result, _) = publish(&server, "org = \"o\"\nbucket = \"b\"\ntoken = \"t\"").await;
        assert_eq!(kind(&result.unwrap_err()), expected, "{status}: {:?}", server.received());
    }
}

pub(crate) async fn readings_too_old_for_version_2_are_dropped() {
    for (status, message) in [
        (500, "unexpected error: partial write: points beyond retention policy dropped=2"),
        (
            422,
            "failure: partial write: dropped 2 points outside retention policy of duration 1h dropped=2 for database",
        ),
    ] {
        let server = Server::start(move |_| Reply::Status(status, format!("{{\"message\":\"{message}\"}}")));
        assert_eq!(publish(&server, "org = \"o\"\nbucket = \"b\"\ntoken = \"t\"").await, (Ok(2), 2));
    }
}

pub(crate) async fn a_busy_server_gets_its_pause() {
    let server =
        Server::start(|_| Reply::WithHeaders(429, "Retry-After: 30\r\n", "{\"message\":\"slow\"}".into()));
    let (result, _) = publish(&server, "database = \"house\"").await;
    let Err(PublishError::Unavailable { reason, retry_after }) = result else { panic!("{result:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
    assert_eq!(reason, format!("`{}` answered 429: slow", server.url()));
}

pub(crate) async fn a_server_that_closes_the_connection_is_unavailable() {
    let server = Server::start(|_| Reply::Raw("HTTP/1.1 204"));
    let (result, _) = publish(&server, "database = \"house\"").await;
    assert_eq!(kind(&result.unwrap_err()), "unavailable");
}
