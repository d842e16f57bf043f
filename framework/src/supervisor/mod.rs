//! Runs one source: open, acquire, publish; on a fault close, wait, reopen.

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    future::Future,
    mem::{Discriminant, discriminant},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    AcquireError, Batch, DataAcquisition, Mode, Schedule,
    faults::Faults,
    journal::Journal,
    store::{Section, State, Store},
};

/// A device that is missing is looked for this often: a replugged head is back within two seconds.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A source that panics is a bug, not a loose cable: it is given more and more time.
const PANIC_RETRY_MAX: Duration = Duration::from_secs(60);
/// How long a source may take to let go of its device.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// Two batches of a pushed source that are due in the same turn may be this early, as a part of the period.
const EARLY: u32 = 10;

/// What a supervisor runs.
pub(crate) struct Supervised {
    pub(crate) acquisition: Box<dyn DataAcquisition>,
    pub(crate) mode: Mode,
    pub(crate) schedule: Schedule,
    pub(crate) section: Arc<Section>,
    pub(crate) store: Arc<Store>,
    pub(crate) journal: Journal,
}

/// Why a run of the source ended.
enum Ended {
    Cancelled,
    Fault(AcquireError),
    Panicked(String),
}

impl Supervised {
    /// Runs until `stop`, or until the source says that it can never work.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut log = FaultLog::default();
        let (mut wait, mut panic_wait) = (RETRY_MIN, RETRY_MAX);
        loop {
            let batches = self.section.health.batches.get();
            let ended = self.run_once(&stop, &mut log).await;
            // A device that opens and then says nothing has not recovered: only a batch counts.
            if self.section.health.batches.get() > batches {
                (wait, panic_wait) = (RETRY_MIN, RETRY_MAX);
            }
            let health = &self.section.health;
            let pause = match ended {
                Ended::Cancelled => {
                    health.status.set_state(State::Stopped);
                    return;
                }
                Ended::Fault(AcquireError::Fatal(reason)) => {
                    error!(source = %self.section.name, "stopped for good: {reason}");
                    health.status.fault(reason);
                    health.status.set_state(State::Failed);
                    return;
                }
                Ended::Fault(fault) => {
                    let message = chain(&fault);
                    if let Some(text) = log.note(discriminant(&fault), &message) {
                        warn!(source = %self.section.name, "{text}");
                    }
                    health.status.fault(message);
                    let pause = wait;
                    wait = (wait * 2).min(RETRY_MAX);
                    pause
                }
                Ended::Panicked(message) => {
                    health.panics.increment();
                    error!(source = %self.section.name, "panicked, which is a bug of its plugin: {message}");
                    health.status.fault(format!("panicked: {message}"));
                    let pause = panic_wait;
                    panic_wait = (panic_wait * 2).min(PANIC_RETRY_MAX);
                    pause
                }
            };
            health.status.set_state(State::Waiting);
            health.reopened.increment();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn run_once(&mut self, stop: &CancellationToken, log: &mut FaultLog) -> Ended {
        let Self { acquisition, mode, schedule, section, store, journal } = self;
        let ended = {
            let work = async {
                acquisition.open().await?;
                let mut outlet = Outlet { schedule: *schedule, section, store, journal, log };
                match mode {
                    Mode::Push => outlet.push(acquisition.as_mut()).await,
                    Mode::Poll(_) => outlet.poll(acquisition.as_mut()).await,
                }
            };
            tokio::select! {
                ended = caught(work) => match ended {
                    Ok(Err(fault)) => Ended::Fault(fault),
                    Ok(Ok(never)) => match never {},
                    Err(message) => Ended::Panicked(message),
                },
                () = stop.cancelled() => Ended::Cancelled,
            }
        };
        if timeout(CLOSE_LIMIT, caught(acquisition.close())).await.is_err() {
            warn!(source = %section.name, "did not let go of its device within {CLOSE_LIMIT:?}");
        }
        ended
    }
}

type FaultLog = Faults<Discriminant<AcquireError>>;

/// Where the batches of one run go.
struct Outlet<'a> {
    schedule: Schedule,
    section: &'a Section,
    store: &'a Store,
    journal: &'a Journal,
    log: &'a mut FaultLog,
}

impl Outlet<'_> {
    /// Reads a pushed source without a pause, and hands on what is due.
    async fn push(&mut self, source: &mut dyn DataAcquisition) -> Result<Infallible, AcquireError> {
        let mut thinner = Thinner::new(self.schedule, Instant::now());
        loop {
            let mut acquired = source.acquire();
            let acquired = loop {
                match thinner.deadline() {
                    None => break acquired.await,
                    Some(deadline) => tokio::select! {
                        acquired = &mut acquired => break acquired,
                        () = sleep_until(deadline) => self.deliver_due(thinner.take(Instant::now())),
                    },
                }
            };
            match acquired {
                Ok(batch) => self.deliver_due(thinner.arrived(batch, Instant::now(), self.section)),
                Err(fault) => self.unusable(fault)?,
            }
        }
    }

    /// Asks a polled source at each of its turns, the first one at once.
    async fn poll(&mut self, source: &mut dyn DataAcquisition) -> Result<Infallible, AcquireError> {
        let mut due = Instant::now();
        if matches!(self.schedule, Schedule::Daily(_)) {
            due = self.schedule.next(due, due);
        }
        loop {
            sleep_until(due).await;
            match source.acquire().await {
                Ok(batch) => self.deliver(batch),
                Err(fault @ AcquireError::Silent { .. }) => self.note(&fault),
                Err(fault) => self.unusable(fault)?,
            }
            due = self.schedule.next(due, Instant::now());
            // A schedule without a period would spin on a device that answers at once.
            tokio::task::yield_now().await;
        }
    }

    fn deliver(&mut self, batch: Batch) {
        if let Some(news) = self.section.health.status.news(self.log) {
            info!(source = %self.section.name, "{news}");
        }
        // First, so that what somebody has seen is never lost.
        self.journal.record(&self.section.name, &batch);
        self.store.publish(self.section, batch);
    }

    fn deliver_due(&mut self, batch: Option<Batch>) {
        if let Some(batch) = batch {
            self.deliver(batch);
        }
    }

    /// Goes on after what cannot be used; any other fault ends the run.
    fn unusable(&mut self, fault: AcquireError) -> Result<(), AcquireError> {
        match &fault {
            AcquireError::Malformed { .. } => self.section.health.malformed.increment(),
            AcquireError::Misconfigured { .. } => {}
            _ => return Err(fault),
        }
        self.note(&fault);
        Ok(())
    }

    fn note(&mut self, fault: &AcquireError) {
        let message = chain(fault);
        if let Some(text) = self.log.note(discriminant(fault), &message) {
            warn!(source = %self.section.name, "{text}");
        }
        self.section.health.status.fault(message);
    }
}

/// Hands on at most one batch a turn, the newest.
///
/// A batch that comes in its turn, or up to a tenth of a period early, goes out as it comes. One that
/// comes before waits, and goes out when its turn is a tenth over and nothing newer came.
struct Thinner {
    schedule: Schedule,
    /// `None` = with the first batch.
    due: Option<Instant>,
    pending: Option<Batch>,
}

impl Thinner {
    fn new(schedule: Schedule, now: Instant) -> Self {
        let due = matches!(schedule, Schedule::Daily(_)).then(|| schedule.next(now, now));
        Self { schedule, due, pending: None }
    }

    fn slack(&self) -> Duration {
        match self.schedule {
            Schedule::Every(period) => (period / EARLY).min(Duration::from_secs(2)),
            _ => Duration::ZERO,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().and(self.due).map(|due| due + self.slack())
    }

    fn arrived(&mut self, batch: Batch, now: Instant, section: &Section) -> Option<Batch> {
        if self.pending.replace(batch).is_some() {
            section.health.thinned.increment();
        }
        if self.due.is_none_or(|due| now + self.slack() >= due) { self.take(now) } else { None }
    }

    fn take(&mut self, now: Instant) -> Option<Batch> {
        self.due = Some(self.schedule.next(self.due.unwrap_or(now), now));
        self.pending.take()
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Awaits `work`; a panic in it becomes its message.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    // What the source holds is opened afresh after a panic; nothing of it is read before.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "without a message".to_owned())
    })
}
