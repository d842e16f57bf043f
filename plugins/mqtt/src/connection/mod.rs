//! Connection to the broker, kept up by a task of its own.
//!
//! ```text
//!              ┌───────────── back-off: 250 ms to 10 s, 60 s if misconfigured ────────────┐
//!              ▼                                                                          │
//!    start ─▶ connect ──CONNACK──▶ Connected ──fault, frozen broker──▶ Disconnected(reason)
//!              │                     │                                     ▲
//!              └──────fault──────────┼─────────────────────────────────────┘
//!                                    └──disconnect()──▶ end of the task
//! ```
//!
//! Before a connection is handed out, the connector reads the states that the broker retains, so that none of them goes
//! back: the program may have been killed, and the broker may have got more than it has acknowledged.
//!
//! Each connection has a client of its own and begins a new session. Its end settles everything that the broker has not
//! acknowledged: no queue outlives a connection, and nothing is sent from two places.

mod connector;

pub(crate) use self::connector::{start, test};
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework::{Context, Counter, Fact, PublishError, Timestamp};
use rumqttc::{AsyncClient, ClientError, PublishNotice, PublishOptions, QoS};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::state::Shown;

/// Unacknowledged messages at once. With a hundred, a distant broker is slow; with the protocol's 65535, a lost
/// connection costs more repetitions.
pub(crate) const IN_FLIGHT: u16 = 1000;
/// Longest wait of a delivery for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
/// Limit of each step of a disconnect, which may take half a second in all.
const DISCONNECT_LIMIT: Duration = Duration::from_millis(200);

/// Outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Whether the broker keeps it for later subscribers.
    pub(crate) retain: bool,
    /// Time of a state.
    pub(crate) time: Option<Timestamp>,
}

impl Message {
    /// Returns whether it is a state.
    pub(crate) fn is_state(&self) -> bool {
        self.time.is_some()
    }

    /// Creates a message that the broker retains.
    pub(crate) fn retained(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), retain: true, time: None }
    }
}

/// One connection, while it lasts.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    client: AsyncClient,
    abandoned: Arc<Notify>,
    /// End of the time without subscriptions.
    muted_until: Option<Instant>,
    /// States that the broker retains, by topic, until somebody takes them.
    states: Arc<Mutex<States>>,
}

/// Times of retained states, by topic.
type States = BTreeMap<String, Shown>;

impl Connection {
    /// Queues a message without waiting. The notice completes when the broker has acknowledged it, or never will.
    pub(crate) fn send(&self, message: Message) -> Result<PublishNotice, ClientError> {
        let options = PublishOptions::at_least_once().retain(message.retain);
        self.client.try_publish_tracked(message.topic, message.payload, options)
    }

    /// Returns whether it subscribes to anything: not while the broker may have a message that is too long.
    pub(crate) fn may_subscribe(&self) -> bool {
        self.muted_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Subscribes to a topic, if it [may](Self::may_subscribe).
    pub(crate) fn subscribe(&self, filter: String) -> Result<(), ClientError> {
        if !self.may_subscribe() {
            return Ok(());
        }
        self.client.try_subscribe(filter, QoS::AtLeastOnce)
    }

    /// Takes the states that the broker retained when the connection began; empty after the first call.
    pub(crate) fn take_states(&self) -> States {
        mem::take(&mut lock(&self.states))
    }

    /// Closes a connection on which nothing is acknowledged any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.notify_one();
    }
}

/// State of the connection.
#[derive(Debug, Clone)]
pub(crate) enum LinkState {
    Connected(Connection),
    Disconnected(PublishError),
}

/// Newest retained states, by topic.
type Retained = Arc<Mutex<BTreeMap<String, Kept>>>;

/// Retained state.
#[derive(Debug, Default)]
struct Kept {
    /// What was sent last.
    payload: Vec<u8>,
    /// Time of the last one that the broker has acknowledged. It has forgotten states if it retains an older one.
    acknowledged: Option<Timestamp>,
}

/// Access to the current connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    state: watch::Receiver<LinkState>,
    retained: Retained,
}

/// Task that keeps the connection up. When dropped, it ends without a disconnect, and the broker sends the last will.
pub(crate) struct ConnectorTask(pub(crate) JoinSet<()>);

/// Status of the connection in `/health`.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    broker: Fact,
    reconnects: Counter,
}

impl Report {
    pub(crate) fn new(cx: &Context) -> Self {
        Self { broker: cx.fact("broker"), reconnects: cx.counter("reconnects") }
    }
}

impl Link {
    /// Returns the connection, after waiting a while if there is none.
    pub(crate) async fn connection(&mut self) -> Result<Connection, PublishError> {
        let settled = |state: &LinkState| {
            matches!(
                state,
                LinkState::Connected(_) | LinkState::Disconnected(PublishError::Misconfigured { .. })
            )
        };
        let _ = timeout(CONNECTION_WAIT, self.state.wait_for(settled)).await;
        match &*self.state.borrow_and_update() {
            LinkState::Connected(connection) => Ok(connection.clone()),
            LinkState::Disconnected(reason) => Err(reason.clone()),
        }
    }

    /// Returns the connection if there is one now.
    pub(crate) fn now(&self) -> Option<Connection> {
        match &*self.state.borrow() {
            LinkState::Connected(connection) => Some(connection.clone()),
            LinkState::Disconnected(_) => None,
        }
    }

    /// Remembers a message that was sent, to send it again if the broker forgets it.
    pub(crate) fn sent(&self, message: &Message) {
        self.keep(message, |kept| kept.payload.clone_from(&message.payload));
    }

    /// Remembers that the broker has acknowledged a message.
    pub(crate) fn acknowledged(&self, message: &Message) {
        self.keep(message, |kept| kept.acknowledged = message.time);
    }

    fn keep(&self, message: &Message, change: impl FnOnce(&mut Kept)) {
        if message.retain {
            let mut retained = lock(&self.retained);
            match retained.get_mut(&message.topic) {
                Some(kept) => change(kept),
                None => change(retained.entry(message.topic.clone()).or_default()),
            }
        }
    }

    /// Waits until the [connection](Self::connection) that was returned last is lost. All its notices are complete
    /// then.
    pub(crate) async fn lost(&self) {
        let _ = self.state.clone().changed().await;
    }

    /// Waits until a connection is made or lost.
    pub(crate) async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            // The connector has ended, and the caller is about to.
            std::future::pending().await
        }
    }
}

impl ConnectorTask {
    /// Sends a last message, and disconnects in order.
    pub(crate) async fn disconnect(mut self, link: &Link, last: Message) {
        let Some(connection) = link.now() else { return };
        if let Ok(notice) = connection.send(last)
            && let Ok(Ok(())) = timeout(DISCONNECT_LIMIT, notice.wait_completion_async()).await
            && connection.client.try_disconnect_now().is_ok()
        {
            let _ = timeout(DISCONNECT_LIMIT, self.0.join_next()).await;
        }
    }
}

/// Returns a connection to a broker that never answers, which lasts as long as the values beside it.
#[cfg(test)]
pub(crate) fn unanswered() -> (Link, Connection, impl Sized) {
    let options = rumqttc::MqttOptions::new("test", rumqttc::Broker::tcp("127.0.0.1", 1883));
    let (client, events) = AsyncClient::builder(options).capacity(10).build();
    let connection =
        Connection { client, abandoned: Arc::default(), muted_until: None, states: Arc::default() };
    let (sender, state) = watch::channel(LinkState::Connected(connection.clone()));
    (Link { state, retained: Retained::default() }, connection, (sender, events))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values are never half written, so poison means nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
