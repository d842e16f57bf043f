//! The count of an instance: in memory, in its file, and in the hands of its commands.

use std::{
    error::Error,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use framework::{Context, Counter, Fact};
use tokio::{sync::Notify, task::spawn_blocking};
use tracing::{error, info, warn};

use crate::{
    rate::Rate,
    slots::{Count, Found, OpenError, Slots},
};

/// A disk that takes no count is complained about this often.
const LOG_PERIOD: Duration = Duration::from_secs(60);
/// A disk that cannot be synced is tried again after this at the soonest.
const SHORTEST_SYNC: Duration = Duration::from_millis(100);

/// The pulses of an instance, shared by its source and its commands.
///
/// Each change is written at once, which survives the end of the process, and synced now and then, which
/// survives a power cut and spares an SD card.
#[derive(Debug)]
pub(crate) struct Total {
    instance: String,
    path: PathBuf,
    rate: Rate,
    sync_every: Duration,
    state: Mutex<State>,
    /// Told of a change that came from a command.
    changed: Notify,
    file: Fact,
    write_errors: Counter,
    damaged_slots: Counter,
}

#[derive(Debug)]
struct State {
    pulses: u64,
    home: Home,
    /// Since when there is something that a power cut would take.
    unsynced: Option<Instant>,
    /// A sync in the background is under way: a disk that hangs gets no second one.
    syncing: bool,
    /// The last write or sync failed.
    failing: bool,
    /// When that was last said in the log, and whether the end of it is to be said too.
    logged: Option<Instant>,
    announced: bool,
}

#[derive(Debug)]
enum Home {
    /// Not looked for yet.
    Closed,
    File(Slots),
    /// There is none, so the count lives in memory only, and ends with the process.
    Missing(String),
}

impl Total {
    pub(crate) fn new(cx: &Context, rate: Rate, sync_every: Duration) -> Self {
        Self {
            instance: cx.instance().to_owned(),
            path: cx.state_dir().join(format!("{}.count", cx.instance())),
            rate,
            sync_every: sync_every.max(SHORTEST_SYNC),
            state: Mutex::new(State {
                pulses: 0,
                home: Home::Closed,
                unsynced: None,
                syncing: false,
                failing: false,
                logged: None,
                announced: false,
            }),
            changed: Notify::new(),
            file: cx.fact("count_file"),
            write_errors: cx.counter("write_errors"),
            damaged_slots: cx.counter("damaged_slots"),
        }
    }

    /// Finds the count, the first time it is called. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Where another process counts in the file: two would overwrite each other. Any other trouble with the
    /// file is reported and lived with, since readings matter more than their surviving.
    pub(crate) fn load(&self) -> Result<(), OpenError> {
        let mut state = self.state();
        if !matches!(state.home, Home::Closed) {
            return Ok(());
        }
        let made = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        let opened = match made {
            Ok(()) => Slots::open(&self.path, self.rate),
            Err(error) => Err(OpenError::Io(self.path.clone(), error)),
        };
        let (source, file) = (&*self.instance, self.path.display());
        match opened {
            Ok((slots, count, found)) => {
                state.pulses = count.pulses;
                state.home = Home::File(slots);
                self.file.set(self.path.display().to_string());
                match found {
                    Found::New => info!(source, "counts from 0, in the new file {file}"),
                    Found::Whole => {}
                    Found::OneDamaged => {
                        self.damaged_slots.increment();
                        self.file.set(format!("{file} (one of its two slots was damaged at the start)"));
                        warn!(source, "one of the two slots of {file} is damaged: the other one counts");
                        self.write(&mut state);
                    }
                    Found::Unusable(aside) => {
                        self.damaged_slots.add(2);
                        self.file.set(format!("{file} (new: the old one was damaged)"));
                        let aside = aside.display();
                        error!(
                            source,
                            "{file} is damaged and counts no more: it was kept as {aside}, and the count begins at 0; \
                             set it to what the meter shows with the command `set_s0`"
                        );
                    }
                }
                if count.rate != self.rate {
                    state.pulses = self.rate.converted(count.pulses, count.rate);
                    warn!(
                        source,
                        "`pulses_per_kwh` is {} now and was {}: the energy stays, {} kWh",
                        self.rate.per_kwh(),
                        count.rate.per_kwh(),
                        self.rate.kwh(state.pulses)
                    );
                    self.write(&mut state);
                }
                Ok(())
            }
            Err(locked @ OpenError::Locked(_)) => Err(locked),
            Err(OpenError::Io(path, cause)) => {
                let reason = format!("could not use {}: {cause}", path.display());
                self.write_errors.increment();
                self.file.set(format!("none, the count will not survive a restart: {reason}"));
                error!(
                    source,
                    "{reason}; counting from 0 in memory only, and the count will not survive a restart: make the \
                     directory writable, or choose another one with `state_dir`, and restart"
                );
                state.home = Home::Missing(reason);
                Ok(())
            }
        }
    }

    /// The count.
    pub(crate) fn pulses(&self) -> u64 {
        self.state().pulses
    }

    /// Counts `n` pulses more. They survive the end of the process when this returns.
    pub(crate) fn add(&self, n: u64) {
        let mut state = self.state();
        state.pulses = state.pulses.saturating_add(n);
        self.write(&mut state);
    }

    /// Makes the count another one, on the disk before this returns. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// A sentence on what may be lost: the count is set, but not, or not safely, in its file.
    pub(crate) fn set(&self, pulses: u64) -> Result<(), String> {
        self.load().map_err(|error| error.to_string())?;
        let mut state = self.state();
        state.pulses = pulses;
        self.write(&mut state);
        let trouble = match &state.home {
            Home::Missing(reason) => Some(reason.clone()),
            _ if state.failing => Some(format!("could not write {}", self.path.display())),
            _ => None,
        };
        drop(state);
        let trouble = trouble.or_else(|| self.sync().err().map(|error| error.to_string()));
        self.changed.notify_one();
        let kwh = self.rate.kwh(pulses);
        match trouble {
            None => {
                info!(source = &*self.instance, "the count was set to {kwh} kWh");
                Ok(())
            }
            Some(trouble) => Err(format!("the count is {kwh} kWh now, but may not survive: {trouble}")),
        }
    }

    /// Waits until a command changes the count.
    ///
    /// # Cancel safety
    /// A change while nobody waits ends the next wait at once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the file is due to be synced; `None` = nothing to do.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        let state = self.state();
        state.unsynced.filter(|_| !state.syncing).map(|since| since + self.sync_every)
    }

    /// Has the file synced in the background where that is due.
    pub(crate) fn sync_if_due(self: &Arc<Self>) {
        let mut state = self.state();
        if state.syncing || state.unsynced.is_none_or(|since| since.elapsed() < self.sync_every) {
            return;
        }
        if let Some(file) = state.take_unsynced() {
            state.syncing = true;
            let total = Arc::clone(self);
            spawn_blocking(move || {
                let _ = total.sync_file(&file); // reported
                total.state().syncing = false;
            });
        }
    }

    /// Makes the count survive a power cut. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// What the system says; it is reported already.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let file = self.state().take_unsynced();
        file.map_or(Ok(()), |file| self.sync_file(&file))
    }

    /// The lock is not held meanwhile: a slow disk must not hold up the count.
    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_data().inspect_err(|error| {
            let mut state = self.state();
            // What could not be synced now counts as synced for the system: it must be written again.
            self.write(&mut state);
            self.complain(&mut state, "sync", error);
        })
    }

    fn write(&self, state: &mut State) {
        let Home::File(slots) = &mut state.home else { return };
        match slots.write(Count { pulses: state.pulses, rate: self.rate }) {
            Ok(()) => {
                state.unsynced.get_or_insert_with(Instant::now);
                if std::mem::take(&mut state.failing) {
                    self.file.set(self.path.display().to_string());
                }
                if std::mem::take(&mut state.announced) {
                    info!(source = &*self.instance, "{} takes the count again", self.path.display());
                }
            }
            Err(error) => self.complain(state, "write", &error),
        }
    }

    fn complain(&self, state: &mut State, what: &str, error: &dyn Error) {
        self.write_errors.increment();
        let message = format!("could not {what} {}: {error}", self.path.display());
        if state.logged.is_none_or(|last| last.elapsed() >= LOG_PERIOD) {
            (state.logged, state.announced) = (Some(Instant::now()), true);
            error!(
                source = &*self.instance,
                "{message}; the count goes on in memory, and each pulse tries again"
            );
        }
        if !std::mem::replace(&mut state.failing, true) {
            self.file.set(message);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain data that is never left half changed: poison means nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to be synced; whoever takes it does so.
    fn take_unsynced(&mut self) -> Option<Arc<File>> {
        self.unsynced.take()?;
        match &self.home {
            Home::File(slots) => Some(slots.file()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
