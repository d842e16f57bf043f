//! Whether the keeper makes progress, for a watchdog that would end the whole program.
//!
//! A keeper that waits for its disk makes progress, however long that takes: `/health` reports it, readings go on in
//! memory, and a new process would lose those and wait for the same disk. One that waits for anything else, has ended or
//! spins does not.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicU64, Ordering::Relaxed},
    },
};

use rustix::thread::{Pid, gettid};

use crate::{Journal, journal::Shared, wal::Request};

/// Signs of life of a keeper; it writes them.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Turns that it has ended.
    turns: AtomicU64,
    /// Number of its thread; 0 before it runs.
    thread: AtomicI32,
}

impl Life {
    /// Notes the thread on which the keeper runs.
    pub(super) fn begin(&self) {
        self.thread.store(Pid::as_raw(Some(gettid())), Relaxed);
    }

    /// Notes that a turn has ended.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// Returns the calls to read and write that the thread has made (proc(5)).
    fn calls(&self) -> Option<u64> {
        let io = fs::read_to_string(format!("/proc/self/task/{}/io", self.thread.load(Relaxed))).ok()?;
        let calls = io.lines().filter_map(|line| {
            line.strip_prefix("syscr: ").or_else(|| line.strip_prefix("syscw: "))?.parse::<u64>().ok()
        });
        Some(calls.sum())
    }
}

/// Returns whether a thread of this process waits for a disk: the keeper, or one that holds a lock which it needs.
fn is_disk_slow() -> bool {
    let mut threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    threads.any(|thread| {
        fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| is_uninterruptible(&stat))
    })
}

/// Returns whether a thread's line in `stat` shows that it cannot be interrupted: `123 (journal) D 1 …` (proc(5)).
fn is_uninterruptible(stat: &str) -> bool {
    // A name may have brackets, too.
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('D'))
}

/// Observer of a journal's keeper.
#[derive(Debug)]
pub struct KeeperWatch {
    /// `None` if the journal is off.
    shared: Option<Arc<Shared>>,
    turns: u64,
    calls: Option<u64>,
}

impl KeeperWatch {
    /// Asks the keeper for a sign of life, which is its next turn.
    pub fn ask(&mut self) {
        let Some(shared) = &self.shared else { return };
        self.turns = shared.life.turns.load(Relaxed);
        self.calls = None;
        // A full queue wakes it as well.
        let _ = shared.wal.requests.try_send(Request::Wake);
    }

    /// Returns whether the keeper has made progress since it was asked: it answered, waits for its disk, or reads or writes.
    pub fn makes_progress(&mut self) -> bool {
        let Some(shared) = &self.shared else { return true };
        if shared.life.turns.load(Relaxed) != self.turns {
            return true;
        }
        let calls = shared.life.calls();
        let before = std::mem::replace(&mut self.calls, calls);
        before.is_some() && before != calls || is_disk_slow()
    }
}

impl Journal {
    /// Returns an observer of the keeper.
    pub fn watch_keeper(&self) -> KeeperWatch {
        KeeperWatch { shared: self.0.clone(), turns: 0, calls: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn a_thread_that_waits_for_a_disk_is_told_from_one_that_waits_for_a_lock() {
        for (stat, waits) in [
            ("41 (journal) D 1 41 41 0 -1", true),
            ("41 (journal) S 1 41 41 0 -1", false),
            ("41 (journal) t 1 41 41 0 -1", false),
            ("41 (a) D (b) S 1 41", false),
            ("41 (a) S (b) D 1 41", true),
            ("", false),
        ] {
            assert_eq!(is_uninterruptible(stat), waits, "{stat}");
        }
    }

    #[test]
    fn a_keeper_that_does_not_run_makes_no_progress_and_one_that_runs_does() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, mut keeper) = Journal::new(Settings::new(folder.path().join("journal.db")));
        let mut watch = journal.watch_keeper();
        // Other tests of this process wait for the disk, too.
        let until = |watch: &mut KeeperWatch, progress: bool, what: &str| {
            let start = std::time::Instant::now();
            while watch.makes_progress() != progress {
                assert!(start.elapsed().as_secs() < 20, "{what}");
                std::thread::yield_now();
            }
        };
        watch.ask();
        until(&mut watch, false, "nobody runs");
        let thread = std::thread::spawn(move || {
            keeper.open();
            keeper
        });
        let thread = thread.join().unwrap().spawn().unwrap();
        until(&mut watch, true, "it does not answer");
        thread.stop();
        watch.ask();
        until(&mut watch, false, "its thread has ended");
        assert!(Journal::off().watch_keeper().makes_progress());
    }
}
