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

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework::{Backoff, Context, Counter, Fact, PublishError, Timestamp};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, EventLoop, LastWill, MqttOptions, NetworkOptions,
    Packet, Publish, PublishNotice, PublishOptions, QoS, TlsConfiguration, Transport,
};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use crate::{
    config::{Broker, Settings},
    fault,
    state::Shown,
};

/// Unacknowledged messages at once. With a hundred, a distant broker is slow; with the protocol's 65535, a lost
/// connection costs more repetitions.
pub(crate) const IN_FLIGHT: u16 = 1000;
/// Messages that wait for a place in flight: the rest of a batch, and discovery.
const CAPACITY: usize = 4000;
/// Seconds. A broker that is frozen, or behind a cut cable, is given up after twice this time.
const KEEP_ALIVE: u16 = 15;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Pauses between looks whether the broker is down. One that is restarted may be back in a tenth of a second.
const PROBES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(30), Duration::from_millis(60)];
/// Longest wait for the retained states. Some brokers do not answer what their access rules forbid.
const STATES_LIMIT: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
/// Pause after a wrong password, as the broker might lock the user out.
const RETRY_MISCONFIGURED: Duration = Duration::from_secs(60);
/// Longest wait of a delivery for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);
/// Limit of each step of a disconnect, which may take half a second in all.
const DISCONNECT_LIMIT: Duration = Duration::from_millis(200);
/// Bytes. Commands and status words are short; a longer packet ends the connection.
const MAX_INCOMING: usize = 1 << 20;
/// Time without subscriptions after such a packet. The broker may retain it, and would send it on each connection.
const MUTE_TIME: Duration = Duration::from_secs(3600);
/// Bytes: the protocol's own limit.
const MAX_OUTGOING: usize = 268_435_455;
/// Incoming messages that wait to be handled. With more of them, the broker has to wait.
const INBOX: usize = 64;

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

/// Starts to connect. Incoming messages go to the returned inbox.
pub(crate) fn start(
    settings: Arc<Settings>,
    report: Report,
) -> (Link, ConnectorTask, mpsc::Receiver<Publish>) {
    let (state, state_rx) =
        watch::channel(LinkState::Disconnected(PublishError::unavailable("not connected yet")));
    let (inbox, inbox_rx) = mpsc::channel(INBOX);
    let mut task = JoinSet::new();
    let link = Link { state: state_rx, retained: Retained::default() };
    let retained = Arc::clone(&link.retained);
    let connector = Connector {
        settings,
        report,
        state,
        inbox,
        retained,
        last_warning: None,
        short_lived: false,
        taken_over: 0,
        muted_until: None,
    };
    task.spawn(connector.run());
    (link, ConnectorTask(task), inbox_rx)
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

struct Connector {
    settings: Arc<Settings>,
    report: Report,
    state: watch::Sender<LinkState>,
    inbox: mpsc::Sender<Publish>,
    retained: Retained,
    /// Last fault in the log, until a connection is stable.
    last_warning: Option<String>,
    /// Whether the previous connection was not stable. The log is silent about the next one until it is.
    short_lived: bool,
    /// Number of consecutive connections that were not stable, though the broker was there all the time.
    taken_over: u32,
    /// End of the time without subscriptions.
    muted_until: Option<Instant>,
}

/// Cause of a connection's end.
enum End {
    Disconnected,
    /// `since` is the time of the broker's CONNACK, if there was one.
    Fault {
        since: Option<Instant>,
        error: PublishError,
    },
}

impl Connector {
    async fn run(mut self) {
        let mut retry = RETRY;
        let mut connected_before = false;
        loop {
            let End::Fault { since, error } = self.connect(connected_before).await else { return };
            connected_before |= since.is_some();
            self.short_lived = since.is_some_and(|since| since.elapsed() < fault::STABLE_AFTER);
            self.taken_over = if self.short_lived && !self.is_down().await { self.taken_over + 1 } else { 0 };
            self.warn(since.is_some(), &error);
            let misconfigured = matches!(error, PublishError::Misconfigured { .. });
            self.state.send_replace(LinkState::Disconnected(error));
            // A connection that was lost at once, as with two clients of one name, keeps the longer pause.
            if since.is_some() && !self.short_lived {
                retry.reset();
            }
            let pause = retry.pause();
            sleep(if misconfigured { RETRY_MISCONFIGURED } else { pause }).await;
        }
    }

    /// Runs one connection, from its beginning to its end.
    async fn connect(&mut self, again: bool) -> End {
        let (client, mut events) = open(&self.settings);
        let connection = Connection {
            client,
            abandoned: Arc::default(),
            muted_until: self.muted_until,
            states: Arc::default(),
        };
        let mut since = None;
        // States so far, and the end of the wait for more.
        let mut reading: Option<(States, Instant)> = None;
        loop {
            let event = tokio::select! {
                event = events.poll() => event,
                () = connection.abandoned.notified() => {
                    let error = fault::unavailable(&self.settings, "does not acknowledge messages any more");
                    return End::Fault { since, error };
                }
                () = until(reading.as_ref().map(|(_, end)| *end)) => {
                    self.ready(&connection, reading.take());
                    continue;
                }
            };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    since = Some(Instant::now());
                    // First, so that nobody takes the following states for those of a program that is offline.
                    let _ = connection.send(Message::retained(self.settings.topics.status(), "online"));
                    if again {
                        self.report.reconnects.increment();
                    }
                    self.report.broker.set(format!("connected to {}", self.settings.broker.url));
                    if !self.short_lived {
                        self.log_connected();
                    }
                    match self.ask_for_states(&connection) {
                        true => reading = Some((States::new(), Instant::now() + STATES_LIMIT)),
                        false => self.ready(&connection, None),
                    }
                }
                Ok(Event::Incoming(Packet::UnsubAck(_))) => self.ready(&connection, reading.take()),
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
                    if self.settings.topics.is_state(topic) {
                        if let (Some((states, _)), Some(shown)) =
                            (&mut reading, Shown::parse(&publish.payload))
                        {
                            states.insert(topic.to_owned(), shown);
                        }
                        continue;
                    }
                    // The receiver never waits for this task, so this is short.
                    let _ = self.inbox.send(publish).await;
                }
                Ok(_) => {}
                Err(ConnectionError::RequestsDone) => return End::Disconnected,
                Err(error) => {
                    if fault::is_too_long(&error) {
                        self.muted_until = Some(Instant::now() + MUTE_TIME);
                    }
                    let lived = since.map(|since| since.elapsed());
                    return End::Fault {
                        since,
                        error: fault::explain(&self.settings, error, lived, self.taken_over),
                    };
                }
            }
            // An event comes at least once in each `KEEP_ALIVE`.
            if since.is_some_and(|since| since.elapsed() >= fault::STABLE_AFTER) {
                self.last_warning = None;
                if mem::take(&mut self.short_lived) {
                    self.log_connected();
                }
            }
        }
    }

    /// Returns whether nothing listens at the broker's port, shortly after it has closed a connection: it is restarted.
    async fn is_down(&self) -> bool {
        let Broker { host, port, .. } = &self.settings.broker;
        for pause in PROBES {
            sleep(pause).await;
            if let Ok(Err(_)) = timeout(CONNECT_LIMIT, TcpStream::connect((host.as_str(), *port))).await {
                return true;
            }
        }
        false
    }

    /// Asks for the retained states. The broker sends them before it confirms that the subscription has ended.
    fn ask_for_states(&self, connection: &Connection) -> bool {
        let filter = self.settings.topics.states();
        // QoS 0, as a broker limits how many other messages may be on their way.
        let asked = |filter: &str| connection.client.try_subscribe(filter, QoS::AtMostOnce);
        self.settings.keys.retain
            && connection.may_subscribe()
            && asked(&filter).and_then(|()| connection.client.try_unsubscribe(filter)).is_ok()
    }

    /// Hands the connection out. Sends those states again that the broker has forgotten: a slow source would have none
    /// until its next reading. Nobody else has this connection yet, so nothing newer is sent before.
    fn ready(&self, connection: &Connection, reading: Option<(States, Instant)>) {
        let (mut states, _) = reading.unwrap_or((States::new(), Instant::now()));
        for (topic, kept) in &*lock(&self.retained) {
            if states.get(topic).and_then(Shown::time) < kept.acknowledged {
                states.remove(topic);
                let _ = connection.send(Message::retained(topic.clone(), kept.payload.clone()));
            }
        }
        *lock(&connection.states) = states;
        self.state.send_replace(LinkState::Connected(connection.clone()));
    }

    fn log_connected(&self) {
        info!("connected to {}", self.settings.broker.url);
    }

    /// Logs a fault, unless it is the one that was logged last.
    fn warn(&mut self, was_there: bool, error: &PublishError) {
        let text = error.to_string();
        self.report.broker.set(format!("not connected: {text}"));
        if self.last_warning.as_ref() == Some(&text) {
            return;
        }
        match was_there {
            true => warn!("lost the connection: {text}"),
            false => warn!("could not connect: {text}"),
        }
        self.last_warning = Some(text);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values are never half written, so poison means nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a moment; for ever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn open(settings: &Settings) -> (AsyncClient, EventLoop) {
    let broker = &settings.broker;
    let mut options = MqttOptions::new(&settings.client_id, rumqttc::Broker::tcp(&broker.host, broker.port));
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_inflight(IN_FLIGHT)
        // Messages that are written to the socket at once.
        .set_max_request_batch(100)
        .set_max_packet_size(MAX_INCOMING, MAX_OUTGOING)
        .set_last_will(LastWill::new(settings.topics.status(), "offline", QoS::AtLeastOnce, true));
    match (&settings.keys.username, &settings.password) {
        (Some(name), Some(password)) => {
            options.set_credentials(name, password.reveal().to_owned());
        }
        (Some(name), None) => {
            options.set_username(name);
        }
        (None, _) => {}
    }
    if let Some(tls) = &broker.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))));
    }
    if broker.host.contains(':') {
        // rumqttc joins host and port with a colon, for which an IPv6 address needs brackets.
        let address = format!("[{}]:{}", broker.host, broker.port);
        options.set_socket_connector(move |_, network| {
            rumqttc::default_socket_connect(address.clone(), network)
        });
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_LIMIT.as_secs());
    let (client, mut events) = AsyncClient::builder(options).capacity(CAPACITY).build();
    events.set_network_options(network);
    (client, events)
}
