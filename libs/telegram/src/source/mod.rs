//! Source of one meter's telegrams: bytes in, batches out. The [`Reader`] judges the bytes.
//!
//! ```text
//!               a telegram
//! Searching ──────────────────▶ Pushing
//!     │   silence, an answer
//!     └───────────────────────▶ Polled    (from the start where the configuration says so)
//! ```
//!
//! The phase outlives the connection: a meter that is known needs no search after its head was plugged in again.

mod flow;
mod noise;
mod polling;
mod search;

use std::{io, time::Duration};

use framework::{AcquireError, Batch, Counter, DataAcquisition, Fact, SourceContext, Timestamp};
use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};
use tracing::debug;
use transport::{Connection, Line, Pacer, Port};

use self::{flow::Flow, noise::Noise, polling::Polling, search::Search};
use crate::{Decoder, Fault, Reader, protocols};

pub use self::polling::{Answer, Conversation};

/// Longest pause inside a telegram: IEC 62056-21 allows 1.5 s between two characters.
const PAUSE: Duration = Duration::from_millis(1500);

/// Lines of protocols whose plugin may not be linked: those of M-Bus, of DLMS/COSEM, and of French meters. A search listens
/// there too, to name the protocol.
pub const FOREIGN_LINES: [Line; 4] =
    [Line::even(2400), Line::even(9600), Line::plain(2400), Line::plain(1200)];

/// Longest pause before a port that is missing is looked for again, however seldom its device is polled.
const REPLUG: Duration = Duration::from_secs(2);

/// Returns the error of a port that cannot be opened. One that was unplugged is looked for often.
pub fn unopened(error: io::Error, port: &str) -> AcquireError {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    let error = AcquireError::from(error).of_device(port);
    if is_missing { error.retry_within(REPLUG) } else { error }
}

/// Configuration of a source.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Port of the meter.
    pub port: Port,
    /// Lines at which it may push, the usual one first. They are tried in turn until a telegram was found.
    pub lines: Vec<Line>,
    /// Power in watts that energy counters may rise with.
    pub max_power_w: f64,
    /// Time without a byte after which the port is closed and opened again.
    pub silent_after: Duration,
    /// Time by which the meter's times are moved to another time zone than the decoder's; `None` finds out.
    pub time_shift: Option<SignedDuration>,
}

/// Source of one meter's batches.
pub struct Source<D> {
    connection: Option<Connection>,
    meter: Meter<D>,
}

/// State of a source beside its connection.
struct Meter<D> {
    settings: Settings,
    phase: Phase,
    polling: Option<Polling>,
    /// Lines of other plugins' protocols, for the search.
    foreign: Vec<Line>,
    /// Index of the present line, in `settings.lines` and, after them, `foreign`.
    place: usize,
    reader: Reader<D>,
    pacer: Pacer,
    began: Instant,
    /// Time of the last byte, or of the opening.
    heard: Instant,
    /// The same, where a telegram may go on after the pause since then.
    rested: Option<Instant>,
    noise: Noise,
    /// Brake; `None` for a port that has a speed of its own.
    flow: Option<Flow>,
    bytes: Counter,
    /// Number of the connection's bytes that `bytes` includes.
    counted: u64,
    baud: Fact,
    /// Adds readings that are computed from those of more than one telegram.
    complete: Option<Complete>,
}

/// Completer of a batch that was taken at a time since any fixed moment.
type Complete = Box<dyn FnMut(&mut Batch, Duration) + Send>;

enum Phase {
    /// No telegram was found yet: listens at each baud rate in turn.
    Searching(Search),
    /// The meter pushes telegrams, at a known baud rate.
    Pushing,
    /// The meter answers requests: the next one is due at this time, or in each turn.
    Polled { due: Option<Instant> },
}

impl<D: Decoder> Source<D> {
    /// A source of a meter that pushes.
    pub fn new(decoder: D, settings: Settings, cx: &SourceContext) -> Self {
        let now = Instant::now();
        cx.fact("port").set(settings.port.to_string());
        let flow = matches!(settings.port, Port::Tcp(_)).then(|| Flow::new(cx));
        let meter = Meter {
            reader: Reader::new(decoder, settings.max_power_w, cx).in_time_zone(settings.time_shift),
            foreign: foreign_lines(&settings.lines),
            settings,
            phase: Phase::Searching(Search::default()),
            polling: None,
            place: 0,
            pacer: Pacer::default(),
            began: now,
            heard: now,
            rested: None,
            noise: Noise::default(),
            flow,
            bytes: cx.counter("bytes"),
            counted: 0,
            baud: cx.fact("baud"),
            complete: None,
        };
        Self { connection: None, meter }
    }

    /// The same for a meter that is polled in each turn.
    pub fn polled(mut self, conversation: impl Conversation, cx: &SourceContext) -> Self {
        self.meter.phase = Phase::Polled { due: None };
        self.polled_when_silent(conversation, cx)
    }

    /// The same for an unknown meter: it is polled when it pushes nothing.
    pub fn polled_when_silent(mut self, conversation: impl Conversation, cx: &SourceContext) -> Self {
        self.meter.polling = Some(Polling::new(conversation, cx));
        self
    }

    /// The same for a meter whose batches get further readings, computed from those of several telegrams. `complete` gets
    /// each batch with its time since any fixed moment.
    pub fn completed_by(mut self, complete: impl FnMut(&mut Batch, Duration) + Send + 'static) -> Self {
        self.meter.complete = Some(Box::new(complete));
        self
    }
}

impl<D: Decoder> Source<D> {
    /// Returns the framework's source. It limits its own waits, and the line limits its rate.
    pub fn into_source(self) -> framework::Source {
        let limit = self.time_limit();
        framework::Source::new(self).timeout(limit).at_line_speed()
    }

    /// Returns the longest time that one turn takes.
    pub fn time_limit(&self) -> Duration {
        self.meter.settings.silent_after.saturating_add(polling::LONGEST_TURN)
    }
}

impl<D: Decoder> Meter<D> {
    /// Waits for the next batch.
    async fn acquire(&mut self, connection: &mut Connection) -> Result<Batch, AcquireError> {
        loop {
            if let Phase::Polled { due } = self.phase {
                return self.ask(connection, due).await;
            }
            if let Some(found) = self.decode() {
                return found;
            }
            match self.phase {
                Phase::Searching(_) => {
                    if let Some(answer) = self.search(connection).await? {
                        return Ok(answer);
                    }
                }
                _ => self.follow(connection).await?,
            }
        }
    }

    /// Returns the next batch or fault in the bytes so far; `None` when more are needed.
    fn decode(&mut self) -> Option<Result<Batch, AcquireError>> {
        loop {
            let now = Instant::now();
            let found = self.reader.next(now - self.began, Timestamp::now())?;
            if let Err(Fault::Rejected(reason)) = &found {
                self.pacer.gave_up();
                // What this decoder takes another protocol's bytes for tells nothing.
                if matches!(self.phase, Phase::Searching(Search { foreign: true, .. })) {
                    debug!("{reason}");
                    continue;
                }
            } else {
                self.pacer.completed(now, self.reader.len_of_last());
                if let Phase::Searching(_) = self.phase {
                    self.phase = Phase::Pushing;
                }
            }
            // What it takes another line's bytes for is noise.
            if !D::CHANGES_LINE || !matches!(found, Err(Fault::Rejected(_) | Fault::LeftOut(_))) {
                self.noise = Noise::default();
            }
            return Some(found.map_err(|fault| match fault {
                Fault::Misconfigured(reason) => AcquireError::Misconfigured { reason },
                fault => AcquireError::Malformed { reason: fault.to_string() },
            }));
        }
    }

    /// Waits for more bytes of a meter that pushes, or for the pause that ends a telegram.
    async fn follow(&mut self, connection: &mut Connection) -> Result<(), AcquireError> {
        let (now, pending) = (Instant::now(), self.reader.scanner().is_pending());
        if pending {
            self.pacer.arrived(now, self.noise.bytes());
            if let Some(until) = self.pacer.nap(now, self.noise.bytes()) {
                connection.nap(until).await?;
            }
        }
        let patience = if pending && !self.rests() { PAUSE } else { self.settings.silent_after };
        match self.read(connection, self.heard + patience).await? {
            true if self.noise.is_long(false) => {
                let error = self.search_again().then(|| self.next_line(connection));
                error.unwrap_or_else(|| Err(self.no_telegram(connection)))
            }
            true => Ok(()),
            false if pending => {
                self.pause();
                Ok(())
            }
            false => {
                self.search_again();
                Err(self.silent())
            }
        }
    }

    /// Begins the search again where the meter may have changed its line; returns whether it has.
    fn search_again(&mut self) -> bool {
        if D::CHANGES_LINE {
            self.phase = Phase::Searching(Search::default());
        }
        D::CHANGES_LINE
    }

    /// Reads the bytes that are there or come until `deadline`; returns whether there were any.
    async fn read(&mut self, connection: &mut Connection, deadline: Instant) -> Result<bool, AcquireError> {
        let space = self.reader.scanner().space();
        let Ok(read) = timeout_at(deadline.max(Instant::now()), connection.read(space)).await else {
            return Ok(false);
        };
        let count = read?;
        if let Phase::Searching(search) = &mut self.phase {
            search.heard(&space[..count]);
        }
        self.reader.scanner().filled(count);
        self.count(connection);
        let now = Instant::now();
        if self.rests() {
            self.noise.rested(now - self.heard);
        }
        self.heard = now;
        self.noise.heard(now, count);
        if let Some(until) = self.flow.as_mut().and_then(|flow| flow.read(now, count)) {
            connection.nap(until).await?;
        }
        Ok(true)
    }

    /// Counts the bytes that came, also those that a conversation has read.
    fn count(&mut self, connection: &Connection) {
        let received = connection.received();
        self.bytes.add(received - std::mem::replace(&mut self.counted, received));
    }

    /// Notes a pause inside a telegram, or the end of one that lasted too long.
    fn pause(&mut self) {
        if self.rests() {
            self.reader.scanner().finish();
        } else if self.reader.pause() {
            self.rested = Some(self.heard);
        }
    }

    /// Returns whether a telegram may go on after the present pause.
    fn rests(&self) -> bool {
        self.rested == Some(self.heard)
    }

    /// Returns the present line.
    fn line(&self) -> Line {
        let lines = &self.settings.lines;
        lines.iter().chain(&self.foreign).nth(self.place).copied().unwrap_or(Line::plain(9600))
    }

    /// Sets the present line.
    fn set_line(&self, connection: &mut Connection) -> io::Result<()> {
        connection.set_line(self.line())?;
        self.baud.set(self.line().to_string());
        Ok(())
    }

    fn silent(&self) -> AcquireError {
        AcquireError::Silent { device: String::new(), waited: self.settings.silent_after }
    }

    /// Adds the device's name to an error.
    fn named(&self, mut error: AcquireError) -> AcquireError {
        if let AcquireError::Unavailable { device, .. } | AcquireError::Silent { device, .. } = &mut error {
            *device = self.settings.port.to_string();
        }
        error
    }

    /// Returns the error for bytes without a telegram among them, which are forgotten.
    fn no_telegram(&mut self, connection: &Connection) -> AcquireError {
        let (port, baud) = (&self.settings.port, connection.baud());
        let bytes = std::mem::take(&mut self.noise).bytes();
        misaligned::<D>(&format!(
            "{bytes} bytes came from {port} at {baud} baud, and no telegram is among them"
        ))
    }

    /// Forgets what is not complete: the rest of it was lost.
    fn reset(&mut self) {
        self.reader.scanner().reset();
        self.pacer.gave_up();
        self.noise = Noise::default();
        self.heard = Instant::now();
        if let Phase::Searching(search) = &mut self.phase {
            search.reset();
        }
    }
}

/// Returns the lines beside `own` at which a search can find out which plugin reads the meter.
fn foreign_lines(own: &[Line]) -> Vec<Line> {
    let mut foreign = Vec::new();
    let linked = protocols().into_iter().flat_map(|protocol| protocol.lines);
    for line in linked.chain(&FOREIGN_LINES) {
        if !own.contains(line) && !foreign.contains(line) {
            foreign.push(*line);
        }
    }
    foreign
}

fn misaligned<D: Decoder>(heard: &str) -> AcquireError {
    let protocol = D::PROTOCOLS.first().map_or("", |protocol| protocol.family());
    AcquireError::Malformed {
        reason: format!(
            "{heard}: check the alignment of the head, `baud`, whether the signal of a P1 port is inverted as it must be, and whether \
             this is a {protocol} meter (`smartmeter probe` tells)"
        ),
    }
}

#[framework::async_trait]
impl<D: Decoder> DataAcquisition for Source<D> {
    async fn open(&mut self) -> Result<(), AcquireError> {
        let Self { connection, meter } = self;
        let opened = Connection::open(&meter.settings.port, meter.line().baud).await;
        let opened = opened.and_then(|mut opened| meter.set_line(&mut opened).map(|()| opened));
        let port = meter.settings.port.to_string();
        *connection = Some(opened.map_err(|error| unopened(error, &port))?);
        meter.counted = 0;
        meter.reset();
        if let Phase::Searching(search) = &mut meter.phase {
            search.polled = false;
        }
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let Self { connection, meter } = self;
        let batch = match connection {
            Some(connection) => meter.acquire(connection).await,
            None => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        };
        let mut batch = batch.map_err(|error| meter.named(error))?;
        if let Some(complete) = &mut meter.complete {
            complete(&mut batch, meter.began.elapsed());
        }
        Ok(Some(batch))
    }

    async fn close(&mut self) {
        self.connection = None;
    }
}
