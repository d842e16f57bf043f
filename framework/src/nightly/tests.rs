use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use jiff::{civil, tz::TimeZone};
use tempfile::TempDir;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{runner::Nightly, *};
use crate::{
    BackupConfig, Schedule, Stats,
    journal::{ClockReading, ClockSource, Journal, Settings},
    roster::Roster,
    scheduler::{WallClock, keep_running},
    status::WorkerStatus,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Time for what happens on other threads.
const DEADLINE: Duration = Duration::from_secs(30);
const TEXT: &[u8] = b"all readings";

/// Content that a test controls, as many times longer than a chunk as a real one.
#[derive(Default)]
struct Controlled {
    unreadable: AtomicBool,
    damaged: AtomicBool,
    /// A check waits for a word from here.
    hangs: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Controlled {
    fn content(self: &Arc<Self>) -> Content {
        let (writes, checks) = (Arc::clone(self), Arc::clone(self));
        Content {
            write: Arc::new(move |to, _| {
                for _ in 0..50_000 {
                    to.write_all(TEXT).map_err(|error| error.to_string())?;
                }
                let end = if writes.damaged.load(Relaxed) { "torn" } else { "end" };
                to.write_all(end.as_bytes()).map_err(|error| error.to_string())?;
                if writes.unreadable.load(Relaxed) { Err("page 7 is damaged".to_owned()) } else { Ok(()) }
            }),
            check: Arc::new(move |from| {
                if let Some(word) = checks.hangs.lock().unwrap().take() {
                    let _ = word.recv();
                }
                let mut text = Vec::new();
                from.read_to_end(&mut text).map_err(|error| error.to_string())?;
                if text.ends_with(b"end") { Ok(()) } else { Err("the checksum is wrong".to_owned()) }
            }),
        }
    }
}

/// Program with a state folder and a folder for backups.
struct House {
    state: TempDir,
    to: TempDir,
    content: Arc<Controlled>,
    journal: Journal,
}

/// The program while it runs.
struct Run {
    roster: Arc<Roster>,
    wanted: watch::Sender<Option<Wanted>>,
    task: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl House {
    fn new() -> Self {
        let (state, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { state, to, content: Arc::default(), journal: Journal::off() }
    }

    fn wanted(&self, at: &str, keep: usize) -> Wanted {
        let at = Schedule::Daily([at.parse().unwrap()].into());
        let config = BackupConfig { to: self.to.path().to_owned(), at, keep };
        Wanted { config, label: "house".to_owned(), content: self.content.content() }
    }

    /// Starts the program at a local time.
    fn start(&self, now: &str, wanted: Wanted, stall: Duration) -> Run {
        // Central Europe's rule, written out: the test needs no time zone database.
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now = now.parse::<civil::DateTime>().unwrap().to_zoned(berlin).unwrap();
        let (wanted, receiver) = watch::channel(Some(wanted));
        let (roster, status) = (Arc::<Roster>::default(), WorkerStatus::new(Stats::default()));
        let state = self.state.path().to_owned();
        let mut nightly = Nightly::new(receiver, status, self.journal.clone(), state, Arc::clone(&roster));
        (nightly.clock, nightly.stall) = (WallClock::starting_at(now), stall);
        let task = tokio::spawn(keep_running(nightly, CancellationToken::new()));
        Run { roster, wanted, task }
    }

    /// Names of the files, without what they have in common.
    fn files(&self) -> Vec<String> {
        names(self.to.path())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let short = |name: String| {
        name.strip_suffix(EXTENSION).map_or(name.clone(), |name| name[name.len() - 16..].to_owned())
    };
    let mut names: Vec<_> = names.map(short).collect();
    names.sort();
    names
}

impl Run {
    fn problem(&self) -> Option<String> {
        let status = self.roster.backup().unwrap();
        status.problem(Timestamp::UNIX_EPOCH).map(|(_, message)| message)
    }

    async fn until(&self, what: &str, is: impl Fn(&BackupStatus) -> bool) {
        let looks = async {
            while !self.roster.backup().is_some_and(|status| is(&status)) {
                sleep(Duration::from_millis(2)).await; // between two looks
            }
        };
        let seen = timeout(DEADLINE, looks).await;
        assert!(seen.is_ok(), "not {what}: {:?}", self.roster.backup());
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_made_each_night_also_where_the_clock_changes() {
    for (at, start, expected) in [
        // 02:30 does not exist in the second night, and comes twice in the last one.
        (
            "02:30",
            "2026-03-27T12:00",
            &["2026-03-27T1100Z", "2026-03-28T0130Z", "2026-03-29T0130Z", "2026-03-30T0030Z"][..],
        ),
        (
            "02:30",
            "2026-10-23T12:00",
            &["2026-10-23T1000Z", "2026-10-24T0030Z", "2026-10-25T0030Z", "2026-10-26T0130Z"],
        ),
    ] {
        let program = House::new();
        let run = program.start(start, program.wanted(at, 14), HOUR);
        sleep(HOUR * 72).await;
        assert_eq!(program.files(), expected, "{start}");
        let status = run.roster.backup().unwrap();
        assert_eq!(run.problem(), None);
        let newest = *expected.last().unwrap();
        assert!(status.last.as_ref().unwrap().file.contains(newest), "{status:?}");
        assert!(status.next.is_some_and(|next| next > status.last.as_ref().unwrap().at()), "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_was_missed_is_made_up_for_at_the_start_and_no_other_is() {
    let program = House::new();
    let run = |start: &'static str| {
        let run = program.start(start, program.wanted("03:30", 14), HOUR);
        async move {
            sleep(HOUR / 2).await;
            drop(run);
        }
    };
    run("2026-11-01T12:00").await;
    run("2026-11-01T18:00").await;
    run("2026-11-02T02:00").await;
    assert_eq!(program.files(), ["2026-11-01T1100Z"]);
    run("2026-11-04T09:00").await;
    assert_eq!(program.files(), ["2026-11-01T1100Z", "2026-11-04T0800Z"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_before_the_clock_is_set() {
    let wall = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&wall);
    let reading = move || ClockReading { boottime: 0, wall: clock.load(Relaxed), synchronized: None };
    let mut program = House::new();
    let path = program.state.path().join("journal.db");
    let settings = Settings { clock: ClockSource::with("boot", reading), ..Settings::new(path) };
    let (journal, _thread) = Journal::start(settings).unwrap();
    journal.wait_open(DEADLINE);
    program.journal = journal;
    let run = program.start("2026-11-01T12:00", program.wanted("03:30", 14), HOUR);
    sleep(HOUR).await;
    assert_eq!(program.files(), Vec::<String>::new());
    assert_eq!(run.roster.backup().unwrap().state(Timestamp::UNIX_EPOCH), BackupState::Scheduled);
    wall.store(Timestamp::now().as_microsecond(), Relaxed);
    sleep(HOUR).await;
    assert_eq!(program.files().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_backup_is_a_problem_until_a_good_one_and_is_tried_again() {
    let program = House::new();
    let run = program.start("2026-11-01T12:00", program.wanted("03:30", 14), HOUR);
    sleep(HOUR).await;
    program.content.unreadable.store(true, Relaxed);
    sleep(HOUR * 16).await;
    let problem = "could not read what is to be backed up: page 7 is damaged";
    assert_eq!(run.problem().as_deref(), Some(problem));
    assert_eq!(program.files(), ["2026-11-01T1100Z"], "half a backup is left");
    drop(run);
    // A restart does not forget it, also while nothing can be done yet.
    let run = program.start("2026-11-02T05:00", program.wanted("03:30", 14), HOUR);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run.problem().as_deref(), Some(problem));
    program.content.unreadable.store(false, Relaxed);
    sleep(HOUR * 3).await;
    assert_eq!((run.problem(), program.files().len()), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_back_is_no_backup_and_costs_no_old_one() {
    let program = House::new();
    let run = program.start("2026-11-01T12:00", program.wanted("03:30", 1), HOUR);
    sleep(HOUR).await;
    program.content.damaged.store(true, Relaxed);
    sleep(HOUR * 48).await;
    let problem = run.problem().unwrap();
    assert!(
        problem.starts_with("the new backup in `") && problem.ends_with("the checksum is wrong"),
        "{problem}"
    );
    assert_eq!(program.files(), ["2026-11-01T1100Z"]);
    program.content.damaged.store(false, Relaxed);
    sleep(HOUR * 3).await;
    assert_eq!(run.problem(), None);
    assert_eq!(program.files().len(), 1, "the old one is removed after the new one");
    assert_ne!(program.files(), ["2026-11-01T1100Z"]);
}

#[tokio::test(start_paused = true)]
async fn a_newest_backup_that_cannot_be_read_is_a_problem_the_same_day() {
    type Damage = fn(&mut Vec<u8>);
    let rows: [(Damage, &str); 3] = [
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "cannot be read: the checksum is wrong"),
        (|bytes| bytes.truncate(1000), "has 1000 bytes instead of"),
        (Vec::clear, "could not find the newest backup"),
    ];
    for (damage, problem) in rows {
        let program = House::new();
        let run = program.start("2026-11-01T04:00", program.wanted("03:30", 2), HOUR);
        sleep(HOUR).await;
        let file = program.to.path().join(run.roster.backup().unwrap().last.unwrap().file);
        let good = fs::read(&file).unwrap();
        let mut damaged = good.clone();
        damage(&mut damaged);
        if damaged.is_empty() {
            fs::remove_file(&file).unwrap()
        } else {
            fs::write(&file, damaged).unwrap()
        }
        sleep(HOUR * 12).await;
        let found = run.problem().unwrap_or_default();
        assert!(found.contains(problem), "{found}");
        assert_eq!(program.files().len(), usize::from(problem.starts_with("could not")) ^ 1, "{problem}");
        fs::write(&file, &good).unwrap();
        sleep(HOUR * 2).await;
        assert_eq!(run.problem(), None, "it can be read again");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_are_kept() {
    let program = House::new();
    fs::write(program.to.path().join("holiday.jpg"), "").unwrap();
    let _run = program.start("2026-11-01T12:00", program.wanted("03:30", 2), HOUR);
    sleep(HOUR * 72).await;
    assert_eq!(program.files(), ["2026-11-03T0230Z", "2026-11-04T0230Z", "holiday.jpg"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_folder_gets_a_backup_at_once_and_without_one_nothing_is_shown() {
    let (program, other) = (House::new(), tempfile::tempdir().unwrap());
    let run = program.start("2026-11-01T12:00", program.wanted("03:30", 2), HOUR);
    sleep(HOUR).await;
    let mut wanted = program.wanted("03:30", 2);
    wanted.config.to = other.path().to_owned();
    run.wanted.send_replace(Some(wanted));
    sleep(HOUR).await;
    assert_eq!(names(other.path()), ["2026-11-01T1200Z"]);
    assert_eq!(program.files(), ["2026-11-01T1100Z"]);
    run.wanted.send_replace(None);
    sleep(HOUR * 24).await;
    assert_eq!(run.roster.backup(), None);
    assert_eq!(names(other.path()).len(), 1);
}

#[tokio::test]
async fn a_folder_that_hangs_is_a_problem_at_once_and_is_used_again_when_it_answers() {
    let program = House::new();
    let (word, hangs) = mpsc::channel();
    *program.content.hangs.lock().unwrap() = Some(hangs);
    let stall = Duration::from_secs(1);
    let run = program.start("2026-11-01T12:00", program.wanted("03:30", 2), stall);
    let is_hanging = |status: &BackupStatus| {
        status.problem(Timestamp::UNIX_EPOCH).is_some_and(|(_, message)| message.ends_with("does not answer"))
    };
    run.until("noticed", is_hanging).await;
    // A second one is not begun beside it, and nobody waits.
    run.roster.set_backup(None);
    run.wanted.send_replace(Some(program.wanted("03:30", 3)));
    run.until("tried", |status| is_hanging(status) && status.next.is_some()).await;
    assert!(program.files().iter().all(|name| name.ends_with(".part")), "{:?}", program.files());
    drop(word);
    // A busy disk may seem to hang, too.
    for keep in 4..20 {
        run.roster.set_backup(None);
        run.wanted.send_replace(Some(program.wanted("03:30", keep)));
        run.until("tried", |status| !status.is_running && status.next.is_some()).await;
        if run.roster.backup().is_some_and(|status| status.last.is_some()) {
            break;
        }
    }
    run.until("good", |status| status.last.is_some() && !is_hanging(status)).await;
    assert_eq!(program.files(), ["2026-11-01T1100Z"]);
}

#[tokio::test]
async fn who_reads_the_journal_for_a_folder_that_hangs_is_let_go() {
    let stop = CancellationToken::new();
    let (mut intake, outlet) = transit::way(Handle::current(), stop.clone());
    let writer = std::thread::spawn(move || {
        let begun = Instant::now();
        let error = loop {
            if let Err(error) = intake.write_all(&[0; 4096]) {
                break error;
            }
            assert!(begun.elapsed() < DEADLINE);
        };
        error.to_string()
    });
    // Nobody takes anything out.
    while outlet.len() < outlet.max_capacity() {
        sleep(Duration::from_millis(2)).await; // between two looks
    }
    stop.cancel();
    let error = tokio::task::spawn_blocking(|| writer.join().unwrap()).await.unwrap();
    assert_eq!(error, "the backup was given up");
}
