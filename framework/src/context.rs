//! What an instance is told, and where it reports.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{Decimal, Text, journal::Journal};

/// What [`Plugin::build`](crate::Plugin::build) is told about its instance.
#[derive(Debug, Clone)]
pub struct Context {
    instance: Text,
    state_dir: PathBuf,
    stale_after: Duration,
    stats: Stats,
    journal: Arc<OnceLock<Journal>>,
}

impl Context {
    /// For the framework and its test harness.
    pub fn new(instance: impl Into<Text>, state_dir: impl Into<PathBuf>, stale_after: Duration) -> Self {
        Self {
            instance: instance.into(),
            state_dir: state_dir.into(),
            stale_after,
            stats: Stats::default(),
            journal: Arc::default(),
        }
    }

    /// The instance's name: its section in `/data`.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Where the instance may keep what must survive a restart. It need not exist yet.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// After how long without a batch the section counts as stale: a source without news hands on
    /// what it has more often than that.
    pub fn stale_after(&self) -> Duration {
        self.stale_after
    }

    /// A counter that `/health` shows with the instance, such as `parity_errors`.
    pub fn counter(&self, name: &'static str) -> Counter {
        let counter = Counter::default();
        self.stats.lock().counters.push((name, counter.clone()));
        counter
    }

    /// A word or sentence about the device that `/health` shows, such as its `framing`.
    pub fn fact(&self, name: &'static str) -> Fact {
        Fact { name, stats: self.stats.clone() }
    }

    /// To be said when a command has made a counter another one, and before a batch shows it: the step is no
    /// consumption then. `name` and `unit` are those of its reading.
    pub fn counter_set(&self, name: &str, unit: &str, before: Decimal, after: Decimal) {
        if let Some(journal) = self.journal.get() {
            journal.counter_set(&self.instance, name, unit, before, after);
        }
    }

    /// Where its readings are recorded. Said once, when the program runs.
    pub(crate) fn record_in(&self, journal: Journal) {
        let _ = self.journal.set(journal);
    }

    /// Everything that was reported so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// A number that only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A sentence about a device that may change.
#[derive(Debug, Clone)]
pub struct Fact {
    name: &'static str,
    stats: Stats,
}

impl Fact {
    /// Says it, in place of what was said before. Saying the same again costs little.
    pub fn set(&self, value: impl AsRef<str>) {
        let mut stats = self.stats.lock();
        let value = value.as_ref();
        match stats.facts.iter_mut().find(|(name, _)| *name == self.name) {
            Some((_, old)) if old == value => {}
            Some((_, old)) => *old = value.into(),
            None => stats.facts.push((self.name, value.into())),
        }
    }
}

/// What an instance reports beside its batches.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Mutex<Reported>>);

#[derive(Debug, Default)]
struct Reported {
    counters: Vec<(&'static str, Counter)>,
    facts: Vec<(&'static str, Text)>,
}

impl Stats {
    fn lock(&self) -> std::sync::MutexGuard<'_, Reported> {
        // Held for a few pushes only, and plain data is never left half written: poison means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.lock().counters.iter().map(|(name, counter)| (*name, counter.get())).collect()
    }

    /// The facts by name.
    pub fn facts(&self) -> Vec<(&'static str, Text)> {
        self.lock().facts.clone()
    }
}
