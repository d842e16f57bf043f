//! Way of the batches of one source into journal and store.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    future::Future,
    io,
    mem::{Discriminant, discriminant},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::{brake::Brake, thinner::Thinner, tidy::Tidy, turns::Turns};
use crate::{
    AcquireError, Backoff, Batch, DataAcquisition, Faults, Period, Timestamp,
    journal::Journal,
    status::State,
    store::{BRAKED, BRAKED_BATCHES, Section, Store},
};

/// Way of the batches of one source into journal and store, whatever its runs.
pub(super) struct Outlet {
    section: Arc<Section>,
    store: Arc<Store>,
    journal: Journal,
    log: FaultLog,
    /// Keeper of the rules of a batch; `None` for a source whose library keeps them.
    tidy: Option<Tidy>,
    /// The device answered in this run.
    answered: bool,
}

/// When a source is read.
pub(super) enum Pace {
    /// The device pushes. The brake is absent where its line limits the rate.
    Push(Thinner, Option<Brake>),
    Poll {
        turns: Turns,
        /// The present turn has failed so far, and is made up for as soon as the device is back.
        is_owed: bool,
    },
}

impl Outlet {
    pub(super) fn new(
        section: Arc<Section>,
        store: Arc<Store>,
        journal: Journal,
        at_line_speed: bool,
    ) -> Self {
        let tidy = (!at_line_speed).then(Tidy::default);
        Self { section, store, journal, log: FaultLog::default(), tidy, answered: false }
    }

    pub(super) fn section(&self) -> &Arc<Section> {
        &self.section
    }

    /// Returns whether the device answered since the last call.
    pub(super) fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.answered)
    }

    /// Reads a pushed source without a pause, and emits the batches that are due.
    pub(super) async fn push(
        &mut self,
        source: &mut dyn DataAcquisition,
        thinner: &mut Thinner,
        brake: &mut Option<Brake>,
    ) -> Result<Infallible, AcquireError> {
        let is_rare = thinner.is_rare();
        let (mut has_failed, mut has_batches) = (false, false);
        let section = Arc::clone(&self.section);
        section.health.progress.expect();
        loop {
            if is_rare && !has_failed {
                self.wait_for_turn();
            }
            let mut acquired = source.acquire();
            let acquired = loop {
                match thinner.left() {
                    None => break acquired.await,
                    Some(left) => tokio::select! {
                        acquired = &mut acquired => break acquired,
                        () = sleep(left) => { self.deliver_due(thinner.due()); }
                    },
                }
            };
            section.health.progress.step();
            has_failed = acquired.is_err();
            has_batches |= matches!(acquired, Ok(Some(_)));
            let is_costly = match acquired {
                Ok(Some(batch)) => self.deliver_due(thinner.arrived(batch, &section.health.superseded)),
                Ok(None) => {
                    self.nothing_new();
                    false
                }
                Err(fault) => {
                    self.unusable(fault)?;
                    true
                }
            };
            if let Some(rest) = brake.as_mut().and_then(|brake| brake.spend(is_costly)) {
                self.braked(std::mem::take(&mut has_batches));
                sleep(rest).await;
            }
        }
    }

    /// Polls a source at each of its turns.
    pub(super) async fn poll(
        &mut self,
        source: &mut dyn DataAcquisition,
        turns: &mut Turns,
        is_owed: &mut bool,
        limit: Duration,
        retry: &mut Backoff,
    ) -> Result<Infallible, AcquireError> {
        let is_rare = turns.schedule().is_rare();
        loop {
            if !*is_owed {
                if is_rare {
                    self.wait_for_turn();
                }
                turns.wait().await;
                *is_owed = true;
            }
            let acquired = within(limit, source.acquire()).await;
            self.section.health.progress.step();
            let has_failed = acquired.is_err();
            match acquired {
                Ok(Some(batch)) => self.deliver(batch),
                Ok(None) => self.nothing_new(),
                Err(fault @ AcquireError::Silent { .. }) => self.note(&fault),
                Err(fault) => self.unusable(fault)?,
            }
            if is_rare && has_failed {
                // The next turn may be a day away.
                self.section.health.status.set_state(State::Waiting);
                sleep(retry.pause()).await;
                continue;
            }
            retry.reset();
            *is_owed = false;
            turns.taken();
            // A schedule without a period would spin on a device that answers at once.
            tokio::task::yield_now().await;
        }
    }

    fn deliver(&mut self, mut batch: Batch) {
        if let Some(tidy) = &mut self.tidy {
            tidy.mend(&mut batch, Timestamp::now(), &self.section.health);
        }
        if let Some(news) = self.section.health.status.news(&mut self.log, "receiving readings") {
            info!("{news}");
        }
        self.answered = true;
        self.section.answered(None);
        // Before the store, so that a batch that somebody has seen is never lost.
        self.journal.record(&self.section.name, &batch);
        self.store.publish(&self.section, batch);
    }

    /// Returns whether there was one.
    fn deliver_due(&mut self, batch: Option<Batch>) -> bool {
        let is_due = batch.is_some();
        if let Some(batch) = batch {
            self.deliver(batch);
        }
        is_due
    }

    /// Notes that the device is well, and that its last readings still hold.
    fn nothing_new(&mut self) {
        if let Some(news) = self.section.health.status.news(&mut self.log, "running") {
            info!("{news}");
        }
        self.answered = true;
        self.section.answered(None);
        self.section.confirm(Instant::now().into_std());
    }

    /// Notes that the device is there, and that its next turn is a while away.
    fn wait_for_turn(&mut self) {
        let status = &self.section.health.status;
        let state = if status.last_success().is_some() { State::Delivering } else { State::Scheduled };
        if status.state() != state {
            if self.log.over() {
                info!("recovered");
            }
            status.set_state(state);
        }
    }

    /// Notes a batch that cannot be used; any other fault ends the run.
    fn unusable(&mut self, fault: AcquireError) -> Result<(), AcquireError> {
        match &fault {
            AcquireError::Malformed { .. } => self.section.health.malformed.increment(),
            AcquireError::Misconfigured { .. } => {}
            _ => return Err(fault),
        }
        self.note(&fault);
        Ok(())
    }

    /// Logs a fault, if it is news, and keeps it for `/health`.
    pub(super) fn note(&mut self, fault: &AcquireError) {
        let message = with_causes(fault);
        match (self.log.note(Kind::Fault(discriminant(fault)), &message), fault) {
            (Some(text), AcquireError::Misconfigured { .. }) => error!("{text}"),
            (Some(text), _) => warn!("{text}"),
            (None, _) => {}
        }
        let status = &self.section.health.status;
        status.fault(fault.code(), message);
        if matches!(status.state(), State::Starting | State::Scheduled) {
            status.set_state(State::Waiting);
        }
        self.section.answered(Some(fault));
    }

    fn braked(&mut self, has_batches: bool) {
        self.section.braked(Instant::now().into_std(), has_batches);
        let message = if has_batches { BRAKED_BATCHES } else { BRAKED };
        if let Some(text) = self.log.note(Kind::Braked, message) {
            warn!("{text}");
        }
    }
}

/// Awaits a step of a device, no longer than its limit.
pub(super) async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, AcquireError>>,
) -> Result<T, AcquireError> {
    timeout(limit, step).await.unwrap_or_else(|_| {
        let limit = Period(limit);
        let message = format!("it did not answer within {limit}; a longer `timeout` gives it more time");
        Err(io::Error::new(io::ErrorKind::TimedOut, message).into())
    })
}

/// Kinds of faults that the log limits.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Kind {
    Fault(Discriminant<AcquireError>),
    Braked,
}

type FaultLog = Faults<Kind>;

/// Returns an error with its causes, on one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
