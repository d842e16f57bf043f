//! Readings and commands over MQTT 3.1.1, with Home Assistant discovery.
//!
//! ```text
//! records ──▶ state: JSON, by topic ──▶ connection: event loop, back-off ──▶ broker
//!                │ readings seen            ▲               │
//!                ▼                          │               ▼ inbox
//!             presence: availability, discovery ◀── Home Assistant's start, commands ──▶ PublisherContext::commands
//! ```
//!
//! A record counts as delivered when the broker has acknowledged it (QoS 1). The README is for users.

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
#[doc(hidden)] // for the test that crosses every consumer of a reading's meaning
pub use crate::discovery::{Class, class};
use crate::{
    config::Settings,
    connection::{Connection, ConnectorTask, IN_FLIGHT, Link, Message, Report},
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
    type Publisher = dyn Publisher;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let settings = Arc::new(config.settings(cx)?);
        Ok(Box::new(MqttPublisher { settings, report: Report::new(cx), open: None }))
    }
}

framework::register_publisher!(Mqtt);

/// Longest wait for the broker to acknowledge the next message.
const ACK_LIMIT: Duration = Duration::from_secs(20);
/// Limit of all waits of one delivery together. That of the framework is two minutes.
const PUBLISH_LIMIT: Duration = Duration::from_secs(60);

struct MqttPublisher {
    settings: Arc<Settings>,
    report: Report,
    open: Option<Open>,
}

/// State between [`open`](Publisher::open) and [`close`](Publisher::close).
struct Open {
    sections: Sections,
    link: Link,
    connector: ConnectorTask,
    presence: JoinSet<()>,
    /// Number of records that the framework passes while more of them wait.
    batch: usize,
}

#[async_trait]
impl Publisher for MqttPublisher {
    fn batching(&self) -> Batching {
        Batching { records: usize::from(IN_FLIGHT), linger: Duration::ZERO }
    }

    /// The broker would close one connection for the other, and each would publish the status of both.
    fn exclusive(&self) -> Vec<String> {
        let Settings { broker, client_id, topics, .. } = &*self.settings;
        let at = format!("at {}:{}", broker.host.to_ascii_lowercase(), broker.port);
        vec![format!("client id `{client_id}` {at}"), format!("topic `{}` {at}", topics.prefix)]
    }

    async fn open(&mut self, cx: &PublisherContext) -> Result<(), PublishError> {
        // After a panic, the old connection must be closed first: the broker would close one for the other.
        self.open = None;
        let sections = Sections::new(cx, &self.settings);
        let topics = &self.settings.topics;
        let states = sections.names().into_iter().map(|name| topics.state(&name));
        // Another publisher may report the sources that this one does not.
        let sections_now = cx.store.sections();
        let all = sections_now.iter().map(|section| topics.availability(&section.name));
        let (link, connector, inbox) =
            connection::start(Arc::clone(&self.settings), self.report.clone(), states.chain(all).collect());
        let mut presence = JoinSet::new();
        presence.spawn(
            Presence::new(Arc::clone(&self.settings), cx.clone(), link.clone(), sections.seen()).run(inbox),
        );
        let batch = usize::from(IN_FLIGHT).min(usize::try_from(cx.route.max_rate).unwrap_or(usize::MAX));
        self.open = Some(Open { sections, link, connector, presence, batch });
        Ok(())
    }

    /// Logs in as somebody else: the broker closes a connection for another one of the same client.
    async fn test(&mut self) -> Result<String, PublishError> {
        connection::test(&self.settings).await
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        let Some(Open { sections, link, connector, presence, batch }) = &mut self.open else {
            return Err(PublishError::unavailable("not open"));
        };
        // Nothing else notices a task that panicked. The framework opens the publisher again.
        for task in [&mut connector.0, presence] {
            if let Some(Err(ended)) = task.try_join_next()
                && let Ok(panic) = ended.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        let connection = link.connection().await?;
        sections.found(connection.take_states());
        let now = Timestamp::now();
        let ahead = send(sections.ahead_of(records, now), &connection, link);
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            let Some(message) = sections.message(record, now) else {
                sent.push(None);
                continue;
            };
            match connection.send(message.clone()) {
                Ok(notice) => {
                    link.sent(&message);
                    sent.push(Some((notice, message)));
                }
                // The connection is lost, or its queue is full.
                Err(_) => break,
            }
        }
        // Fewer than asked for: no other waits.
        let is_end = records.len() < *batch;
        let is_end = is_end && sent.len() == records.len();
        let left = if is_end { sections.left_behind() } else { Vec::new() };
        let left_count = left.len();
        let left = send(left, &connection, link);
        let mut wait = Wait { sections, connection: &connection, link, end: Instant::now() + PUBLISH_LIMIT };
        let mut count = match wait.acknowledged(ahead).await {
            Ok(_) => wait.acknowledged(sent).await.unwrap_or_else(|count| count),
            Err(_) => 0,
        };
        let shown = wait.acknowledged(left).await.unwrap_or_else(|count| count);
        // A silent device sends nothing after which the state would be sent again: the last record brings it once more.
        if shown < left_count {
            count = count.min(records.len().saturating_sub(1));
        }
        match count {
            0 => {
                let reason = format!("{} did not acknowledge the messages", self.settings.broker.url);
                Err(PublishError::unavailable(reason))
            }
            count => Ok(count),
        }
    }

    async fn close(&mut self) {
        let Some(Open { sections, link, connector, mut presence, .. }) = self.open.take() else { return };
        presence.abort_all();
        // After the next start some may be gone from the configuration, and would seem online with all others.
        if let Some(connection) = link.now() {
            for section in sections.names() {
                let topic = self.settings.topics.availability(&section);
                let _ = connection.send(Message::retained(topic, "offline"));
            }
        }
        let last = Message::retained(self.settings.topics.status(), "offline");
        connector.disconnect(&link, last).await;
    }
}

/// Message that the broker must acknowledge; `None` if a record needed none.
type Sent = Option<(PublishNotice, Message)>;

/// Sends messages until the connection is lost, or its queue is full.
fn send(messages: Vec<Message>, connection: &Connection, link: &Link) -> Vec<Sent> {
    let sent = messages.into_iter().map_while(|message| {
        let notice = connection.send(message.clone()).ok()?;
        link.sent(&message);
        Some(Some((notice, message)))
    });
    sent.collect()
}

/// Waits of one delivery, which have a common end.
struct Wait<'d> {
    sections: &'d mut Sections,
    connection: &'d Connection,
    link: &'d Link,
    end: Instant,
}

impl Wait<'_> {
    /// Returns the number of leading messages that the broker acknowledges; as an error if these are not all.
    async fn acknowledged(&mut self, sent: Vec<Sent>) -> Result<usize, usize> {
        let mut count = 0;
        for sent in sent {
            if let Some((notice, message)) = sent {
                let limit = self.end.min(Instant::now() + ACK_LIMIT);
                let acknowledged = tokio::select! {
                    biased;
                    outcome = notice.wait_completion_async() => outcome.is_ok(),
                    () = self.link.lost() => false,
                    () = sleep_until(limit) => {
                        self.connection.abandon();
                        false
                    }
                };
                if !acknowledged {
                    return Err(count);
                }
                self.link.acknowledged(&message);
                self.sections.acknowledged(&message);
            }
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract() {
        framework::testing::check_publisher::<Mqtt>();
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_of_a_delivery_to_a_slow_broker_have_one_end() {
        let config = serde_json::from_str::<Config>(r#"{"url":"mqtt://127.0.0.1"}"#).unwrap();
        let settings = config.settings(&Context::new("home", "")).unwrap();
        let mut sections = Sections::new(&framework::testing::publisher_context(&[]), &settings);
        let (link, connection, _broker) = connection::unanswered();
        let begin = Instant::now();
        let end = begin + ACK_LIMIT + ACK_LIMIT / 2;
        let mut wait = Wait { sections: &mut sections, connection: &connection, link: &link, end };
        for until in [begin + ACK_LIMIT, end, end] {
            let sent = send(vec![Message::retained("topic".into(), "state")], &connection, &link);
            assert_eq!(wait.acknowledged(sent).await, Err(0));
            // The timer has a resolution of a millisecond.
            assert!(Instant::now() <= until + Duration::from_millis(2), "{:?}", begin.elapsed());
        }
    }
}
