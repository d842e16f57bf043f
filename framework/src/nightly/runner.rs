//! When a backup is made or checked, and what becomes of one that hangs.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Span, error, info, warn};

use super::{
    BackupStatus, Content, Failure,
    job::{Job, Steps},
    saved::Saved,
};
use crate::{
    Backoff, BackupConfig, FaultCode, Stats,
    journal::Journal,
    roster::Roster,
    scheduler::{WallClock, Work, Worker, keep_running},
    status::WorkerStatus,
};

/// Most unreadable backups whose names are remembered: they do not count among those that are kept.
const MOST_BAD: usize = 100;
/// Pauses after a failed backup.
const RETRY: Backoff = Backoff::new(Duration::from_secs(300), Duration::from_secs(2 * 3600));
/// Time after which the newest file is read again. A backup is read back when it is made, so that with one each night the
/// newest is read twice a day.
const CHECK: Duration = Duration::from_secs(12 * 3600);
/// The same after a check that failed.
const CHECK_AGAIN: Duration = Duration::from_secs(3600);
/// Longest sleep before the wall clock is looked at again: it may have been set.
const LOOK: Duration = Duration::from_secs(300);
/// Pause between two looks at a clock that is not set.
const SETTLING: Duration = Duration::from_secs(5);
/// Time without a sign of life after which a folder does not answer.
const STALL: Duration = Duration::from_secs(120);
/// The last backup may be this much in the future, where the clock was set back a little.
const SLIP: SignedDuration = SignedDuration::from_mins(5);

/// What is wanted.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) config: BackupConfig,
    /// Name of the household or the machine.
    pub(crate) label: String,
    pub(crate) content: Content,
}

/// The backups of the running program.
pub(crate) struct Backups {
    wanted: watch::Sender<Option<Wanted>>,
    worker: Option<Worker>,
    journal: Journal,
    state_dir: PathBuf,
    roster: Arc<Roster>,
    stop: CancellationToken,
}

impl Backups {
    /// None yet.
    pub(crate) fn new(
        journal: Journal,
        state_dir: PathBuf,
        roster: Arc<Roster>,
        stop: CancellationToken,
    ) -> Self {
        Self { wanted: watch::Sender::default(), worker: None, journal, state_dir, roster, stop }
    }

    /// Returns the configuration that is in force.
    pub(crate) fn config(&self) -> Option<BackupConfig> {
        self.wanted.borrow().as_ref().map(|wanted| wanted.config.clone())
    }

    /// Makes the backups that are wanted, on a thread of their own. One that is being made goes on if its configuration stays.
    ///
    /// # Errors
    /// Returns the system's error if it has no thread for them. Nothing is changed then.
    pub(crate) fn apply(&mut self, wanted: Option<Wanted>) -> io::Result<()> {
        if self.worker.is_none() && wanted.is_some() {
            let status = WorkerStatus::new(Stats::default());
            let worker = Worker::start("backup", Span::none(), Arc::clone(&status))?;
            let nightly = Nightly::new(
                self.wanted.subscribe(),
                status,
                self.journal.clone(),
                self.state_dir.clone(),
                Arc::clone(&self.roster),
            );
            worker.handle().spawn(keep_running(nightly, self.stop.clone()));
            self.worker = Some(worker);
        }
        self.wanted.send_if_modified(|old| {
            let key =
                |wanted: &Option<Wanted>| wanted.as_ref().map(|one| (one.config.clone(), one.label.clone()));
            let is_new = key(old) != key(&wanted);
            *old = wanted;
            is_new
        });
        Ok(())
    }
}

/// The task that makes them.
pub(super) struct Nightly {
    wanted: watch::Receiver<Option<Wanted>>,
    worker: Arc<WorkerStatus>,
    journal: Journal,
    state_dir: PathBuf,
    roster: Arc<Roster>,
    pub(super) clock: WallClock,
    pub(super) stall: Duration,
    saved: Saved,
    /// Held by the job: there is one at a time, also where it hangs and nobody waits for it any more.
    turn: Arc<Semaphore>,
}

impl Work for Nightly {
    fn status(&self) -> &WorkerStatus {
        &self.worker
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        stop.run_until_cancelled(self.make()).await;
        Ok(())
    }
}

impl Nightly {
    pub(super) fn new(
        wanted: watch::Receiver<Option<Wanted>>,
        worker: Arc<WorkerStatus>,
        journal: Journal,
        state_dir: PathBuf,
        roster: Arc<Roster>,
    ) -> Self {
        let saved = Saved::read(&state_dir);
        let (clock, turn) = (WallClock::default(), Arc::new(Semaphore::new(1)));
        Self { wanted, worker, journal, state_dir, roster, clock, stall: STALL, saved, turn }
    }

    /// Makes backups as long as somebody may want them.
    async fn make(&mut self) {
        let mut changes = self.wanted.clone();
        loop {
            let wanted = changes.borrow_and_update().clone();
            let changed = match wanted {
                None => {
                    self.roster.set_backup(None);
                    changes.changed().await
                }
                Some(Wanted { config, .. }) => {
                    tokio::select! {
                        changed = changes.changed() => changed,
                        () = self.follow(&config) => Ok(()),
                    }
                }
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Makes the backups of one configuration, for ever.
    async fn follow(&mut self, config: &BackupConfig) {
        self.saved.use_folder(&config.to);
        let started = self.clock.timestamp();
        self.show(config, started, None, false);
        let is_opening =
            || self.journal.status().is_some_and(|status| !status.open && status.problem.is_none());
        while is_opening() || !self.journal.is_settled() {
            sleep(SETTLING).await;
        }
        let (mut pauses, mut retry, mut check) = (RETRY, Instant::now(), Instant::now());
        loop {
            let due = self.due(config);
            let left = Duration::try_from(due.duration_since(self.clock.timestamp())).unwrap_or_default();
            let now = Instant::now();
            let backup = retry.max(now + left);
            let wakes_for_check = self.saved.last.is_some();
            if backup <= now {
                self.show(config, due, None, true);
                match self.back_up(config).await {
                    true => {
                        pauses = RETRY;
                        check = Instant::now() + CHECK;
                    }
                    false => retry = Instant::now() + pauses.pause(),
                }
            } else if wakes_for_check && check <= now {
                self.show(config, due, self.time_of(backup), true);
                let pause = if self.check(config).await { CHECK } else { CHECK_AGAIN };
                check = Instant::now() + pause;
            } else {
                self.show(config, due, self.time_of(backup), false);
                let next = if wakes_for_check { backup.min(check) } else { backup };
                sleep((next - now).min(LOOK)).await;
            }
        }
    }

    /// Returns when the next backup is due: at the turn after the last good one. One that was missed is due at once, and so
    /// is the first one, so that a mistake shows when it is made.
    fn due(&self, config: &BackupConfig) -> Timestamp {
        let now = self.clock.now();
        let last = self.saved.last.as_ref().map(|good| good.at());
        let last = last.filter(|last| last.duration_since(now.timestamp()) <= SLIP);
        let next = last.map(|last| config.at.next_after(&last.to_zoned(now.time_zone().clone())));
        next.map_or(now.timestamp(), |next| next.unwrap_or(Timestamp::MAX))
    }

    /// Returns the time at a moment to come.
    fn time_of(&self, moment: Instant) -> Option<Timestamp> {
        let left = SignedDuration::try_from(moment.saturating_duration_since(Instant::now())).ok()?;
        self.clock.timestamp().checked_add(left).ok()
    }

    fn show(&self, config: &BackupConfig, due: Timestamp, next: Option<Timestamp>, is_running: bool) {
        let status = BackupStatus {
            folder: config.to.clone(),
            is_running,
            last: self.saved.last.clone(),
            due,
            next,
            failure: self.saved.failure.clone(),
        };
        self.roster.set_backup(Some(status));
    }

    /// Makes a backup. Returns whether it is good.
    async fn back_up(&mut self, config: &BackupConfig) -> bool {
        let began = Instant::now();
        let result = self.work(config, |job| job.back_up()).await;
        let is_good = match result {
            Ok(made) => {
                let (file, seconds) = (config.to.join(&made.good.file), began.elapsed().as_secs());
                info!("backed up {} bytes to {} in {seconds} s", made.good.size, file.display());
                (self.saved.mount, self.saved.last, self.saved.failure) =
                    (Some(made.mount), Some(made.good), None);
                true
            }
            Err(failure) => {
                error!("the backup failed: {}", failure.message);
                self.saved.failure = Some(failure);
                false
            }
        };
        self.save();
        is_good
    }

    /// Checks the newest backup. Returns whether it is good.
    async fn check(&mut self, config: &BackupConfig) -> bool {
        let Some(last) = self.saved.last.clone() else { return true };
        let file = last.file.clone();
        let result = self.work(config, move |job| job.check(&last)).await;
        let old = self.saved.failure.clone();
        let is_good = result.is_ok();
        match result {
            Ok(()) => {
                self.saved.bad.retain(|bad| *bad != file);
                self.saved.failure = self.saved.failure.take().filter(|failure| !failure.of_check);
            }
            Err(failure) => {
                error!("the check of the newest backup failed: {}", failure.message);
                if failure.code() == FaultCode::Unreadable && !self.saved.bad.contains(&file) {
                    self.saved.bad.push(file);
                    let more = self.saved.bad.len().saturating_sub(MOST_BAD);
                    self.saved.bad.drain(..more);
                }
                // A backup that failed later says more.
                if old.as_ref().is_none_or(|old| old.of_check) {
                    self.saved.failure = Some(Failure { of_check: true, ..failure });
                }
            }
        }
        if self.saved.failure != old {
            self.save();
        }
        is_good
    }

    /// Has a thread work, and waits for it as long as it gives signs of life. One that hangs ends when the folder answers
    /// again, or with the program.
    async fn work<T: Send + 'static>(
        &self,
        config: &BackupConfig,
        work: impl FnOnce(&Job) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let shown = config.to.display();
        let hangs = || Failure::new(FaultCode::Unreachable, format!("`{shown}` does not answer"));
        let turn = timeout(self.stall, Arc::clone(&self.turn).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(hangs()) };
        let Some(Wanted { label, content, .. }) = self.wanted.borrow().clone() else { return Err(hangs()) };
        let (steps, stop) = (Arc::<Steps>::default(), CancellationToken::new());
        // Also where nobody wants this backup any more.
        let _given_up = stop.clone().drop_guard();
        let job = Job {
            content,
            folder: config.to.clone(),
            label,
            keep: config.keep,
            saved: self.saved.clone(),
            at: self.clock.timestamp(),
            steps: Arc::clone(&steps),
            stop,
        };
        let mut ended = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&job)
        });
        let mut seen = steps.count();
        loop {
            match timeout(self.stall, &mut ended).await {
                Ok(Ok(result)) => return result,
                Ok(Err(panic)) => return Err(Failure::new(FaultCode::Bug, format!("a bug: {panic}"))),
                Err(_) if steps.count() == seen => return Err(hangs()),
                Err(_) => seen = steps.count(),
            }
        }
    }

    fn save(&self) {
        if let Err(error) = self.saved.write(&self.state_dir) {
            let shown = self.state_dir.display();
            warn!("could not note the state of the backups in `{shown}`: {error}");
        }
    }
}
