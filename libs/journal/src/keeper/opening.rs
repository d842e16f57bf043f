//! Opening of a journal: at the start, after damage, and where its files were removed or replaced.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tracing::{error, info};

use super::Keeper;
use crate::{
    db::{Database, DatabaseError, Found},
    lock,
    place::{FileId, lock_path, locked},
    wal::{Recovered, frame::HEADER, live, segment_path},
};

/// Reason why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("another program uses the journal {}; stop it first, or set another `[journal] path` for this one", .0.display())]
    Locked(PathBuf),
    #[error("could not open the journal: {0}")]
    Database(#[from] DatabaseError),
    #[error("could not create files beside {}: {}; make the folder writable, or set another `[journal] path`", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

impl Keeper {
    /// Opens the journal, if it is not open yet.
    pub fn open(&mut self) {
        if self.database.is_some() {
            return;
        }
        match self.try_open() {
            Ok((database, notice)) => {
                self.database = Some(database);
                self.shared.readers.allow(true);
                if self.reported.take().is_some() {
                    info!("journal opened: readings are recorded from now on");
                }
                let mut status = lock(&self.shared.status);
                status.open = true;
                status.notice = notice.or(status.notice.take());
                status.problem = None;
                self.shared.opened.notify_all();
            }
            Err(refused) => {
                if !self.shared.wal.is_open() {
                    self.lock = None; // nothing was written yet, and another program may
                }
                let message = format!("{refused}; readings are served, and wait in memory to be recorded");
                if self.reported.as_ref() != Some(&message) {
                    error!("{message}");
                }
                lock(&self.shared.status).problem = Some(message.clone());
                self.shared.opened.notify_all();
                self.reported = Some(message);
            }
        }
    }

    /// Opens the database and the log. Returns the notice of damage that was found.
    fn try_open(&mut self) -> Result<(Database, Option<String>), Refused> {
        let path = &self.shared.settings.path;
        let io = |error| Refused::Io(path.clone(), error);
        if self.lock.is_none() {
            self.lock = Some(locked(path).map_err(io)?.ok_or_else(|| Refused::Locked(path.clone()))?);
        }
        let signs = if self.shared.wal.is_open() { Vec::new() } else { signs_of_history(path) };
        let (mut database, found) =
            if self.is_damaged { Database::replace(path)? } else { Database::open(path)? };
        self.is_damaged = false;
        let (aside, mut missing) = match found {
            Found::New => {
                info!("created the journal {}", path.display());
                (None, report_missing(path, &signs))
            }
            Found::Whole => (None, None),
            Found::SetAside(aside) => (Some(aside), None),
        };
        database.salvage_state(path)?;
        let mut left = Recovered {
            checkpointed: database.folded()?,
            newest: database.newest()?,
            epoch: database.epoch()?,
            cursors: database.cursors()?,
            states: database.states()?,
            lost: aside.is_some() || missing.is_some(),
            ..Recovered::default()
        };
        let runtime_dir = self.shared.settings.runtime_dir.as_deref();
        let live = runtime_dir.and_then(|folder| live::base(folder, path));
        if !self.shared.wal.is_open() {
            live::absorb(path, live.as_deref(), left.checkpointed).map_err(io)?;
        }
        live::point(path, live.as_deref()).map_err(io)?;
        left.read_segments(path, &self.shared.wal.publishers(), self.shared.settings.clock.boot())
            .map_err(io)?;
        if self.shared.wal.is_open() {
            left.checkpointed = self.adopt(&mut database, &left)?;
        }
        self.file = FileId::at(path);
        let damage = left.damage.take();
        self.shared.wal.open(left, live);
        self.shared.wal.log().watch();
        // What is recorded meanwhile is in the log.
        let log = self.shared.wal.log();
        let salvaged = database.salvage(path, &self.shared.settings.zone, &mut || log.sync())?;
        let notice = salvaged.map(|lost| report_damage(path, aside.as_deref(), &lost));
        Ok((database, notice.or(missing.take()).or(damage)))
    }

    /// Takes what others recorded in a place to which this program has come, and makes room for its own segments.
    /// Returns the last segment that the database has.
    fn adopt(&self, database: &mut Database, left: &Recovered) -> Result<u64, DatabaseError> {
        let own = self.shared.wal.log().numbers();
        let others = left.closed.iter().map(|closed| closed.number);
        for number in others.filter(|number| *number > left.checkpointed && !own.contains(number)) {
            let bytes = fs::read(segment_path(&self.shared.settings.path, number))?;
            database.checkpoint(&[(number, &bytes)], &self.shared.settings.zone)?;
        }
        let (last, first) = (database.folded()?, self.shared.wal.log().first_unchecked());
        if last >= first {
            // Repeated readings change nothing, and lost ones would.
            database.set_folded(first - 1)?;
        }
        Ok(last.min(first - 1))
    }

    /// Notices that files were removed or replaced, and goes on in the place that exists now.
    pub(super) fn check_place(&mut self) {
        let path = &self.shared.settings.path;
        let log = self.shared.wal.log();
        let has_lock = self.lock.as_ref().is_none_or(|lock| FileId::is_open(&lock_path(path), lock));
        let has_database = self.file.is_none() || FileId::at(path) == self.file;
        if !self.shared.wal.is_open() || has_lock && has_database && log.has_its_files() {
            return;
        }
        let what = if has_lock && has_database { "segments of the log" } else { "files" };
        let lost = if has_database { "nothing is lost" } else { "what only the database had is lost" };
        let message = format!(
            "{what} of the journal {} were removed or replaced while it was recording: it goes on in the place that \
             is there now; {lost}",
            path.display()
        );
        error!("{message}");
        log.forget_files(!has_lock);
        if !has_lock || !has_database {
            // Closing would remove the `-wal` file of the path, which may be another one by now.
            if let Some(database) = self.database.take() {
                database.abandon();
            }
            self.file = None;
            self.shared.readers.allow(false);
            if !has_lock {
                self.lock = None;
            }
            self.open();
        }
        self.shared.wal.log().watch();
        self.shared.wal.log().sync();
        lock(&self.shared.status).notice = Some(message);
    }

    /// Goes on in a new database, into which is copied what can be read of the damaged one.
    pub(super) fn replace(&mut self) {
        self.database = None;
        self.shared.readers.allow(false);
        self.is_damaged = true;
        self.open();
    }
}

/// Returns the names of segments beside a database, which are begun after that is on the disk. Its `-wal` file is no sign:
/// a power cut at the first start may leave that alone.
fn signs_of_history(path: &Path) -> Vec<String> {
    let segments = live::numbers(path).unwrap_or_default().into_iter();
    let segments =
        segments.filter(|number| live::read(path, *number).is_ok_and(|bytes| bytes.len() > HEADER));
    let name = |number| Some(segment_path(path, number).file_name()?.to_string_lossy().into_owned());
    segments.filter_map(name).collect()
}

/// Reports a database that is gone although files beside it are those of an earlier one. Returns the notice for
/// `/health`.
fn report_missing(path: &Path, signs: &[String]) -> Option<String> {
    let first = signs.first()?;
    let more = if signs.len() > 1 { format!(" and {} more", signs.len() - 1) } else { String::new() };
    let message = format!(
        "the journal {} is gone, while {first}{more} of it is still there: a new one was created, and only what the \
         log has is in it; if there is a backup, stop this program, put it there and start again",
        path.display()
    );
    error!("{message}");
    Some(message)
}

/// Reports a damaged database, and what is lost with it. Returns the notice for `/health`.
fn report_damage(path: &Path, aside: Option<&Path>, lost: &[String]) -> String {
    let renamed = aside.map(|aside| format!(": it was renamed to {}", aside.display())).unwrap_or_default();
    let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join("; ") };
    let message = format!(
        "the journal {} was damaged{renamed}, and what could be read is in a new one; lost: {lost}",
        path.display()
    );
    error!("{message}");
    message
}
