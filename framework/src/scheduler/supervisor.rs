//! Loop of one source: open, acquire, emit; after a fault close, wait, reopen.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Schedule, WallClock,
    brake::Brake,
    outlet::{Outlet, Pace, within},
    thinner::Thinner,
    turns::Turns,
    worker::Work,
};
use crate::{
    AcquireError, Backoff, DataAcquisition, FaultCode, Mode,
    journal::Journal,
    one_line::one_line,
    panic::caught,
    status::{State, WorkerStatus},
    store::{Section, Store},
};

/// First pause before a device is opened again.
const RETRY: Duration = Duration::from_millis(250);
/// Longest pause of a device that pushes: a replugged head is back within two seconds.
const LONGEST_PUSHED: Duration = Duration::from_secs(1);
/// Longest pause of a device that is polled, if its interval is not shorter.
const LONGEST_POLLED: Duration = Duration::from_secs(300);
/// Longest pause that a device may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);
/// Pauses after a panic. It is a bug, not a loose cable, and gets more and more time.
const PANIC_RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// Time that a source may take to release its device.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// When and how a source is read.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) schedule: Schedule,
    /// Longest time that `open` or `acquire` may take.
    pub(crate) timeout: Duration,
    /// The device's line limits how often it returns.
    pub(crate) at_line_speed: bool,
    pub(crate) clock: WallClock,
}

/// Supervisor of one source: runs it, and brings its batches into journal and store.
pub(crate) struct Supervisor {
    acquisition: Box<dyn DataAcquisition>,
    /// Name of its device, for errors that lack it.
    device: Option<String>,
    timeout: Duration,
    pace: Pace,
    retry: Backoff,
    outlet: Outlet,
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
        plan: Plan,
        section: Arc<Section>,
        store: Arc<Store>,
        journal: Journal,
    ) -> Self {
        let Plan { mode, schedule, timeout, at_line_speed, clock } = plan;
        let longest = match mode {
            Mode::Push => LONGEST_PUSHED,
            Mode::Poll(_) => schedule.period().unwrap_or(LONGEST_POLLED).clamp(RETRY, LONGEST_POLLED),
        };
        let turns = Turns::new(schedule, mode, clock);
        let pace = match mode {
            Mode::Push => Pace::Push(Thinner::new(turns), (!at_line_speed).then(Brake::new)),
            Mode::Poll(_) => Pace::Poll { turns, is_owed: false },
        };
        let outlet = Outlet::new(section, store, journal, at_line_speed);
        Self { acquisition, device, timeout, pace, retry: Backoff::new(RETRY, longest), outlet }
    }

    async fn run_once(&mut self, stop: &CancellationToken) -> Ended {
        let Self { acquisition, device, timeout: limit, pace, retry, outlet } = self;
        let section = Arc::clone(outlet.section());
        let progress = &section.health.progress;
        let ended = {
            let work = work(acquisition.as_mut(), pace, outlet, *limit, retry);
            let fault = tokio::select! {
                ended = caught(work) => match ended {
                    Ok(Err(fault)) => Ok(fault),
                    Ok(Ok(never)) => match never {},
                    Err(message) => Err(Ended::Panicked(message)),
                },
                () = progress.overdue() => Ok(AcquireError::silent(*limit)),
                () = stop.cancelled() => Err(Ended::Cancelled),
            };
            fault.map_or_else(
                |ended| ended,
                |fault| Ended::Fault(fault.of_device(device.as_deref().unwrap_or("the device"))),
            )
        };
        progress.rest();
        if timeout(CLOSE_LIMIT, caught(acquisition.close())).await.is_err() {
            warn!("did not close within {CLOSE_LIMIT:?}");
        }
        ended
    }
}

/// Opens a source and reads it until a fault. Made in a function of its own, and kept on the heap: the room that making
/// it takes would stay on the stack of each source's thread.
#[inline(never)]
fn work<'s>(
    source: &'s mut dyn DataAcquisition,
    pace: &'s mut Pace,
    outlet: &'s mut Outlet,
    limit: Duration,
    retry: &'s mut Backoff,
) -> BoxFuture<'s, Result<Infallible, AcquireError>> {
    Box::pin(async move {
        within(limit, source.open()).await?;
        match pace {
            Pace::Push(thinner, brake) => outlet.push(source, thinner, brake).await,
            Pace::Poll { turns, is_owed } => outlet.poll(source, turns, is_owed, limit, retry).await,
        }
    })
}

impl Work for Supervisor {
    fn status(&self) -> &WorkerStatus {
        &self.outlet.section().health.status
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        let mut panic_retry = PANIC_RETRY;
        loop {
            let ended = self.run_once(stop).await;
            // A device that opens and then sends nothing has not recovered: only an answer counts.
            if self.outlet.take_answered() {
                self.retry.reset();
                panic_retry.reset();
            }
            let pause = match ended {
                Ended::Cancelled => {
                    self.status().set_state(State::Stopped);
                    return Ok(());
                }
                Ended::Fault(AcquireError::Fatal(reason)) => {
                    error!("stopped permanently: {}", one_line(&reason));
                    self.status().fault(FaultCode::Stopped, reason);
                    self.status().set_state(State::Failed);
                    return Ok(());
                }
                Ended::Fault(fault) => {
                    self.outlet.note(&fault);
                    let pause = self.retry.pause();
                    match fault {
                        AcquireError::Unavailable { retry_after, retry_within, .. } => {
                            let pause = retry_within.map_or(pause, |within| pause.min(within));
                            retry_after.map_or(pause, |asked| pause.max(asked.min(LONGEST_ASKED)))
                        }
                        _ => pause,
                    }
                }
                Ended::Panicked(message) => {
                    self.status().panics.increment();
                    error!("panicked, which is a bug of its plugin: {message}");
                    self.status().fault(FaultCode::Bug, format!("panicked: {message}"));
                    panic_retry.pause()
                }
            };
            self.status().set_state(State::Waiting);
            self.outlet.section().health.reopened.increment();
            stop.run_until_cancelled(sleep(pause)).await;
        }
    }
}
