//! Publisher for a Volkszähler middleware: `POST …/data/<uuid>.json` with `[[milliseconds, value], …]`.
//!
//! Source: wiki.volkszaehler.org, "API reference". The middleware stores one value for each channel and millisecond. It
//! refuses a whole request if it has one of its values already.

mod channel;
mod config;
mod middleware;

use framework::{
    Batching, ConfigError, Context, Counter, Fact, PublishError, Publisher, PublisherContext,
    PublisherPlugin, Record, async_trait,
};
use http_client::NamedReadings;

pub use crate::config::Config;
use crate::{channel::Channel, middleware::Middleware};

/// Plugin `volkszaehler`.
pub struct Volkszaehler;

impl PublisherPlugin for Volkszaehler {
    const KIND: &'static str = "volkszaehler";
    const ABOUT: &'static str = "readings to the channels of a Volkszähler middleware";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn Publisher;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let (client, channels, batching) = config.settings(cx.sources())?;
        Ok(Box::new(Channels {
            middleware: Middleware::new(client),
            named: NamedReadings::new("channels", channels.iter().map(Channel::reading)),
            channels,
            batching,
            set_aside: cx.counter("set_aside"),
            unknown_channels: cx.fact("unknown_channels"),
        }))
    }
}

framework::register_publisher!(Volkszaehler);

struct Channels {
    middleware: Middleware,
    channels: Vec<Channel>,
    named: NamedReadings,
    batching: Batching,
    /// Values skipped because the middleware does not know their channel.
    set_aside: Counter,
    /// List of these channels.
    unknown_channels: Fact,
}

#[async_trait]
impl Publisher for Channels {
    fn batching(&self) -> Batching {
        self.batching
    }

    async fn open(&mut self, context: &PublisherContext) -> Result<(), PublishError> {
        self.named.open(context);
        Ok(())
    }

    async fn test(&mut self) -> Result<String, PublishError> {
        self.middleware.test(self.channels.len()).await
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        self.named.check();
        // If one channel fails, the same records are passed again: each channel knows which of them it has.
        // A refused record is skipped as a whole, so the other channels must have had their values by then.
        let mut refused = None;
        for channel in &mut self.channels {
            match channel.deliver(records, &self.middleware).await {
                Err(error @ PublishError::Refused { .. }) => refused = Some(error),
                other => other?,
            }
        }
        self.report();
        // If the middleware knows no channel at all, waiting delays nobody.
        let reasons: Option<Vec<_>> = self.channels.iter().map(Channel::refuses).collect();
        if let Some(reason) = reasons.as_ref().and_then(|reasons| reasons.first()) {
            return Err(PublishError::misconfigured(*reason));
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for channel in &mut self.channels {
            let (values, message) = channel.skip();
            self.set_aside.add(values as u64);
            if let Some(message) = message {
                tracing::error!("{message}");
            }
        }
        Ok(records.len())
    }
}

impl Channels {
    fn report(&self) {
        let unknown = self.channels.iter().filter(|channel| channel.unknown().is_some());
        let unknown: Vec<_> =
            unknown.map(|channel| format!("{} ({})", channel.series(), channel.uuid())).collect();
        self.unknown_channels.set(if unknown.is_empty() { "none".to_owned() } else { unknown.join(", ") });
    }
}
