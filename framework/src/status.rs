//! Status of a source, publisher or endpoint: its state, its last success, its last fault.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
};

use reading::words;

use crate::{Counter, FaultCode, Faults, Stats, Timestamp, latest::Latest, one_line::one_line};

words! {
    /// State of a source, publisher or endpoint, with its word in `/health`.
    State {
        /// It is being opened for the first time, or is open without a success yet.
        Starting = "starting",
        /// It waits for its first turn, which `daily` or `cron` names.
        Scheduled = "scheduled",
        /// Batches arrive.
        Delivering = "delivering",
        /// Its device or server is missing or failed; it is tried again and again.
        Waiting = "waiting",
        /// It stopped permanently: only a new configuration helps.
        Failed = "failed",
        /// The program is ending.
        Stopped = "stopped",
    }
}

/// The last fault of a source, publisher or endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Its time.
    pub at: Timestamp,
    /// Its kind.
    pub code: FaultCode,
    /// Its cause, for people.
    pub message: String,
}

/// Status of one source, publisher or endpoint. Its worker writes it; anybody reads it.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    /// Position in [`State::ALL`]; it begins with [`State::Starting`].
    state: AtomicU8,
    /// Microseconds since 1970; 0 = never.
    last_success: AtomicU64,
    last_error: Latest<LastError>,
    /// Panics of the plugin.
    pub panics: Counter,
    /// Counters and facts that the plugin reports.
    pub stats: Stats,
}

impl WorkerStatus {
    pub(crate) fn new(stats: Stats) -> Arc<Self> {
        Arc::new(Self { stats, ..Self::default() })
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        State::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// Returns the time of the last success.
    pub fn last_success(&self) -> Option<Timestamp> {
        let micros = i64::try_from(self.last_success.load(Relaxed)).ok()?;
        if micros == 0 { None } else { Timestamp::from_microsecond(micros).ok() }
    }

    /// Returns the last fault, which may be over.
    pub fn last_error(&self) -> Option<Arc<LastError>> {
        self.last_error.get()
    }

    /// Returns the line for the log after a success, if that is news: `first` after the start, else that it recovered.
    pub(crate) fn news<K: Eq + Hash>(
        &self,
        faults: &mut Faults<K>,
        first: &'static str,
    ) -> Option<&'static str> {
        let state = self.state();
        if state == State::Delivering || !(faults.over() || state == State::Starting) {
            return None;
        }
        Some(if self.last_success().is_some() { "recovered" } else { first })
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Relaxed);
    }

    pub(crate) fn fault(&self, code: FaultCode, message: impl AsRef<str>) {
        let message = one_line(message.as_ref()).into_owned();
        self.last_error.set(Arc::new(LastError { at: Timestamp::now(), code, message }));
    }

    pub(crate) fn success(&self, at: Timestamp) {
        self.last_success.store(at.as_microsecond().max(1) as u64, Relaxed);
        self.set_state(State::Delivering);
    }
}
