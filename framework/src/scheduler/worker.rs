//! Thread of one source, publisher or endpoint, so that one that blocks holds up nobody else.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{self, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Span, error};

use crate::{
    Backoff, FaultCode,
    panic::{caught, message},
    status::{State, WorkerStatus},
};

/// Pauses before work begins again that ended by itself.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Raises the limit of open files to the highest that the system allows: each [`Worker`] takes four.
///
/// The usual limit protects programs that use `select(2)`, which cannot name more.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // If that is refused, the usual limit suffices for any household.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Thread with a runtime of its own, until it is dropped.
///
/// A shared runtime is not enough: one task that blocks its thread can take the timers and devices of all others
/// with it, on any number of threads (decision 0002).
pub(crate) struct Worker {
    runtime: Handle,
    _end: DropGuard,
}

impl Worker {
    /// Starts the thread. `top -H` shows the first 15 bytes of `name`. Everything that is logged there is in `span`.
    ///
    /// # Errors
    /// Returns the system's error, with a hint on a line of its own.
    pub(crate) fn start(name: &str, span: Span, status: Arc<WorkerStatus>) -> io::Result<Self> {
        Self::new(name, span, status).map_err(|error| {
            let hint = "each source, publisher and endpoint takes four open files and a thread: raise `ulimit -Hn` or `LimitNOFILE=`";
            io::Error::new(error.kind(), format!("could not start a thread for `{name}`: {error}\nhint: {hint}"))
        })
    }

    fn new(name: &str, span: Span, status: Arc<WorkerStatus>) -> io::Result<Self> {
        let of_blocking = span.clone();
        let own = runtime::Builder::new_current_thread()
            .enable_all()
            // Few files, so few events at once: room for the usual 1024 would be 12 KiB for each source.
            .max_io_events_per_tick(16)
            .thread_name(name)
            // Its blocking threads stay in the span until they end.
            .on_thread_start(move || std::mem::forget(of_blocking.clone().entered()))
            .build()?;
        let (runtime, end) = (own.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Entered once for the whole thread, so that it costs nothing when a task is polled.
            let _entered = span.entered();
            keep_thread(&status, || own.block_on(ended.cancelled()));
            // Work on its blocking threads must not hold up the end.
            own.shutdown_background();
        })?;
        Ok(Self { runtime, _end: end.drop_guard() })
    }

    /// Returns the handle that runs tasks on this thread.
    pub(crate) fn handle(&self) -> &Handle {
        &self.runtime
    }
}

/// Runs the tasks of a thread. A panic outside of all tasks would end the thread, and all of them with it.
fn keep_thread(status: &WorkerStatus, run: impl Fn()) {
    let mut pauses = RETRY;
    while let Err(panic) = catch_unwind(AssertUnwindSafe(&run)) {
        note(status, FaultCode::Bug, format!("its thread panicked: {}", message(panic)));
        thread::sleep(pauses.pause());
    }
}

/// Work of a worker: a source, publisher or endpoint.
pub(crate) trait Work: Send + 'static {
    /// Returns the status that everybody sees.
    fn status(&self) -> &WorkerStatus;

    /// Works until `stop`, or until it can never work.
    ///
    /// # Errors
    /// Returns the reason why it ended by itself.
    fn run(&mut self, stop: &CancellationToken) -> impl Future<Output = Result<(), String>> + Send;
}

/// Runs work until `stop`. Work that ends by itself begins again, whatever the reason: nobody else would notice.
pub(crate) async fn keep_running(mut work: impl Work, stop: CancellationToken) {
    let mut pauses = RETRY;
    while !stop.is_cancelled() {
        let (code, fault) = match caught(work.run(&stop)).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => (FaultCode::Unreachable, fault),
            Err(panic) => {
                work.status().panics.increment();
                (FaultCode::Bug, format!("panicked: {panic}"))
            }
        };
        note(work.status(), code, fault);
        work.status().set_state(State::Waiting);
        stop.run_until_cancelled(tokio::time::sleep(pauses.pause())).await;
    }
    work.status().set_state(State::Stopped);
}

fn note(status: &WorkerStatus, code: FaultCode, fault: String) {
    error!("{fault}");
    status.fault(code, fault);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Stats;

    #[test]
    fn a_thread_that_panics_says_so_and_goes_on() {
        let (status, runs) = (WorkerStatus::new(Stats::default()), Cell::new(0));
        keep_thread(&status, || {
            runs.set(runs.get() + 1);
            assert!(runs.get() > 1, "a bug in the runtime");
        });
        assert_eq!(runs.get(), 2);
        assert_eq!(status.last_error().unwrap().message, "its thread panicked: a bug in the runtime");
    }
}
