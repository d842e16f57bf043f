//! Real devices on a paused clock.
//!
//! tokio's paused clock jumps to the next timer as soon as all tasks wait. The answer of a real socket takes a
//! millisecond of real time, and would come after any timeout. So while a call into a plugin waits, the clock moves on by
//! a [`STEP`] only after a [`PAUSE`] of real time. Between the calls it jumps.

use std::{convert::Infallible, pin::pin, sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use test_servers::http::{Received, Reply, Server};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{Instant, advance, sleep_until},
};

use super::thread::Pulse;
use crate::{AcquireError, Batch, DataAcquisition, Mode};

/// Real time in which the clock stands still, so that sockets can answer: a timeout of 30 s takes 1.2 s.
const PAUSE: Duration = Duration::from_millis(2);
/// Time on the paused clock between two pauses.
const STEP: Duration = Duration::from_millis(50);
/// The same for a source that pushes. Most of its time is that of one call, which waits for the device.
const PUSH_STEP: Duration = Duration::from_secs(1);

/// Pauses in a row without a step after which the clock is stuck.
const STUCK_PAUSES: usize = 5;
/// Time by which it is moved on then.
const STUCK_STEP: Duration = Duration::from_millis(250);

/// Starts an HTTP server that answers as the test wants: a text is an answer with status 200, a number one without a
/// body. [`Server::url`] is its address; it ends when it is dropped.
///
/// ```
/// let device = framework::testing::http(|request| match request.path.as_str() {
///     "/status" => r#"{"power": 12.5}"#.into(),
///     _ => 404.into(),
/// });
/// assert!(device.url().starts_with("http://127.0.0.1:"));
/// ```
pub fn http(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(reply)
}

/// Awaits a call into a plugin, without that the clock jumps over the time which real devices need.
pub(super) async fn wait<T>(call: impl Future<Output = T>) -> T {
    wait_since(&mut Instant::now(), STEP, call).await
}

/// The same; the next pause is due at `next_pause`.
async fn wait_since<T>(next_pause: &mut Instant, step: Duration, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    loop {
        tokio::select! {
            biased;
            result = &mut call => return result,
            () = sleep_until(*next_pause) => {}
        }
        tokio::select! {
            biased;
            result = &mut call => return result,
            // The clock does not jump while it runs.
            _ = spawn_blocking(|| thread::sleep(PAUSE)) => {}
        }
        *next_pause = Instant::now() + step;
    }
}

/// Moves the clock on while something keeps it from jumping: work that blocks a thread, perhaps for ever.
/// Each of its ticks shows that the thread is not blocked.
pub(super) async fn push_clock(pulse: &Pulse) -> Infallible {
    let ticks = Arc::new(Notify::new());
    let weak = Arc::downgrade(&ticks);
    thread::spawn(move || {
        while let Some(ticks) = weak.upgrade() {
            ticks.notify_one();
            drop(ticks);
            thread::sleep(PAUSE);
        }
    });
    loop {
        let before = Instant::now();
        for _ in 0..STUCK_PAUSES {
            ticks.notified().await;
            pulse.beat();
        }
        if Instant::now() == before {
            advance(STUCK_STEP).await;
        }
    }
}

/// Acquisition that gets real time for its device.
pub(super) struct RealTime {
    /// Name in the message about a blocked thread.
    name: String,
    acquisition: Box<dyn DataAcquisition>,
    mode: Mode,
    next_pause: Instant,
    pulse: Pulse,
}

impl RealTime {
    pub(super) fn new(source: &str, acquisition: Box<dyn DataAcquisition>, mode: Mode, pulse: Pulse) -> Self {
        Self { name: format!("source `{source}`"), acquisition, mode, next_pause: Instant::now(), pulse }
    }
}

#[async_trait]
impl DataAcquisition for RealTime {
    async fn open(&mut self) -> Result<(), AcquireError> {
        wait(self.pulse.during(&self.name, self.acquisition.open())).await
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let Self { name, acquisition, mode, next_pause, pulse } = self;
        let call = pulse.during(name, acquisition.acquire());
        match mode {
            Mode::Push => wait_since(next_pause, PUSH_STEP, call).await,
            Mode::Poll(_) => wait(call).await,
        }
    }

    async fn close(&mut self) {
        wait(self.pulse.during(&self.name, self.acquisition.close())).await;
    }
}
