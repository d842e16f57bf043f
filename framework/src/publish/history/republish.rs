//! Hours that a person wants to be sent again.

use std::ops::Range;

use tokio::sync::mpsc;

/// Requests that wait for the one that is under way.
const WAITING: usize = 4;
/// Reports that wait for the one who asked.
const REPORTS: usize = 16;

/// Way to have the runner of one publisher send hours again.
#[derive(Debug, Clone)]
pub(crate) struct Republisher(mpsc::Sender<Request>);

/// Request for the hours from one second since 1970 to before another.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) hours: Range<i64>,
    pub(super) events: mpsc::Sender<Event>,
}

#[derive(Debug)]
pub(super) enum Event {
    Progress(Progress),
    Ended(Result<(), String>),
}

/// Progress of an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Hours that are done.
    pub done: u64,
    /// All of them.
    pub of: u64,
}

/// Hours that are being sent again. To drop it cancels what is not sent yet.
#[derive(Debug)]
pub struct Republication(mpsc::Receiver<Event>);

/// Reason why hours cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepublishError {
    /// There is no publisher of this name.
    #[error("{0}")]
    Unknown(String),
    /// It takes records, and no history.
    #[error("{0}")]
    TakesRecords(String),
    /// Others wait already.
    #[error("{0}")]
    Busy(String),
    /// It was tried, and failed.
    #[error("{0}")]
    Failed(String),
    /// The program is ending.
    #[error("the program is ending")]
    Ending,
}

impl Republisher {
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, received) = mpsc::channel(WAITING);
        (Self(requests), received)
    }

    /// Has hours sent again.
    ///
    /// # Errors
    /// Returns [`RepublishError::Busy`] if others wait already.
    pub(crate) fn republish(&self, hours: Range<i64>) -> Result<Republication, RepublishError> {
        let (events, received) = mpsc::channel(REPORTS);
        self.0.try_send(Request { hours, events }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RepublishError::Busy(format!(
                "{WAITING} other requests wait for this publisher already: wait for their end, and ask again"
            )),
            mpsc::error::TrySendError::Closed(_) => RepublishError::Ending,
        })?;
        Ok(Republication(received))
    }
}

impl Republication {
    /// Waits for the next progress; `None` at the end.
    ///
    /// # Errors
    /// Returns the reason why the rest was not sent.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn progress(&mut self) -> Result<Option<Progress>, RepublishError> {
        match self.0.recv().await {
            Some(Event::Progress(progress)) => Ok(Some(progress)),
            Some(Event::Ended(Ok(()))) => Ok(None),
            Some(Event::Ended(Err(reason))) => Err(RepublishError::Failed(reason)),
            None => Err(RepublishError::Ending),
        }
    }
}

/// Reports the progress of an update to the one who asked for it.
#[derive(Debug)]
pub(super) struct Reporter(pub(super) mpsc::Sender<Event>);

impl Reporter {
    pub(super) fn progress(&self, done: u64, of: u64) {
        // One who does not listen misses some.
        let _ = self.0.try_send(Event::Progress(Progress { done, of }));
    }
}
