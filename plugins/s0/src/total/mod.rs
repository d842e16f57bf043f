//! Count of a source, in memory and in its file; shared with its commands.

use std::{
    error::Error,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use framework::{Counter, Fact, Faults, SourceContext, Timestamp};
use tokio::{sync::Notify, task::spawn_blocking};
use tracing::{error, info, warn};

use crate::{
    rate::Rate,
    slots::{self, Count, Found, OpenError, Slots},
};

/// Least time between two attempts to sync a failing disk.
const SHORTEST_SYNC: Duration = Duration::from_millis(100);

/// Pulses of a source, shared by its acquisition and its commands.
///
/// Each change is written at once, which survives the end of the process. It is synced each `sync_interval`, which
/// survives a power cut and spares an SD card.
///
/// The thread that counts also writes, so that no count is shown that a crash could lose. A write ends in the system's
/// memory within microseconds; if a disk hangs so badly that it does not, the worker of this source waits for it, and
/// the pulses wait in the kernel.
#[derive(Debug)]
pub(crate) struct Total {
    cx: SourceContext,
    path: PathBuf,
    /// Pulses per kWh.
    pub(crate) rate: Rate,
    sync_interval: Duration,
    state: Mutex<State>,
    /// Notified of a change by a command.
    changed: Notify,
    file: Fact,
    write_errors: Counter,
    damaged_slots: Counter,
}

#[derive(Debug, Default)]
struct State {
    pulses: u64,
    home: Home,
    /// The fact `count_file` in `/health` while writes succeed.
    about: String,
    /// Time of the oldest change that a power cut would lose.
    unsynced: Option<Instant>,
    /// A sync is running in the background. A disk that hangs gets no second one.
    syncing: bool,
    /// Limits the log lines about it.
    faults: Faults<()>,
}

#[derive(Debug, Default)]
enum Home {
    /// Not opened yet.
    #[default]
    Closed,
    File(Slots),
    /// The file cannot be written, so the count is in memory; each sync tries to open the file again.
    Memory {
        /// The count in the file before the first pulse in memory; `None` after a command has set the count.
        base: Option<u64>,
    },
}

impl Total {
    pub(crate) fn new(cx: &SourceContext, rate: Rate, sync_interval: Duration) -> Self {
        Self {
            cx: cx.clone(),
            path: cx.state_dir().join(format!("{}.count", cx.name())),
            rate,
            sync_interval: sync_interval.max(SHORTEST_SYNC),
            state: Mutex::default(),
            changed: Notify::new(),
            file: cx.fact("count_file"),
            write_errors: cx.counter("write_errors"),
            damaged_slots: cx.counter("damaged_slots"),
        }
    }

    /// Reads the count when it is called for the first time. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Fails if another process counts in the file, since the two would overwrite each other, or if the file cannot be
    /// read, since any count would be wrong. A file that cannot be written is only reported: readings matter more than
    /// their durability.
    pub(crate) fn load(&self) -> Result<(), OpenError> {
        let mut state = self.state();
        if !matches!(state.home, Home::Closed) {
            return Ok(());
        }
        match self.open() {
            Ok((slots, count, found)) => {
                let _ = self.adopt(&mut state, slots, count, found); // reported
                Ok(())
            }
            Err(OpenError::Io(cause)) => slots::peek(&self.path).map(|count| {
                state.pulses = count.map_or(0, |count| self.rate.converted(count.pulses, count.rate));
                state.home = Home::Memory { base: Some(state.pulses) };
                state.unsynced = Some(Instant::now());
                self.complain(&mut state, "open", &cause);
            }),
            Err(other) => Err(other),
        }
        .inspect_err(|error| self.file.set(error.to_string()))
    }

    fn open(&self) -> Result<(Slots, Count, Found), OpenError> {
        self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        Slots::open(&self.path, self.rate)
    }

    /// Continues from the count of a file that was opened, plus the pulses counted in memory before.
    fn adopt(&self, state: &mut State, slots: Slots, count: Count, found: Found) -> Result<(), String> {
        let file = self.path.display();
        let kept = self.rate.converted(count.pulses, count.rate);
        let before = std::mem::replace(&mut state.home, Home::File(slots));
        state.pulses = match before {
            Home::Memory { base: Some(base) } => kept.saturating_add(state.pulses - base),
            Home::Memory { base: None } => state.pulses,
            Home::Closed | Home::File(_) => kept,
        };
        state.unsynced = None;
        state.about = file.to_string();
        if let Some((aside, since)) = slots::kept_aside(&self.path) {
            let day = Timestamp::from_second(since).unwrap_or_default().strftime("%Y-%m-%d");
            let aside = aside.display();
            state.about +=
                &format!(", started at 0 on {day}: the file before was damaged, and is kept as {aside}");
        }
        match &found {
            Found::New => info!("counting in the new file {file}"),
            Found::Whole => {}
            Found::OneDamaged => {
                self.damaged_slots.increment();
                state.about += " (one of its two slots was damaged at the start)";
                warn!("one of the two slots of {file} is damaged; using the other one");
            }
            Found::Unusable(aside) => {
                self.damaged_slots.add(2);
                error!(
                    "{file} is damaged: it is kept as {}, and the count starts at 0; set it to the meter's reading with the \
                     command `set_s0`",
                    aside.display()
                );
            }
        }
        self.file.set(&state.about);
        if count.rate != self.rate {
            warn!(
                "`pulses_per_kwh` changed to {} from {}: the pulses were converted, the energy is still {} kWh",
                self.rate.per_kwh(),
                count.rate.per_kwh(),
                self.rate.kwh(kept)
            );
        }
        let is_saved = matches!(before, Home::Closed) && count.rate == self.rate;
        if is_saved && found != Found::OneDamaged { Ok(()) } else { self.write(state) }
    }

    /// Returns the count.
    pub(crate) fn pulses(&self) -> u64 {
        self.state().pulses
    }

    /// Adds `n` pulses. They survive the end of the process when this returns, if the file can be written.
    pub(crate) fn add(&self, n: u64) {
        let mut state = self.state();
        state.pulses = state.pulses.saturating_add(n);
        let _ = self.write(&mut state); // reported
    }

    /// Sets the count, and syncs it before this returns. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Returns a sentence on the possible loss: the count is set, but not safely in its file.
    pub(crate) fn set(&self, pulses: u64) -> Result<(), String> {
        self.load().map_err(|error| error.to_string())?;
        let mut state = self.state();
        let before = std::mem::replace(&mut state.pulses, pulses);
        if let Home::Memory { base } = &mut state.home {
            *base = None;
        }
        let written = self.write(&mut state);
        // Told while the lock is held, so that the step lies between the readings before and after it; and only after
        // the write, because a kill in between would leave a step in history that never happened.
        self.cx.counter_was_set("count", "kWh", self.rate.kwh(before), self.rate.kwh(pulses));
        drop(state);
        let done = written.and_then(|()| self.sync());
        self.changed.notify_one();
        let kwh = self.rate.kwh(pulses);
        match done {
            Ok(()) => {
                info!("count set to {kwh} kWh");
                Ok(())
            }
            Err(problem) => Err(format!("the count is {kwh} kWh now, but may be lost: {problem}")),
        }
    }

    /// Waits until a command changes the count.
    ///
    /// # Cancel safety
    /// A change between two calls ends the next call at once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the time of the next sync; `None` if there is nothing to sync.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        let state = self.state();
        state.unsynced.filter(|_| !state.syncing).map(|since| since + self.sync_interval)
    }

    /// Syncs the file in the background, if that is due.
    pub(crate) fn sync_if_due(self: &Arc<Self>) {
        if self.sync_due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.state().syncing = true;
        let total = Arc::clone(self);
        spawn_blocking(move || {
            let _ = total.sync(); // reported
            total.state().syncing = false;
        });
    }

    /// Syncs the count, so that it survives a power cut. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Returns the text of the I/O error, which is reported already.
    pub(crate) fn sync(&self) -> Result<(), String> {
        let mut state = self.state();
        if let Home::Memory { .. } = state.home {
            match self.open() {
                Ok((slots, count, found)) => self.adopt(&mut state, slots, count, found)?,
                Err(error) => {
                    state.unsynced = Some(Instant::now());
                    return Err(self.complain(&mut state, "open", &error));
                }
            }
        }
        let Home::File(slots) = &state.home else { return Ok(()) };
        let file = Arc::clone(&slots.file);
        if state.unsynced.take().is_none() {
            return Ok(());
        }
        drop(state); // a slow disk must not block the count
        file.sync_data().map_err(|error| {
            let mut state = self.state();
            // The kernel takes data that it could not sync for clean, so it must be written again.
            let _ = self.write(&mut state); // reported
            self.complain(&mut state, "sync", &error)
        })
    }

    /// Writes the count into its file, if that is open.
    fn write(&self, state: &mut State) -> Result<(), String> {
        let Home::File(slots) = &mut state.home else { return Ok(()) };
        if let Err(error) = slots.write(Count { pulses: state.pulses, rate: self.rate }) {
            return Err(self.complain(state, "write", &error));
        }
        state.unsynced.get_or_insert_with(Instant::now);
        self.file.set(&state.about);
        if state.faults.over() {
            info!("the count is saved in {} again", self.path.display());
        }
        Ok(())
    }

    /// Reports a failure to save the count; returns its text.
    fn complain(&self, state: &mut State, what: &str, error: &dyn Error) -> String {
        self.write_errors.increment();
        let message = format!("could not {what} {}: {error}", self.path.display());
        let advice = format!(
            "{message}; counting in memory from {} kWh, which a restart loses, and trying again: free space, make the file \
             and its directory writable, or choose another with `state_dir`",
            self.rate.kwh(state.pulses)
        );
        if let Some(text) = state.faults.note((), &advice) {
            error!("{text}");
        }
        self.file.set(format!("{message}; the count is in memory only, trying again"));
        message
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is never left half changed, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
