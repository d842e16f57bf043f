//! MQTT client that records what it receives, and may publish.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rumqttc::{AsyncClient, Broker, Event, MqttOptions, Packet, PublishOptions, QoS};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::support::power;

const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: String,
    /// Whether it is a retained message.
    pub(crate) retained: bool,
}

pub(crate) struct Watcher {
    client: AsyncClient,
    heard: Arc<Mutex<Vec<Heard>>>,
    news: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Watcher {
    /// Receives everything from now on, and retained messages.
    pub(crate) async fn new(port: u16) -> Self {
        Self::start(MqttOptions::new("watcher", Broker::tcp("127.0.0.1", port))).await
    }

    /// Creates a watcher with a session that the broker keeps while it is away.
    pub(crate) async fn steady(port: u16) -> Self {
        let mut options = MqttOptions::new("steady", Broker::tcp("127.0.0.1", port));
        options.set_clean_session(false);
        Self::start(options).await
    }

    /// Creates a watcher that sees what the broker retains now.
    pub(crate) async fn latecomer(port: u16) -> Self {
        Self::start(MqttOptions::new("latecomer", Broker::tcp("127.0.0.1", port))).await
    }

    pub(crate) async fn start(mut options: MqttOptions) -> Self {
        options.set_max_packet_size(4 << 20, 4 << 20);
        let (client, mut events) = AsyncClient::builder(options).capacity(1000).build();
        let (heard, news) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::<Notify>::default());
        let mut task = JoinSet::new();
        let (notes, bell, subscriber) = (Arc::clone(&heard), Arc::clone(&news), client.clone());
        let ready = Arc::new(Notify::new());
        let subscribed = Arc::clone(&ready);
        task.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.try_subscribe("#", QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => subscribed.notify_one(),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        let (topic, payload) = (text(&publish.topic), text(&publish.payload));
                        notes.lock().unwrap().push(Heard { topic, payload, retained: publish.retain });
                        bell.notify_one();
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        timeout(DEADLINE, ready.notified()).await.unwrap();
        Self { client, heard, news, _task: task }
    }

    pub(crate) async fn send(&self, topic: &str, payload: &str, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        let notice = self.client.publish_tracked(topic, payload, options).await.unwrap();
        timeout(DEADLINE, notice.wait_completion_async()).await.unwrap().unwrap();
    }

    /// Returns all payloads on a topic, live or retained.
    pub(crate) fn on(&self, topic: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.topic == topic).map(|heard| heard.payload.clone()).collect()
    }

    pub(crate) fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until the messages received are `enough`.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&[Heard]) -> bool) {
        let waited = timeout(DEADLINE, async {
            while !enough(&self.heard.lock().unwrap()) {
                self.news.notified().await;
            }
        });
        if waited.await.is_err() {
            let heard = self.all();
            panic!(
                "no {what} among {} messages, the last: {:#?}",
                heard.len(),
                &heard[heard.len().saturating_sub(8)..]
            );
        }
    }

    /// Waits until a state on a topic has this power.
    pub(crate) async fn until_power(&self, topic: &str, watts: i64) {
        let is_so = |heard: &Heard| heard.topic == topic && power(&heard.payload) == watts;
        self.until(&format!("{watts} W on `{topic}`"), |heard| heard.iter().any(is_so)).await;
    }

    /// Waits until this is the newest message on a topic.
    pub(crate) async fn until_last(&self, topic: &str, payload: &str) {
        let is_last = |heard: &[Heard]| {
            heard
                .iter()
                .rev()
                .find(|heard| heard.topic == topic)
                .is_some_and(|heard| heard.payload == payload)
        };
        self.until(&format!("`{payload}` on `{topic}`"), is_last).await;
    }
}
