//! Readings to InfluxDB, and to what speaks its line protocol: VictoriaMetrics, Telegraf, QuestDB.
//!
//! Each record is one line with all of its numbers (line protocol); what the database has already is written over
//! with the same, so a record that comes twice is there once.

mod config;
mod line;

use framework::{
    Batching, ConfigError, Context, Counter, PublishError, Publisher, PublisherContext, PublisherPlugin,
    Record, async_trait,
};
use http_client::{Client, NamedReadings, Request, Response};

pub use crate::config::Config;
use crate::line::Lines;

/// The plugin.
pub struct Influx;

impl PublisherPlugin for Influx {
    const KIND: &'static str = "influx";
    const ABOUT: &'static str =
        "readings to InfluxDB 1, 2 and 3, VictoriaMetrics and others, by line protocol";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let settings = config.settings()?;
        Ok(Box::new(Database {
            client: settings.client,
            path: settings.path,
            named: NamedReadings::new("fields", cx.name(), settings.lines.named()),
            lines: settings.lines,
            batching: settings.batching,
            beyond_retention: cx.counter("beyond_retention"),
        }))
    }
}

framework::register_publisher!(Influx);

/// One database or bucket.
struct Database {
    client: Client,
    /// Of its write interface, with query.
    path: String,
    lines: Lines,
    /// The readings that `fields` names.
    named: NamedReadings,
    batching: Batching,
    /// Readings that the database forgets at once.
    beyond_retention: Counter,
}

#[async_trait]
impl Publisher for Database {
    fn batching(&self) -> Batching {
        self.batching
    }

    async fn open(&mut self, house: &PublisherContext) -> Result<(), PublishError> {
        self.named.open(house);
        Ok(())
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
    /// What an answer means. Of a partial write the other lines are written, whatever the status: InfluxDB 1 says 400,
    /// 2 says 422 and at first said 500.
    fn judge(&self, answer: &Response) -> Result<(), PublishError> {
        let said = |words: &str| !answer.is_ok() && answer.body.contains(words);
        let place = ["database", "bucket", "organization"].into_iter().any(said);
        if said("retention policy not found") || (answer.status == 404 && place) {
            return Err(answer.misconfigured("create it, or write another name"));
        }
        // A page for a browser: InfluxDB 2 answers so, with 200, wherever it has no interface. All databases say nothing.
        let page = answer.is_ok() && !answer.body.trim().is_empty();
        if answer.status == 404 || page || said("unsupported path") {
            return Err(answer.misconfigured("check `url` and `version`"));
        }
        if said("partial write") && (said("beyond retention policy") || said("outside retention policy")) {
            // They are too old for the database now, and will not become younger.
            let dropped = dropped(&answer.body).unwrap_or(1);
            if self.beyond_retention.get() == 0 {
                tracing::warn!("{}: readings older than the database keeps are left out", answer.summary());
            }
            self.beyond_retention.add(dropped);
            return Ok(());
        }
        if said("partial write") {
            return Err(PublishError::refused(answer.summary()));
        }
        answer.check()
    }
}

/// How many lines were not written: `dropped=6`.
fn dropped(body: &str) -> Option<u64> {
    let (_, rest) = body.split_once("dropped=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
