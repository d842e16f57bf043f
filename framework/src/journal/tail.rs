//! The tail: what was recorded and is not folded yet, in memory and in files.

use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{error, info};

use super::{
    Settings,
    clock::{Dating, Observation},
    intake::Intake,
    lock,
    look::Look,
    segments::{Closed, Left, Open, Stored, create, remove, segment_path},
    types::{CounterSet, Epoch, Micros},
};
use crate::{Batch, Text};

/// A disk that takes longer than this for a few bytes hangs: nobody waits for it.
const PATIENCE: Duration = Duration::from_millis(50);
/// While segments cannot be folded, so many times `fold_at` of them are kept in memory, too; and an open one that is
/// so long is closed even where the keeper is late.
const IN_MEMORY: usize = 4;
/// A clock that is slewed by so much since it was last kept is kept again, lest a restart take it for a step. In microseconds.
const SLEWED: u64 = 100_000;
/// A clock before this has not been set. In microseconds.
const YEAR_2025: Micros = 1_735_689_600_000_000;
const MONTH: Micros = 30 * 86_400_000_000;

/// What is recorded and not folded yet.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    look: Look,
    fold_at: usize,
    state: Mutex<State>,
    /// Bytes have reached a file, or did not.
    written: Condvar,
    /// The keeper is wanted.
    wanted: Condvar,
    /// Two that begin the next segment would empty each other's file.
    rotating: Mutex<()>,
}

#[derive(Debug)]
struct State {
    dating: Dating,
    /// The wall clock's offset that was kept last.
    kept_offset: Micros,
    intake: Intake,
    open: Open,
    /// Ascending.
    closed: Vec<Closed>,
    /// Since when somebody writes into a file.
    writing: Option<Instant>,
    /// What the disk has against being written, until all is on it.
    trouble: Option<String>,
    /// Whether it is known where files may be, and from which number on.
    attached: bool,
    /// The keeper is to fold at once, or to end.
    fold: bool,
    stop: bool,
}

impl Tail {
    pub(super) fn new(settings: &Settings) -> Self {
        let (dating, _) = Dating::begin(&settings.look.now(), settings.look.boot(), None, None);
        let state = State {
            kept_offset: dating.epoch().wall_offset,
            intake: Intake::default(),
            open: Open::new(1, dating.epoch()),
            dating,
            closed: Vec::new(),
            writing: None,
            trouble: None,
            attached: false,
            fold: false,
            stop: false,
        };
        Self {
            path: settings.path.clone(),
            look: settings.look.clone(),
            fold_at: settings.fold_at,
            state: Mutex::new(state),
            written: Condvar::new(),
            wanted: Condvar::new(),
            rotating: Mutex::default(),
        }
    }

    /// Records every number of a batch; see [`Journal::record`](super::Journal::record).
    pub(super) fn record(&self, section: &Text, batch: &Batch) {
        let mut state = lock(&self.state);
        let now = self.look.now();
        self.observe(&mut state, &now);
        let time = state.dating.date(batch.taken_at.as_microsecond(), &now);
        let State { dating, intake, open, .. } = &mut *state;
        intake.append((&mut open.encoder, &mut open.bytes), section, batch, time, dating.epoch());
        let (number, end) = state.end();
        if end >= self.fold_at {
            state.fold = true;
            self.wanted.notify_all();
        }
        self.write_out(state, number, end);
        if end >= IN_MEMORY * self.fold_at {
            self.rotate();
        }
    }

    /// Records that a counter was set now.
    pub(super) fn counter_set(&self, set: impl FnOnce(Micros) -> CounterSet) {
        let mut state = lock(&self.state);
        let now = self.look.now();
        self.observe(&mut state, &now);
        let set = set(state.dating.date(now.wall, &now));
        let open = &mut state.open;
        open.encoder.counter_set(&mut open.bytes, &set);
        let (number, end) = state.end();
        self.write_out(state, number, end);
    }

    /// Looks at the clock, also when nothing is recorded.
    pub(super) fn tick(&self) {
        let mut state = lock(&self.state);
        let now = self.look.now();
        self.observe(&mut state, &now);
        let State { dating, open, kept_offset, .. } = &mut *state;
        let offset = dating.epoch().wall_offset;
        if offset.abs_diff(*kept_offset) > SLEWED {
            *kept_offset = offset;
            open.encoder.epoch(&mut open.bytes, dating.epoch());
        }
    }

    fn observe(&self, state: &mut State, now: &Observation) {
        let Some(redate) = state.dating.observe(now) else { return };
        let seconds = redate.delta as f64 / 1e6;
        info!("the clock was set: what was recorded while it was wrong is dated anew, by {seconds:+.1} s");
        let open = &mut state.open;
        open.encoder.redate(&mut open.bytes, redate);
        open.encoder.epoch(&mut open.bytes, state.dating.epoch());
        state.intake.forget_order();
        state.fold = true;
        self.wanted.notify_all();
    }

    /// How far the journal is ahead of the system's clock.
    pub(super) fn lead(&self) -> Micros {
        lock(&self.state).dating.lead()
    }

    /// A moment that is certainly over, whatever becomes of the clock.
    pub(super) fn certain(&self) -> Micros {
        let mut state = lock(&self.state);
        let now = self.look.now();
        self.observe(&mut state, &now);
        let epoch = state.dating.epoch();
        if epoch.confirmed { state.dating.date(now.wall, &now) } else { epoch.since }
    }

    /// Writes a segment into its file, up to `end` at least. Where somebody else is writing, waits a moment for that.
    fn write_out<'a>(&'a self, mut state: MutexGuard<'a, State>, number: u64, end: usize) {
        loop {
            let writing = state.writing;
            let Some((Some(bytes), stored)) = state.segment(number) else { return };
            let at = stored.written;
            let Some(file) = stored.file.clone().filter(|_| at < end) else { return };
            if let Some(since) = writing {
                let Some(left) = PATIENCE.checked_sub(since.elapsed()) else { return };
                (state, _) = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = bytes[at..].to_vec();
            state.writing = Some(Instant::now());
            drop(state);
            let done = file.write_all_at(&bytes, at as u64);
            state = lock(&self.state);
            state.writing = None;
            self.written.notify_all();
            if let Err(error) = done {
                return state.complain(&self.path, &error);
            }
            // A sync that failed meanwhile has set it back.
            if let Some((_, stored)) = state.segment(number).filter(|(_, stored)| stored.written == at) {
                stored.written = at + bytes.len();
            }
        }
    }

    /// The segments that are not folded, ascending, with their numbers.
    pub(super) fn segments(&self) -> Vec<(u64, Arc<[u8]>)> {
        let state = lock(&self.state);
        let closed: Vec<_> = state.closed.iter().map(|c| (c.number, c.bytes.clone())).collect();
        let open = (state.open.number, Arc::from(&*state.open.bytes));
        drop(state);
        let load = |(number, bytes)| Some((number, self.load(number, bytes).ok()?));
        closed.into_iter().filter_map(load).chain([open]).collect()
    }

    fn load(&self, number: u64, bytes: Option<Arc<[u8]>>) -> io::Result<Arc<[u8]>> {
        bytes.map_or_else(|| fs::read(segment_path(&self.path, number)).map(Arc::from), Ok)
    }

    /// What keeps readings off the disk.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.state).trouble.clone()
    }

    /// From now on segments have files: those that are `left` come first, and what was recorded meanwhile comes
    /// after `folded`. `kept`: what the database knows of the clock.
    pub(super) fn attach(&self, left: Left, folded: u64, newest: Option<Micros>, kept: Option<Epoch>) {
        let mut state = lock(&self.state);
        if state.attached {
            return; // The database was damaged and is a new one; what is not folded is here.
        }
        let now = self.look.now();
        let newest = newest.max(left.newest).filter(|newest| plausible(*newest, &now));
        let was = state.dating.epoch().offset;
        let (dating, redate) = Dating::begin(&now, self.look.boot(), left.epoch.or(kept), newest);
        // Seconds, so that a new database does not use the numbers of one that was set aside again.
        let number = left.number.max(folded).max(now.wall.max(0).unsigned_abs() / 1_000_000) + 1;
        let mut open = Open::new(number, dating.epoch());
        if let Some(redate) = redate {
            open.encoder.redate(&mut open.bytes, redate);
        }
        // What was recorded meanwhile was dated without knowing what is there already.
        let early: Vec<_> = state.closed.iter().filter_map(|closed| closed.bytes.clone()).collect();
        let early: Vec<_> = early.iter().map(|bytes| &**bytes).chain([&*state.open.bytes]).collect();
        open.take_over(&early, dating.epoch().offset - was);
        (state.dating, state.open, state.attached) = (dating, open, true);
        state.intake.forget_order();
        state.closed = left.closed;
        state.fold = redate.is_some() || !state.closed.is_empty();
        drop(state);
        self.make_file(number);
    }

    /// Whether segments have files.
    pub(super) fn is_attached(&self) -> bool {
        lock(&self.state).attached
    }

    /// Makes what was recorded survive a power cut; gives whether it does. It blocks for as long as the disk takes.
    pub(super) fn sync(&self) -> bool {
        let state = lock(&self.state);
        if !state.attached {
            return false;
        }
        let numbers = state.closed.iter().map(|closed| closed.number).chain([state.open.number]);
        let numbers: Vec<_> = numbers.collect();
        drop(state);
        // All of them, whatever becomes of the first.
        let failed = numbers.into_iter().filter(|number| !self.sync_one(*number)).count();
        let done = failed == 0;
        if done && lock(&self.state).trouble.take().is_some() {
            info!("the journal is on the disk again");
        }
        done
    }

    fn sync_one(&self, number: u64) -> bool {
        // What could not be written before is tried again.
        let len = self.make_file(number);
        let mut state = lock(&self.state);
        let Some((_, stored)) = state.segment(number) else { return true };
        let (written, whole) = (stored.written, stored.written >= len);
        let Some(file) = stored.file.clone().filter(|_| written > stored.synced) else { return whole };
        drop(state);
        let done = file.sync_data();
        let mut state = lock(&self.state);
        if let Some((_, stored)) = state.segment(number) {
            // What could not be synced counts as clean for the system: it must be written again.
            (stored.written, stored.synced) = match done {
                Ok(()) => (stored.written, written),
                Err(_) => (0, 0),
            };
        }
        done.map_err(|error| state.complain(&self.path, &error)).is_ok() && whole
    }

    /// Writes what a segment has in memory, into a new file where it has none; gives how much that is. Nobody waits
    /// while the file is made; only the keeper does this.
    fn make_file(&self, number: u64) -> usize {
        let mut state = lock(&self.state);
        let Some((Some(bytes), stored)) = state.segment(number) else { return 0 };
        let len = bytes.len();
        if stored.file.is_none() {
            drop(state);
            let file = create(&self.path, number);
            state = lock(&self.state);
            match file {
                Ok(file) => {
                    if let Some((_, stored)) = state.segment(number) {
                        stored.file = Some(Arc::new(file));
                    }
                }
                Err(error) => state.complain(&self.path, &error),
            }
        }
        let len = state.segment(number).and_then(|(bytes, _)| bytes).map_or(len, <[u8]>::len);
        self.write_out(state, number, len);
        len
    }

    /// Closes the open segment, if there is anything in it, and begins the next.
    pub(super) fn rotate(&self) {
        let Ok(_turn) = self.rotating.try_lock() else { return };
        let state = lock(&self.state);
        if !state.attached || state.open.is_empty() {
            return;
        }
        let number = state.open.number + 1;
        drop(state);
        // First: what comes after the closing has a file at once.
        let file = create(&self.path, number);
        let mut state = lock(&self.state);
        if state.open.number + 1 == number {
            state.close_open(IN_MEMORY * self.fold_at);
            match file {
                Ok(file) => state.open.stored.file = Some(Arc::new(file)),
                Err(error) => state.complain(&self.path, &error),
            }
        }
        drop(state);
        self.make_file(number);
    }

    /// The oldest closed segment, to be folded.
    pub(super) fn oldest(&self) -> Option<(u64, io::Result<Arc<[u8]>>)> {
        let state = lock(&self.state);
        let (number, bytes) = state.closed.first().map(|closed| (closed.number, closed.bytes.clone()))?;
        drop(state);
        Some((number, self.load(number, bytes)))
    }

    /// A segment is in the database.
    pub(super) fn folded(&self, number: u64) {
        lock(&self.state).closed.retain(|closed| closed.number != number);
        remove(&self.path, number);
    }

    /// Whether the keeper is to fold now; said once.
    pub(super) fn takes_fold(&self) -> bool {
        std::mem::take(&mut lock(&self.state).fold)
    }

    /// Waits until the keeper is wanted, or for so long. Gives whether it is to end.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let state = lock(&self.state);
        let idle = |state: &mut State| !state.fold && !state.stop;
        let (state, _) =
            self.wanted.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        state.stop
    }

    /// Ends the keeper.
    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        self.wanted.notify_all();
    }
}

/// Whether the newest reading tells more of the time than the clock does: not one that an earlier, wrong clock dated
/// years ahead.
fn plausible(newest: Micros, now: &Observation) -> bool {
    now.wall < YEAR_2025 || newest.saturating_sub(now.wall) < MONTH
}

impl State {
    /// Number and length of the open segment.
    fn end(&self) -> (u64, usize) {
        (self.open.number, self.open.bytes.len())
    }

    /// A segment that is not folded: its bytes, where they are in memory, and what is in the file.
    fn segment(&mut self, number: u64) -> Option<(Option<&[u8]>, &mut Stored)> {
        if self.open.number == number {
            return Some((Some(&self.open.bytes), &mut self.open.stored));
        }
        let closed = self.closed.iter_mut().find(|closed| closed.number == number)?;
        Some((closed.bytes.as_deref(), &mut closed.stored))
    }

    /// Closes the open segment and begins the next one, which has no file yet. At most `memory` bytes of closed ones
    /// stay in memory.
    fn close_open(&mut self, memory: usize) {
        let next = Open::new(self.open.number + 1, self.dating.epoch());
        self.closed.push(std::mem::replace(&mut self.open, next).close());
        let mut extra = self.closed.iter().map(Closed::memory).sum::<usize>().saturating_sub(memory);
        // The oldest first, into their files.
        for closed in &mut self.closed {
            if extra > 0 && closed.bytes.is_some() {
                extra = extra.saturating_sub(closed.memory());
                let lost = closed.park();
                if lost > 0 {
                    error!(
                        "readings are lost ({lost} bytes): neither the disk nor the memory has room for the journal"
                    );
                }
            }
        }
        self.closed.retain(|closed| closed.bytes.is_some() || closed.stored.written > 0);
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        let message = format!("could not write beside {}: {error}", path.display());
        if self.trouble.as_ref() != Some(&message) {
            error!(
                "{message}; history is kept in memory meanwhile, which a restart loses; it is tried again: make room, \
                 or the folder writable, or choose another with `[journal] path`"
            );
            self.trouble = Some(message);
        }
    }
}
