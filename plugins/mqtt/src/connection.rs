//! The connection to the broker, which a task of its own keeps up.
//!
//! Each connection has a client of its own and begins a new session. With its end, everything that the broker did not
//! confirm ends too, and is known not to be confirmed: no queue outlives a connection, nothing is sent from two places.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use framework::{Context, Counter, Fact, PublishError};
use rumqttc::{
    AsyncClient, Broker, ClientError, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Packet, Publish, PublishNotice, PublishOptions, QoS, Transport,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use crate::{config::Settings, fault};

/// What may be on its way to the broker at once, unconfirmed. With a hundred, a broker far away is slow; with the
/// protocol's 65535, a lost connection costs more repetitions.
pub(crate) const IN_FLIGHT: u16 = 1000;
/// What waits for a place in flight: the rest of a batch, and what Home Assistant is told.
const WAITING: usize = 4000;
/// A broker that is frozen, or behind a cut cable, is given up after twice this.
const KEEP_ALIVE: u16 = 15;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Between attempts to connect.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LAST_WAIT: Duration = Duration::from_secs(10);
/// After a wrong password, lest the broker locks the user out.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(60);
/// A connection that lived shorter than this was made in vain: longer than two clients of one name wait, before one
/// throws the other out.
pub(crate) const LASTING: Duration = Duration::from_secs(15);
/// So long a delivery waits for a connection that is not there.
const PATIENCE: Duration = Duration::from_secs(5);
/// The end may take half a second.
const GOODBYE: Duration = Duration::from_millis(200);
/// What comes in is commands and words; a packet that is longer ends the connection.
const LONGEST_IN: usize = 1 << 20;
/// So long nothing is asked for after such a packet: the broker may keep it, and send it again on each connection.
const DEAF: Duration = Duration::from_secs(3600);
/// The protocol's own limit.
const LONGEST_OUT: usize = 268_435_455;
/// Messages that came in and were not looked at; with more of them, the broker has to wait.
const INBOX: usize = 64;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Whether the broker keeps it for those who ask later.
    pub(crate) retain: bool,
}

impl Message {
    /// One that is kept.
    pub(crate) fn retained(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), retain: true }
    }
}

/// One connection, while it lasts.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    client: AsyncClient,
    abandoned: Arc<Notify>,
    /// Until then nothing is asked for.
    deaf_until: Option<Instant>,
}

impl Connection {
    /// Hands a message on without waiting. The notice comes when the broker has confirmed it, or never will.
    pub(crate) fn send(&self, message: Message) -> Result<PublishNotice, ClientError> {
        let options = PublishOptions::at_least_once().retain(message.retain);
        self.client.try_publish_tracked(message.topic, message.payload, options)
    }

    /// Whether anything is asked for: not while the broker has a message that is too long.
    pub(crate) fn hears(&self) -> bool {
        self.deaf_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Asks for what others say on a topic, where it [hears](Self::hears).
    pub(crate) fn subscribe(&self, filter: String) -> Result<(), ClientError> {
        if !self.hears() {
            return Ok(());
        }
        self.client.try_subscribe(filter, QoS::AtLeastOnce)
    }

    /// Ends it: nothing is confirmed on it any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.notify_one();
    }
}

/// How the connection stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// Nothing is known yet.
    Beginning,
    /// It is there.
    Connected(Connection),
    /// It is not, and this is why.
    Away(PublishError),
}

/// The newest states that the broker has confirmed and is to keep, by topic: one for each section.
type Kept = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The way to the connection, for those who need it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    standing: watch::Receiver<Standing>,
    kept: Kept,
}

/// The task that keeps it up; it ends when this is dropped, without a word to the broker.
pub(crate) struct Keeping(JoinSet<()>);

/// Where the connection is reported.
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

/// Begins to keep up a connection. What comes in is in the inbox.
pub(crate) fn begin(settings: Arc<Settings>, report: Report) -> (Link, Keeping, mpsc::Receiver<Publish>) {
    let (standing, standing_rx) = watch::channel(Standing::Beginning);
    let (inbox, inbox_rx) = mpsc::channel(INBOX);
    let mut task = JoinSet::new();
    let link = Link { standing: standing_rx, kept: Kept::default() };
    let kept = Arc::clone(&link.kept);
    let keeper =
        Keeper { settings, report, standing, inbox, kept, said: None, in_vain: false, deaf_until: None };
    task.spawn(keeper.run());
    (link, Keeping(task), inbox_rx)
}

impl Link {
    /// The connection; waits a while for one that was lost.
    pub(crate) async fn connection(&mut self) -> Result<Connection, PublishError> {
        let settled = |standing: &Standing| {
            matches!(standing, Standing::Connected(_) | Standing::Away(PublishError::Misconfigured { .. }))
        };
        let _ = timeout(PATIENCE, self.standing.wait_for(settled)).await;
        match &*self.standing.borrow_and_update() {
            Standing::Connected(connection) => Ok(connection.clone()),
            Standing::Away(reason) => Err(reason.clone()),
            Standing::Beginning => Err(PublishError::unavailable("could not connect yet")),
        }
    }

    /// The connection as it stands now.
    pub(crate) fn now(&self) -> Option<Connection> {
        match &*self.standing.borrow() {
            Standing::Connected(connection) => Some(connection.clone()),
            Standing::Beginning | Standing::Away(_) => None,
        }
    }

    /// Takes a message that the broker has confirmed, to tell it again where it is to keep it.
    pub(crate) fn keep(&self, message: Message) {
        if message.retain {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(message.topic, message.payload);
        }
    }

    /// Waits until the [connection](Self::connection) that was given last is lost. All that it will ever confirm is
    /// confirmed then.
    pub(crate) async fn lost(&self) {
        let _ = self.standing.clone().changed().await;
    }

    /// Waits until a connection is made or lost.
    pub(crate) async fn changed(&mut self) {
        if self.standing.changed().await.is_err() {
            // Its keeper has ended, as whoever asks will at once.
            std::future::pending().await
        }
    }
}

impl Keeping {
    /// Sends a last message and ends the connection in order.
    pub(crate) async fn goodbye(mut self, link: &Link, last: Message) {
        let Some(connection) = link.now() else { return };
        if let Ok(notice) = connection.send(last)
            && let Ok(Ok(())) = timeout(GOODBYE, notice.wait_completion_async()).await
            && connection.client.try_disconnect_now().is_ok()
        {
            let _ = timeout(GOODBYE, self.0.join_next()).await;
        }
    }
}

struct Keeper {
    settings: Arc<Settings>,
    report: Report,
    standing: watch::Sender<Standing>,
    inbox: mpsc::Sender<Publish>,
    kept: Kept,
    /// What was last said of a fault, until a connection lasts.
    said: Option<String>,
    /// Whether the connection before did not last: one that is made now is not worth a word yet.
    in_vain: bool,
    /// Until then nothing is asked for.
    deaf_until: Option<Instant>,
}

/// Why a connection ended.
enum End {
    /// In order.
    Goodbye,
    /// It had been there, or not, and what went wrong.
    Fault { since: Option<Instant>, error: PublishError },
}

impl Keeper {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let mut connected_before = false;
        loop {
            let End::Fault { since, error } = self.connect(connected_before).await else { return };
            connected_before |= since.is_some();
            self.in_vain = since.is_some_and(|since| since.elapsed() < LASTING);
            self.tell(since.is_some(), &error);
            let misconfigured = matches!(error, PublishError::Misconfigured { .. });
            self.standing.send_replace(Standing::Away(error));
            // A connection that is made and lost at once, as with two clients of one name, is no reason to hurry.
            if since.is_some() && !self.in_vain {
                wait = FIRST_WAIT;
            }
            sleep(if misconfigured { MISCONFIGURED_WAIT } else { wait }).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    /// One connection, from its beginning to its end.
    async fn connect(&mut self, again: bool) -> End {
        let (client, mut events) = open(&self.settings);
        let connection = Connection { client, abandoned: Arc::default(), deaf_until: self.deaf_until };
        let mut since = None;
        loop {
            let event = tokio::select! {
                event = events.poll() => event,
                () = connection.abandoned.notified() => {
                    let error = fault::unavailable(&self.settings, "confirms nothing any more");
                    return End::Fault { since, error };
                }
            };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    since = Some(Instant::now());
                    // Before anything else, so that nobody takes what follows for the word of one that is away.
                    let _ = connection.send(Message::retained(self.settings.topics.status(), "online"));
                    self.remind(&connection);
                    if again {
                        self.report.reconnects.increment();
                    }
                    self.report.broker.set(format!("connected to {}", self.settings.broker.url));
                    if !self.in_vain {
                        self.tell_connected();
                    }
                    self.standing.send_replace(Standing::Connected(connection.clone()));
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    // Whoever takes it never waits for this task, so it will not be long.
                    let _ = self.inbox.send(publish).await;
                }
                Ok(_) => {}
                Err(ConnectionError::RequestsDone) => return End::Goodbye,
                Err(error) => {
                    if fault::is_too_long(&error) {
                        self.deaf_until = Some(Instant::now() + DEAF);
                    }
                    let lived = since.map(|since| since.elapsed());
                    return End::Fault { since, error: fault::explain(&self.settings, error, lived) };
                }
            }
            // Something comes at least as often as `KEEP_ALIVE`.
            if since.is_some_and(|since| since.elapsed() >= LASTING) {
                self.said = None;
                if mem::take(&mut self.in_vain) {
                    self.tell_connected();
                }
            }
        }
    }

    /// The broker may have forgotten what it was to keep, and a slow source would have no state until its next reading.
    /// Nobody has this connection yet, so that nothing newer goes before.
    fn remind(&self, connection: &Connection) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, payload) in &*kept {
            let _ = connection.send(Message::retained(topic.clone(), payload.clone()));
        }
    }

    fn tell_connected(&self) {
        info!(publisher = self.settings.instance, "connected to {}", self.settings.broker.url);
    }

    /// Logs a fault, but not again what was said already.
    fn tell(&mut self, was_there: bool, error: &PublishError) {
        let text = error.to_string();
        self.report.broker.set(format!("not connected: {text}"));
        if self.said.as_ref() == Some(&text) {
            return;
        }
        let publisher = &self.settings.instance;
        match was_there {
            true => warn!(publisher, "lost the connection: {text}"),
            false => warn!(publisher, "could not connect: {text}"),
        }
        self.said = Some(text);
    }
}

fn open(settings: &Settings) -> (AsyncClient, EventLoop) {
    let broker = &settings.broker;
    let mut options = MqttOptions::new(&settings.client_id, Broker::tcp(&broker.host, broker.port));
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_inflight(IN_FLIGHT)
        // So many are written to the socket at once.
        .set_max_request_batch(100)
        .set_max_packet_size(LONGEST_IN, LONGEST_OUT)
        .set_last_will(LastWill::new(settings.topics.status(), "offline", QoS::AtLeastOnce, true));
    match (&settings.username, &settings.password) {
        (Some(name), Some(password)) => {
            options.set_credentials(name, password.reveal().to_owned());
        }
        (Some(name), None) => {
            options.set_username(name);
        }
        (None, _) => {}
    }
    if let Some(tls) = &broker.tls {
        options.set_transport(Transport::tls_with_config(tls.transport()));
    }
    if broker.host.contains(':') {
        // rumqttc writes host and port with a colon between; an address of IPv6 needs its brackets for that.
        let address = format!("[{}]:{}", broker.host, broker.port);
        options.set_socket_connector(move |_, network| {
            rumqttc::default_socket_connect(address.clone(), network)
        });
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_LIMIT.as_secs());
    let (client, mut events) = AsyncClient::builder(options).capacity(WAITING).build();
    events.set_network_options(network);
    (client, events)
}
