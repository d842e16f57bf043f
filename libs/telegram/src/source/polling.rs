//! Phase of a source whose meter sends a readout only on request.

use std::{fmt, io, time::Duration};

use framework::{AcquireError, Batch, Fact, SourceContext, Text};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;
use transport::Connection;

use super::{Meter, Phase};
use crate::Decoder;

/// Requests in one turn: an answer may be damaged on the way.
const ATTEMPTS: u32 = 3;
/// Pause that ends an answer: IEC 62056-21 allows 1.5 s between two characters.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest time of an answer: 64 KiB at 1200 baud.
const LONGEST: Duration = Duration::from_secs(600);
/// Longest time of a turn: all its requests, and what comes before their answers.
pub(super) const LONGEST_TURN: Duration = Duration::from_secs(ATTEMPTS as u64 * 660);

/// Dialogue that makes a meter send its readout.
#[framework::async_trait]
pub trait Conversation: Send + 'static {
    /// Asks for a readout, up to the point where the meter sends it, and leaves the port at the baud rate of the
    /// readout.
    ///
    /// # Errors
    /// Fails if the meter sends no readout. The source adds the device's name to the error.
    async fn ask(&mut self, connection: &mut Connection) -> Result<Answer, AcquireError>;
}

/// Answer of a meter up to its readout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Mode of the dialogue for `/health`, in a few words: `mode C, 9600 baud`.
    pub mode: Text,
    /// First bytes of the telegram, at most 512.
    pub begun: Vec<u8>,
}

/// Means to poll a meter.
pub(super) struct Polling {
    conversation: Box<dyn Conversation>,
    mode: Fact,
    /// Time between two requests where no schedule determines it.
    period: Duration,
}

impl Polling {
    pub(super) fn new(conversation: impl Conversation, cx: &SourceContext) -> Self {
        let period = cx.stale_after() / 3;
        Self { conversation: Box::new(conversation), mode: cx.fact("mode"), period }
    }
}

impl<D: Decoder> Meter<D> {
    /// Asks the meter when its turn comes, until it answers.
    pub(super) async fn ask(
        &mut self,
        connection: &mut Connection,
        due: Option<Instant>,
    ) -> Result<Batch, AcquireError> {
        if let Some(due) = due {
            sleep_until(due).await;
        }
        let mut attempt = 1;
        let answer = loop {
            match self.ask_once(connection).await {
                Err(fault) if attempt < ATTEMPTS && may_pass(&fault) => debug!("polled once more: {fault}"),
                answer => break answer,
            }
            attempt += 1;
        };
        if due.is_some() {
            self.ask_later();
        }
        answer
    }

    /// Asks a meter that pushes nothing; `None` when it does not answer either.
    pub(super) async fn ask_silent(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<Batch>, AcquireError> {
        if let Phase::Searching(search) = &mut self.phase {
            search.polled = true;
        }
        connection.set_parity(transport::Parity::None)?;
        match self.ask_once(connection).await {
            Ok(batch) => {
                self.place = 0;
                self.ask_later();
                Ok(Some(batch))
            }
            Err(fault) if !may_pass(&fault) => Err(fault),
            Err(fault) => {
                debug!("polled because nothing is pushed: {fault}");
                self.set_line(connection)?;
                self.reset();
                Ok(None)
            }
        }
    }

    /// Sets the time of the next request.
    fn ask_later(&mut self) {
        let due = self.polling.as_ref().map(|polling| Instant::now() + polling.period);
        self.phase = Phase::Polled { due };
    }

    async fn ask_once(&mut self, connection: &mut Connection) -> Result<Batch, AcquireError> {
        connection.discard()?;
        self.reader.scanner().reset();
        let polling = self.polling.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?;
        let answer = polling.conversation.ask(connection).await;
        self.count(connection);
        let Answer { mode, begun } = answer?;
        self.reader.scanner().take(&begun);
        let readout = timeout(LONGEST, self.readout(connection)).await;
        let batch =
            readout.unwrap_or_else(|_| Err(malformed(format_args!("did not end within {LONGEST:?}"))))?;
        self.baud.set(connection.baud().to_string());
        if let Some(polling) = &self.polling {
            polling.mode.set(mode);
        }
        Ok(batch)
    }

    /// Reads the answer up to the end of its telegram.
    async fn readout(&mut self, connection: &mut Connection) -> Result<Batch, AcquireError> {
        let mut ended = false;
        loop {
            match self.decode() {
                Some(found) => return found,
                None if ended => return Err(malformed(format_args!("broke off"))),
                None => {}
            }
            if !self.read(connection, Instant::now() + PAUSE).await? {
                self.reader.scanner().finish();
                ended = true;
            }
        }
    }
}

/// Returns whether another request may succeed.
fn may_pass(fault: &AcquireError) -> bool {
    !matches!(fault, AcquireError::Unavailable { .. })
}

fn malformed(what: fmt::Arguments<'_>) -> AcquireError {
    AcquireError::Malformed { reason: format!("the meter's answer {what}") }
}
