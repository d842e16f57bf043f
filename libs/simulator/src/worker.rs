//! Thread and clock of a device.

use std::{
    fmt, io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Thread that ends when this is dropped.
pub struct Worker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `work`, which ends when its clock does.
    ///
    /// # Errors
    ///
    /// Fails where the system has no thread left.
    pub fn start(name: &str, work: impl FnOnce(&Clock) + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(&Clock(stopped)))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop = None; // which wakes it
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic has been printed
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Clock of a worker; it ends when the worker must stop.
#[derive(Debug)]
pub struct Clock(Receiver<()>);

impl Clock {
    /// Waits until `due`, not at all if that has passed; returns `None` when the worker must stop.
    pub fn wait_until(&self, due: Instant) -> Option<()> {
        let left = due.saturating_duration_since(Instant::now());
        match self.0.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout) => Some(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

/// Returns the time of the turn after the one at `due`. Turns keep their grid, so that small delays do not add up;
/// missed ones, while the process was stopped for example, are skipped.
pub(crate) fn next_turn(due: Instant, period: Duration) -> Instant {
    (due + period).max(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_turn_keeps_the_grid_and_a_missed_one_does_not() {
        let due = Instant::now();
        let period = Duration::from_secs(60);
        assert_eq!(next_turn(due, period), due + period);
        let long_ago = due - 2 * period;
        assert!(next_turn(long_ago, period) >= due);
    }

    #[test]
    fn dropping_a_worker_wakes_it_and_waits_for_its_end() {
        let (ended, end) = mpsc::channel();
        let worker = Worker::start("test", move |clock| {
            let hour = Instant::now() + Duration::from_secs(3600);
            let _ = ended.send(clock.wait_until(hour));
        });
        drop(worker.unwrap());
        assert_eq!(end.try_recv(), Ok(None));
    }
}
