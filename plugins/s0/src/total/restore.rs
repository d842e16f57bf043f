//! Count at the start: from its files, or from the journal where they are damaged or lost.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    time::{Duration, Instant},
};

use framework::Timestamp;
use tracing::{error, info, warn};

use super::{Home, State, Total};
use crate::slots::{self, Count, Found, OpenError, Slots, decode, encode};

/// Step of the sequence at each start: what a run writes is newer than what any run before has written, also where one of
/// them did not have the runtime folder.
const RUN: u64 = 1 << 32;
/// Most of a file with a reason for doubt that is read.
const MOST: u64 = 4096;
/// Longest wait for a journal that is being opened, where only that knows the count.
const JOURNAL_LIMIT: Duration = Duration::from_secs(10);

type Opened = (Slots, Option<Count>, Found);

impl Total {
    /// Reads the count when it is called for the first time. It blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Fails if another process counts in a file, since the two would overwrite each other, or if the file cannot be
    /// read, since any count would be wrong. A file that cannot be written is only reported: readings matter more than
    /// their durability.
    pub(crate) fn load(&self) -> Result<(), OpenError> {
        let mut state = self.state();
        if !matches!(state.home, Home::Closed) {
            return Ok(());
        }
        self.first(&mut state).inspect_err(|error| self.file.set(error.to_string()))
    }

    fn first(&self, state: &mut State) -> Result<(), OpenError> {
        state.live = None; // an earlier attempt may have locked it
        let in_live = self.open_live(state)?;
        match self.open() {
            Ok((mut slots, on_disk, found)) => {
                self.restore(state, on_disk, in_live, &found);
                let count = self.count(state);
                let is_saved =
                    on_disk.is_some_and(|disk| (disk.pulses, disk.rate) == (count.pulses, count.rate));
                // Also where nothing is to be written, as a kill may have come before the last sync.
                let saved = match found {
                    Found::Whole if is_saved => slots.file.sync_data(),
                    Found::Whole | Found::OneDamaged => {
                        slots.write(count).and_then(|()| slots.file.sync_data())
                    }
                    Found::New | Found::Unusable(_) => slots.fill(&self.path, count),
                };
                state.home = Home::File(slots);
                match saved {
                    Ok(()) => {
                        (state.committed, state.committed_at) = (count.sequence, Some(Instant::now()));
                        state.synced =
                            if is_saved { on_disk } else { Some(count) }.map_or(0, |count| count.sequence);
                    }
                    Err(error) => drop(self.complain(state, "write", &error)),
                }
            }
            Err(OpenError::Io(cause)) => {
                let (on_disk, found) = slots::peek(&self.path)?;
                self.restore(state, on_disk, in_live, &found);
                state.home = Home::Memory { base: in_live.is_none().then_some(state.pulses) };
                state.sync_at = self.in_an_interval();
                self.complain(state, "open", &cause);
            }
            Err(other) => return Err(other),
        }
        state.looked_at = Some(Instant::now());
        self.fill_live(state);
        self.save(state);
        self.report(state);
        Ok(())
    }

    /// Returns the count that the journal has of the run before, if that is newer than `start`, the one in the files. Where
    /// it cannot be asked yet, that is tried again.
    fn in_journal(&self, state: &mut State, start: Option<Count>, limit: Duration) -> Option<Count> {
        let saved = self.cx.saved_state(limit);
        let start = start.unwrap_or(Count { sequence: 0, pulses: 0, rate: self.rate, line: None });
        state.unasked = saved.is_err().then_some(start);
        newer(&saved.ok()??, start)
    }

    /// Has the journal save the count, with the number of the last one that was synced.
    pub(super) fn save(&self, state: &State) {
        let mut bytes = encode(self.count(state)).to_vec();
        bytes.extend_from_slice(&state.synced.to_le_bytes());
        self.cx.save_state(&bytes);
    }

    /// Asks the journal for a newer count than that of the start, if it could not be asked then.
    pub(super) fn ask_again(&self) {
        let mut state = self.state();
        let Some(start) = state.unasked else { return };
        let Ok(saved) = self.cx.saved_state(Duration::ZERO) else { return };
        state.unasked = None;
        if let Some(saved) = saved.and_then(|bytes| newer(&bytes, start)) {
            let converted = |count: Count| self.rate.converted(count.pulses, count.rate);
            let missing = converted(saved).saturating_sub(converted(start));
            state.sequence = state.sequence.max(saved.sequence);
            state.pulses = state.pulses.saturating_add(missing);
            info!("the journal has a newer count: continuing from {} kWh", self.rate.kwh(state.pulses));
            let _ = self.write(&mut state); // reported
        }
    }

    pub(super) fn open(&self) -> Result<Opened, OpenError> {
        let folder = |path: &Path| DirBuilder::new().recursive(true).mode(0o750).create(path);
        self.path.parent().map_or(Ok(()), folder)?;
        Slots::open(&self.path)
    }

    /// Chooses the count to continue from: the newest of the files, or that of the journal.
    fn restore(&self, state: &mut State, on_disk: Option<Count>, in_live: Option<Count>, found: &Found) {
        let in_files = on_disk.into_iter().chain(in_live).max_by_key(|count| count.sequence);
        // Nothing is newer than a count in the runtime folder.
        let limit = if in_live.is_some() { Duration::ZERO } else { JOURNAL_LIMIT };
        let in_journal = self.in_journal(state, in_files, limit);
        let newest = in_files.into_iter().chain(in_journal).max_by_key(|count| count.sequence);
        let kept = newest.map(|count| self.rate.converted(count.pulses, count.rate));
        state.sequence = newest.map_or(0, |count| count.sequence).saturating_add(RUN);
        if let Some(count) = newest.filter(|count| count.rate != self.rate) {
            warn!(
                "`pulses_per_kwh` changed to {} from {}: the pulses were converted, the energy is still {} kWh",
                self.rate.per_kwh(),
                count.rate.per_kwh(),
                self.rate.kwh(kept.unwrap_or_default())
            );
        }
        let recorded = if in_live.is_some() { None } else { self.recorded(kept, found) };
        state.pulses = recorded.or(kept).unwrap_or_default();
        state.line = newest.filter(|_| recorded.is_none()).and_then(|count| count.line);
        let origin = match (recorded, kept) {
            (Some(_), _) => "the last reading in the journal",
            (None, Some(_)) => "the newest count that is left",
            (None, None) => "as no count is known",
        };
        let path = self.path.display();
        match found {
            Found::New if newest.is_none() && recorded.is_none() => info!("counting in the new file {path}"),
            Found::Whole if recorded.is_some() => {
                let kwh = self.rate.kwh(state.pulses);
                warn!("{path} is older than the journal: continuing from {kwh} kWh, {origin}");
            }
            Found::Whole => {}
            damaged => return self.doubt(state, damaged, origin),
        }
        let mut text = String::new();
        let earlier = File::open(self.doubt_path()).map(|file| file.take(MOST).read_to_string(&mut text));
        state.doubt = matches!(earlier, Ok(Ok(_))).then_some(text);
    }

    /// Returns the count of the journal where that is to be trusted more than a file: one that is damaged, lost, or was
    /// written before the journal's last reading.
    fn recorded(&self, kept: Option<u64>, found: &Found) -> Option<u64> {
        let is_whole = *found == Found::Whole;
        let limit = if is_whole { Duration::ZERO } else { JOURNAL_LIMIT };
        let (at, kwh) = self.cx.last_recorded("count", "kWh", limit)?;
        let pulses = self.rate.pulses(kwh)?;
        // Both, as the energy and the pulses are rounded where a pulse is not a finite decimal number.
        let is_higher = kept.is_none_or(|kept| kept < pulses && self.rate.kwh(kept).to_f64() < kwh.to_f64());
        // A command may have set the file to less just before a power cut, which the journal then does not know.
        let written = fs::metadata(&self.path).and_then(|file| file.modified()).ok();
        let written = written.and_then(|time| Timestamp::try_from(time).ok());
        let is_newer = written.is_some_and(|written| written < at && at <= Timestamp::now());
        (is_higher && (is_newer || !is_whole)).then_some(pulses)
    }

    /// Reports that the count is doubtful because of the file that was found, now and after each start, until a command
    /// sets it.
    fn doubt(&self, state: &mut State, found: &Found, origin: &str) {
        let defect = match found {
            Found::New | Found::Whole => "was lost or empty".to_owned(),
            Found::OneDamaged => {
                self.damaged_slots.increment();
                "had one damaged slot of two".to_owned()
            }
            Found::Unusable(aside) => {
                self.damaged_slots.add(2);
                format!("was damaged, and is kept as {},", aside.display())
            }
        };
        let text = format!(
            "{} {defect} on {}: continuing from {} kWh, {origin}; compare it with the meter, and confirm or correct it with the \
             command `set_s0`",
            self.path.display(),
            Timestamp::now().strftime("%Y-%m-%d"),
            self.rate.kwh(state.pulses)
        );
        error!("{text}");
        let _ = fs::write(self.doubt_path(), &text); // the log and `/health` have it in any case
        state.doubt = Some(text);
    }

    /// Continues in a file that can be opened again.
    pub(super) fn adopt(&self, state: &mut State, (mut slots, on_disk, found): Opened) -> Result<(), String> {
        if let Some(on_disk) = on_disk {
            let kept = self.rate.converted(on_disk.pulses, on_disk.rate);
            if let Home::Memory { base: Some(base) } = state.home {
                // What was shown is never taken back.
                state.pulses = kept.max(base).saturating_add(state.pulses - base);
            }
            state.sequence = state.sequence.max(on_disk.sequence).saturating_add(1);
        }
        if matches!(found, Found::OneDamaged | Found::Unusable(_)) {
            self.doubt(state, &found, "as counted in memory");
        }
        let count = self.count(state);
        if let Err(error) = slots.fill(&self.path, count) {
            return Err(self.complain(state, "write", &error));
        }
        (state.home, state.sync_at) = (Home::File(slots), None);
        (state.committed, state.committed_at) = (count.sequence, Some(Instant::now()));
        self.fill_live(state);
        info!("counting in {} again", self.path.display());
        self.saved(state);
        self.report(state);
        Ok(())
    }

    /// Opens the file in the runtime folder, and returns the count in it.
    fn open_live(&self, state: &mut State) -> Result<Option<Count>, OpenError> {
        let Some(path) = &self.live_path else { return Ok(None) };
        match Slots::open(path) {
            Ok((slots, count, _)) => {
                state.live = Some(slots);
                return Ok(count);
            }
            Err(error @ OpenError::Locked(_)) => return Err(error),
            Err(error) => self.lose_live(state, &io::Error::other(error)),
        }
        Ok(None)
    }

    /// Writes the count into the file in the runtime folder, if that is open.
    fn fill_live(&self, state: &mut State) {
        let count = self.count(state);
        if let (Some(live), Some(path)) = (&mut state.live, &self.live_path)
            && let Err(error) = live.fill(path, count)
        {
            self.lose_live(state, &error);
        }
    }

    /// Continues without the runtime folder.
    pub(super) fn lose_live(&self, state: &mut State, error: &io::Error) {
        state.live = None;
        let path = self.live_path.as_deref().unwrap_or(&self.path).display();
        let message =
            format!("could not write {path}: {error}; writing each pulse to the disk, and trying again");
        if let Some(text) = state.faults.note("runtime", &message) {
            warn!("{text}");
        }
    }

    /// Tries to use the runtime folder again.
    pub(super) fn recover_live(&self, state: &mut State) {
        if state.live.is_none()
            && let Some(path) = &self.live_path
            && let Ok((slots, in_live, _)) = Slots::open(path)
        {
            state.sequence = state.sequence.max(in_live.map_or(0, |count| count.sequence)).saturating_add(1);
            state.live = Some(slots);
            self.fill_live(state);
        }
    }
}

/// Returns the count that the journal saved, if it is newer than that of the files. A file that is older than the journal
/// knew it to be was put there by somebody, and is what they want.
fn newer(bytes: &[u8], start: Count) -> Option<Count> {
    let (slot, synced) = bytes.split_first_chunk()?;
    let (saved, synced) = (decode(slot)?, u64::from_le_bytes(*synced.first_chunk()?));
    let is_replaced = start.sequence > 0 && start.sequence < synced;
    (saved.sequence > start.sequence && !is_replaced).then_some(saved)
}
