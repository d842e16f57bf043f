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

/// The replies of InfluxDB 2 and 3 as their references show them (`/api/v2/write`, `/api/v3/write_lp`).
pub(crate) async fn a_test_of_the_connection_understands_what_versions_2_and_3_answer() {
    const V2: (&str, &str) =
        ("org = \"o\"\nbucket = \"b\"\ntoken = \"t\"", "/api/v2/write?precision=ns&org=o&bucket=b");
    const V3: (&str, &str) =
        ("version = \"v3\"\ndatabase = \"d\"\ntoken = \"t\"", "/api/v3/write_lp?precision=nanosecond&db=d");
    for ((keys, path), status, body, expected) in [
        (V2, 204, "", "works"),
        (V2, 400, r#"{"code":"invalid","message":"no points were written"}"#, "works"),
        (V2, 401, r#"{"code":"unauthorized","message":"unauthorized access"}"#, "misconfigured"),
        (V2, 404, r#"{"code":"not found","message":"bucket \"b\" not found"}"#, "misconfigured"),
        (V2, 404, r#"{"code":"not found","message":"organization name \"o\" not found"}"#, "misconfigured"),
        (V2, 503, r#"{"code":"unavailable","message":"the service is starting"}"#, "unavailable"),
        (V3, 204, "", "works"),
        (V3, 400, r#"{"error":"parsing failed for write_lp endpoint","data":[]}"#, "works"),
        (V3, 401, r#"{"error":"the request was not authenticated"}"#, "misconfigured"),
        (V3, 403, r#"{"error":"the request was not authorized"}"#, "misconfigured"),
        (V3, 404, "", "misconfigured"),
        (V3, 500, r#"{"error":"internal error"}"#, "unavailable"),
    ] {
        let server = Server::start(move |_| Reply::Status(status, body.to_owned()));
        let tested = configured(&server.url(), keys).publisher.test().await;
        let found = tested.as_ref().map_or_else(kind, |_| "works");
        assert_eq!(found, expected, "{keys} {status}: {tested:?}");
        let received = server.received().pop().unwrap();
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", path));
        assert!(received.body.lines().all(|line| line.starts_with('#')), "it writes a reading: {received:?}");
    }
}
