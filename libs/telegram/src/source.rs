//! The device: bytes in, batches out. All judgement of bytes is in the [`Reader`].

mod asking;
mod noise;

use std::{io, time::Duration};

use framework::{AcquireError, Batch, Counter, DataAcquisition, Fact, SourceContext, Timestamp};
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use transport::{Connection, Pacer, Port};

use self::{asking::Asking, noise::Noise};
use crate::{Decoder, Fault, Protocol, Reader, Sniffer, plugin_for};

pub use self::asking::{Answer, Conversation, NoAnswer};

/// A pause inside a telegram that is longer ends it: IEC 62056-21 allows 1.5 s between two characters.
const PAUSE: Duration = Duration::from_millis(1500);

/// Where the meter is, and what is known of it beforehand.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The line to it.
    pub port: Port,
    /// The speeds at which it may speak, the usual one first. They are tried one after the other until a
    /// telegram was found; one only is not changed.
    pub bauds: Vec<u32>,
    /// Energy counters may rise as fast as so many watts make them.
    pub max_power_w: f64,
    /// Without a byte for so long the line is closed and opened again.
    pub silent_after: Duration,
}

/// A meter that sends telegrams, and the line to it.
pub struct Source<D> {
    connection: Option<Connection>,
    meter: Meter<D>,
}

/// What came while the line was listened to.
enum Heard {
    /// Bytes, or the end of some.
    Something,
    /// Nothing, for so long that the meter may be one to ask.
    Nothing,
}

/// What is known of the meter, whether or not the line is open.
struct Meter<D> {
    settings: Settings,
    /// Where in `settings.bauds` the speed stands that is listened at.
    place: usize,
    reader: Reader<D>,
    pacer: Pacer,
    began: Instant,
    /// When a byte came last, or the line was opened.
    heard: Instant,
    noise: Noise,
    sniffer: Sniffer,
    /// Another plugin reads what arrives.
    foreign: Option<Protocol>,
    asking: Option<Asking<D>>,
    bytes: Counter,
    baud: Fact,
}

impl<D: Decoder> Source<D> {
    /// A meter that speaks by itself.
    pub fn new(decoder: D, settings: Settings, cx: &SourceContext) -> Self {
        let now = Instant::now();
        cx.fact("port").set(settings.port.to_string());
        let meter = Meter {
            reader: Reader::new(decoder, settings.max_power_w, cx),
            settings,
            place: 0,
            pacer: Pacer::default(),
            began: now,
            heard: now,
            noise: Noise::default(),
            sniffer: Sniffer::default(),
            foreign: None,
            asking: None,
            bytes: cx.counter("bytes"),
            baud: cx.fact("baud"),
        };
        Self { connection: None, meter }
    }

    /// The same for a meter that is asked at each turn.
    pub fn asked(mut self, conversation: impl Conversation<D>, cx: &SourceContext) -> Self {
        self.meter.asking = Some(Asking::always(conversation, cx));
        self
    }

    /// The same for a meter of which nobody knows: it is asked when it says nothing by itself.
    pub fn asked_when_silent(mut self, conversation: impl Conversation<D>, cx: &SourceContext) -> Self {
        self.meter.asking = Some(Asking::when_silent(conversation, cx));
        self
    }
}

impl<D: Decoder> Meter<D> {
    /// What the bytes that are here make: a batch, a fault, or nothing yet.
    fn decode(&mut self) -> Option<Result<Batch, AcquireError>> {
        loop {
            let now = Instant::now();
            let found = self.reader.next(now - self.began, Timestamp::now())?;
            if let Err(Fault::Rejected(reason)) = &found {
                self.pacer.gave_up();
                // Bytes of another protocol: what this one takes them for says nothing.
                if self.foreign.is_some() {
                    debug!("{reason}");
                    continue;
                }
            } else {
                self.pacer.completed(now, self.reader.len_of_last());
                self.foreign = None;
            }
            self.noise = Noise::default();
            return Some(found.map_err(|fault| AcquireError::Malformed { reason: fault.to_string() }));
        }
    }

    /// Waits for more bytes, or for the pause that ends a telegram.
    async fn listen(&mut self, connection: &mut Connection) -> Result<Heard, AcquireError> {
        let now = Instant::now();
        let (pending, searching) = (self.reader.decoder().pending(), self.is_searching());
        if pending && !searching {
            self.pacer.arrived(now, self.noise.bytes());
            if let Some(until) = self.pacer.nap(now, self.noise.bytes()) {
                connection.nap(until).await.map_err(|error| self.unavailable(error))?;
            }
        }
        let deadline = (self.heard + self.patience()).max(Instant::now());
        let space = self.reader.decoder().space();
        match timeout_at(deadline, connection.read(space)).await {
            Ok(Ok(count)) => {
                let protocol = searching.then(|| self.sniffer.heard(&space[..count])).flatten();
                self.reader.decoder().filled(count);
                self.bytes.add(count as u64);
                self.heard = Instant::now();
                self.noise.heard(self.heard, count);
                self.recognized(protocol)?;
                if self.noise.is_long(searching) {
                    self.give_up(connection)?;
                }
                Ok(Heard::Something)
            }
            Ok(Err(error)) => Err(self.unavailable(error)),
            Err(_) if pending => {
                self.reader.decoder().finish();
                Ok(Heard::Something)
            }
            Err(_) if searching && self.noise.bytes() > 0 => {
                self.give_up(connection).map(|()| Heard::Something)
            }
            Err(_) if self.may_ask().is_some() => Ok(Heard::Nothing),
            Err(_) => Err(self.silent()),
        }
    }

    /// How long nothing may come.
    fn patience(&mut self) -> Duration {
        if self.reader.decoder().pending() || (self.is_searching() && self.noise.bytes() > 0) {
            return PAUSE;
        }
        let silent_after = self.settings.silent_after;
        self.may_ask().map_or(silent_after, |patience| patience.min(silent_after))
    }

    /// After how long without a byte the meter is asked, if it may be one to ask.
    fn may_ask(&self) -> Option<Duration> {
        self.asking.as_ref().and_then(Asking::patience).filter(|_| self.is_searching())
    }

    /// The speed that is listened at.
    fn speed(&self) -> u32 {
        self.settings.bauds.get(self.place).copied().unwrap_or(9600)
    }

    /// No telegram was found yet, and the speed may be the reason.
    fn is_searching(&self) -> bool {
        !self.reader.knows_meter()
    }

    /// Says so when another plugin reads what arrives.
    fn recognized(&mut self, protocol: Option<Protocol>) -> Result<(), AcquireError> {
        let Some(protocol) = protocol else { return Ok(()) };
        self.noise = Noise::default(); // the speed is right
        if protocol == D::PROTOCOL {
            return Ok(());
        }
        self.sniffer.reset();
        self.foreign = Some(protocol);
        let (port, ours) = (&self.settings.port, D::PROTOCOL);
        let hint = match (plugin_for(protocol), plugin_for(ours)) {
            (Some(right), Some(wrong)) => {
                format!("write `plugin = \"{right}\"` instead of `plugin = \"{wrong}\"`")
            }
            _ => format!("this plugin reads {ours}"),
        };
        Err(AcquireError::Misconfigured { reason: format!("the meter on {port} sends {protocol}: {hint}") })
    }

    /// Bytes came, and no telegram was among them: listens at the next speed, and says so after the last one.
    fn give_up(&mut self, connection: &mut Connection) -> Result<(), AcquireError> {
        let bytes = std::mem::take(&mut self.noise).bytes();
        let (port, bauds) = (&self.settings.port, &self.settings.bauds);
        let heard = if self.is_searching() && bauds.len() > 1 && connection.sets_baud() {
            self.place = (self.place + 1) % bauds.len();
            connection.set_baud(self.speed()).map_err(|error| self.unavailable(error))?;
            self.baud.set(self.speed().to_string());
            self.reader.decoder().reset();
            self.sniffer.reset();
            if self.place > 0 {
                return Ok(());
            }
            format!(
                "bytes arrive from {port}, but no telegram at any speed from {} to {} baud",
                least(bauds),
                most(bauds)
            )
        } else {
            format!(
                "{bytes} bytes came from {port} at {} baud, and no telegram is among them",
                connection.baud()
            )
        };
        let reason =
            format!("{heard}: check the head's alignment, `baud`, and that this is a {} meter", D::PROTOCOL);
        Err(AcquireError::Malformed { reason })
    }

    fn unavailable(&self, source: io::Error) -> AcquireError {
        AcquireError::Unavailable { device: self.settings.port.to_string(), source }
    }

    fn silent(&self) -> AcquireError {
        AcquireError::Silent { device: self.settings.port.to_string(), waited: self.settings.silent_after }
    }

    /// What is not complete will never be: the line begins anew.
    fn reset(&mut self) {
        self.reader.decoder().reset();
        self.pacer.gave_up();
        self.noise = Noise::default();
        self.sniffer.reset();
        self.heard = Instant::now();
    }
}

fn least(bauds: &[u32]) -> u32 {
    bauds.iter().copied().min().unwrap_or_default()
}

fn most(bauds: &[u32]) -> u32 {
    bauds.iter().copied().max().unwrap_or_default()
}

#[framework::async_trait]
impl<D: Decoder> DataAcquisition for Source<D> {
    async fn open(&mut self) -> Result<(), AcquireError> {
        let Self { connection, meter } = self;
        let opened = Connection::open(&meter.settings.port, meter.speed()).await;
        *connection = Some(opened.map_err(|error| meter.unavailable(error))?);
        meter.baud.set(meter.speed().to_string());
        meter.reset();
        if let Some(asking) = &mut meter.asking {
            asking.reset();
        }
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Batch, AcquireError> {
        let Self { connection, meter } = self;
        let Some(connection) = connection else {
            return Err(meter.unavailable(io::ErrorKind::NotConnected.into()));
        };
        loop {
            if let Some(answer) = meter.ask(connection).await? {
                return Ok(answer);
            }
            if let Some(found) = meter.decode() {
                return found;
            }
            if let Heard::Nothing = meter.listen(connection).await?
                && let Some(answer) = meter.ask_silent(connection).await?
            {
                return Ok(answer);
            }
        }
    }

    async fn close(&mut self) {
        self.connection = None;
    }
}
