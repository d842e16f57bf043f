//! Readings as JSON to any HTTP server: a list of records, each with its source, its time and its readings as they are in
//! `/data`.

mod config;
mod headers;

use framework::{
    Batching, ConfigError, Context, PublishError, Publisher, PublisherPlugin, Record, async_trait,
    json::{timestamp, write, write_str},
};
use http_client::{Client, Method, Request};

pub use crate::config::Config;
use crate::headers::Headers;

/// The plugin.
pub struct Webhook;

impl PublisherPlugin for Webhook {
    const KIND: &'static str = "webhook";
    const ABOUT: &'static str = "readings as JSON to any HTTP server";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        Ok(Box::new(config.hook(cx.name())?))
    }
}

framework::register_publisher!(Webhook);

/// One URL.
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

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        let headers = self.headers.filled(records.len());
        let request = Request { method: self.method, headers, body: body(records), ..Request::default() };
        self.client.send(request).await?.check()?;
        Ok(records.len())
    }
}

/// `[{"section":"grid","timestampUTC":"…","readings":{"count":1.5}}]`.
fn body(records: &[Record]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (i, record) in records.iter().enumerate() {
        body.extend_from_slice(if i > 0 { b",{\"section\":" } else { b"{\"section\":" });
        write_str(&mut body, &record.section);
        body.extend_from_slice(b",\"timestampUTC\":");
        write_str(&mut body, &timestamp(record.batch.taken_at));
        body.extend_from_slice(b",\"readings\":{");
        for (i, reading) in record.batch.readings.iter().enumerate() {
            if i > 0 {
                body.push(b',');
            }
            write_str(&mut body, &reading.name);
            body.push(b':');
            write(&mut body, reading);
        }
        body.extend_from_slice(b"}}");
    }
    body.push(b']');
    body
}
