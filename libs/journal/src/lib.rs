//! The journal: every number of every batch, kept for years, at the cost of a few megabytes written a day.
//!
//! ```text
//! batch ─▶ segment: an append-only file, written per batch, synced each `commit_every`; and its twin in memory
//!              │ folded every few hours, in one transaction, by the keeper's thread
//!              ▼
//!          database (SQLite): raw minutes ─▶ minute ─▶ quarter, hour ─▶ day
//! ```
//!
//! A batch is recorded before anybody sees it: its frame is in the page cache then, which survives the process.
//! What is not folded yet is read from the twins, so that readers always see everything, each reading once.
//! Publishers read the segments, too: each at its own pace, and a segment stays until all of them have delivered it.
//!
//! | file | what it does |
//! |---|---|
//! | `intake`, `tail`, `segments` | batches into segments, segments into files |
//! | `frame` | the bytes of a segment |
//! | `queue`, `cursors` | what publishers have still to deliver, and how far they got |
//! | `clock` | what time it is, on a machine without a clock |
//! | `keeper` | syncs, folds, removes what is too old; finds and repairs the database |
//! | `database`, `fold`, `block`, `bucket` | the tables |
//! | `view`, `history`, `consumption` | the answers |

mod block;
mod breaks;
mod bucket;
mod catalogue;
mod clock;
mod consumption;
mod counter;
mod cursors;
mod database;
mod fold;
mod frame;
mod history;
mod intake;
mod keeper;
mod look;
mod moment;
mod packed;
mod place;
mod queue;
mod redate;
mod rollup;
mod segments;
mod span;
mod stored;
mod tail;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod transfer;
mod types;
mod varint;
mod view;

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::tz::TimeZone;
use rusqlite::Connection;

pub use self::{
    bucket::{Level, Rollup},
    clock::Observation,
    keeper::{Keeper, Running},
    look::Look,
    moment::moment,
    transfer::{Archive, Import, Imported, Labels, Selection, Summary, TransferError},
    types::SeriesName,
    view::{ReadError, View},
};
pub use self::{
    consumption::{Amount, Per},
    history::{History, Points, Step},
    queue::{Mark, Queue, Queued},
    span::utc,
    types::{Micros, SECOND},
    view::Listed,
};
use self::{database::open_for_reading, tail::Tail, types::CounterSet};
use reading::{Batch, Decimal, Obis, Reading, Text, Timestamp, Value};

/// So many read connections are kept open for the next question.
const IDLE_READERS: usize = 2;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database; segments lie beside it.
    pub path: PathBuf,
    /// How much a power cut may take.
    pub commit_every: Duration,
    /// How long every single reading is kept.
    pub keep_raw: Duration,
    /// How often segments become rows.
    pub fold_every: Duration,
    /// A segment this long becomes rows at once. In bytes.
    pub fold_at: usize,
    /// Whose days are days.
    pub zone: TimeZone,
    /// The clocks.
    pub look: Look,
    /// Whose queues there are: segments are kept until each of them has delivered them.
    pub publishers: Vec<Text>,
}

impl Settings {
    /// The usual ones, in the house's time zone.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            commit_every: Duration::from_secs(60),
            keep_raw: Duration::from_secs(30 * 24 * 3600),
            fold_every: Duration::from_secs(4 * 3600),
            fold_at: 4 << 20,
            zone: TimeZone::system(),
            look: Look::system(),
            publishers: Vec::new(),
        }
    }
}

/// The journal, for those who record and those who ask. A copy is the same journal.
#[derive(Debug, Clone)]
pub struct Journal(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    tail: Tail,
    readers: Mutex<Readers>,
    status: Mutex<Status>,
    /// The file was opened, or could not be.
    opened: Condvar,
}

/// Idle read connections of one database file.
#[derive(Debug, Default)]
struct Readers {
    /// `None` while the database cannot be read.
    idle: Option<Vec<Connection>>,
    /// Which file they belong to: a damaged one is set aside.
    generation: u64,
}

/// How the journal fares, for `/health`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What keeps readings from being safe; `None` while all is well.
    pub trouble: Option<String>,
    /// What happened to the file before: it was damaged and set aside.
    pub notice: Option<String>,
    /// What is wrong with the system's clock; `None` where nothing is known to be.
    pub clock: Option<String>,
    /// Whether the file was opened.
    pub open: bool,
}

impl Journal {
    /// Keeps no history.
    pub fn off() -> Self {
        Self(None)
    }

    /// Begins to record, and to keep what is recorded on a thread that ends with [`Running::stop`].
    /// The file is opened on that thread; until then batches wait in memory.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(settings: Settings) -> std::io::Result<(Self, Running)> {
        let (journal, keeper) = Self::new(settings);
        let running = keeper.spawn()?;
        Ok((journal, running))
    }

    /// A journal and its keeper, who does nothing by itself: for tests and benches.
    pub fn new(settings: Settings) -> (Self, Keeper) {
        let shared = Arc::new(Shared {
            tail: Tail::new(&settings),
            settings,
            readers: Mutex::default(),
            status: Mutex::default(),
            opened: Condvar::new(),
        });
        (Self(Some(Arc::clone(&shared))), Keeper::new(shared))
    }

    /// How it fares; `None` where it is off.
    pub fn status(&self) -> Option<Status> {
        self.0.as_ref().map(|shared| lock(&shared.status).clone())
    }

    /// Waits until the file was opened or could not be, but not longer than this.
    pub fn wait_open(&self, limit: Duration) {
        if let Some(shared) = &self.0 {
            let unknown = |status: &mut Status| !status.open && status.trouble.is_none();
            let _ = shared.opened.wait_timeout_while(lock(&shared.status), limit, unknown);
        }
    }

    /// Records every number of a batch. When this returns, the end of the process loses none of it, if the file
    /// can be written; a disk that hangs is not waited for.
    pub fn record(&self, section: &Text, batch: &Batch) {
        if let Some(shared) = &self.0 {
            shared.tail.record(section, batch);
        }
    }

    /// Records that a counter was set, which is no consumption. To be called before a batch shows it.
    pub fn counter_set(&self, section: &str, name: &str, unit: &str, before: Decimal, after: Decimal) {
        if let Some(shared) = &self.0 {
            let series = SeriesName { section: section.into(), name: name.into(), unit: unit.into() };
            shared.tail.counter_set(|time| CounterSet { series, time, before, after });
        }
    }

    /// Asks a question. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// What the question says, and where there is no journal.
    pub fn read<T>(&self, ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let Some(shared) = &self.0 else {
            return Err(ReadError::Unavailable(
                "the journal is off: set `enabled = true` in `[journal]`".to_owned(),
            ));
        };
        // Before the database: a segment that is folded in between is in both, and is told by its number.
        let segments = shared.tail.segments();
        let (connection, generation) = shared.reader()?;
        let answer = {
            let transaction = connection.as_ref().map(Connection::unchecked_transaction).transpose()?;
            let folded = transaction.as_deref().map_or(Ok(0), database::folded)?;
            let segments: Vec<_> = segments.iter().filter(|s| s.0 > folded).map(|s| &*s.1).collect();
            ask(&View { database: transaction.as_deref(), segments: &segments, zone: &shared.settings.zone })
        };
        if let Some(connection) = connection {
            shared.give_back(connection, generation);
        }
        answer
    }
}

impl Shared {
    /// A read connection, if there is a database to be read.
    fn reader(&self) -> Result<(Option<Connection>, u64), ReadError> {
        let mut readers = lock(&self.readers);
        let generation = readers.generation;
        let Some(idle) = &mut readers.idle else { return Ok((None, generation)) };
        if let Some(connection) = idle.pop() {
            return Ok((Some(connection), generation));
        }
        drop(readers);
        match open_for_reading(&self.settings.path) {
            Ok(connection) => Ok((Some(connection), generation)),
            Err(error) => Err(ReadError::Unavailable(format!("could not open the journal: {error}"))),
        }
    }

    fn give_back(&self, connection: Connection, generation: u64) {
        let mut readers = lock(&self.readers);
        if readers.generation == generation
            && let Some(idle) = &mut readers.idle
            && idle.len() < IDLE_READERS
        {
            idle.push(connection);
        }
    }

    /// From now on the database can be read, or cannot.
    fn readable(&self, yes: bool) {
        let mut readers = lock(&self.readers);
        readers.idle = yes.then(Vec::new);
        readers.generation += 1;
    }
}

/// One batch as the journal has it: the numbers that one source read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The source's name.
    pub section: Text,
    /// The numbers; texts, such as a meter's number, are in the store only. Its time is when they were taken,
    /// however late they are delivered, and a register with a time of its own comes in a record of its own.
    pub batch: Batch,
}

/// Words for a message: each in backticks, a comma between.
fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Locks plain data that is never left half changed: poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
