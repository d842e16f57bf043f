//! Real servers, each with a folder and a port of its own, and records for them.

use std::path::Path;

use framework::{
    Batch, ConfiguredPublisher, Decimal, PublishError, Publisher, Reading, Record, Timestamp, testing,
};
use http_client::{ClientConfig, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use plugin_influx::Influx;
use serde_json::Value;
use tempfile::TempDir;

/// Time of most records.
pub(crate) const AT: &str = "2026-11-23T07:52:59.168513Z";

/// Builds a publisher to this URL, with these keys.
pub(crate) fn configured(url: &str, keys: &str) -> ConfiguredPublisher {
    let config = format!("[publishers.test]\nplugin = \"influx\"\nurl = \"{url}\"\n{keys}\n");
    testing::publisher::<Influx>(&config)
}

/// Server with a folder of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    _server: test_servers::Server,
    _folder: TempDir,
}

impl Server {
    fn start(start: impl FnOnce(&Path, u16) -> test_servers::Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path(), test_servers::free_port());
        Self { url: format!("http://127.0.0.1:{}", server.port), _server: server, _folder: folder }
    }
}

/// Starts InfluxDB 1.
pub(crate) fn influxd(auth: bool) -> Server {
    Server::start(|folder, port| test_servers::influxd(folder, port, auth))
}

/// Starts VictoriaMetrics.
pub(crate) fn victoria_metrics() -> Server {
    Server::start(test_servers::victoria_metrics)
}

impl Server {
    /// Returns a client of it.
    pub(crate) fn client(&self, user: Option<(&str, &str)>) -> Client {
        let config = ClientConfig {
            url: self.url.clone(),
            username: user.map(|(name, _)| name.to_owned()),
            password: user.map(|(_, password)| password.to_owned().into()),
            ..ClientConfig::default()
        };
        Client(config.client("Bearer").unwrap())
    }

    /// Builds a publisher to it, with these keys beside `url`.
    pub(crate) fn publisher(&self, keys: &str) -> (Box<dyn Publisher>, framework::Context) {
        let configured = configured(&self.url, keys);
        (configured.publisher, configured.context)
    }
}

/// Client of a server.
pub(crate) struct Client(http_client::Client);

impl Client {
    /// Sends `body` to `path`. Returns status and body of the response.
    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let request = Request { path: path.into(), body: body.into(), ..Request::default() };
        let answer = self.0.send(request).await.unwrap();
        (answer.status, answer.body)
    }

    /// Queries InfluxDB. Returns the rows of the first series.
    pub(crate) async fn query(&self, database: &str, query: &str) -> Vec<Vec<Value>> {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let (status, body) = self.post(&format!("/query?db={database}&epoch=ns&q={query}"), "").await;
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert!(answer["results"][0].get("error").is_none(), "{body}");
        serde_json::from_value(answer["results"][0]["series"][0]["values"].clone()).unwrap_or_default()
    }
}

/// Builds a record of one moment.
pub(crate) fn record(section: &str, at: &str, readings: &[(&str, &str)]) -> Record {
    let number =
        |(name, text): &(&str, &str)| Reading::number(*name, Decimal::parse(text.as_bytes()).unwrap());
    let taken_at: Timestamp = at.parse().unwrap();
    Record {
        section: section.into(),
        batch: Batch { taken_at, readings: readings.iter().map(number).collect() },
    }
}

/// Returns the variant of an error.
pub(crate) fn kind(error: &PublishError) -> &'static str {
    match error {
        PublishError::Unavailable { .. } => "unavailable",
        PublishError::Refused { .. } => "refused",
        PublishError::Misconfigured { .. } => "misconfigured",
        PublishError::Journal { .. } => "journal",
    }
}
