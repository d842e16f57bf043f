//! Publisher for any HTTP server: a JSON list of records, each with its source, its time and its readings as in
//! `/data`.

mod config;
mod headers;

use framework::{
    Batching, ConfigError, Context, PublishError, Publisher, PublisherPlugin, Reading, Record, async_trait,
    json::{self, timestamp},
};

use http_client::{Client, Method, Request};
use serde::{Serialize, Serializer};

pub use crate::config::Config;
use crate::headers::Headers;

/// Plugin `webhook`.
pub struct Webhook;

impl PublisherPlugin for Webhook {
    const KIND: &'static str = "webhook";
    const ABOUT: &'static str = "readings as JSON to any HTTP server";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn Publisher;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        Ok(Box::new(config.hook(cx.name())?))
    }
}

framework::register_publisher!(Webhook);

/// Publisher to one URL.
struct Hook {
    client: Client,
    method: Method,
    headers: Headers,
    batching: Batching,
}

#[async_trait]
impl Publisher for Hook {
    fn batching(&self) -> Batching {
        self.batching
    }

    /// A hook may do anything with a body, so none is sent.
    async fn test(&mut self) -> Result<String, PublishError> {
        let response = self.client.reach().await?;
        if matches!(response.status, 401 | 403) || response.status >= 500 {
            response.check()?;
        }
        let (origin, status) = (self.client.origin(), response.status);
        Ok(format!(
            "{origin} answers (status {status}); whether it takes readings shows when the first ones are sent"
        ))
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        let headers = self.headers.filled(records.len());
        let request = Request { method: self.method, headers, body: body(records), ..Request::default() };
        self.client.send(request).await?.check()?;
        Ok(records.len())
    }
}

/// Returns `[{"section":"grid","timestampUTC":"…","readings":{"count":1.5}}]`.
fn body(records: &[Record]) -> Vec<u8> {
    let objects = records.iter().map(|Record { section, batch }| Object {
        section,
        time: timestamp(batch.taken_at),
        readings: Readings(&batch.readings),
    });
    let mut body = Vec::new();
    json::write(&mut body, &objects.collect::<Vec<_>>());
    body
}

/// JSON object of a record.
#[derive(Serialize)]
struct Object<'r> {
    section: &'r str,
    #[serde(rename = "timestampUTC")]
    time: String,
    readings: Readings<'r>,
}

/// Readings by name, as in `/data`.
struct Readings<'r>(&'r [Reading]);

impl Serialize for Readings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|reading| (reading.name.as_str(), reading)))
    }
}
