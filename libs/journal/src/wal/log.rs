//! The tail: what was recorded and is not folded yet, or not delivered, in memory and in files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{error, info};

use crate::{
    Settings, lock,
    time::{
        Epoch, Micros, TimeCorrection,
        clock_source::{ClockReading, ClockSource},
        dating::Dating,
    },
    wal::{
        cursors::Cursors,
        entry::{CounterSet, Position},
        intake::Intake,
        segment::{Closed, OnDisk, Open, Recovered, segment_path},
    },
};
use reading::{Batch, Text};

/// While segments cannot be folded, so many times `checkpoint_size` of them are kept in memory, too; and an open one that is
/// so long is closed even where the keeper is late.
pub(super) const IN_MEMORY: usize = 4;
/// A clock that is slewed by so much since it was last kept is kept again, lest a restart take it for a step. In microseconds.
const SLEWED: u64 = 100_000;
/// A clock before this has not been set. In microseconds.
pub(super) const YEAR_2025: Micros = 1_735_689_600_000_000;
const MONTH: Micros = 30 * 86_400_000_000;
/// So many corrections of the clock are known of what is not delivered yet; more can only come from a clock that flutters.
pub(crate) const CORRECTIONS: usize = 1000;

/// What the database knows of what was recorded before.
#[derive(Debug, Default)]
pub(crate) struct DbState {
    /// The last segment that it has.
    pub(crate) folded: u64,
    /// Its newest reading.
    pub(crate) newest: Option<Micros>,
    pub(crate) epoch: Option<Epoch>,
    /// It is new, as there was one before that was damaged.
    pub(crate) lost: bool,
}

/// What is recorded and not folded yet.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(super) path: PathBuf,
    pub(super) clock: ClockSource,
    pub(super) checkpoint_size: usize,
    pub(super) state: Mutex<State>,
    /// Bytes have reached a file, or did not.
    pub(super) written: Condvar,
    /// The keeper is wanted.
    pub(super) wanted: Condvar,
    /// Two that begin the next segment would empty each other's file.
    pub(super) rotating: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) dating: Dating,
    /// The wall clock's offset that was kept last.
    pub(super) kept_offset: Micros,
    pub(super) intake: Intake,
    pub(super) open: Open,
    /// Ascending. Those up to `folded` are there for publishers only.
    pub(super) closed: Vec<Closed>,
    /// The last segment that the database has.
    pub(super) folded: u64,
    pub(super) cursors: Cursors,
    /// The corrections of the clock since the journal was opened, each with the place behind it.
    pub(super) corrections: Vec<(Position, TimeCorrection)>,
    /// How many there were in this run.
    pub(super) corrected: u64,
    /// How many batches were recorded in this run, those of the open segment apart.
    pub(super) recorded_before: u64,
    /// Since when somebody writes into a file.
    pub(super) writing: Option<Instant>,
    /// What the disk has against being written, until all is on it.
    pub(super) problem: Option<String>,
    /// Whether it is known where files may be, and from which number on.
    pub(super) attached: bool,
    /// The keeper is to fold at once, or to end.
    pub(super) fold: bool,
    pub(super) stop: bool,
}

impl Tail {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (dating, _) = Dating::begin(&settings.clock.now(), settings.clock.boot(), None, None);
        let state = State {
            kept_offset: dating.epoch().wall_offset,
            intake: Intake::default(),
            open: Open::new(1, dating.epoch()),
            dating,
            closed: Vec::new(),
            folded: 0,
            cursors: Cursors::new(&settings.publishers, Position::start(1)),
            corrections: Vec::new(),
            corrected: 0,
            recorded_before: 0,
            writing: None,
            problem: None,
            attached: false,
            fold: false,
            stop: false,
        };
        Self {
            path: settings.path.clone(),
            clock: settings.clock.clone(),
            checkpoint_size: settings.checkpoint_size,
            state: Mutex::new(state),
            written: Condvar::new(),
            wanted: Condvar::new(),
            rotating: Mutex::default(),
        }
    }

    /// Records every number of a batch; see [`Journal::record`](super::Journal::record).
    pub(crate) fn record(&self, section: &Text, batch: &Batch) {
        let mut state = lock(&self.state);
        let now = self.clock.now();
        self.observe(&mut state, &now);
        let time = state.dating.date(batch.taken_at.as_microsecond(), &now);
        let State { dating, intake, open, .. } = &mut *state;
        intake.append((&mut open.encoder, &mut open.bytes), section, batch, time, dating.epoch());
        let (number, end) = state.end();
        if end >= self.checkpoint_size {
            state.fold = true;
            self.wanted.notify_all();
        }
        // Before there are files, nobody folds.
        let limit = if state.attached { IN_MEMORY * self.checkpoint_size } else { self.checkpoint_size };
        self.write_out(state, number, end);
        if end >= limit {
            self.rotate();
        }
    }

    /// Records that a counter was set now.
    pub(crate) fn counter_set(&self, set: impl FnOnce(Micros) -> CounterSet) {
        let mut state = lock(&self.state);
        let now = self.clock.now();
        self.observe(&mut state, &now);
        let set = set(state.dating.date(now.wall, &now));
        let open = &mut state.open;
        open.encoder.counter_set(&mut open.bytes, &set);
        let (number, end) = state.end();
        self.write_out(state, number, end);
    }

    /// Looks at the clock, also when nothing is recorded.
    pub(crate) fn tick(&self) {
        let mut state = lock(&self.state);
        let now = self.clock.now();
        self.observe(&mut state, &now);
        let State { dating, open, kept_offset, .. } = &mut *state;
        let offset = dating.epoch().wall_offset;
        if offset.abs_diff(*kept_offset) > SLEWED {
            *kept_offset = offset;
            open.encoder.epoch(&mut open.bytes, dating.epoch());
        }
    }

    fn observe(&self, state: &mut State, now: &ClockReading) {
        let Some(correction) = state.dating.observe(now) else { return };
        let seconds = correction.delta as f64 / 1e6;
        info!("the clock was set: what was recorded while it was wrong is dated anew, by {seconds:+.1} s");
        let State { dating, open, cursors, corrections, .. } = &mut *state;
        open.encoder.time_correction(&mut open.bytes, correction);
        if !cursors.is_empty() {
            corrections.drain(..(corrections.len() + 1).saturating_sub(CORRECTIONS));
            corrections.push((open.end(), correction));
        }
        open.encoder.epoch(&mut open.bytes, dating.epoch());
        state.corrected += 1;
        state.intake.forget_order();
        state.fold = true;
        self.wanted.notify_all();
    }

    /// How far the journal is ahead of the system's clock.
    pub(crate) fn lead(&self) -> Micros {
        lock(&self.state).dating.lead()
    }

    /// A moment that is certainly over, whatever becomes of the clock.
    pub(crate) fn certain(&self) -> Micros {
        let mut state = lock(&self.state);
        let now = self.clock.now();
        self.observe(&mut state, &now);
        let confirmed = state.dating.epoch().confirmed;
        if confirmed { state.dating.date(now.wall, &now) } else { state.dating.certain() }
    }

    /// The segments that are not folded, ascending, with their numbers.
    pub(crate) fn segments(&self) -> Vec<(u64, Arc<[u8]>)> {
        let state = lock(&self.state);
        let closed: Vec<_> = state.unfolded().map(|c| (c.number, c.bytes.clone())).collect();
        let open = (state.open.number, Arc::from(&*state.open.bytes));
        drop(state);
        let load = |(number, bytes)| Some((number, self.load(number, bytes).ok()?));
        closed.into_iter().filter_map(load).chain([open]).collect()
    }

    fn load(&self, number: u64, bytes: Option<Arc<[u8]>>) -> io::Result<Arc<[u8]>> {
        bytes.map_or_else(|| fs::read(segment_path(&self.path, number)).map(Arc::from), Ok)
    }

    /// What keeps readings off the disk.
    pub(crate) fn problem(&self) -> Option<String> {
        lock(&self.state).problem.clone()
    }

    /// From now on segments have files: those that are `left` come first, and what was recorded meanwhile comes after
    /// what the database has.
    pub(crate) fn attach(&self, left: Recovered, kept: DbState) {
        let mut state = lock(&self.state);
        state.folded = kept.folded;
        if state.attached {
            return; // The database was damaged and is a new one; what it has not, as far as there are segments, is here.
        }
        let now = self.clock.now();
        let newest = kept.newest.max(left.newest).filter(|newest| plausible(*newest, &now));
        let was = state.dating.epoch().offset;
        let (dating, correction) = Dating::begin(&now, self.clock.boot(), left.epoch.or(kept.epoch), newest);
        // Seconds, so that a new database does not use the numbers of one that was set aside again.
        // Above all others, so that no cursor means another segment than it did.
        let known = left.cursors.values().map(|at| at.segment).chain([left.number, state.open.number]);
        let seconds = now.wall.max(0).unsigned_abs() / 1_000_000;
        let number = known.fold(kept.folded.max(seconds), u64::max) + 1;
        let mut open = Open::new(number, dating.epoch());
        // A publisher that is new begins here; but where cursors were lost, rather twice than never.
        let oldest = left.closed.first().filter(|_| kept.lost).map_or(number, |closed| closed.number);
        state.cursors.set(&left.cursors, Position::start(oldest));
        state.cursors.begin(&mut open);
        if let Some(correction) = correction {
            open.encoder.time_correction(&mut open.bytes, correction);
        }
        // What was recorded meanwhile was dated without knowing what is there already.
        let early: Vec<_> = state.closed.iter().filter_map(|closed| closed.bytes.clone()).collect();
        let early: Vec<_> = early.iter().map(|bytes| &**bytes).chain([&*state.open.bytes]).collect();
        open.take_over(&early, dating.epoch().offset - was);
        (state.dating, state.open, state.attached) = (dating, open, true);
        state.intake.forget_order();
        state.closed = left.closed;
        (state.recorded_before, state.corrections) = (0, Vec::new());
        state.fold = correction.is_some() || state.unfolded().next().is_some();
        drop(state);
        self.make_file(number);
    }

    /// Whether segments have files.
    pub(crate) fn is_attached(&self) -> bool {
        lock(&self.state).attached
    }

    /// The oldest closed segment that is to be folded.
    pub(crate) fn oldest(&self) -> Option<(u64, io::Result<Arc<[u8]>>)> {
        let state = lock(&self.state);
        let (number, bytes) = state.unfolded().next().map(|closed| (closed.number, closed.bytes.clone()))?;
        drop(state);
        Some((number, self.load(number, bytes)))
    }

    /// A segment is in the database.
    pub(crate) fn folded(&self, number: u64) {
        lock(&self.state).folded = number;
        self.release();
    }

    /// Whether the keeper is to fold now; said once.
    pub(crate) fn takes_checkpoint(&self) -> bool {
        std::mem::take(&mut lock(&self.state).fold)
    }

    /// Waits until the keeper is wanted, or for so long. Gives whether it is to end.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let state = lock(&self.state);
        let idle = |state: &mut State| !state.fold && !state.stop;
        let (state, _) =
            self.wanted.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        state.stop
    }

    /// Ends the keeper.
    pub(crate) fn stop(&self) {
        lock(&self.state).stop = true;
        self.wanted.notify_all();
    }
}

/// Whether the newest reading tells more of the time than the clock does: not one that an earlier, wrong clock dated
/// years ahead.
fn plausible(newest: Micros, now: &ClockReading) -> bool {
    now.wall < YEAR_2025 || newest.saturating_sub(now.wall) < MONTH
}

impl State {
    /// The closed segments that the database has not.
    pub(super) fn unfolded(&self) -> impl Iterator<Item = &Closed> {
        self.closed.iter().filter(|closed| closed.number > self.folded)
    }

    /// Number and length of the open segment.
    pub(super) fn end(&self) -> (u64, usize) {
        (self.open.number, self.open.bytes.len())
    }

    /// A segment that is not folded: its bytes, where they are in memory, and what is in the file.
    pub(super) fn segment(&mut self, number: u64) -> Option<(Option<&[u8]>, &mut OnDisk)> {
        if self.open.number == number {
            return Some((Some(&self.open.bytes), &mut self.open.stored));
        }
        let closed = self.closed.iter_mut().find(|closed| closed.number == number)?;
        Some((closed.bytes.as_deref(), &mut closed.stored))
    }

    /// Closes the open segment and begins the next one, which has no file yet. At most `memory` bytes of closed ones
    /// stay in memory.
    pub(super) fn close_open(&mut self, memory: usize) {
        let mut next = Open::new(self.open.number + 1, self.dating.epoch());
        self.cursors.begin(&mut next);
        self.recorded_before += self.open.encoder.batches();
        self.closed.push(std::mem::replace(&mut self.open, next).close());
        let mut extra = self.closed.iter().map(Closed::memory).sum::<usize>().saturating_sub(memory);
        // The oldest first, into their files.
        for closed in &mut self.closed {
            if extra > 0 && closed.bytes.is_some() {
                extra = extra.saturating_sub(closed.memory());
                let lost = closed.park();
                let publishers = self.cursors.needing(closed.number);
                if lost > 0 && closed.number > self.folded {
                    error!(
                        "readings are lost ({lost} bytes): neither the disk nor the memory has room for the journal"
                    );
                } else if lost > 0 {
                    error!(
                        "{publishers} publishers lose readings ({lost} bytes): neither the disk nor the memory has room"
                    );
                }
            }
        }
        let folded = self.folded;
        let is_there = |closed: &Closed| closed.bytes.is_some() || closed.stored.written > 0;
        self.closed.retain(|closed| closed.number <= folded || is_there(closed));
    }

    pub(super) fn complain(&mut self, path: &Path, error: &io::Error) {
        let message = format!("could not write beside {}: {error}", path.display());
        if self.problem.as_ref() != Some(&message) {
            error!(
                "{message}; history is kept in memory meanwhile, which a restart loses; it is tried again: make room, \
                 or the folder writable, or choose another with `[journal] path`"
            );
            self.problem = Some(message);
        }
    }
}
