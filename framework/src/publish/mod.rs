//! Delivery from the journal to remote servers: selection, averaging, retries, and the status of each publisher.
//!
//! ```text
//! journal::Queue ─▶ Feed: Route selects, Window averages ─▶ Runner: batches, retries ─▶ a plugin's Publisher
//!       ▲                                                     │
//!       └────────────────────── cursor ◀──────────────────────┘
//! ```

mod feed;
mod route;
mod runner;
#[cfg(test)]
mod tests;
mod waiting;
mod window;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use tokio::time::Instant;

pub use self::route::Route;
pub(crate) use self::runner::Runner;
use crate::{Counter, Stats, Text, Timestamp, status::InstanceStatus, store::State};

/// Status of one publisher, as in `/health` and `/metrics`.
#[derive(Debug)]
pub struct Delivery {
    /// Name in `[publishers.<name>]`.
    pub name: Text,
    /// Name of its plugin.
    pub plugin: &'static str,
    /// State, last success and last error.
    pub status: InstanceStatus,
    /// Records that were delivered.
    pub records: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Records that the server rejected permanently.
    pub refused: Counter,
    /// Records that exceeded `max_backlog_age` before they were delivered.
    pub expired: Counter,
    /// Panics of the plugin.
    pub panics: Counter,
    /// Start of the current call into the plugin; `None` between calls.
    entered: Mutex<Option<Instant>>,
    backlog: AtomicU64,
    /// Microseconds since 1970; `i64::MAX` if nothing waits.
    oldest: AtomicI64,
}

impl Delivery {
    /// Creates the status of a publisher that has delivered nothing yet.
    pub fn new(name: impl Into<Text>, plugin: &'static str, stats: Stats) -> Self {
        Self {
            name: name.into(),
            plugin,
            status: InstanceStatus::new(stats),
            records: Counter::default(),
            failures: Counter::default(),
            refused: Counter::default(),
            expired: Counter::default(),
            panics: Counter::default(),
            entered: Mutex::default(),
            backlog: AtomicU64::new(0),
            oldest: AtomicI64::new(i64::MAX),
        }
    }

    /// Returns the publisher's state.
    ///
    /// A plugin that blocks its thread cannot report that itself, and would look healthy for ever: so whoever reads
    /// the state looks at the clock.
    pub fn state(&self) -> State {
        match self.entered().is_some_and(|entered| entered.elapsed() > runner::PUBLISH_LIMIT) {
            true => State::Waiting,
            false => self.status.state(),
        }
    }

    /// Notes that a call into the plugin begins.
    pub(crate) fn enter_plugin(&self) {
        *self.entered() = Some(Instant::now());
    }

    /// Notes that the plugin has returned, or was cancelled.
    pub(crate) fn leave_plugin(&self) {
        *self.entered() = None;
    }

    fn entered(&self) -> MutexGuard<'_, Option<Instant>> {
        // A moment is never half written, so poison means nothing.
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of batches in the journal behind the cursor.
    pub fn backlog(&self) -> u64 {
        self.backlog.load(Relaxed)
    }

    /// Returns the time of the oldest record that waits.
    pub fn oldest(&self) -> Option<Timestamp> {
        let micros = self.oldest.load(Relaxed);
        if micros == i64::MAX { None } else { Timestamp::from_microsecond(micros).ok() }
    }

    pub(crate) fn set_backlog(&self, backlog: u64, oldest: Option<Timestamp>) {
        self.backlog.store(backlog, Relaxed);
        self.oldest.store(oldest.map_or(i64::MAX, Timestamp::as_microsecond), Relaxed);
    }
}
