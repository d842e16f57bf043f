//! Thread of a running test: a plugin that blocks it must not hang the test.

use std::{
    any::Any,
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

/// Real time without a sign of life after which a test is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Interval in which the thread is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Longest time in which the thread closes what is open.
const CLOSING: Duration = Duration::from_secs(1);

/// Sign of life of the thread, and the call into a plugin that it runs now.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<PulseState>);

#[derive(Default)]
struct PulseState {
    beats: AtomicU64,
    /// What runs now: the thread writes it, the test reads it.
    running: Mutex<Option<String>>,
}

impl Pulse {
    /// Gives a sign of life.
    pub(super) fn beat(&self) {
        self.0.beats.fetch_add(1, Relaxed);
    }

    /// Awaits a call into a plugin, whose name is known while it holds the thread.
    pub(super) async fn during<T>(&self, name: &str, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|cx| {
            self.set_running(Some(name.to_owned()));
            let polled = call.as_mut().poll(cx);
            self.set_running(None);
            polled
        })
        .await
    }

    fn set_running(&self, name: Option<String>) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    fn running(&self) -> String {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clone().unwrap_or_else(|| "a task of a plugin".to_owned())
    }
}

type Work = Box<dyn FnOnce(&Runtime) + Send>;

/// Thread with the runtime of a test.
pub(super) struct RuntimeThread {
    /// `None` at its end.
    work: Option<Sender<Work>>,
    /// Its other end is dropped when the thread ends.
    ended: Receiver<Infallible>,
    pulse: Pulse,
    /// Real time without a sign of life after which the test is given up.
    pub(super) limit: Duration,
}

impl RuntimeThread {
    pub(super) fn start(runtime: Runtime, pulse: Pulse) -> Self {
        let (work, to_do) = mpsc::channel::<Work>();
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            to_do.iter().for_each(|work| work(&runtime));
            // A thread that the plugin blocks must not hold up the test.
            runtime.shutdown_background();
            drop(end);
        });
        Self { work: Some(work), ended, pulse, limit: LIMIT }
    }

    /// Runs work on the thread, and returns its result.
    ///
    /// # Panics
    /// Panics as the work does, or if a plugin blocks the thread.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce(&Runtime) -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel::<Result<T, Box<dyn Any + Send>>>();
        let work: Work = Box::new(move |runtime| {
            // Nobody waits for it any more if this fails.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(|| work(runtime))));
        });
        let _ = self.work.as_ref().map(|thread| thread.send(work));
        let (mut beats, mut since) = (0, Instant::now());
        loop {
            match result.recv_timeout(LOOK) {
                Ok(Ok(result)) => return result,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(RecvTimeoutError::Disconnected) => panic!("the thread of the test has ended"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.pulse.0.beats.load(Relaxed);
            if now != beats {
                (beats, since) = (now, Instant::now());
            }
            let waited = since.elapsed();
            assert!(
                waited < self.limit,
                "{} has blocked its thread for {} s: its plugin must wait with `await`, or use `Source::blocking` or \
                 `tokio::task::spawn_blocking`",
                self.pulse.running(),
                waited.as_secs()
            );
        }
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        self.work = None;
        // Not for ever: a plugin may block it.
        let _ = self.ended.recv_timeout(CLOSING);
    }
}
