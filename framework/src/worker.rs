//! A thread for each source and each publisher, so that one that blocks its thread holds up nobody else.

use std::{io, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{self, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Lets the program open as many files as the system allows it at most: each [`Worker`] takes four.
///
/// The usual limit is there for programs that use `select(2)`, which cannot name more.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, the usual limit does for any house.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// A thread with a runtime of its own, until it is dropped.
///
/// A runtime that is shared does not do: one task that blocks its thread can take the timers and devices of all others
/// with it, however many threads there are (decision 0002).
pub(crate) struct Worker {
    runtime: Handle,
    _end: DropGuard,
}

impl Worker {
    /// Starts the thread; `name` is what `top -H` calls it, as far as the system's 15 bytes go.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let own = runtime::Builder::new_current_thread().enable_all().thread_name(name).build()?;
        let (runtime, end) = (own.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            own.block_on(ended.cancelled());
            // What still runs on its blocking threads must not hold up the end.
            own.shutdown_background();
        })?;
        Ok(Self { runtime, _end: end.drop_guard() })
    }

    /// Where others bring work to this thread.
    pub(crate) fn handle(&self) -> &Handle {
        &self.runtime
    }
}
