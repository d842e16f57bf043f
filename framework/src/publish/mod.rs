//! From the journal to the far ends: selection, thinning, retry, and how each publisher fares.
//!
//! ```text
//! journal::Queue ─▶ Route: which readings, how often ─▶ Runner: batches, retry ─▶ a plugin's Publisher
//!       ▲                                                  │
//!       └───────────── how far it got ◀────────────────────┘
//! ```

mod feed;
mod route;
mod runner;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use tokio::time::Instant;

pub use self::route::Route;
pub(crate) use self::runner::Runner;
use crate::{Counter, Stats, Text, Timestamp, store::State, vitals::Vitals};

/// One publisher as `/health` and `/metrics` see it.
#[derive(Debug)]
pub struct Delivery {
    /// The instance's name.
    pub name: Text,
    /// Its plugin.
    pub plugin: &'static str,
    /// What it is doing.
    pub vitals: Vitals,
    /// Records that arrived.
    pub records: Counter,
    /// Attempts that failed.
    pub failures: Counter,
    /// Records that the far end refused for good.
    pub refused: Counter,
    /// Records that became older than `max_backlog` before they could be delivered.
    pub expired: Counter,
    /// How often the publisher panicked.
    pub panics: Counter,
    /// Since when the plugin is at work; `None` = it is not.
    begun: Mutex<Option<Instant>>,
    backlog: AtomicU64,
    /// Microseconds since 1970; `i64::MAX` = nothing waits.
    oldest: AtomicI64,
}

impl Delivery {
    /// One that has delivered nothing yet.
    pub fn new(name: impl Into<Text>, plugin: &'static str, stats: Stats) -> Self {
        Self {
            name: name.into(),
            plugin,
            vitals: Vitals::new(stats),
            records: Counter::default(),
            failures: Counter::default(),
            refused: Counter::default(),
            expired: Counter::default(),
            panics: Counter::default(),
            begun: Mutex::default(),
            backlog: AtomicU64::new(0),
            oldest: AtomicI64::new(i64::MAX),
        }
    }

    /// What it is doing. One that keeps its thread cannot say so, and would look well for ever: whoever reads this finds
    /// out.
    pub fn state(&self) -> State {
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match begun.is_some_and(|begun| begun.elapsed() > runner::PUBLISH_LIMIT) {
            true => State::Waiting,
            false => self.vitals.state(),
        }
    }

    /// The plugin begins to work.
    pub(crate) fn begins(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The plugin has given its thread back.
    pub(crate) fn ends(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Batches in the journal that it has still to look at.
    pub fn backlog(&self) -> u64 {
        self.backlog.load(Relaxed)
    }

    /// When the oldest reading was taken that waits; `None` where nothing does.
    pub fn oldest(&self) -> Option<Timestamp> {
        let micros = self.oldest.load(Relaxed);
        if micros == i64::MAX { None } else { Timestamp::from_microsecond(micros).ok() }
    }

    pub(crate) fn waits(&self, backlog: u64, oldest: Option<Timestamp>) {
        self.backlog.store(backlog, Relaxed);
        self.oldest.store(oldest.map_or(i64::MAX, Timestamp::as_microsecond), Relaxed);
    }
}
