//! Delivery from the journal to remote servers: selection, averaging, retries, and the status of each publisher.
//!
//! ```text
//! journal::Queue ─▶ Feed: Route selects, Window averages ─▶ Runner: batches, retries ─▶ a plugin's Publisher
//!       ▲                                                     │
//!       └────────────────────── cursor ◀──────────────────────┘
//! ```

mod call;
mod feed;
pub(crate) mod history;
mod route;
mod runner;
#[cfg(test)]
mod tests;
mod waiting;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

pub use self::route::Route;
pub(crate) use self::runner::Runner;
#[doc(hidden)] // for the test that crosses every consumer of a reading's meaning
pub use self::window::has_mean;
use crate::{Counter, Stats, Text, Timestamp, status::WorkerStatus, store::State};

/// Status of one publisher, as in `/health` and `/metrics`.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Name in `[publishers.<name>]`.
    pub name: Text,
    /// Name of its plugin.
    pub plugin: &'static str,
    /// State, last success, last error, panics.
    pub status: Arc<WorkerStatus>,
    /// Records that were delivered.
    pub records: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Records that the server rejected permanently.
    pub refused: Counter,
    /// Records that exceeded `max_backlog_age` before they were delivered.
    pub expired: Counter,
    /// Start of the current call into the plugin; `None` between calls.
    entered: Mutex<Option<Instant>>,
    /// End of the hours that are delivered; only of a publisher of history.
    delivered_to: Option<Mutex<Option<Timestamp>>>,
    /// Batches not yet delivered, and the time of the oldest record that waits.
    backlog: Mutex<(u64, Option<Timestamp>)>,
}

impl Delivery {
    /// Creates the status of a publisher that has delivered nothing yet.
    pub fn new(name: impl Into<Text>, plugin: &'static str, stats: Stats) -> Self {
        Self { name: name.into(), plugin, status: WorkerStatus::new(stats), ..Self::default() }
    }

    /// The same, of a publisher of history.
    pub fn of_history(self) -> Self {
        Self { delivered_to: Some(Mutex::default()), ..self }
    }

    /// Returns the end of the hours that are delivered, if there are any; `None` for a publisher of records.
    pub fn delivered_to(&self) -> Option<Option<Timestamp>> {
        self.delivered_to.as_ref().map(|delivered| *lock(delivered))
    }

    pub(crate) fn set_delivered_to(&self, end: Option<Timestamp>) {
        if let Some(delivered) = &self.delivered_to {
            *lock(delivered) = end;
        }
    }

    /// Returns the publisher's state.
    ///
    /// A plugin that blocks its thread cannot report that itself, and would look healthy for ever: so whoever reads
    /// the state looks at the clock.
    pub fn state(&self) -> State {
        match lock(&self.entered).is_some_and(|entered| entered.elapsed() > call::PUBLISH_LIMIT) {
            true => State::Waiting,
            false => self.status.state(),
        }
    }

    /// Notes that a call into the plugin begins.
    pub(crate) fn enter_plugin(&self) {
        *lock(&self.entered) = Some(Instant::now());
    }

    /// Notes that the plugin works on, if it is called.
    pub(crate) fn show_life(&self) {
        if let Some(entered) = &mut *lock(&self.entered) {
            *entered = Instant::now();
        }
    }

    /// Returns the start of the current call into the plugin, or its last sign of life.
    fn entered(&self) -> Option<Instant> {
        *lock(&self.entered)
    }

    /// Notes that the plugin has returned, or was cancelled.
    pub(crate) fn leave_plugin(&self) {
        *lock(&self.entered) = None;
    }

    /// Returns the number of batches in the journal that are not yet delivered.
    pub fn backlog(&self) -> u64 {
        lock(&self.backlog).0
    }

    /// Returns the time of the oldest record that waits.
    pub fn oldest(&self) -> Option<Timestamp> {
        lock(&self.backlog).1
    }

    pub(crate) fn set_backlog(&self, backlog: u64, oldest: Option<Timestamp>) {
        *lock(&self.backlog) = (backlog, oldest);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values are never half written, so poison means nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
