//! Task that keeps the connection up.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use framework::{Backoff, PublishError, Timestamp};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Packet, Publish,
    QoS, TlsConfiguration, Transport,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use super::{Connection, ConnectorTask, IN_FLIGHT, Link, LinkState, Message, Report, Retained, States, lock};
use crate::{
    config::{Broker, Settings},
    fault,
    state::Shown,
};

/// Messages that wait for a place in flight: the rest of a batch, and discovery.
const CAPACITY: usize = 4000;
/// Seconds. A broker that is frozen, or behind a cut cable, is given up after twice this time.
const KEEP_ALIVE: u16 = 15;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Pauses between looks whether the broker is down. One that is restarted may be back in a tenth of a second.
const PROBES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(30), Duration::from_millis(60)];
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// Maximum number of sources that are reported as gone on one connection. Anybody may retain anything at the broker.
const MAX_GONE: usize = 100;
/// Longest wait for the retained states. Some brokers do not answer what their access rules forbid.
const STATES_LIMIT: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
/// Pause after a wrong password, as the broker might lock the user out.
const RETRY_MISCONFIGURED: Duration = Duration::from_secs(60);
/// Bytes. Commands and status words are short; a longer packet ends the connection.
const MAX_INCOMING: usize = 1 << 20;
/// Time without subscriptions after such a packet. The broker may retain it, and would send it on each connection.
const MUTE_TIME: Duration = Duration::from_secs(3600);
/// Bytes: the protocol's own limit.
const MAX_OUTGOING: usize = 268_435_455;
/// Incoming messages that wait to be handled. With more of them, the broker has to wait.
const INBOX: usize = 64;

/// Starts to connect. Incoming messages go to the returned inbox, except for those on the `own` topics: all states and
/// the availability of all sources.
pub(crate) fn start(
    settings: Arc<Settings>,
    report: Report,
    own: BTreeSet<String>,
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
        own,
        was_reading: false,
        retained,
        last_warning: None,
        short_lived: false,
        taken_over: 0,
        muted_until: None,
    };
    task.spawn(connector.run());
    (link, ConnectorTask(task), inbox_rx)
}

struct Connector {
    settings: Arc<Settings>,
    report: Report,
    state: watch::Sender<LinkState>,
    inbox: mpsc::Sender<Publish>,
    /// Topics of all states, and of the availability of all sources.
    own: BTreeSet<String>,
    /// Whether the last connection ended while retained messages were read. Some brokers close one that subscribes to a
    /// forbidden topic, so the next connection does without them.
    was_reading: bool,
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

/// Retained messages that are being read.
struct Reading {
    states: States,
    /// Confirmations that are missing.
    missing: usize,
    /// End of the wait for them.
    end: Instant,
    /// Sources that are not configured any more.
    gone: usize,
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
            self.state.send_replace(LinkState::Disconnected(error.clone()));
            self.taken_over = if self.short_lived && !self.is_down().await { self.taken_over + 1 } else { 0 };
            self.warn(since.is_some(), &error);
            let misconfigured = matches!(error, PublishError::Misconfigured { .. });
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
        let mut options = options(&self.settings, &self.settings.client_id);
        let will = self.settings.topics.status();
        options.set_last_will(LastWill::new(will, "offline", QoS::AtLeastOnce, true));
        let (client, mut events) = open(&self.settings.broker, options);
        let connection = Connection {
            client,
            abandoned: Arc::default(),
            muted_until: self.muted_until,
            states: Arc::default(),
        };
        let mut since = None;
        let mut reading: Option<Reading> = None;
        loop {
            let event = tokio::select! {
                event = events.poll() => event,
                () = connection.abandoned.notified() => {
                    let error = fault::unavailable(&self.settings, "does not acknowledge messages any more");
                    return End::Fault { since, error };
                }
                () = until(reading.as_ref().map(|reading| reading.end)) => {
                    self.ready(&connection, reading.take());
                    continue;
                }
            };
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    since = Some(Instant::now());
                    if again {
                        self.report.reconnects.increment();
                    }
                    self.report.broker.set(format!("connected to {}", self.settings.broker.url));
                    if !self.short_lived {
                        self.log_connected();
                    }
                    reading = self.read_retained(&connection);
                    if reading.is_none() {
                        self.ready(&connection, None);
                    }
                }
                Ok(Event::Incoming(Packet::UnsubAck(_))) => {
                    if let Some(reading) = &mut reading {
                        reading.missing -= 1;
                    }
                    if let Some(read) = reading.take_if(|reading| reading.missing == 0) {
                        self.ready(&connection, Some(read));
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
                    if let Some(reading) = &mut reading {
                        self.found(topic, &publish, reading, &connection);
                    } else if !self.own.contains(topic) {
                        // The receiver never waits for this task, so this is short.
                        let _ = self.inbox.send(publish).await;
                    }
                }
                Ok(_) => {}
                Err(ConnectionError::RequestsDone) => return End::Disconnected,
                Err(error) => {
                    if fault::is_too_long(&error) {
                        self.muted_until = Some(Instant::now() + MUTE_TIME);
                    }
                    self.was_reading = reading.is_some();
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
            let probe = timeout(PROBE_LIMIT, TcpStream::connect((host.as_str(), *port))).await;
            if !matches!(probe, Ok(Ok(_))) {
                return true;
            }
        }
        false
    }

    /// Asks for the retained states and availabilities. The broker sends them before it confirms that the subscription
    /// has ended. `None` if nothing can be read.
    fn read_retained(&mut self, connection: &Connection) -> Option<Reading> {
        if mem::take(&mut self.was_reading) || !connection.may_subscribe() {
            return None;
        }
        let Settings { topics, keys, .. } = &*self.settings;
        let filters = [Some(topics.availability("+")), keys.retain.then(|| topics.state("+"))];
        let mut missing = 0;
        for filter in filters.into_iter().flatten() {
            // QoS 0, as a broker limits how many other messages may be on their way.
            connection.client.try_subscribe(filter.as_str(), QoS::AtMostOnce).ok()?;
            connection.client.try_unsubscribe(filter).ok()?;
            missing += 1;
        }
        Some(Reading { states: States::new(), missing, end: Instant::now() + STATES_LIMIT, gone: 0 })
    }

    /// Takes a retained message. A source that is not configured any more is offline: its last values would seem to be
    /// current while the program is online.
    fn found(&self, topic: &str, message: &Publish, reading: &mut Reading, connection: &Connection) {
        if let Some(shown) = Shown::parse(&message.payload).filter(|_| self.own.contains(topic)) {
            reading.states.insert(topic.to_owned(), shown);
        } else if message.retain
            && &*message.payload == b"online"
            && !self.own.contains(topic)
            && reading.gone < MAX_GONE
        {
            reading.gone += 1;
            let _ = connection.send(Message::retained(topic.to_owned(), "offline"));
        }
    }

    /// Hands the connection out. Sends those states again that the broker has forgotten: a slow source would have none
    /// until its next reading. Nobody else has this connection yet, so nothing newer is sent before.
    fn ready(&self, connection: &Connection, reading: Option<Reading>) {
        // First, so that nobody takes the following states for those of a program that is offline.
        let _ = connection.send(Message::retained(self.settings.topics.status(), "online"));
        let mut states = reading.map(|reading| reading.states).unwrap_or_default();
        for (topic, kept) in &*lock(&self.retained) {
            let retained = states.get(topic).and_then(Shown::time);
            // A state has microseconds.
            if retained.map(Timestamp::as_microsecond) < kept.acknowledged.map(Timestamp::as_microsecond) {
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

/// Waits until a moment; for ever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Logs in at the broker as another client, and returns its answer.
///
/// # Errors
/// Returns the reason for which the broker takes nothing.
pub(crate) async fn test(settings: &Settings) -> Result<String, PublishError> {
    let name = format!("{}-test", settings.client_id);
    let (client, mut events) = open(&settings.broker, options(settings, &name));
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => break,
            Ok(_) => {}
            Err(error) => return Err(fault::explain(settings, error, None, 0)),
        }
    }
    // The broker writes a connection that just ends into its log as a fault.
    let _ = client.try_disconnect();
    let _ = timeout(PROBE_LIMIT, async { while events.poll().await.is_ok() {} }).await;
    Ok(match &settings.keys.username {
        Some(name) => format!("{} has accepted the login of `{name}`", settings.broker.url),
        None => format!("{} has accepted the connection, without a login", settings.broker.url),
    })
}

/// Returns the options of a client, without its last will.
fn options(settings: &Settings, client_id: &str) -> MqttOptions {
    let broker = &settings.broker;
    let mut options = MqttOptions::new(client_id, rumqttc::Broker::tcp(&broker.host, broker.port));
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_inflight(IN_FLIGHT)
        // Messages that are written to the socket at once.
        .set_max_request_batch(100)
        .set_max_packet_size(MAX_INCOMING, MAX_OUTGOING);
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
    options
}

fn open(broker: &Broker, mut options: MqttOptions) -> (AsyncClient, EventLoop) {
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
