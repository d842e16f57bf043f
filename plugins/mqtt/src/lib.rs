//! Readings and commands over MQTT 3.1.1, with Home Assistant discovery.
//!
//! ```text
//! records ──▶ state: JSON, by topic ──▶ connection: event loop, back-off ──▶ broker
//!                │ what was seen            ▲               │
//!                ▼                          │               ▼ inbox
//!             presence: availability, discovery ◀── Home Assistant's birth, commands ──▶ PublisherContext::commands
//! ```
//!
//! A record counts as delivered when the broker has confirmed it (QoS 1). The plugin's README is written for users.

mod commands;
mod config;
mod connection;
mod discovery;
mod fault;
mod presence;
mod state;
mod tls;
mod topics;

use std::{sync::Arc, time::Duration};

use framework::{
    Batching, ConfigError, Context, PublishError, Publisher, PublisherContext, PublisherPlugin, Record,
    Timestamp, async_trait,
};
use rumqttc::PublishNotice;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

pub use crate::config::Config;
use crate::{
    config::Settings,
    connection::{Connection, IN_FLIGHT, Keeping, Link, Message, Report},
    presence::Presence,
    state::Sections,
};

/// The plugin `mqtt`.
#[derive(Debug)]
pub struct Mqtt;

impl PublisherPlugin for Mqtt {
    const KIND: &'static str = "mqtt";
    const ABOUT: &'static str = "an MQTT broker, with Home Assistant discovery";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let settings = Arc::new(config.settings(cx)?);
        Ok(Box::new(MqttPublisher { settings, report: Report::new(cx), open: None }))
    }
}

framework::register_publisher!(Mqtt);

/// So long the broker may take to confirm the next message.
const CONFIRM_LIMIT: Duration = Duration::from_secs(20);
/// So long a turn may take; the framework's patience is two minutes.
const TURN_LIMIT: Duration = Duration::from_secs(60);

struct MqttPublisher {
    settings: Arc<Settings>,
    report: Report,
    open: Option<Open>,
}

/// What there is from [`open`](Publisher::open) to [`close`](Publisher::close).
struct Open {
    sections: Sections,
    link: Link,
    keeping: Keeping,
    presence: JoinSet<()>,
}

#[async_trait]
impl Publisher for MqttPublisher {
    fn batching(&self) -> Batching {
        Batching { records: usize::from(IN_FLIGHT), linger: Duration::ZERO }
    }

    async fn open(&mut self, house: &PublisherContext) -> Result<(), PublishError> {
        // After a panic: the connection before must be gone, or the broker would close one for the other.
        self.open = None;
        let (link, keeping, inbox) = connection::begin(Arc::clone(&self.settings), self.report.clone());
        let sections = Sections::new(house, &self.settings);
        let mut presence = JoinSet::new();
        presence.spawn(
            Presence::new(Arc::clone(&self.settings), house.clone(), link.clone(), sections.seen())
                .run(inbox),
        );
        self.open = Some(Open { sections, link, keeping, presence });
        Ok(())
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        let Some(Open { sections, link, .. }) = &mut self.open else {
            return Err(PublishError::unavailable("it is not open"));
        };
        let connection = link.connection().await?;
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let Some(message) = sections.message(record, Timestamp::now()) else {
                sent.push(None);
                continue;
            };
            match connection.send(message.clone()) {
                Ok(notice) => sent.push(Some((notice, message))),
                // The connection is lost, or its queue is full.
                Err(_) => break,
            }
        }
        match confirmed(sent, &connection, link).await {
            0 => {
                let reason = format!("{} did not confirm what it was sent", self.settings.broker.url);
                Err(PublishError::unavailable(reason))
            }
            count => Ok(count),
        }
    }

    async fn close(&mut self) {
        let Some(Open { sections, link, keeping, mut presence }) = self.open.take() else { return };
        presence.abort_all();
        // The next start may not know them any more, and would say `online` for all.
        if let Some(connection) = link.now() {
            for section in sections.names() {
                let topic = self.settings.topics.availability(section);
                let _ = connection.send(Message::retained(topic, "offline"));
            }
        }
        let last = Message::retained(self.settings.topics.status(), "offline");
        keeping.goodbye(&link, last).await;
    }
}

/// What the broker is to confirm; `None` where nothing was to be sent.
type Sent = Option<(PublishNotice, Message)>;

/// How many messages, from the first on, the broker confirms.
async fn confirmed(sent: Vec<Sent>, connection: &Connection, link: &Link) -> usize {
    let end = Instant::now() + TURN_LIMIT;
    let mut count = 0;
    for sent in sent {
        if let Some((notice, message)) = sent {
            let limit = end.min(Instant::now() + CONFIRM_LIMIT);
            let confirmed = tokio::select! {
                biased;
                outcome = notice.wait_completion_async() => outcome.is_ok(),
                () = link.lost() => false,
                () = sleep_until(limit) => {
                    connection.abandon();
                    false
                }
            };
            if !confirmed {
                break;
            }
            link.keep(message);
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_the_contract() {
        framework::testing::check_publisher::<super::Mqtt>();
    }
}
