//! The handle that sources record through and HTTP asks.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use rusqlite::Connection;

use crate::{
    JournalThread, Keeper, Settings,
    db::{self, Database, DatabaseError},
    keeper::life::Life,
    lock,
    query::{ReadError, View, Wanted, readers::Readers},
    series::SeriesName,
    time::Micros,
    wal::{Request, Wal},
};
use reading::{Batch, Decimal, Text};

/// Name of the database where only its folder is given.
const FILE: &str = "journal.db";

/// Journal, for those who record and those who ask. A clone is the same journal.
#[derive(Debug, Clone)]
pub struct Journal(pub(crate) Option<Arc<Shared>>);

/// Parts that the keeper shares with all handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) wal: Wal,
    pub(crate) readers: Readers,
    pub(crate) status: Mutex<Status>,
    /// Whether damage was found in the database, which the keeper has to replace.
    pub(crate) is_suspect: AtomicBool,
    /// Signals that the journal was opened, or could not be.
    pub(crate) opened: Condvar,
    /// Signs of life of the keeper.
    pub(crate) life: Life,
}

/// Status of the journal, for `/health`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Reason why readings are not safe; `None` while all is well.
    pub problem: Option<String>,
    /// Name that a damaged database was renamed to, in a sentence.
    pub notice: Option<String>,
    /// Error of the system's clock, where one is known.
    pub clock: Option<String>,
    /// Whether the database was opened.
    pub open: bool,
}

/// Batch as it was recorded: the numbers that one source read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Name of the source.
    pub section: Text,
    /// The numbers; texts, such as a meter's number, are in the store only. Its time is when they were taken,
    /// however late they are delivered. A register with a time of its own comes in a record of its own.
    pub batch: Batch,
}

impl Journal {
    /// Returns a journal that records nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts a journal, whose keeper runs on a thread until [`JournalThread::stop`]. The files are opened on that
    /// thread; batches that are recorded before wait in memory.
    ///
    /// # Errors
    /// Returns the system's error if it cannot start a thread.
    pub fn start(settings: Settings) -> std::io::Result<(Self, JournalThread)> {
        let (journal, keeper) = Self::new(settings);
        let thread = keeper.spawn()?;
        Ok((journal, thread))
    }

    /// Returns a journal and its keeper, which does nothing by itself: for tests and benches.
    pub fn new(mut settings: Settings) -> (Self, Keeper) {
        if settings.path.is_dir() {
            settings.path.push(FILE);
            tracing::warn!("`[journal] path` is a folder: the journal is {}", settings.path.display());
        }
        // One waits while the keeper works; more say the same.
        let (sender, requests) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared {
            wal: Wal::new(&settings, sender),
            readers: Readers::new(&settings.path),
            settings,
            status: Mutex::default(),
            is_suspect: AtomicBool::new(false),
            opened: Condvar::new(),
            life: Life::default(),
        });
        (Self(Some(Arc::clone(&shared))), Keeper::new(shared, requests))
    }

    /// Returns the status; `None` if the journal is off.
    pub fn status(&self) -> Option<Status> {
        let shared = self.0.as_ref()?;
        let mut status = lock(&shared.status).clone();
        // The log knows of a write that failed before the keeper does.
        status.problem = status.problem.or_else(|| shared.wal.log().problem());
        status.notice = status.notice.or_else(|| shared.wal.log().damage());
        Some(status)
    }

    /// Waits until the journal was opened or could not be, but not longer than `limit`.
    pub fn wait_open(&self, limit: Duration) {
        if let Some(shared) = &self.0 {
            let unknown = |status: &mut Status| !status.open && status.problem.is_none();
            let _ = shared.opened.wait_timeout_while(lock(&shared.status), limit, unknown);
        }
    }

    /// Adds a publisher while the journal runs. It begins with what is recorded from now on.
    pub fn add_publisher(&self, name: &Text) {
        if let Some(shared) = &self.0 {
            shared.wal.add_publisher(name);
        }
    }

    /// Removes a publisher while the journal runs: nothing is kept for it any more.
    pub fn remove_publisher(&self, name: &str) {
        if let Some(shared) = &self.0 {
            shared.wal.remove_publisher(name);
        }
    }

    /// Records every number of a batch. When this returns, the end of the process loses none of it, provided the file
    /// can be written. A disk that hangs is not waited for.
    pub fn record(&self, section: &Text, batch: &Batch) {
        if let Some(shared) = &self.0 {
            shared.wal.record(section, batch);
        }
    }

    /// Records that a command set a counter, which does not count as consumption. Must be called before a batch shows
    /// the new number.
    pub fn counter_set(&self, section: &str, name: &str, unit: &str, before: Decimal, after: Decimal) {
        if let Some(shared) = &self.0 {
            let series = SeriesName { section: section.into(), name: name.into(), unit: unit.into() };
            shared.wal.counter_set(&series, before, after);
        }
    }

    /// Saves a few bytes of a source, which replace those that it saved before: its state, in a form of its own. It is on
    /// the disk after the next sync. The end of the process may lose it, and a power cut what came after the last sync.
    pub fn save(&self, section: &Text, state: &[u8]) {
        if let Some(shared) = &self.0 {
            shared.wal.save(section, state);
        }
    }

    /// Returns the time between two syncs, if they succeed.
    pub fn saves_every(&self) -> Option<Duration> {
        let shared = self.0.as_ref()?;
        let status = lock(&shared.status);
        let is_well = shared.wal.is_open() && status.open && status.problem.is_none();
        (is_well && shared.wal.log().problem().is_none()).then_some(shared.settings.sync_interval)
    }

    /// Returns the state that an earlier run of a source saved last.
    ///
    /// # Errors
    /// Returns [`ReadError::Unavailable`] while the journal is not open.
    pub fn saved(&self, section: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match &self.0 {
            Some(shared) if shared.wal.is_open() => Ok(shared.wal.log().saved_earlier(section)),
            _ => Err(ReadError::Unavailable("the journal is not open".to_owned())),
        }
    }

    /// Returns the newest number of a series, or what a command set it to since, and its time, or the start of its
    /// minute; `None` if there is none, or the journal cannot be read. Blocks while the disk is read.
    pub fn last(&self, section: &str, name: &str, unit: &str) -> Option<(Micros, Decimal)> {
        self.read(|view| view.find(section, name, Some(unit))?.last()).ok().flatten()
    }

    /// Returns the number of clock corrections in this run, each of which has changed the times of earlier readings.
    pub fn corrections(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.wal.log().corrected())
    }

    /// Returns whether times are likely to stay as they are. `false` while the clock is known to be wrong.
    pub fn is_settled(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.wal.log().is_settled())
    }

    /// Answers a question from the journal at one moment. Blocks while the disk is read.
    ///
    /// # Errors
    /// Returns the error of `ask`, or [`ReadError::Unavailable`] if the journal is off or cannot be opened.
    pub fn read<T>(&self, ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        self.ask(Wanted(None), ask)
    }

    /// Passes a view to `ask`, as [`Journal::read`] does. Once `is_wanted` returns false, each further question fails with
    /// [`ReadError::Unwanted`], so that a long walk ends when its client has gone.
    ///
    /// # Errors
    /// Returns the error of `ask`, or [`ReadError::Unavailable`] if the journal is off or cannot be opened.
    pub fn read_while<T>(
        &self,
        is_wanted: &dyn Fn() -> bool,
        ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.ask(Wanted(Some(is_wanted)), ask)
    }

    fn ask<T>(
        &self,
        wanted: Wanted<'_>,
        ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let Some(shared) = &self.0 else {
            return Err(ReadError::Unavailable(
                "the journal is off: set `enabled = true` in `[journal]`".to_owned(),
            ));
        };
        // Before the database: a segment that is checkpointed in between is in both, and its number says so.
        shared.answer(&shared.wal.log().segments(), wanted, ask)
    }
}

impl Shared {
    /// Answers a question from the database, and from those of the segments that it does not have.
    pub(crate) fn answer<T>(
        &self,
        segments: &[(u64, Arc<[u8]>)],
        wanted: Wanted<'_>,
        ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let answer = self.readers.with(|connection| {
            let transaction = connection.map(Connection::unchecked_transaction).transpose()?;
            let folded = transaction.as_deref().map_or(Ok(0), db::folded)?;
            let newer = segments.iter().filter(|(number, _)| *number > folded);
            let segments: Vec<_> = newer.map(|(_, bytes)| &**bytes).collect();
            let (database, zone) = (transaction.as_deref(), &self.settings.zone);
            ask(&View { database, segments: &segments, zone, wanted })
        });
        if let Err(ReadError::Sqlite(error)) = &answer
            && DatabaseError::is_damaged(error)
        {
            tracing::error!("the journal is damaged: {error}");
            self.suspect();
        }
        answer
    }

    /// Looks for damage in all pages of the database.
    pub(crate) fn check(&self) {
        match Database::check(&self.settings.path) {
            Err(error) if error.is_damage() => self.suspect(),
            Err(error) => tracing::warn!("could not check the journal for damage: {error}"),
            Ok(()) => {}
        }
    }

    /// Returns what no disk took, in sentences for the end of the program: what is lost, and what is in memory only.
    pub(crate) fn unsaved(&self) -> (Option<String>, Option<String>) {
        let log = self.wal.log();
        let (waiting, (lost, in_memory)) = (self.wal.waiting(), log.unsaved());
        let path = self.settings.path.display();
        let lost = match (waiting, lost) {
            (0, 0) => None,
            (0, lost) => {
                Some(format!("{lost} batches are lost, as {path} could not be written (see the error above)"))
            }
            _ => Some(format!(
                "{waiting} batches are lost, as the journal {path} was never open (see the error above)"
            )),
        };
        let in_memory = (in_memory > 0).then(|| {
            format!(
                "{in_memory} batches are in the folder in memory only, as {path} could not be written: the next start \
                 brings them to the disk, unless the machine is switched off before"
            )
        });
        (lost, in_memory)
    }

    /// Has the keeper replace the database.
    fn suspect(&self) {
        self.is_suspect.store(true, Relaxed);
        let _ = self.wal.requests.try_send(Request::Checkpoint);
    }
}
