//! Publisher for InfluxDB and other databases with its line protocol: VictoriaMetrics, Telegraf, QuestDB.
//!
//! Each record is one line with all of its numbers. The database overwrites a line that it has already with the same
//! values, so a record that is delivered twice is stored once.

mod config;
mod line;

use framework::{
    Batching, ConfigError, Context, Counter, PublishError, Publisher, PublisherContext, PublisherPlugin,
    Record, async_trait,
};
use http_client::{Client, NamedReadings, Request, Response};

pub use crate::config::Config;
use crate::line::Lines;
#[doc(hidden)] // for the test that crosses every consumer of a reading's meaning
pub use crate::line::original;

/// Plugin `influx`.
pub struct Influx;

impl PublisherPlugin for Influx {
    const KIND: &'static str = "influx";
    const ABOUT: &'static str =
        "readings to InfluxDB 1, 2 and 3, VictoriaMetrics and others, by line protocol";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn Publisher;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        Ok(Box::new(config.database(cx)?))
    }
}

framework::register_publisher!(Influx);

/// Publisher to one database or bucket.
struct Database {
    client: Client,
    /// Path and query of the write interface.
    path: String,
    lines: Lines,
    /// Readings named in `fields`.
    named: NamedReadings,
    batching: Batching,
    /// Readings older than the retention period, which the database drops.
    beyond_retention: Counter,
}

#[async_trait]
impl Publisher for Database {
    fn batching(&self) -> Batching {
        self.batching
    }

    async fn open(&mut self, context: &PublisherContext) -> Result<(), PublishError> {
        self.named.open(context);
        Ok(())
    }

    /// Writes a comment, which is no point: the database checks the login and the name of the place as for one.
    async fn test(&mut self) -> Result<String, PublishError> {
        let headers = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        let body = b"# a test of the connection\n".to_vec();
        let request = Request { path: self.path.clone(), headers, body, ..Request::default() };
        let response = self.client.send(request).await?;
        match (self.judge(&response), response.status) {
            // Some versions refuse a write without points, which they do last of all.
            (Ok(()), _) | (Err(PublishError::Refused { .. }), 400 | 422) => {}
            (Err(error), _) => return Err(error),
        }
        Ok(format!("{} answers, accepts the login, and has the place for readings", self.client.origin()))
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        self.named.check();
        let mut body = Vec::new();
        for record in records {
            self.lines.write(&mut body, record);
        }
        if !body.is_empty() {
            let headers = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
            let request = Request { path: self.path.clone(), headers, body, ..Request::default() };
            self.judge(&self.client.send(request).await?)?;
        }
        Ok(records.len())
    }
}

impl Database {
    /// Judges a response. After a partial write all other lines are stored, whatever the status is: 400 from InfluxDB
    /// 1, 422 from InfluxDB 2, 500 from its first versions.
    fn judge(&self, response: &Response) -> Result<(), PublishError> {
        let has = |words: &str| !response.is_ok() && response.body.contains(words);
        let place = ["database", "bucket", "organization"].into_iter().any(has);
        if has("retention policy not found") || (response.status == 404 && place) {
            return Err(response.misconfigured("create it, or write another name"));
        }
        // InfluxDB 2 sends a page for browsers, with 200, where it has no interface. A database that stores sends no
        // body.
        let page = response.is_ok() && !response.body.trim().is_empty();
        if response.status == 404 || page || has("unsupported path") {
            return Err(response.misconfigured("check `url` and `version`"));
        }
        if has("partial write") && (has("beyond retention policy") || has("outside retention policy")) {
            // They are too old for the database, and a retry would not make them younger.
            let dropped = dropped(&response.body).unwrap_or(1);
            if self.beyond_retention.get() == 0 {
                tracing::warn!(
                    "{}: readings older than the retention period were dropped",
                    response.summary()
                );
            }
            self.beyond_retention.add(dropped);
            return Ok(());
        }
        if has("partial write") {
            return Err(PublishError::refused(response.summary()));
        }
        response.check()
    }
}

/// Parses the number of lines that were not stored: `dropped=6`.
fn dropped(body: &str) -> Option<u64> {
    let (_, rest) = body.split_once("dropped=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
