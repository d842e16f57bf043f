//! Meters that speak only when they are asked.

use std::{fmt, io, time::Duration};

use framework::{AcquireError, Batch, Fact, SourceContext, Text};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;
use transport::Connection;

use super::Meter;
use crate::Decoder;

/// Nothing for so long: a meter that may be one to ask is asked. Those that speak by themselves pause for
/// less: a P1 port of DSMR 4 for ten seconds.
const LISTEN: Duration = Duration::from_secs(11);
/// So often a meter is asked in one turn: an answer may be damaged on the way.
const ATTEMPTS: u32 = 3;
/// An answer that pauses for longer has ended: IEC 62056-21 allows 1.5 s between two characters.
const PAUSE: Duration = Duration::from_secs(2);
/// No answer takes longer: 64 KiB at 1200 baud.
const LONGEST: Duration = Duration::from_secs(600);

/// How a meter is asked.
#[framework::async_trait]
pub trait Conversation<D>: Send + 'static {
    /// Asks for a readout, up to the point where the meter sends it: the line is left at the speed of the
    /// readout, and what was read of the answer is put into the decoder.
    ///
    /// # Errors
    /// Why there will be no readout.
    async fn ask(&mut self, connection: &mut Connection, decoder: &mut D) -> Result<Answer, NoAnswer>;
}

/// What a meter said before its readout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it is asked, in a few words for `/health`: `mode C, 9600 baud`.
    pub mode: Text,
}

/// Why a meter does not answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// It says nothing.
    Silent {
        /// How long nothing came.
        waited: Duration,
    },
    /// What it says is no answer.
    Unclear(String),
    /// The line does not work.
    Connection(io::Error),
}

impl From<io::Error> for NoAnswer {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

/// Who is asked, and when.
pub(super) struct Asking<D> {
    conversation: Box<dyn Conversation<D>>,
    when: When,
    mode: Fact,
    /// How often to ask where no schedule says it.
    period: Duration,
}

enum When {
    /// At each call.
    Always,
    /// When the meter says nothing by itself; not again before the line is opened again.
    Silent { asked: bool },
    /// It was found to be one to ask: from now on at these moments.
    At(Instant),
}

impl<D> Asking<D> {
    pub(super) fn always(conversation: impl Conversation<D>, cx: &SourceContext) -> Self {
        Self::new(conversation, When::Always, cx)
    }

    pub(super) fn when_silent(conversation: impl Conversation<D>, cx: &SourceContext) -> Self {
        Self::new(conversation, When::Silent { asked: false }, cx)
    }

    fn new(conversation: impl Conversation<D>, when: When, cx: &SourceContext) -> Self {
        let period = cx.stale_after() / 3;
        Self { conversation: Box::new(conversation), when, mode: cx.fact("mode"), period }
    }

    /// The line was opened.
    pub(super) fn reset(&mut self) {
        if let When::Silent { asked } = &mut self.when {
            *asked = false;
        }
    }

    /// After how long without a byte a meter of which nobody knows is asked.
    pub(super) fn patience(&self) -> Option<Duration> {
        matches!(self.when, When::Silent { asked: false }).then_some(LISTEN)
    }
}

/// Why an attempt came to nothing.
enum Failed {
    /// Asked once more, it may go well.
    Again(AcquireError),
    Connection(io::Error),
}

impl<D: Decoder> Meter<D> {
    /// The answer of a meter that is asked, when its turn comes; `None` where it is listened to.
    pub(super) async fn ask(&mut self, connection: &mut Connection) -> Result<Option<Batch>, AcquireError> {
        let Some(asking) = &self.asking else { return Ok(None) };
        match asking.when {
            When::Silent { .. } => return Ok(None),
            When::At(due) => sleep_until(due).await,
            When::Always => {}
        }
        let answer = self.ask_until_it_answers(connection).await;
        if let Some(Asking { when: When::At(due), period, .. }) = &mut self.asking {
            *due = Instant::now() + *period;
        }
        answer.map(Some)
    }

    /// Asks a meter that says nothing by itself; `None` when it says nothing either.
    pub(super) async fn ask_silent(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<Batch>, AcquireError> {
        let Some(Asking { when: When::Silent { asked }, .. }) = &mut self.asking else { return Ok(None) };
        *asked = true;
        let answer = self.ask_once(connection).await;
        if let (Ok(_), Some(asking)) = (&answer, &mut self.asking) {
            asking.when = When::At(Instant::now() + asking.period);
        }
        match answer {
            Ok(batch) => Ok(Some(batch)),
            Err(Failed::Connection(error)) => Err(self.unavailable(error)),
            Err(Failed::Again(fault)) => {
                debug!("asked because nothing is pushed: {fault}");
                connection.set_baud(self.speed()).map_err(|error| self.unavailable(error))?;
                self.reset();
                Ok(None)
            }
        }
    }

    async fn ask_until_it_answers(&mut self, connection: &mut Connection) -> Result<Batch, AcquireError> {
        let mut attempt = 1;
        loop {
            match self.ask_once(connection).await {
                Ok(batch) => return Ok(batch),
                Err(Failed::Connection(error)) => return Err(self.unavailable(error)),
                Err(Failed::Again(fault)) if attempt == ATTEMPTS => return Err(fault),
                Err(Failed::Again(fault)) => debug!("asked once more: {fault}"),
            }
            attempt += 1;
        }
    }

    async fn ask_once(&mut self, connection: &mut Connection) -> Result<Batch, Failed> {
        let Some(asking) = &mut self.asking else {
            return Err(Failed::Connection(io::ErrorKind::Unsupported.into()));
        };
        connection.discard().map_err(Failed::Connection)?;
        self.reader.decoder().reset();
        let answer = asking.conversation.ask(connection, self.reader.decoder()).await;
        let Answer { mode } = answer.map_err(|none| match none {
            NoAnswer::Connection(error) => Failed::Connection(error),
            NoAnswer::Unclear(reason) => Failed::Again(AcquireError::Malformed { reason }),
            NoAnswer::Silent { waited } => {
                let device = self.settings.port.to_string();
                Failed::Again(AcquireError::Silent { device, waited })
            }
        })?;
        let readout = timeout(LONGEST, self.readout(connection)).await;
        let batch = readout.unwrap_or_else(|_| Err(again(format_args!("did not end within {LONGEST:?}"))))?;
        self.baud.set(connection.baud().to_string());
        if let Some(asking) = &self.asking {
            asking.mode.set(mode);
        }
        Ok(batch)
    }

    /// Reads what the meter answers, up to the end of its telegram.
    async fn readout(&mut self, connection: &mut Connection) -> Result<Batch, Failed> {
        let mut ended = false;
        loop {
            match self.decode() {
                Some(Ok(batch)) => return Ok(batch),
                Some(Err(fault)) => return Err(Failed::Again(fault)),
                None if ended => return Err(again(format_args!("broke off"))),
                None => {}
            }
            let decoder = self.reader.decoder();
            match timeout(PAUSE, connection.read(decoder.space())).await {
                Ok(Ok(count)) => {
                    decoder.filled(count);
                    self.bytes.add(count as u64);
                    self.heard = Instant::now();
                }
                Ok(Err(error)) => return Err(Failed::Connection(error)),
                Err(_) => {
                    decoder.finish();
                    ended = true;
                }
            }
        }
    }
}

fn again(what: fmt::Arguments<'_>) -> Failed {
    Failed::Again(AcquireError::Malformed { reason: format!("the meter's answer {what}") })
}
