//! Handle for those who control the running program: it reloads its configuration, or sends history again.

use std::{fmt, io, ops::Range, time::Duration};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Diagnostics,
    publish::history::{HOUR, Republication, RepublishError},
};

/// Requests that wait for a reload that is going on.
const WAITING: usize = 16;

/// Handle that controls a running program. A clone is the same handle.
#[derive(Debug, Clone)]
pub struct Control(mpsc::Sender<Request>);

/// A request, and the place for its answer.
#[derive(Debug)]
pub(super) enum Request {
    Reload(oneshot::Sender<Result<Changes, ReloadError>>),
    Republish { publisher: String, hours: Range<i64>, answer: oneshot::Sender<Republished> },
}

/// Start of a publication, which then goes on by itself.
pub(super) type Republished = Result<Republication, RepublishError>;

/// What a reload has changed. Names are those of the tables: `sources.house`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Those that are new.
    pub started: Vec<String>,
    /// Those that are gone.
    pub stopped: Vec<String>,
    /// Those whose keys, secrets or inputs have changed.
    pub restarted: Vec<String>,
    /// Those of which only what people call them has changed, which went on without a gap.
    pub relabelled: Vec<String>,
    /// Number of the others, which went on without a gap.
    pub unchanged: usize,
    /// Whether `[server]` has changed, and is in force.
    pub server: bool,
    /// Whether `[[tariffs]]` have changed, and are in force.
    pub tariffs: bool,
    /// Whether `[backup]` has changed, and is in force.
    pub backup: bool,
    /// Keys that take effect only when the program starts again: `[journal] path`.
    pub needs_restart: Vec<String>,
    /// Those that block their thread, and could not be stopped.
    pub stuck: Vec<String>,
    /// Time that it took.
    #[serde(skip)]
    pub took: Duration,
}

impl Changes {
    /// Returns the sentence on what waits for a restart, if there is anything.
    pub fn restart(&self) -> Option<String> {
        (!self.needs_restart.is_empty())
            .then(|| format!("{} takes effect when the program starts again", self.needs_restart.join(", ")))
    }

    /// Returns whether nothing had to be done.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.started, &self.stopped, &self.restarted, &self.relabelled, &self.needs_restart];
        !self.server && !self.tariffs && !self.backup && lists.iter().all(|list| list.is_empty())
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, stopped, restarted, relabelled, unchanged, .. } = self;
        let lists = [
            ("started", started),
            ("stopped", stopped),
            ("restarted", restarted),
            ("relabelled", relabelled),
        ];
        let mut done: Vec<_> = lists
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect();
        if self.server {
            done.push("applied `[server]`".to_owned());
        }
        if self.tariffs {
            done.push("applied `[[tariffs]]`".to_owned());
        }
        if self.backup {
            done.push("applied `[backup]`".to_owned());
        }
        let done = if done.is_empty() { "nothing to do".to_owned() } else { done.join("; ") };
        write!(f, "reloaded the configuration: {done}; {unchanged} unchanged")
    }
}

/// Reason why a reload has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration has mistakes.
    #[error("the configuration has mistakes, so nothing was changed:\n{0}")]
    Wrong(Diagnostics),
    /// These keys cannot be changed while the program runs, and everything that is started anew depends on them.
    #[error("{} cannot be changed while the program runs, so nothing was changed: it needs a restart", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// A port is in use, or the system refuses a thread.
    #[error("nothing was changed: {0}")]
    System(io::Error),
    /// The program has no files to read its configuration from.
    #[error("this program has no configuration files to reload")]
    NoFiles,
    /// The program is ending.
    #[error("the program is ending, so nothing was changed")]
    Ending,
}

impl Control {
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, received) = mpsc::channel(WAITING);
        (Self(requests), received)
    }

    /// Reads the configuration, checks all of it, and applies what has changed. Waits for a reload that is going on, and
    /// for the end of the program's start.
    ///
    /// # Errors
    /// Returns the reason why nothing was changed.
    ///
    /// # Cancel safety
    /// The reload goes on if the future is dropped.
    pub async fn reload(&self) -> Result<Changes, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Request::Reload(answer)).await.map_err(|_| ReloadError::Ending)?;
        answered.await.unwrap_or(Err(ReloadError::Ending))
    }

    /// Has a publisher of history send hours again, whatever its server has: each one with a part between these seconds
    /// since 1970. A reload is possible meanwhile.
    ///
    /// # Errors
    /// Returns the reason why this publisher cannot.
    pub async fn republish(
        &self,
        publisher: &str,
        hours: Range<i64>,
    ) -> Result<Republication, RepublishError> {
        let start = hours.start.div_euclid(HOUR).saturating_mul(HOUR);
        let end = hours.end.saturating_add(HOUR - 1).div_euclid(HOUR).saturating_mul(HOUR);
        let hours = start..end;
        let (answer, answered) = oneshot::channel();
        let request = Request::Republish { publisher: publisher.to_owned(), hours, answer };
        self.0.send(request).await.map_err(|_| RepublishError::Ending)?;
        answered.await.unwrap_or(Err(RepublishError::Ending))
    }
}
