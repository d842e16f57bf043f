//! The count of an instance: in memory, in its file, and in the hands of its commands.

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

/// A disk that cannot be synced is tried again after this at the soonest.
const SHORTEST_SYNC: Duration = Duration::from_millis(100);

/// The pulses of an instance, shared by its source and its commands.
///
/// Each change is written at once, which survives the end of the process, and synced now and then, which
/// survives a power cut and spares an SD card.
///
/// Whoever counts also writes, so that nothing is shown that a crash could take. The write ends in the
/// system's memory within microseconds; where a disk hangs so badly that it does not, the worker of this
/// source waits for it, and the pulses wait in the kernel.
#[derive(Debug)]
pub(crate) struct Total {
    instance: String,
    cx: SourceContext,
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
    /// What `/health` says of the file while all is well.
    about: String,
    /// Since when there is something that a power cut would take.
    unsynced: Option<Instant>,
    /// A sync in the background is under way: a disk that hangs gets no second one.
    syncing: bool,
    /// The last write or sync failed.
    failing: bool,
    /// What the log says of it.
    faults: Faults<()>,
}

#[derive(Debug)]
enum Home {
    /// Not looked for yet.
    Closed,
    File(Slots),
    /// It cannot be written now, so the count lives in memory; each sync tries to open it again.
    Memory {
        /// The count in the file before the first pulse in memory; `None` after a command: it matters no more.
        base: Option<u64>,
    },
}

impl Total {
    pub(crate) fn new(cx: &SourceContext, rate: Rate, sync_every: Duration) -> Self {
        Self {
            instance: cx.name().to_owned(),
            cx: cx.clone(),
            path: cx.state_dir().join(format!("{}.count", cx.name())),
            rate,
            sync_every: sync_every.max(SHORTEST_SYNC),
            state: Mutex::new(State {
                pulses: 0,
                home: Home::Closed,
                about: String::new(),
                unsynced: None,
                syncing: false,
                failing: false,
                faults: Faults::default(),
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
    /// Where another process counts in the file, since two would overwrite each other, and where a file is
    /// there that cannot be read, since any count would be a wrong one. A file that cannot be written is
    /// reported and lived with: readings matter more than their surviving.
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

    /// Goes on from the count of a file that was opened, with what was counted in memory before.
    fn adopt(&self, state: &mut State, slots: Slots, count: Count, found: Found) -> Result<(), String> {
        let (source, file) = (&*self.instance, self.path.display());
        let kept = self.rate.converted(count.pulses, count.rate);
        state.pulses = match state.home {
            Home::Memory { base: Some(base) } => kept.saturating_add(state.pulses - base),
            Home::Memory { base: None } => state.pulses,
            Home::Closed | Home::File(_) => kept,
        };
        state.home = Home::File(slots);
        state.unsynced = None;
        state.about = file.to_string();
        if let Some((aside, since)) = slots::kept_aside(&self.path) {
            let day = Timestamp::from_second(since).unwrap_or_default().strftime("%Y-%m-%d");
            let aside = aside.display();
            state.about +=
                &format!(", begun at 0 on {day}: the one before was damaged, and is kept as {aside}");
        }
        match &found {
            Found::New => info!(source, "counts in the new file {file}"),
            Found::Whole => {}
            Found::OneDamaged => {
                self.damaged_slots.increment();
                state.about += " (one of its two slots was damaged at the start)";
                warn!(source, "one of the two slots of {file} is damaged: the other one counts");
            }
            Found::Unusable(aside) => {
                self.damaged_slots.add(2);
                error!(
                    source,
                    "{file} is damaged and counts no more: it was kept as {}, and the count begins at 0; \
                     set it to what the meter shows with the command `set_s0`",
                    aside.display()
                );
            }
        }
        self.file.set(state.about.clone());
        if count.rate != self.rate {
            warn!(
                source,
                "`pulses_per_kwh` is {} now and was {}: the energy stays, {} kWh",
                self.rate.per_kwh(),
                count.rate.per_kwh(),
                self.rate.kwh(kept)
            );
        }
        let same = count == Count { pulses: state.pulses, rate: self.rate };
        if same && found != Found::OneDamaged && !state.failing {
            return Ok(());
        }
        self.write(state)
    }

    /// What a pulse is worth.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// The count.
    pub(crate) fn pulses(&self) -> u64 {
        self.state().pulses
    }

    /// Counts `n` pulses more. They survive the end of the process when this returns, if the file can be written.
    pub(crate) fn add(&self, n: u64) {
        let mut state = self.state();
        state.pulses = state.pulses.saturating_add(n);
        let _ = self.write(&mut state); // reported
    }

    /// Makes the count another one, on the disk before this returns. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// A sentence on what may be lost: the count is set, but not, or not safely, in its file.
    pub(crate) fn set(&self, pulses: u64) -> Result<(), String> {
        self.load().map_err(|error| error.to_string())?;
        let mut state = self.state();
        let before = std::mem::replace(&mut state.pulses, pulses);
        if let Home::Memory { base } = &mut state.home {
            *base = None;
        }
        let written = self.write(&mut state);
        // While nobody can read the count: the step lies between the readings before and after it. And not before it
        // is in its file, as a kill in between would leave a step in history that never was.
        self.cx.counter_was_set("count", "kWh", self.rate.kwh(before), self.rate.kwh(pulses));
        drop(state);
        let done = written.and_then(|()| self.sync());
        self.changed.notify_one();
        let kwh = self.rate.kwh(pulses);
        match done {
            Ok(()) => {
                info!(source = &*self.instance, "the count was set to {kwh} kWh");
                Ok(())
            }
            Err(trouble) => Err(format!("the count is {kwh} kWh now, but may not survive: {trouble}")),
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
        state.syncing = true;
        let total = Arc::clone(self);
        spawn_blocking(move || {
            let _ = total.sync(); // reported
            total.state().syncing = false;
        });
    }

    /// Makes the count survive a power cut. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// What the system says; it is reported already.
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
        let file = slots.file();
        if state.unsynced.take().is_none() {
            return Ok(());
        }
        drop(state); // a slow disk must not hold up the count
        file.sync_data().map_err(|error| {
            let mut state = self.state();
            // What could not be synced now counts as synced for the system: it must be written again.
            let _ = self.write(&mut state); // reported
            self.complain(&mut state, "sync", &error)
        })
    }

    /// Writes the count into its file, if there is one.
    fn write(&self, state: &mut State) -> Result<(), String> {
        let Home::File(slots) = &mut state.home else { return Ok(()) };
        if let Err(error) = slots.write(Count { pulses: state.pulses, rate: self.rate }) {
            return Err(self.complain(state, "write", &error));
        }
        state.unsynced.get_or_insert_with(Instant::now);
        if std::mem::take(&mut state.failing) {
            self.file.set(state.about.clone());
        }
        if state.faults.over() {
            info!(source = &*self.instance, "{} takes the count again", self.path.display());
        }
        Ok(())
    }

    /// Reports what keeps the count from its file; gives the sentence.
    fn complain(&self, state: &mut State, what: &str, error: &dyn Error) -> String {
        self.write_errors.increment();
        let message = format!("could not {what} {}: {error}", self.path.display());
        let advice = format!(
            "{message}; the count goes on in memory from {} kWh, which a restart loses; it is tried again: make room, or \
             the file and its directory writable, or choose another with `state_dir`",
            self.rate.kwh(state.pulses)
        );
        if let Some(text) = state.faults.note((), &advice) {
            error!(source = &*self.instance, "{text}");
        }
        if !std::mem::replace(&mut state.failing, true) {
            self.file.set(format!("{message}; the count is in memory only, and it is tried again"));
        }
        message
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain data that is never left half changed: poison means nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
