//! Loop of one source: open, acquire, emit; after a fault close, wait, reopen.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    mem::{Discriminant, discriminant},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Schedule, thinner::Thinner, worker::Work};
use crate::{
    AcquireError, Backoff, Batch, DataAcquisition, Mode,
    faults::Faults,
    journal::Journal,
    panic::caught,
    status::{State, WorkerStatus},
    store::{Section, Store},
};

/// Pauses before a device is opened again: a replugged head is back within two seconds.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(1));
/// Pauses after a panic. It is a bug, not a loose cable, and gets more and more time.
const PANIC_RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// Time that a source may take to release its device.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Supervisor of one source: runs it, and brings its batches into journal and store.
pub(crate) struct Supervisor {
    acquisition: Box<dyn DataAcquisition>,
    /// Name of its device, for errors that lack it.
    device: Option<String>,
    mode: Mode,
    schedule: Schedule,
    section: Arc<Section>,
    store: Arc<Store>,
    journal: Journal,
}

/// Reason for the end of a run.
enum Ended {
    Cancelled,
    Fault(AcquireError),
    Panicked(String),
}

impl Supervisor {
    /// The supervisor of the source whose batches go to `section` of `store`.
    pub(crate) fn new(
        (acquisition, device): (Box<dyn DataAcquisition>, Option<String>),
        (mode, schedule): (Mode, Schedule),
        section: Arc<Section>,
        store: Arc<Store>,
        journal: Journal,
    ) -> Self {
        Self { acquisition, device, mode, schedule, section, store, journal }
    }

    async fn run_once(&mut self, stop: &CancellationToken, log: &mut FaultLog) -> Ended {
        let Self { acquisition, device, mode, schedule, section, store, journal } = self;
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
                    Ok(Err(fault)) => Ended::Fault(fault.of_device(device.as_deref().unwrap_or("the device"))),
                    Ok(Ok(never)) => match never {},
                    Err(message) => Ended::Panicked(message),
                },
                () = stop.cancelled() => Ended::Cancelled,
            }
        };
        if timeout(CLOSE_LIMIT, caught(acquisition.close())).await.is_err() {
            warn!("did not close within {CLOSE_LIMIT:?}");
        }
        ended
    }
}

impl Work for Supervisor {
    fn status(&self) -> &WorkerStatus {
        &self.section.health.status
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        let mut log = FaultLog::default();
        let (mut retry, mut panic_retry) = (RETRY, PANIC_RETRY);
        loop {
            let batches = self.section.health.batches.get();
            let ended = self.run_once(stop, &mut log).await;
            // A device that opens and then sends nothing has not recovered: only a batch counts.
            if self.section.health.batches.get() > batches {
                retry.reset();
                panic_retry.reset();
            }
            let pause = match ended {
                Ended::Cancelled => {
                    self.status().set_state(State::Stopped);
                    return Ok(());
                }
                Ended::Fault(AcquireError::Fatal(reason)) => {
                    error!("stopped permanently: {reason}");
                    self.status().fault(reason);
                    self.status().set_state(State::Failed);
                    return Ok(());
                }
                Ended::Fault(fault) => {
                    note(&fault, &self.section, &mut log);
                    retry.pause()
                }
                Ended::Panicked(message) => {
                    self.status().panics.increment();
                    error!("panicked, which is a bug of its plugin: {message}");
                    self.status().fault(format!("panicked: {message}"));
                    panic_retry.pause()
                }
            };
            self.status().set_state(State::Waiting);
            self.section.health.reopened.increment();
            stop.run_until_cancelled(sleep(pause)).await;
        }
    }
}

type FaultLog = Faults<Discriminant<AcquireError>>;

/// Way of the batches of one run into journal and store.
struct Outlet<'a> {
    schedule: Schedule,
    section: &'a Section,
    store: &'a Store,
    journal: &'a Journal,
    log: &'a mut FaultLog,
}

impl Outlet<'_> {
    /// Reads a pushed source without a pause, and emits the batches that are due.
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
                Ok(Some(batch)) => {
                    self.deliver_due(thinner.arrived(batch, Instant::now(), &self.section.health.superseded))
                }
                Ok(None) => self.nothing_new(),
                Err(fault) => self.unusable(fault)?,
            }
        }
    }

    /// Polls a source at each of its turns, the first one at once.
    async fn poll(&mut self, source: &mut dyn DataAcquisition) -> Result<Infallible, AcquireError> {
        let mut due = Instant::now();
        if matches!(self.schedule, Schedule::Daily(_)) {
            due = self.schedule.next(due, due);
        }
        loop {
            sleep_until(due).await;
            match source.acquire().await {
                Ok(Some(batch)) => self.deliver(batch),
                Ok(None) => self.nothing_new(),
                Err(fault @ AcquireError::Silent { .. }) => note(&fault, self.section, self.log),
                Err(fault) => self.unusable(fault)?,
            }
            due = self.schedule.next(due, Instant::now());
            // A schedule without a period would spin on a device that answers at once.
            tokio::task::yield_now().await;
        }
    }

    fn deliver(&mut self, batch: Batch) {
        if let Some(news) = self.section.health.status.news(self.log, "receiving readings") {
            info!("{news}");
        }
        // Before the store, so that a batch that somebody has seen is never lost.
        self.journal.record(&self.section.name, &batch);
        self.store.publish(self.section, batch);
    }

    /// Notes that the device is well, and that its last readings still hold.
    fn nothing_new(&mut self) {
        if let Some(news) = self.section.health.status.news(self.log, "running") {
            info!("{news}");
        }
        self.section.confirm(Instant::now().into_std());
    }

    fn deliver_due(&mut self, batch: Option<Batch>) {
        if let Some(batch) = batch {
            self.deliver(batch);
        }
    }

    /// Notes a batch that cannot be used; any other fault ends the run.
    fn unusable(&mut self, fault: AcquireError) -> Result<(), AcquireError> {
        match &fault {
            AcquireError::Malformed { .. } => self.section.health.malformed.increment(),
            AcquireError::Misconfigured { .. } => {}
            _ => return Err(fault),
        }
        note(&fault, self.section, self.log);
        Ok(())
    }
}

/// Logs a fault, if it is news, and keeps it for `/health`.
fn note(fault: &AcquireError, section: &Section, log: &mut FaultLog) {
    let message = chain(fault);
    match (log.note(discriminant(fault), &message), fault) {
        (Some(text), AcquireError::Misconfigured { .. }) => error!("{text}"),
        (Some(text), _) => warn!("{text}"),
        (None, _) => {}
    }
    section.health.status.fault(message);
}

/// Returns an error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
