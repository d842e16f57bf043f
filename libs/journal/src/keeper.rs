//! The keeper: finds the database, syncs the tail, folds it into rows, removes what is too old.

use std::{
    fs::{self, File, TryLockError},
    io,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use crate::{
    db::{self, Database, DatabaseError, Found},
    journal::Shared,
    lock,
    paths::{folder, with_suffix},
    wal::{log::DbState, segment},
};

/// A journal that cannot be opened is tried again this often; also how often the clock is looked at.
const TURN: Duration = Duration::from_secs(60);
/// How often raw rows are looked through for what is too old.
const PRUNE_EVERY: Duration = Duration::from_secs(4 * 3600);

/// Keeps a journal.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    home: Option<Database>,
    /// Held as long as segments are written: two programs would write the same ones.
    lock: Option<File>,
    folded_at: Instant,
    pruned_at: Option<Instant>,
    /// A fold failed, and is to be tried again soon.
    retry: bool,
    /// What was last said to be wrong.
    said: Option<String>,
}

/// A keeper on a thread of its own.
#[derive(Debug)]
pub struct JournalThread {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl JournalThread {
    /// Syncs what was recorded, and ends. It blocks for as long as the disk takes.
    pub fn stop(self) {
        self.shared.tail.stop();
        if self.thread.join().is_err() {
            error!("the journal's thread had panicked, which is a bug");
        }
    }
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("another program keeps the journal {}; stop that one first, or give this one its own with `[journal] path`", .0.display())]
    Locked(PathBuf),
    #[error("could not open the journal: {0}")]
    Database(#[from] DatabaseError),
    #[error("could not make files beside {}: {}; make the folder writable, or choose another with `[journal] path`", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            home: None,
            lock: None,
            folded_at: Instant::now(),
            pruned_at: None,
            retry: false,
            said: None,
        }
    }

    pub(crate) fn spawn(mut self) -> io::Result<JournalThread> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || self.run())?;
        Ok(JournalThread { shared, thread })
    }

    fn run(&mut self) {
        self.guarded(Self::open);
        let sync_interval = self.shared.settings.sync_interval;
        let turn = sync_interval.min(TURN);
        let (mut next, mut commit) = (Instant::now() + turn, Instant::now() + sync_interval);
        loop {
            let stop = self.shared.tail.wait(next.saturating_duration_since(Instant::now()));
            let due = stop || Instant::now() >= next;
            if due {
                next = Instant::now() + turn;
            }
            // What the disk did not take is not left waiting for an hour.
            if stop || Instant::now() >= commit || due && self.shared.tail.problem().is_some() {
                commit = Instant::now() + sync_interval;
                self.guarded(Self::sync);
            } else if due {
                self.guarded(|keeper| keeper.shared.tail.tick());
            }
            if stop {
                return;
            }
            self.guarded(|keeper| keeper.turn(due));
        }
    }

    /// What there is to do beside syncing.
    fn turn(&mut self, due: bool) {
        if due {
            self.open();
        }
        let checkpoint_interval = self.shared.settings.checkpoint_interval;
        if self.shared.tail.takes_checkpoint()
            || due && self.retry
            || self.folded_at.elapsed() >= checkpoint_interval
        {
            self.checkpoint();
        }
        if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
            self.prune();
        }
    }

    /// A bug must not end the syncing.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        // What a transaction had begun is rolled back; everything else is tried anew at the next turn.
        if panic::catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            let message = "the journal's thread panicked, which is a bug; it goes on";
            error!("{message}");
            lock(&self.shared.status).problem = Some(message.to_owned());
            self.retry = true;
        }
    }

    /// Opens the database, where it is not open yet.
    pub fn open(&mut self) {
        if self.home.is_some() {
            return;
        }
        let opened = match self.try_open(false) {
            // It opens, but what it holds does not.
            Err(Refused::Database(error)) if error.is_damage() => self.set_aside().and_then(|notice| {
                let (database, _) = self.try_open(true)?;
                Ok((database, Some(notice)))
            }),
            other => other,
        };
        match opened {
            Ok((database, notice)) => {
                self.home = Some(database);
                self.shared.readers.allow(true);
                if self.said.take().is_some() {
                    info!("the journal is open: history is kept from now on");
                }
                let mut status = lock(&self.shared.status);
                status.open = true;
                status.notice = notice.or(status.notice.take());
                status.problem = None;
                self.shared.opened.notify_all();
            }
            Err(refused) => {
                if !self.shared.tail.is_attached() {
                    self.lock = None; // Nothing was written yet: another program may.
                }
                let message = format!("{refused}; readings go on being served, without history");
                if self.said.as_ref() != Some(&message) {
                    error!("{message}");
                }
                lock(&self.shared.status).problem = Some(message.clone());
                self.shared.opened.notify_all();
                self.said = Some(message);
            }
        }
    }

    /// `lost`: there was a database, and it was damaged.
    fn try_open(&mut self, lost: bool) -> Result<(Database, Option<String>), Refused> {
        let path = &self.shared.settings.path;
        let io = |error| Refused::Io(path.clone(), error);
        fs::create_dir_all(folder(path)).map_err(io)?;
        if self.lock.is_none() {
            self.lock = Some(locked(path).map_err(io)?.ok_or_else(|| Refused::Locked(path.clone()))?);
        }
        let (database, found) = Database::open(path)?;
        let notice = match found {
            Found::New => {
                info!("the journal is new: {}", path.display());
                None
            }
            Found::Whole => None,
            Found::SetAside(aside) => Some(self.say_set_aside(&aside)),
        };
        let folded = database.folded()?;
        let left = segment::left(path, folded, database.cursors()?, &self.shared.settings.publishers);
        let kept = DbState {
            folded,
            newest: database.newest()?,
            epoch: database.epoch()?,
            lost: lost || notice.is_some(),
        };
        self.shared.tail.attach(left.map_err(io)?, kept);
        Ok((database, notice))
    }

    /// Keeps a damaged database under another name; gives what to say of it.
    fn set_aside(&self) -> Result<String, Refused> {
        let path = &self.shared.settings.path;
        let aside = db::set_aside(path).map_err(|error| Refused::Io(path.clone(), error))?;
        Ok(self.say_set_aside(&aside))
    }

    fn say_set_aside(&self, aside: &std::path::Path) -> String {
        let path = self.shared.settings.path.display();
        let message = format!(
            "the journal {path} was damaged: it was kept as {}, and a new one was begun",
            aside.display()
        );
        error!("{message}");
        message
    }

    /// Makes what was recorded survive a power cut.
    pub fn sync(&mut self) {
        self.shared.tail.tick();
        self.shared.tail.keep_cursors();
        self.shared.tail.sync();
        let mut status = lock(&self.shared.status);
        status.clock = Some(self.shared.tail.lead()).filter(|lead| *lead > 0).map(|lead| {
            let behind = Duration::from_micros(lead.unsigned_abs()).as_secs();
            format!(
                "the clock is {behind} s behind the newest reading: until it is set, readings are dated after that one"
            )
        });
        if self.home.is_some() && !self.retry {
            status.problem = self.shared.tail.problem();
        }
    }

    /// Turns what was recorded into rows.
    pub fn checkpoint(&mut self) {
        self.folded_at = Instant::now();
        if self.home.is_none() {
            return;
        }
        self.shared.tail.sync();
        // Not a new segment each time that an old one cannot be folded.
        if self.checkpoint_closed() {
            self.shared.tail.rotate();
            self.checkpoint_closed();
        }
    }

    /// Folds all closed segments, one after the other; gives whether that was possible.
    fn checkpoint_closed(&mut self) -> bool {
        while let Some((number, bytes)) = self.shared.tail.oldest() {
            let Some(database) = &mut self.home else { return false };
            let zone = &self.shared.settings.zone;
            let done = bytes
                .map_err(DatabaseError::from)
                .and_then(|bytes| database.checkpoint(&[(number, &*bytes)], zone));
            if let Err(error) = done {
                self.failed("fold what was recorded into", &error);
                return false;
            }
            self.shared.tail.folded(number);
            self.retry = false;
            if self.said.take().is_some() {
                info!("the journal takes readings again");
            }
            self.shared.tail.sync();
        }
        true
    }

    /// Removes single readings that are older than `raw_retention`.
    pub fn prune(&mut self) {
        self.pruned_at = Some(Instant::now());
        let keep = i64::try_from(self.shared.settings.raw_retention.as_micros()).unwrap_or(i64::MAX);
        // Not by a clock that may be wrong.
        let before = self.shared.tail.certain().saturating_sub(keep);
        let Some(database) = &mut self.home else { return };
        if let Err(error) = database.prune(before) {
            self.failed("remove old readings from", &error);
        }
    }

    /// Reports a failure; sets a damaged database aside, and begins a new one with what is in the segments.
    fn failed(&mut self, what: &str, error: &DatabaseError) {
        let path = &self.shared.settings.path;
        self.retry = true;
        if error.is_damage() {
            warn!("could not {what} the journal: {error}");
            self.home = None;
            self.shared.readers.allow(false);
            match self.set_aside() {
                Ok(notice) => lock(&self.shared.status).notice = Some(notice),
                Err(error) => error!("{error}"),
            }
            return self.open();
        }
        let message = format!(
            "could not {what} the journal {}: {error}; nothing is lost yet, and it is tried again",
            path.display()
        );
        if self.said.as_ref() != Some(&message) {
            error!("{message}");
        }
        lock(&self.shared.status).problem = Some(message.clone());
        self.said = Some(message);
    }
}

/// The lock file of a journal, locked for this process; `None` where another one has it.
pub(crate) fn locked(database: &std::path::Path) -> io::Result<Option<File>> {
    let path = with_suffix(database, "-lock");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
