//! Watch over sources that do not come back: one task looks after all of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep},
};
use tracing::{error, info};

use crate::{
    FaultCode,
    store::{Section, State},
};

/// Interval in which the sources are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Time without progress after which the thread of a source must show that it is not blocked.
const SUSPICIOUS: Duration = Duration::from_secs(30);

/// Progress of one source: its supervisor writes it, the watchdog reads it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Number of steps that began or ended: odd while a pushed source is read.
    steps: AtomicU64,
    /// Tells the supervisor that its device has not come back for too long.
    overdue: Notify,
}

impl Progress {
    /// Notes that a batch or fault came. It has one writer, so that this costs no more than a memory access.
    pub(super) fn step(&self) {
        self.steps.store(self.steps.load(Relaxed).wrapping_add(2), Relaxed);
    }

    /// Begins to expect steps.
    pub(super) fn expect(&self) {
        self.steps.store(self.steps.load(Relaxed).wrapping_add(2) | 1, Relaxed);
    }

    /// Expects no more steps.
    pub(super) fn rest(&self) {
        self.steps.store((self.steps.load(Relaxed) | 1).wrapping_add(1), Relaxed);
    }

    /// Waits until a step is overdue.
    pub(super) async fn overdue(&self) {
        self.overdue.notified().await;
    }
}

/// Source that is watched.
pub(crate) struct Watched {
    section: Arc<Section>,
    /// Runtime on the source's thread.
    thread: Handle,
    /// Longest time between two steps.
    limit: Duration,
    steps: u64,
    since: Instant,
    /// Sign of life that the thread was asked for.
    asked: Option<(Instant, Arc<AtomicBool>)>,
    is_blocked: bool,
}

impl Watched {
    pub(crate) fn new(section: Arc<Section>, thread: Handle, limit: Duration) -> Self {
        let since = Instant::now();
        Self { section, thread, limit, steps: 0, since, asked: None, is_blocked: false }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let steps = self.section.health.progress.steps.load(Relaxed);
        let is_alive = self.asked.as_ref().is_none_or(|(_, alive)| alive.load(Relaxed));
        if steps != self.steps {
            (self.steps, self.since) = (steps, now);
        }
        if is_alive && std::mem::take(&mut self.is_blocked) {
            info!(source = %self.section.name, "its thread is no longer blocked");
        }
        let waited = now - self.since;
        if waited < SUSPICIOUS {
            if is_alive {
                self.asked = None;
            }
            return;
        }
        match &self.asked {
            Some((asked, _)) if !is_alive => {
                let blocked = (now - *asked).as_secs();
                self.blocked(blocked);
            }
            // It is asked again in a while: an idle source must not be woken often.
            Some((asked, _)) if now - *asked < SUSPICIOUS => {}
            _ => self.ask(now),
        }
        if steps % 2 == 1 && waited > self.limit && is_alive {
            // Without a permit for later: a run that begins just now is not meant.
            self.section.health.progress.overdue.notify_waiters();
            self.since = now;
        }
    }

    /// Asks the thread for a sign of life.
    fn ask(&mut self, now: Instant) {
        let alive = Arc::new(AtomicBool::new(false));
        let sign = Arc::clone(&alive);
        self.thread.spawn(async move { sign.store(true, Relaxed) });
        self.asked = Some((now, alive));
    }

    fn blocked(&mut self, seconds: u64) {
        let status = &self.section.health.status;
        let message = format!(
            "blocks its thread for {seconds} s and cannot be stopped: its plugin must wait with `await`, or use \
             `Source::blocking`"
        );
        if !std::mem::replace(&mut self.is_blocked, true) {
            error!(source = %self.section.name, "{message}");
        }
        status.fault(FaultCode::Bug, message);
        status.set_state(State::Waiting);
    }
}

/// Sources that are watched. A reload adds and removes some while the watch looks at them.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Vec<Watched>>);

impl Watch {
    /// Adds a source.
    pub(crate) fn add(&self, source: Watched) {
        self.lock().push(source);
    }

    /// Removes the source with this section.
    pub(crate) fn remove(&self, section: &Arc<Section>) {
        self.lock().retain(|source| !Arc::ptr_eq(&source.section, section));
    }

    /// Watches the sources, for ever. After each look, `also` returns the longest time to the next one.
    pub(crate) async fn run(&self, mut also: impl FnMut() -> Duration) {
        let mut pause = LOOK;
        loop {
            sleep(pause.min(LOOK)).await;
            self.lock().iter_mut().for_each(Watched::look);
            pause = also();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        // What is noted of a source holds whatever became of another: poison means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stats;

    #[tokio::test(start_paused = true)]
    async fn a_source_that_blocks_its_thread_is_named_until_it_goes_on() {
        // Its tasks do not run until the end.
        let blocked = std::thread::spawn(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
        let blocked = blocked.join().unwrap();
        let section = Arc::new(Section::new("heat", "test", Duration::from_secs(30), Stats::default()));
        let mut watched = Watched::new(Arc::clone(&section), blocked.handle().clone(), Duration::MAX);
        section.health.progress.expect();
        for _ in 0..8 {
            watched.look();
            sleep(LOOK).await;
        }
        let status = &section.health.status;
        assert_eq!(status.state(), State::Waiting);
        let error = status.last_error().unwrap().message.clone();
        assert!(error.starts_with("blocks its thread for 5 s and cannot be stopped"), "{error}");
        let ends = std::thread::spawn(move || blocked.block_on(tokio::task::yield_now()));
        ends.join().unwrap();
        watched.look();
        assert!(!watched.is_blocked);
    }
}
