//! Keeper: opens the database, syncs the log, checkpoints it, and removes what is too old.

pub(crate) mod life;
mod opening;

use std::{
    fs::File,
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use crate::{
    db::{Database, DatabaseError},
    journal::Shared,
    lock,
    place::{FileId, is_read_only},
    wal::Request,
};

/// Time between two attempts to open a journal, and between two readings of the clock.
const TURN: Duration = Duration::from_secs(60);
/// Time between two removals of old raw rows.
const PRUNE_EVERY: Duration = Duration::from_secs(4 * 3600);

/// Time between two checks of the database.
const CHECK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Keeper of a journal.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    database: Option<Database>,
    /// Held while segments are written: two programs would write the same ones.
    lock: Option<File>,
    /// File of the open database.
    file: Option<FileId>,
    /// Whether the database was found to be damaged, and is to be replaced.
    is_damaged: bool,
    checkpointed_at: Instant,
    pruned_at: Option<Instant>,
    checked_at: Option<Instant>,
    /// Whether a checkpoint failed, and is to be tried again soon.
    retry: bool,
    /// Problem that was logged last.
    reported: Option<String>,
}

/// Keeper on a thread of its own.
#[derive(Debug)]
pub struct JournalThread {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl JournalThread {
    /// Syncs what was recorded, and ends. Blocks for as long as the disk takes.
    pub fn stop(self) {
        // One that has ended by itself hears nothing.
        let _ = self.shared.wal.requests.send(Request::Stop);
        if self.thread.join().is_err() {
            error!("the thread of the journal panicked; please report this bug");
        }
    }
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, requests: Receiver<Request>) -> Self {
        Self {
            shared,
            requests,
            database: None,
            lock: None,
            file: None,
            is_damaged: false,
            checkpointed_at: Instant::now(),
            pruned_at: None,
            checked_at: None,
            retry: false,
            reported: None,
        }
    }

    pub(crate) fn spawn(mut self) -> io::Result<JournalThread> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || self.run())?;
        Ok(JournalThread { shared, thread })
    }

    fn run(&mut self) {
        self.shared.life.begin();
        self.guarded(Self::open);
        let sync_interval = self.shared.settings.sync_interval;
        let turn = sync_interval.min(TURN);
        let (mut next, mut sync_at) = (Instant::now() + turn, Instant::now() + sync_interval);
        loop {
            let request = self.requests.recv_timeout(next.saturating_duration_since(Instant::now()));
            let stop = request == Ok(Request::Stop);
            let due = stop || Instant::now() >= next;
            if due {
                next = Instant::now() + turn;
            }
            // What the disk did not take is tried again at each turn, not only after an hour.
            if stop
                || request == Ok(Request::Sync)
                || Instant::now() >= sync_at
                || due && self.shared.wal.log().problem().is_some()
            {
                sync_at = Instant::now() + sync_interval;
                self.guarded(Self::sync);
            } else if due {
                self.guarded(|keeper| keeper.shared.wal.log().tick());
            }
            if stop {
                let (lost, in_memory) = self.shared.unsaved();
                lost.inspect(|lost| error!("{lost}"));
                in_memory.inspect(|in_memory| warn!("{in_memory}"));
                return;
            }
            self.check_pages();
            self.guarded(|keeper| keeper.turn(due, request == Ok(Request::Checkpoint)));
            self.shared.life.turn();
        }
    }

    /// Does everything else that is due.
    pub(crate) fn turn(&mut self, due: bool, wanted: bool) {
        if due {
            self.check_place();
            self.open();
        }
        if self.database.is_some() && self.shared.is_suspect.swap(false, Relaxed) {
            self.replace();
        }
        let checkpoint_interval = self.shared.settings.checkpoint_interval;
        if wanted || due && self.retry || self.checkpointed_at.elapsed() >= checkpoint_interval {
            self.checkpoint();
        }
        if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
            self.prune();
        }
    }

    /// Looks for damage in the database, from time to time and on a thread of its own, as that reads the whole file.
    fn check_pages(&mut self) {
        if self.database.is_none() || self.checked_at.is_some_and(|at| at.elapsed() < CHECK_EVERY) {
            return;
        }
        self.checked_at = Some(Instant::now());
        let shared = Arc::clone(&self.shared);
        let check = move || shared.check();
        if let Err(error) = thread::Builder::new().name("journal-check".to_owned()).spawn(check) {
            warn!("could not check the journal for damage: {error}");
        }
    }

    /// Catches a panic, so that a bug does not end the syncing.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        // A transaction that was going on is rolled back, and everything is tried again at the next turn.
        if panic::catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            let message = "the thread of the journal panicked and continues; please report this bug";
            error!("{message}");
            lock(&self.shared.status).problem = Some(message.to_owned());
            self.retry = true;
        }
    }

    /// Makes what was recorded survive a power cut.
    pub fn sync(&mut self) {
        self.check_place();
        self.shared.wal.log().tick();
        self.shared.wal.log().before_sync();
        self.shared.wal.log().sync();
        let mut status = lock(&self.shared.status);
        status.clock = Some(self.shared.wal.log().lead()).filter(|lead| *lead > 0).map(|lead| {
            let behind = Duration::from_micros(lead.unsigned_abs()).as_secs();
            format!(
                "the system clock is {behind} s behind the newest reading: until it is set, readings get times after that one"
            )
        });
        if self.database.is_some() && !self.retry {
            // That of the log was logged where it arose.
            status.problem = self.shared.wal.log().problem().or_else(|| {
                let problem = self.read_only()?;
                if status.problem.as_ref() != Some(&problem) {
                    error!("{problem}");
                }
                Some(problem)
            });
        }
    }

    /// Returns the problem of a file system that takes no writes, also while there is nothing to be written.
    fn read_only(&self) -> Option<String> {
        let path = &self.shared.settings.path;
        is_read_only(path).then(|| {
            let path = path.display();
            format!(
                "the file system of {path} is read-only: readings are kept in memory only; make it writable"
            )
        })
    }

    /// Moves what was recorded into the database.
    pub fn checkpoint(&mut self) {
        self.checkpointed_at = Instant::now();
        self.check_place();
        if self.database.is_none() {
            return;
        }
        self.shared.wal.log().sync();
        // While an old segment cannot be checkpointed, no new ones are begun.
        if self.checkpoint_closed() {
            self.shared.wal.log().rotate();
            self.checkpoint_closed();
        }
    }

    /// Checkpoints all closed segments, one after the other. Returns whether that succeeded.
    fn checkpoint_closed(&mut self) -> bool {
        while let Some((number, bytes)) = self.shared.wal.log().oldest() {
            let Some(database) = &mut self.database else { return false };
            let zone = &self.shared.settings.zone;
            let done = bytes
                .map_err(DatabaseError::from)
                .and_then(|bytes| database.checkpoint(&[(number, &*bytes)], zone));
            if let Err(error) = done {
                self.failed("write to", &error);
                return false;
            }
            self.shared.wal.log().checkpointed(number);
            self.retry = false;
            if self.reported.take().is_some() {
                info!("journal recovered: writing to the database again");
            }
            self.shared.wal.log().sync();
        }
        true
    }

    /// Removes single readings that are older than `raw_retention`.
    pub fn prune(&mut self) {
        self.pruned_at = Some(Instant::now());
        let keep = i64::try_from(self.shared.settings.raw_retention.as_micros()).unwrap_or(i64::MAX);
        // A clock that may be wrong removes nothing.
        let before = self.shared.wal.log().certain().saturating_sub(keep);
        let Some(database) = &mut self.database else { return };
        if let Err(error) = database.prune(before) {
            self.failed("remove old readings from", &error);
        }
    }

    /// Reports a failure. A damaged database is replaced by a new one with what is in the segments.
    fn failed(&mut self, what: &str, error: &DatabaseError) {
        let path = &self.shared.settings.path;
        self.retry = true;
        if error.is_damage() {
            warn!("could not {what} the journal: {error}");
            return self.replace();
        }
        let message = format!(
            "could not {what} the journal {}: {error}; nothing is lost yet, retrying",
            path.display()
        );
        if self.reported.as_ref() != Some(&message) {
            error!("{message}");
        }
        lock(&self.shared.status).problem = Some(message.clone());
        self.reported = Some(message);
    }
}
