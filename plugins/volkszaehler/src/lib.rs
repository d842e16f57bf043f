//! Readings to a Volkszähler middleware: `POST …/data/<uuid>.json` with `[[milliseconds, value], …]`.
//!
//! Source: wiki.volkszaehler.org, "API reference"; the middleware stores a value for each channel and millisecond, and
//! refuses a whole request in which one of them is there already.

mod channel;
mod config;
mod middleware;

use framework::{
    Batching, ConfigError, Context, Counter, Fact, PublishError, Publisher, PublisherContext,
    PublisherPlugin, Record, Text, async_trait,
};
use http_client::NamedReadings;

pub use crate::config::Config;
use crate::{channel::Channel, middleware::Middleware};

/// The plugin.
pub struct Volkszaehler;

impl PublisherPlugin for Volkszaehler {
    const KIND: &'static str = "volkszaehler";
    const ABOUT: &'static str = "readings to the channels of a Volkszähler middleware";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let (client, channels, batching) = config.settings()?;
        Ok(Box::new(Channels {
            instance: cx.name().into(),
            middleware: Middleware::new(client),
            named: NamedReadings::new("channels", cx.name(), channels.iter().map(Channel::reading)),
            channels,
            batching,
            set_aside: cx.counter("set_aside"),
            unknown_channels: cx.fact("unknown_channels"),
        }))
    }
}

framework::register_publisher!(Volkszaehler);

struct Channels {
    instance: Text,
    middleware: Middleware,
    channels: Vec<Channel>,
    named: NamedReadings,
    batching: Batching,
    /// Values of channels that the middleware does not know.
    set_aside: Counter,
    /// Which channels these are.
    unknown_channels: Fact,
}

#[async_trait]
impl Publisher for Channels {
    fn batching(&self) -> Batching {
        self.batching
    }

    async fn open(&mut self, house: &PublisherContext) -> Result<(), PublishError> {
        self.named.open(house);
        Ok(())
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        self.named.check();
        // One after the other. Where one fails the same records come again; each channel knows what it has of them.
        // A value that is refused is set aside with its record: the other channels must have had theirs by then.
        let mut refused = None;
        for channel in &mut self.channels {
            match channel.deliver(records, &self.middleware).await {
                Err(error @ PublishError::Refused { .. }) => refused = Some(error),
                other => other?,
            }
        }
        self.report();
        // Where it knows none of them there is nothing to be held up: these wait.
        let reasons: Option<Vec<_>> = self.channels.iter().map(Channel::refuses).collect();
        if let Some(reason) = reasons.as_ref().and_then(|reasons| reasons.first()) {
            return Err(PublishError::misconfigured(*reason));
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for channel in &mut self.channels {
            let (values, said) = channel.set_aside();
            self.set_aside.add(values as u64);
            if let Some(said) = said {
                tracing::error!(publisher = %self.instance, "{said}");
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
