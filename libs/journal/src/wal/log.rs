//! Log: takes what is recorded, and hands out its segments.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::SyncSender,
    },
};

use tracing::info;

use crate::{
    Settings, lock,
    series::SeriesName,
    time::{ClockReading, ClockSource, Dating, Micros, TimeCorrection},
    wal::{
        CounterSet, Cursors, Entry, OnDisk, Open, Position, Recovered, Request, State, frame, remove,
        segment, segment_path,
    },
};
use reading::{Batch, Decimal, Text};

/// Closed segments that are kept in memory while they cannot be checkpointed, in multiples of `checkpoint_size`. An
/// open segment of this length is closed even where the keeper is late.
const IN_MEMORY: usize = 4;
/// Drift of the clock after which its offset is written again: a restart would take more for a step. In microseconds.
const SLEWED: u64 = 100_000;
/// A clock before this has not been set. In microseconds.
pub(super) const YEAR_2025: Micros = 1_735_689_600_000_000;
/// A clock that nobody has set may begin at the date at which systemd was built, and a release is maintained for years.
const YEARS: Micros = 5 * 365 * 86_400_000_000;
/// Corrections of the clock that are kept for what is not delivered yet. Only a clock that flutters makes more.
pub(super) const CORRECTIONS: usize = 1000;

/// Log of one run.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) path: PathBuf,
    /// What stands for the database in a folder in memory, if there is one; see `live`.
    pub(super) live: Option<PathBuf>,
    /// Whether nothing more is written there, as that failed.
    pub(super) live_failed: AtomicBool,
    pub(super) clock: ClockSource,
    checkpoint_size: usize,
    /// False before the journal is open: nobody knows yet which files may be written.
    pub(super) has_files: bool,
    pub(super) requests: SyncSender<Request>,
    pub(super) state: Mutex<State>,
    /// Signals that a write into a file has ended.
    pub(super) written: Condvar,
    /// Held while the next segment begins: two threads would empty each other's file.
    pub(super) rotating: Mutex<()>,
}

impl Log {
    /// Returns a log without files, for the time before the journal is open.
    pub(crate) fn in_memory(settings: &Settings, requests: SyncSender<Request>) -> Self {
        let (dating, _) = Dating::begin(&settings.clock.now(), settings.clock.boot(), None, None);
        let cursors = Cursors::new(&settings.publishers, Position::start(1));
        let open = Open::new(1, dating.epoch());
        Self::with(settings, requests, None, false, State::new(dating, open, cursors))
    }

    /// Returns a log that goes on after what an earlier run left. Its segments have numbers greater than `above`.
    pub(crate) fn open(
        settings: &Settings,
        requests: SyncSender<Request>,
        (left, live): (Recovered, Option<PathBuf>),
        now: &ClockReading,
        above: u64,
    ) -> Self {
        let newest = left.newest.filter(|newest| plausible(*newest, now));
        let (dating, correction) = Dating::begin(now, settings.clock.boot(), left.epoch, newest);
        // Seconds, so that a new database does not use the numbers of one that was set aside again.
        // Above all others, so that no cursor means another segment than it did.
        let known = left.cursors.values().map(|at| at.segment).chain([left.number, above]);
        let seconds = now.wall.max(0).unsigned_abs() / 1_000_000;
        let number = known.fold(left.checkpointed.max(seconds), u64::max) + 1;
        // A new publisher begins here. Where cursors were lost, batches come twice rather than never.
        let oldest = left.closed.first().filter(|_| left.lost).map_or(number, |closed| closed.number);
        let mut cursors = Cursors::new(&settings.publishers, Position::start(oldest));
        cursors.set(&left.cursors);
        let mut open = Open::new(number, dating.epoch());
        cursors.begin(&mut open);
        if let Some(correction) = correction {
            open.encoder.time_correction(&mut open.bytes, correction);
        }
        let mut state = State::new(dating, open, cursors);
        (state.closed, state.checkpointed) = (left.closed, left.checkpointed);
        state.saved.earlier = left.states;
        let log = Self::with(settings, requests, live, true, state);
        if correction.is_some() || lock(&log.state).unchecked().next().is_some() {
            log.want_checkpoint();
        }
        log
    }

    fn with(
        settings: &Settings,
        requests: SyncSender<Request>,
        live: Option<PathBuf>,
        has_files: bool,
        state: State,
    ) -> Self {
        Self {
            path: settings.path.clone(),
            live,
            live_failed: AtomicBool::new(false),
            clock: settings.clock.clone(),
            checkpoint_size: settings.checkpoint_size,
            has_files,
            requests,
            state: Mutex::new(state),
            written: Condvar::new(),
            rotating: Mutex::default(),
        }
    }

    /// Asks for a checkpoint soon, unless that was asked for already.
    fn want_checkpoint(&self) {
        let _ = self.requests.try_send(Request::Checkpoint);
    }

    /// Records every number of a batch. `clock`: what the clocks showed when it came, if that is not now.
    pub(crate) fn record(&self, clock: Option<&ClockReading>, section: &Text, batch: &Batch) {
        let (mut state, now) = self.observed(clock);
        let time = state.dating.date(batch.taken_at.as_microsecond(), &now);
        let State { dating, intake, open, .. } = &mut *state;
        open.note_synced();
        intake.append((&mut open.encoder, &mut open.bytes), section, batch, time, dating.epoch());
        let (number, end) = state.end();
        if end >= self.checkpoint_size {
            self.want_checkpoint();
        }
        // Without files there are no checkpoints.
        let limit = if self.has_files { IN_MEMORY * self.checkpoint_size } else { self.checkpoint_size };
        let is_look_due = state.watch.is_due();
        self.write_out(state, number, end);
        if is_look_due {
            self.look();
        }
        if end >= limit {
            self.rotate();
        }
    }

    /// Records that a counter was set; `clock` as for [`record`](Self::record).
    pub(crate) fn counter_set(
        &self,
        clock: Option<&ClockReading>,
        series: &SeriesName,
        (before, after): (Decimal, Decimal),
    ) {
        let (mut state, now) = self.observed(clock);
        let time = state.dating.date(now.wall, &now);
        let set = CounterSet { series: series.clone(), time, before, after };
        let open = &mut state.open;
        open.encoder.counter_set(&mut open.bytes, &set);
        let (number, end) = state.end();
        self.write_out(state, number, end);
    }

    /// Reads the clock, also when nothing is recorded.
    pub(crate) fn tick(&self) {
        let (mut state, _) = self.observed(None);
        let State { dating, open, written_offset, .. } = &mut *state;
        let offset = dating.epoch().wall_offset;
        if offset.abs_diff(*written_offset) > SLEWED {
            *written_offset = offset;
            open.encoder.epoch(&mut open.bytes, dating.epoch());
        }
    }

    /// Locks the state and reads the clock, in this order, so that times never go back.
    fn observed(&self, clock: Option<&ClockReading>) -> (MutexGuard<'_, State>, ClockReading) {
        let mut state = lock(&self.state);
        let now = clock.cloned().unwrap_or_else(|| self.clock.now());
        if let Some(correction) = state.dating.observe(&now) {
            self.correct(&mut state, correction);
        }
        (state, now)
    }

    fn correct(&self, state: &mut State, correction: TimeCorrection) {
        let seconds = correction.delta as f64 / 1e6;
        info!("system clock corrected by {seconds:+.1} s; earlier readings were re-timestamped");
        let State { dating, open, cursors, corrections, .. } = &mut *state;
        open.encoder.time_correction(&mut open.bytes, correction);
        if !cursors.is_empty() {
            corrections.drain(..(corrections.len() + 1).saturating_sub(CORRECTIONS));
            corrections.push((open.end(), correction));
        }
        open.encoder.epoch(&mut open.bytes, dating.epoch());
        state.corrected += 1;
        state.intake.forget_order();
        self.want_checkpoint();
    }

    /// Returns how far the journal's time is ahead of the system clock.
    pub(crate) fn lead(&self) -> Micros {
        lock(&self.state).dating.lead()
    }

    /// Returns a moment that is certainly past, whatever becomes of the clock.
    pub(crate) fn certain(&self) -> Micros {
        let (state, now) = self.observed(None);
        let confirmed = state.dating.epoch().confirmed;
        if confirmed { state.dating.date(now.wall, &now) } else { state.dating.certain() }
    }

    /// Returns the segments that the database does not have, with their numbers, ascending.
    pub(crate) fn segments(&self) -> Vec<(u64, Arc<[u8]>)> {
        let state = lock(&self.state);
        let closed: Vec<_> = state
            .unchecked()
            .map(|c| (c.number, c.bytes.clone(), self.path_of(c.number, &c.on_disk), c.file()))
            .collect();
        let open = (state.open.number, Arc::from(&*state.open.bytes));
        drop(state);
        let load = |(number, bytes, path, file): (_, _, PathBuf, Option<Arc<File>>)| {
            Some((number, load(&path, file.as_ref(), bytes).ok()?))
        };
        closed.into_iter().filter_map(load).chain([open]).collect()
    }

    /// Returns the folder in memory in which segments grow, if there is one.
    pub(super) fn live(&self) -> Option<&Path> {
        self.live.as_deref().filter(|_| !self.live_failed.load(Relaxed))
    }

    /// Returns the file that has all of a segment.
    pub(super) fn path_of(&self, number: u64, on_disk: &OnDisk) -> PathBuf {
        let live = self.live.as_deref().filter(|_| on_disk.is_live && on_disk.synced < on_disk.written);
        segment_path(live.unwrap_or(&self.path), number)
    }

    /// Removes the files of a segment.
    pub(super) fn remove(&self, number: u64) {
        self.live.iter().chain([&self.path]).for_each(|base| remove(base, number));
    }

    /// Returns the error that keeps readings off the disk.
    pub(crate) fn problem(&self) -> Option<String> {
        lock(&self.state).problem.clone()
    }

    /// Returns how many batches no file has, and how many only the folder in memory.
    pub(crate) fn unsaved(&self) -> (u64, u64) {
        let state = lock(&self.state);
        let closed =
            state.closed.iter().filter_map(|closed| Some((closed.bytes.as_deref()?, &closed.on_disk)));
        let open = (&*state.open.bytes, &state.open.on_disk);
        let (mut lost, mut in_memory) = (0, 0);
        for (bytes, on_disk) in closed.chain([open]).filter(|(bytes, on_disk)| on_disk.synced < bytes.len()) {
            let written = batches(&bytes[..on_disk.written]);
            lost += batches(bytes) - written;
            if on_disk.is_live {
                in_memory += written - batches(&bytes[..on_disk.synced]);
            }
        }
        (lost, in_memory)
    }

    /// Returns the number of the open segment.
    pub(crate) fn newest_segment(&self) -> u64 {
        lock(&self.state).open.number
    }

    /// Returns the numbers of all segments.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let state = lock(&self.state);
        state.closed.iter().map(|closed| closed.number).chain([state.open.number]).collect()
    }

    /// Returns the number of the first segment that the database does not have.
    pub(crate) fn first_unchecked(&self) -> u64 {
        let state = lock(&self.state);
        state.unchecked().next().map_or(state.open.number, |closed| closed.number)
    }

    /// Frees the memory of a log that is not used any more.
    pub(crate) fn clear(&self) {
        let mut state = lock(&self.state);
        state.closed = Vec::new();
        state.open = Open::new(state.open.number + 1, state.dating.epoch());
    }

    /// Returns the oldest closed segment that the database does not have.
    pub(crate) fn oldest(&self) -> Option<(u64, io::Result<Arc<[u8]>>)> {
        let state = lock(&self.state);
        let closed = state.unchecked().next()?;
        let (number, bytes) = (closed.number, closed.bytes.clone());
        let (path, file) = (self.path_of(number, &closed.on_disk), closed.file());
        drop(state);
        Some((number, load(&path, file.as_ref(), bytes)))
    }

    /// Notes that the database has all segments up to this one, and no others.
    pub(crate) fn set_checkpointed(&self, number: u64) {
        lock(&self.state).checkpointed = number;
    }

    /// Returns the most bytes of closed segments that stay in memory.
    pub(super) fn memory(&self) -> usize {
        IN_MEMORY * self.checkpoint_size
    }
}

/// Returns how many batches the first bytes of a segment have.
fn batches(bytes: &[u8]) -> u64 {
    let mut count = 0;
    frame::entries(bytes, |entry| count += u64::from(matches!(entry, Entry::Batch { .. })));
    count
}

/// Returns the bytes of a segment, from its file where they are not in memory.
fn load(path: &Path, held: Option<&Arc<File>>, bytes: Option<Arc<[u8]>>) -> io::Result<Arc<[u8]>> {
    let load = || {
        let file = segment::open(path, held)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        Ok(segment::read(&file, 0, len)?.into())
    };
    bytes.map_or_else(load, Ok)
}

/// Returns whether the newest reading tells more of the time than the clock does: not one that an earlier, wrong clock
/// dated years ahead.
fn plausible(newest: Micros, now: &ClockReading) -> bool {
    now.wall < YEAR_2025 || newest.saturating_sub(now.wall) < YEARS
}
