//! Thread of one source, publisher or endpoint, so that one that blocks holds up nobody else.

use std::{io, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{self, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

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
    pub(crate) fn start(name: &str, span: Span) -> io::Result<Self> {
        let of_blocking = span.clone();
        let own = runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name(name)
            // Its blocking threads stay in the span until they end.
            .on_thread_start(move || std::mem::forget(of_blocking.clone().entered()))
            .build()?;
        let (runtime, end) = (own.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Entered once for the whole thread, so that it costs nothing when a task is polled.
            let _entered = span.entered();
            own.block_on(ended.cancelled());
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
