//! Wakes the keeper's thread.

use std::{
    mem,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::lock;

/// Requests to the keeper.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    checkpoint: bool,
    stop: bool,
}

impl Signal {
    /// Asks for a checkpoint soon.
    pub(crate) fn want_checkpoint(&self) {
        lock(&self.wanted).checkpoint = true;
        self.changed.notify_all();
    }

    /// Asks the keeper to end.
    pub(crate) fn stop(&self) {
        lock(&self.wanted).stop = true;
        self.changed.notify_all();
    }

    /// Returns whether a checkpoint is wanted, and forgets it.
    pub(crate) fn take_checkpoint(&self) -> bool {
        mem::take(&mut lock(&self.wanted).checkpoint)
    }

    /// Waits for a request, at most `timeout`. Returns whether the keeper is to end.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let idle = |wanted: &mut Wanted| !wanted.checkpoint && !wanted.stop;
        let waited = self.changed.wait_timeout_while(lock(&self.wanted), timeout, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }
}
