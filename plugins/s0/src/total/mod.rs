//! Count of a source, in memory and in its files; shared with its commands.

mod restore;
mod set_log;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use framework::{Counter, Fact, FaultCode, Faults, SourceContext};
use tokio::{sync::Notify, task::spawn_blocking};
use tracing::{error, info};

use self::set_log::SetLog;
use crate::{
    counter::LineState,
    rate::Rate,
    slots::{Count, Slots, with_suffix},
};

/// Advice where no folder in memory takes the count.
const RUNTIME_HINT: &str = ", or start the program with `RUNTIME_DIRECTORY`, a folder in memory that keeps the count through a restart";
/// Least time between two attempts to sync a failing disk.
const SHORTEST_SYNC: Duration = Duration::from_millis(100);
/// Time between two looks at the files, and two log lines about commands.
const TURN: Duration = Duration::from_secs(60);
/// Time between two commits to the file in the state folder while the journal saves the count.
const COMMIT_EVERY: Duration = Duration::from_secs(3600);

/// Pulses of a source, shared by its acquisition and its commands.
///
/// Each change is written at once, which survives the end of the process: into the runtime folder if there is one, else
/// into the state folder. What survives a power cut is committed each `sync_interval`. The journal does that if it can,
/// beside the readings, as a page more each minute would wear an SD card; else the file in the state folder is written
/// and synced.
///
/// The thread that counts also writes, so that no count is shown that a crash could lose. A write ends in the system's
/// memory within microseconds; if a disk hangs so badly that it does not, the worker of this source waits for it, and
/// the pulses wait in the kernel.
#[derive(Debug)]
pub(crate) struct Total {
    cx: SourceContext,
    /// File on the disk.
    path: PathBuf,
    /// File in the runtime folder.
    live_path: Option<PathBuf>,
    /// Pulses per kWh.
    pub(crate) rate: Rate,
    sync_interval: Duration,
    state: Mutex<State>,
    /// Notified of a change by a command, and of the end of a sync, after which the next one has a time.
    changed: Notify,
    file: Fact,
    write_errors: Counter,
    damaged_slots: Counter,
}

#[derive(Debug, Default)]
struct State {
    pulses: u64,
    /// State of the line after these pulses, if it is kept over a restart.
    line: Option<LineState>,
    /// Number of the last change, the same in both files.
    sequence: u64,
    /// Number of the change that was written to the disk last, and the time of that.
    committed: u64,
    committed_at: Option<Instant>,
    /// Number of the change that this run synced last.
    synced: u64,
    /// Count at the start, while the journal could not be asked for a newer one.
    unasked: Option<Count>,
    home: Home,
    /// The file in the runtime folder.
    live: Option<Slots>,
    /// Reason to doubt the count, until a command sets it.
    doubt: Option<String>,
    /// Reason why the last write or sync on the disk failed.
    failure: Option<String>,
    /// Time of the next sync; `None` if a power cut would lose nothing.
    sync_at: Option<Instant>,
    /// Time of the last look at the files.
    looked_at: Option<Instant>,
    /// A sync is running in the background. A disk that hangs gets no second one.
    syncing: bool,
    /// Limits the log lines about failures.
    faults: Faults<&'static str>,
    /// Limits the log lines about commands.
    set_log: SetLog,
}

#[derive(Debug, Default)]
enum Home {
    /// Not opened yet.
    #[default]
    Closed,
    File(Slots),
    /// The file cannot be written, so the count is in memory; each sync tries to open the file again.
    Memory {
        /// The count before the first pulse in memory, to which a file that comes later adds; `None` if the count is
        /// right whatever that file has.
        base: Option<u64>,
    },
}

impl Total {
    pub(crate) fn new(cx: &SourceContext, rate: Rate, sync_interval: Duration) -> Self {
        let name = format!("{}.count", cx.name());
        Self {
            cx: cx.clone(),
            path: cx.program_state_dir().join(&name),
            live_path: cx.runtime_dir().map(|folder| folder.join(&name)),
            rate,
            sync_interval: sync_interval.max(SHORTEST_SYNC),
            state: Mutex::default(),
            changed: Notify::new(),
            file: cx.fact("count_file"),
            write_errors: cx.counter("write_errors"),
            damaged_slots: cx.counter("damaged_slots"),
        }
    }

    /// Returns the state of the line after all pulses so far, if that was saved.
    pub(crate) fn line(&self) -> Option<LineState> {
        self.state().line
    }

    /// Adds `n` pulses, after which the line is in this state: the two are saved as one. Returns the count. They survive the
    /// end of the process when this returns, if a file can be written.
    pub(crate) fn count_to(&self, n: u64, line: Option<LineState>) -> u64 {
        let mut state = self.state();
        let is_same = std::mem::replace(&mut state.line, line) == line;
        state.pulses = state.pulses.saturating_add(n);
        if n > 0 {
            let _ = self.write(&mut state); // reported
        } else if !is_same && !matches!(state.home, Home::Closed) {
            state.sequence = state.sequence.saturating_add(1);
            let count = self.count(&state);
            // A disk gets it with the next pulse, or at the end.
            if let Some(Err(error)) = state.live.as_mut().map(|live| live.write(count)) {
                self.lose_live(&mut state, &error);
            }
        }
        state.pulses
    }

    /// Sets the count, and syncs it before this returns. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Returns a sentence on the possible loss: the count is set, but not safely in its file.
    pub(crate) fn set(&self, pulses: u64) -> Result<(), String> {
        self.load().map_err(|error| error.to_string())?;
        let mut state = self.state();
        let before = std::mem::replace(&mut state.pulses, pulses);
        state.unasked = None;
        if let Home::Memory { base } = &mut state.home {
            *base = None;
        }
        let written = self.write(&mut state);
        if state.doubt.take().is_some() {
            let _ = fs::remove_file(self.doubt_path()); // its folder may be read-only, then the doubt comes back
        }
        self.report(&state);
        // Told while the lock is held, so that the step lies between the readings before and after it; and only after
        // the write, because a kill in between would leave a step in history that never happened.
        self.cx.counter_was_set("count", "kWh", self.rate.kwh(before), self.rate.kwh(pulses));
        drop(state);
        let done = written.and_then(|()| self.sync());
        self.changed.notify_one();
        match done {
            Ok(()) => {
                let mut state = self.state();
                let lines = [state.set_log.rest(), state.set_log.note(self.rate.kwh(pulses))];
                lines.into_iter().flatten().for_each(|line| info!("{line}"));
                Ok(())
            }
            Err(problem) => {
                Err(format!("the count is {} kWh now, but may be lost: {problem}", self.rate.kwh(pulses)))
            }
        }
    }

    /// Waits until a command changes the count, or a sync ends.
    ///
    /// # Cancel safety
    /// A change between two calls ends the next call at once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the time of the next sync or look at the files.
    pub(crate) fn turn_due(&self) -> Option<Instant> {
        let state = self.state();
        let look = state.looked_at.map(|at| at + TURN);
        [state.sync_at, look].into_iter().flatten().min().filter(|_| !state.syncing)
    }

    /// Syncs the file in the background, and looks after it, if that is due.
    pub(crate) fn turn_if_due(self: &Arc<Self>) {
        if self.turn_due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.state().syncing = true;
        let total = Arc::clone(self);
        spawn_blocking(move || {
            let _ = total.turn(); // reported
            let mut state = total.state();
            state.syncing = false;
            if let Some(line) = state.set_log.rest() {
                info!("{line}");
            }
            total.changed.notify_one();
        });
    }

    /// Does what is due each minute: syncs the count, unless the journal does.
    ///
    /// # Errors
    /// Returns the text of the I/O error, which is reported already.
    pub(super) fn turn(&self) -> Result<(), String> {
        self.ask_again();
        let mut state = self.state();
        let is_there = matches!(&state.home, Home::File(slots) if slots.is_at(&self.path));
        if is_there && self.is_saved_by_journal(&state) {
            (state.sync_at, state.looked_at) = (None, Some(Instant::now()));
            return Ok(());
        }
        drop(state);
        self.sync()
    }

    /// Returns whether a power cut loses nothing that a sync would keep: the journal saves what is in the runtime folder.
    fn is_saved_by_journal(&self, state: &State) -> bool {
        let is_recent = state.committed_at.is_some_and(|at| at.elapsed() < COMMIT_EVERY);
        let is_alive = state.live.is_some() && state.failure.is_none() && state.unasked.is_none();
        is_recent && is_alive && self.cx.state_is_saved_every().is_some_and(|time| time <= self.sync_interval)
    }

    /// Syncs the count, so that it survives a power cut; a file that was deleted, replaced or unwritable comes back. It
    /// blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Returns the text of the I/O error, which is reported already.
    pub(crate) fn sync(&self) -> Result<(), String> {
        let mut state = self.state();
        if matches!(state.home, Home::Closed) {
            return Ok(());
        }
        state.looked_at = Some(Instant::now());
        self.notice_loss(&mut state);
        self.recover_live(&mut state);
        if let Home::Memory { .. } = state.home {
            let adopted = match self.open() {
                Ok(opened) => self.adopt(&mut state, opened),
                Err(error) => Err(self.complain(&mut state, "open", &error)),
            };
            adopted.inspect_err(|_| state.sync_at = self.in_an_interval())?;
        } else if state.committed != state.sequence {
            let committed = self.commit(&mut state);
            committed.inspect_err(|_| state.sync_at = self.in_an_interval())?;
        }
        let Home::File(slots) = &state.home else { return Ok(()) };
        let (file, committed) = (Arc::clone(&slots.file), state.committed);
        if state.sync_at.take().is_none() {
            return Ok(());
        }
        drop(state); // a slow disk must not block the count
        let synced = file.sync_data();
        let mut state = self.state();
        if let Err(error) = synced {
            // The kernel takes data that it could not sync for clean, so it must be written again.
            let _ = self.commit(&mut state); // reported
            return Err(self.complain(&mut state, "sync", &error));
        }
        state.synced = committed;
        self.save(&state);
        Ok(())
    }

    /// Writes a change where it survives the end of the process.
    fn write(&self, state: &mut State) -> Result<(), String> {
        state.sequence = state.sequence.saturating_add(1);
        if matches!(state.home, Home::Closed) {
            return Ok(());
        }
        self.notice_loss(state);
        let count = self.count(state);
        let written = match state.live.as_mut().map(|live| live.write(count)) {
            Some(Ok(())) => {
                state.sync_at = state.sync_at.or(self.in_an_interval());
                Ok(())
            }
            Some(Err(error)) => {
                self.lose_live(state, &error);
                self.commit(state)
            }
            None => self.commit(state),
        };
        self.save(state);
        written
    }

    /// Writes the count into its file on the disk, if that is open.
    fn commit(&self, state: &mut State) -> Result<(), String> {
        let count = self.count(state);
        let Home::File(slots) = &mut state.home else { return Ok(()) };
        if let Err(error) = slots.write(count) {
            return Err(self.complain(state, "write", &error));
        }
        state.committed = count.sequence;
        state.committed_at = Some(Instant::now());
        state.sync_at = state.sync_at.or(self.in_an_interval());
        self.saved(state);
        Ok(())
    }

    /// Notes that the count is in its file.
    fn saved(&self, state: &mut State) {
        if state.failure.take().is_some() {
            self.report(state);
            if state.faults.over() {
                info!("the count is saved in {} again", self.path.display());
            }
        }
    }

    /// Notices that a file was deleted or replaced: it would take writes that nobody finds again.
    fn notice_loss(&self, state: &mut State) {
        if let Home::File(slots) = &state.home
            && !slots.is_at(&self.path)
        {
            error!(
                "{} was deleted or replaced while it was in use: it gets the count again, {} kWh; stop this program before \
                 changing its state directory",
                self.path.display(),
                self.rate.kwh(state.pulses)
            );
            state.home = Home::Memory { base: None };
            state.sync_at = Some(Instant::now());
        }
        if let (Some(live), Some(path)) = (&state.live, &self.live_path)
            && !live.is_at(path)
        {
            self.lose_live(state, &io::Error::other("it was deleted or replaced"));
        }
    }

    /// Reports a failure to save the count; returns its text.
    fn complain(&self, state: &mut State, what: &str, error: &dyn Error) -> String {
        self.write_errors.increment();
        let message = format!("could not {what} {}: {error}", self.path.display());
        let (place, risk) = match state.live {
            Some(_) => ("the runtime directory", "a power cut"),
            None => ("memory", "a restart"),
        };
        let advice = format!(
            "{message}; counting in {place} from {} kWh, which {risk} loses, and trying again: free space, make the file \
             and its directory writable, or choose another with `state_dir`{}",
            self.rate.kwh(state.pulses),
            if self.live_path.is_none() { RUNTIME_HINT } else { "" }
        );
        if let Some(text) = state.faults.note("disk", &advice) {
            error!("{text}");
        }
        state.failure = Some(format!("{message}; the count is in {place} only, trying again"));
        self.report(state);
        message
    }

    /// Shows in `/health` where the count is, and what is wrong with it.
    fn report(&self, state: &State) {
        let path = self.path.to_string_lossy();
        self.file.set(state.failure.as_deref().unwrap_or(&path));
        let failure = state.failure.as_deref().map(|failure| (FaultCode::NotSaved, failure));
        let doubt = state.doubt.as_deref().map(|doubt| (FaultCode::Unconfirmed, doubt));
        self.cx.set_problem(failure.or(doubt));
    }

    /// Returns the content of a slot.
    fn count(&self, state: &State) -> Count {
        Count { sequence: state.sequence, pulses: state.pulses, rate: self.rate, line: state.line }
    }

    /// Returns the file that keeps the reason to doubt the count, for the next start.
    fn doubt_path(&self) -> PathBuf {
        with_suffix(&self.path, ".doubt")
    }

    fn in_an_interval(&self) -> Option<Instant> {
        Some(Instant::now() + self.sync_interval)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is never left half changed, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
