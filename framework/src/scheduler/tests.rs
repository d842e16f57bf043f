//! Sources that follow a script, on a paused clock: waiting costs no time.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Plan, Schedule, Supervisor, WallClock, Watch, Watched, keep_running};
use crate::{
    AcquireError, Batch, Context, DataAcquisition, Decimal, Mode, Reading,
    store::{Section, State, Store},
};

/// Next step of a source.
enum Step {
    /// `open` fails.
    Missing,
    /// `open` fails with an error of the system alone.
    Gone,
    /// `open` fails: its port was unplugged.
    Unplugged,
    /// `open` works.
    Opens,
    /// `acquire` returns a batch with this number, after so many milliseconds.
    Batch(u64, i64),
    /// `open` fails, and the device asks to be left alone for so many seconds.
    Busy(u64),
    /// `open` never returns.
    OpenHangs,
    /// `acquire` never returns.
    Hangs,
    /// `acquire` has nothing new, after so many milliseconds.
    Nothing(u64),
    Malformed,
    Misconfigured,
    Silent,
    /// `acquire` fails because the device is away.
    Fault,
    Fatal,
    Panic,
}

#[derive(Clone, Default)]
struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Arc::new(Mutex::new(steps.into_iter().collect())), said: Arc::default() }
    }

    fn next(&self) -> Option<Step> {
        self.steps.lock().unwrap().pop_front()
    }

    fn say(&self, word: &str) {
        self.said.lock().unwrap().push(word.to_owned());
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().join(" ")
    }
}

#[async_trait::async_trait]
impl DataAcquisition for Script {
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.say("open");
        match self.next() {
            Some(Step::Missing) => {
                Err(AcquireError::from(io::Error::from(io::ErrorKind::NotFound)).of_device("/dev/x"))
            }
            Some(Step::Gone) => Err(io::Error::from(io::ErrorKind::NotFound))?,
            Some(Step::Unplugged) => Err(AcquireError::from(io::Error::from(io::ErrorKind::NotFound))
                .retry_within(Duration::from_secs(2))),
            Some(Step::Panic) => panic!("a bug in open"),
            Some(Step::Busy(seconds)) => {
                Err(AcquireError::unavailable("429").retry_after(Duration::from_secs(seconds)))
            }
            Some(Step::OpenHangs) => std::future::pending().await,
            Some(Step::Opens) => Ok(()),
            _ => Err(AcquireError::Fatal("the script does not open here".to_owned())),
        }
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        match self.next() {
            Some(Step::Batch(after, number)) => {
                tokio::time::sleep(Duration::from_millis(after)).await;
                Ok(Some(Batch::now(vec![Reading::number("n", Decimal::from(number))])))
            }
            Some(Step::Nothing(after)) => {
                tokio::time::sleep(Duration::from_millis(after)).await;
                Ok(None)
            }
            Some(Step::Malformed) => Err(AcquireError::Malformed { reason: "noise".to_owned() }),
            Some(Step::Misconfigured) => {
                Err(AcquireError::Misconfigured { reason: "write `plugin = \"x\"`".to_owned() })
            }
            Some(Step::Silent) => {
                Err(AcquireError::Silent { device: "/dev/x".to_owned(), waited: Duration::from_secs(30) })
            }
            Some(Step::Fault) => Err(io::Error::from(io::ErrorKind::NotFound))?,
            Some(Step::Fatal) => Err(AcquireError::Fatal("no such kernel".to_owned())),
            Some(Step::Panic) => panic!("a bug in acquire"),
            _ => std::future::pending().await,
        }
    }

    async fn close(&mut self) {
        self.say("close");
    }
}

struct Run {
    script: Script,
    section: Arc<Section>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    events: tokio::sync::broadcast::Receiver<Arc<crate::store::Snapshot>>,
}

fn run(mode: Mode, schedule: Schedule, steps: impl IntoIterator<Item = Step>) -> Run {
    run_at("2026-11-23T10:00:00", mode, schedule, steps)
}

fn run_at(time: &str, mode: Mode, schedule: Schedule, steps: impl IntoIterator<Item = Step>) -> Run {
    let script = Script::of(steps);
    let cx = Context::new("meter", "");
    let store = Store::new([Section::new("meter", "script", Duration::from_secs(30), cx.stats().clone())]);
    let section = Arc::clone(&store.sections()[0]);
    let stop = CancellationToken::new();
    let events = store.subscribe();
    let journal = crate::journal::Journal::off();
    let limit = schedule.default_timeout().max(schedule.default_stale_after());
    let plan = Plan {
        mode,
        schedule,
        timeout: Duration::from_secs(30),
        at_line_speed: false,
        clock: WallClock::starting_at(format!("{time}[UTC]").parse().unwrap()),
    };
    let supervisor = Supervisor::new(
        (Box::new(script.clone()), Some("/dev/y".to_owned())),
        plan,
        Arc::clone(&section),
        store,
        journal,
    );
    let task = tokio::spawn(keep_running(supervisor, stop.clone()));
    let watched = Watched::new(Arc::clone(&section), tokio::runtime::Handle::current(), limit);
    let watch = Watch::default();
    watch.add(watched);
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move { watch.run(|| Duration::MAX).await }));
    Run { script, section, stop, task, events }
}

impl Run {
    /// Returns the numbers of the next batches that are emitted, and the milliseconds before each.
    async fn next(&mut self, count: usize) -> Vec<(i64, u128)> {
        let mut got = Vec::new();
        let start = Instant::now();
        while got.len() < count {
            let snapshot =
                timeout(Duration::from_secs(2 * 24 * 3600), self.events.recv()).await.unwrap().unwrap();
            let crate::Value::Number(number) = &snapshot.batch.readings[0].value else { panic!() };
            got.push((number.mantissa(), start.elapsed().as_millis()));
        }
        got
    }

    async fn until(&self, state: State) {
        let reached = async {
            while self.section.health.status.state() != state {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(3600), reached).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_back_is_read_again_within_two_seconds() {
    let missing = (0..50).map(|_| Step::Missing);
    let mut run = run(Mode::Push, Schedule::Continuous, missing.chain([Step::Opens, Step::Batch(0, 1)]));
    let got = run.next(1).await;
    assert_eq!(got[0].0, 1);
    // 250 ms, 500 ms, then a second each.
    assert_eq!(got[0].1, 250 + 500 + 48 * 1000);
    assert_eq!(run.section.health.reopened.get(), 50);
    assert_eq!(run.section.health.status.state(), State::Delivering);
    assert!(run.section.health.status.last_error().unwrap().message.starts_with("/dev/x is not available: "));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_system_gets_the_device_s_name() {
    let mut run = run(Mode::Push, Schedule::Continuous, [Step::Gone, Step::Opens, Step::Batch(0, 1)]);
    run.next(1).await;
    let error = run.section.health.status.last_error().unwrap();
    assert_eq!(error.code, crate::FaultCode::DeviceMissing);
    assert_eq!(error.message, "/dev/y is not available: entity not found");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_telegram_is_counted_and_the_device_stays_open() {
    let mut run = run(
        Mode::Push,
        Schedule::Continuous,
        [Step::Opens, Step::Malformed, Step::Malformed, Step::Batch(0, 7)],
    );
    assert_eq!(run.next(1).await, [(7, 0)]);
    assert_eq!(run.section.health.malformed.get(), 2);
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_is_closed_and_opened_again() {
    let mut run = run(
        Mode::Push,
        Schedule::Continuous,
        [Step::Opens, Step::Batch(0, 1), Step::Silent, Step::Opens, Step::Batch(0, 2)],
    );
    assert_eq!(run.next(2).await.last().unwrap().0, 2);
    assert_eq!(run.script.said(), "open close open");
}

#[tokio::test(start_paused = true)]
async fn a_panic_stops_nothing_but_this_run_of_the_source() {
    let mut run = run(
        Mode::Push,
        Schedule::Continuous,
        [Step::Opens, Step::Batch(0, 1), Step::Panic, Step::Panic, Step::Opens, Step::Batch(0, 2)],
    );
    // After a batch a second, then two.
    assert_eq!(run.next(2).await, [(1, 0), (2, 3000)]);
    assert_eq!(run.section.health.status.panics.get(), 2);
    assert_eq!(run.section.health.status.last_error().unwrap().message, "panicked: a bug in open");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_can_never_work_stops_permanently() {
    let run = run(Mode::Push, Schedule::Continuous, [Step::Opens, Step::Fatal, Step::Opens]);
    run.until(State::Failed).await;
    run.task.await.unwrap();
    assert_eq!(run.script.said(), "open close");
}

#[tokio::test(start_paused = true)]
async fn the_end_closes_the_device() {
    let run = run(Mode::Push, Schedule::Continuous, [Step::Opens, Step::Batch(0, 1)]);
    run.until(State::Delivering).await;
    run.stop.cancel();
    run.task.await.unwrap();
    assert_eq!(run.script.said(), "open close");
    assert_eq!(run.section.health.status.state(), State::Stopped);
}

#[tokio::test(start_paused = true)]
async fn an_interval_emits_the_newest_telegram_of_each_turn() {
    let every = Schedule::Every(Duration::from_secs(5));
    let pushed = (0..20).map(|n| Step::Batch(1000, n));
    let mut run = run(Mode::Push, every, [Step::Opens].into_iter().chain(pushed));
    assert_eq!(run.next(4).await, [(0, 1000), (5, 6000), (10, 11_000), (15, 16_000)]);
    assert_eq!(run.section.health.superseded.get(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_batch_is_emitted_when_nothing_newer_comes() {
    let every = Schedule::Every(Duration::from_secs(10));
    let mut run =
        run(Mode::Push, every, [Step::Opens, Step::Batch(0, 1), Step::Batch(0, 2), Step::Batch(0, 3)]);
    // Ten seconds, and a tenth for a newer one to come.
    assert_eq!(run.next(2).await, [(1, 0), (3, 11_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_polled_at_its_turns() {
    let every = Schedule::Every(Duration::from_secs(10));
    let polled = (0..5).map(|n| Step::Batch(100, n));
    let mut run = run(Mode::Poll(Duration::from_secs(1)), every, [Step::Opens].into_iter().chain(polled));
    assert_eq!(run.next(3).await, [(0, 100), (1, 10_100), (2, 20_100)]);
}

#[tokio::test(start_paused = true)]
async fn a_mistake_in_the_configuration_is_noted_and_the_device_stays_open() {
    let mut run = run(
        Mode::Push,
        Schedule::Continuous,
        [Step::Opens, Step::Misconfigured, Step::Misconfigured, Step::Batch(0, 7)],
    );
    assert_eq!(run.next(1).await, [(7, 0)]);
    assert_eq!(run.section.health.malformed.get(), 0);
    assert_eq!(run.section.health.status.last_error().unwrap().message, "write `plugin = \"x\"`");
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_polled_source_that_is_silent_is_polled_again_at_its_next_turn() {
    let every = Schedule::Every(Duration::from_secs(10));
    let steps = [Step::Opens, Step::Batch(0, 1), Step::Silent, Step::Silent, Step::Batch(0, 2)];
    let mut run = run(Mode::Poll(Duration::from_secs(1)), every, steps);
    assert_eq!(run.next(2).await, [(1, 0), (2, 30_000)]);
    assert_eq!(run.section.health.malformed.get(), 0);
    assert!(
        run.section.health.status.last_error().unwrap().message.starts_with("nothing arrived from /dev/x")
    );
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_an_answer_and_no_fault() {
    let every = Schedule::Every(Duration::from_secs(10));
    let steps = [Step::Opens, Step::Nothing(0), Step::Batch(0, 1), Step::Nothing(0), Step::Batch(0, 2)];
    let mut run = run(Mode::Poll(Duration::from_secs(1)), every, steps);
    assert_eq!(run.next(2).await, [(1, 10_000), (2, 30_000)]);
    assert_eq!(run.section.health.status.last_error(), None);
    assert_eq!((run.section.health.malformed.get(), run.section.health.reopened.get()), (0, 0));
    assert_eq!(run.section.health.batches.get(), 2);
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_task_without_readings_is_well() {
    let every = Schedule::Every(Duration::from_secs(10));
    let mut run = run(Mode::Poll(Duration::from_secs(1)), every, [Step::Opens, Step::Nothing(0)]);
    run.until(State::Delivering).await;
    assert!(run.section.health.status.last_success().is_some());
    assert!(run.section.view(std::time::Instant::now()).is_none());
    assert!(run.events.try_recv().is_err());
}

const POLLED: Mode = Mode::Poll(Duration::from_secs(1));

fn every(seconds: u64) -> Schedule {
    Schedule::Every(Duration::from_secs(seconds))
}

fn daily(times: &[&str]) -> Schedule {
    Schedule::Daily(times.iter().map(|time| time.parse().unwrap()).collect())
}

#[tokio::test(start_paused = true)]
async fn an_open_or_acquire_that_hangs_is_noticed_and_the_device_is_opened_again() {
    for (mode, schedule) in [(POLLED, every(10)), (Mode::Push, Schedule::Continuous)] {
        let steps =
            [Step::OpenHangs, Step::Opens, Step::Batch(0, 1), Step::Hangs, Step::Opens, Step::Batch(0, 2)];
        let mut run = run(mode, schedule, steps);
        let got = run.next(2).await;
        assert_eq!(run.script.said(), "open close open close open", "{mode:?}");
        assert_eq!(run.section.health.reopened.get(), 2);
        assert!((30_000..31_000).contains(&got[0].1), "{got:?}");
        // A pushed source is looked at every five seconds.
        assert!((60_000..78_000).contains(&got[1].1), "{got:?}");
        let error = run.section.health.status.last_error().unwrap().message.clone();
        let expected = match mode {
            Mode::Push => "nothing arrived from /dev/y for 30s",
            Mode::Poll(_) => {
                "/dev/y is not available: it did not answer within 30s; a longer `timeout` gives it more time"
            }
        };
        assert_eq!(error, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_pushes_now_and_then_is_not_taken_for_one_that_hangs() {
    let steps = (0..50).map(|n| Step::Batch(25_000, n));
    let mut run = run(Mode::Push, Schedule::Continuous, [Step::Opens].into_iter().chain(steps));
    assert_eq!(run.next(50).await.last().unwrap().1, 50 * 25_000);
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_returns_at_once_is_slowed_down_and_health_says_so() {
    type Make = fn(i64) -> Step;
    let kinds: [(Make, u64, Schedule); 3] = [
        (|n| Step::Batch(0, n), 100, Schedule::Continuous),
        (|_| Step::Malformed, 100, Schedule::Continuous),
        (|n| Step::Batch(0, n), 1000, every(5)),
    ];
    for (make, rate, schedule) in kinds {
        let run = run(Mode::Push, schedule, [Step::Opens].into_iter().chain((0..50_000).map(make)));
        let count = || 50_000 - run.script.steps.lock().unwrap().len() as u64;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let before = count();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let counted = count() - before;
        assert!((rate * 8..=rate * 12).contains(&counted), "{counted} in ten seconds");
        let now = Instant::now().into_std();
        let (code, problem) = run.section.problem(now).unwrap();
        assert_eq!(code, crate::FaultCode::TooFast);
        assert!(problem.contains("slowed down to 100 answers a second"), "{problem}");
        let has_batches = run.section.health.batches.get() > 0;
        assert_eq!(problem.contains("`interval`"), has_batches, "{problem}");
        assert_eq!(run.section.problem(now + Duration::from_secs(61)), None);
        assert!(run.section.health.braked.get() > 0);
        run.stop.cancel();
        run.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn retries_of_a_polled_source_grow_up_to_its_interval_and_five_minutes() {
    for (interval, retries) in
        [(2, [250, 500, 1000, 2000, 2000, 2000]), (900, [250, 500, 1000, 2000, 4000, 8000])]
    {
        let missing = (0..6).map(|_| Step::Missing);
        let mut run = run(POLLED, every(interval), missing.chain([Step::Opens, Step::Batch(0, 1)]));
        assert_eq!(run.next(1).await[0].1, retries.iter().sum::<u128>());
    }
    let missing = (0..30).map(|_| Step::Missing);
    let mut run = run(POLLED, every(3600), missing.chain([Step::Opens, Step::Batch(0, 1)]));
    let grown: u128 = (0..11).map(|n| 250 << n).sum();
    assert_eq!(run.next(1).await[0].1, grown + 19 * 300_000);
}

#[tokio::test(start_paused = true)]
async fn a_polled_port_that_was_unplugged_is_looked_for_soon_however_long_its_interval_is() {
    let unplugged = (0..30).map(|_| Step::Unplugged);
    let mut run = run(POLLED, every(3600), unplugged.chain([Step::Opens, Step::Batch(0, 1)]));
    assert_eq!(run.next(1).await[0].1, 250 + 500 + 1000 + 27 * 2000);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_asks_to_be_left_alone_is_for_a_day_at_most() {
    let mut busy = run(POLLED, every(10), [Step::Busy(60), Step::Busy(0), Step::Opens, Step::Batch(0, 1)]);
    assert_eq!(busy.next(1).await[0].1, 60_000 + 500);
    let forever = run(POLLED, every(10), [Step::Busy(u64::MAX), Step::Opens, Step::Batch(0, 1)]);
    tokio::time::sleep(Duration::from_secs(24 * 3600 - 1)).await;
    assert_eq!(forever.script.said(), "open close");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forever.script.said(), "open close open");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_away_at_its_daily_time_is_read_as_soon_as_it_is_back() {
    for away in [Step::Fault, Step::Silent, Step::Malformed] {
        let stays = matches!(away, Step::Silent | Step::Malformed);
        let reopens = (0..6).map(|_| if stays { Step::Malformed } else { Step::Missing });
        let back = if stays { None } else { Some(Step::Opens) };
        let steps = [Step::Opens, away].into_iter().chain(reopens).chain(back);
        let steps = steps.chain([Step::Batch(0, 1), Step::Batch(0, 2)]);
        let mut run = run_at("2026-11-23T02:59:30", POLLED, daily(&["03:00", "18:00"]), steps);
        run.until(State::Scheduled).await;
        let got = run.next(2).await;
        let grown: u128 = (0..7).map(|n| 250 << n).sum();
        // `until` has looked for the state for a moment.
        assert!(got[0].1.abs_diff(30_000 + grown) <= 20, "{got:?}");
        assert!(got[1].1.abs_diff(15 * 3_600_000 + 30_000) <= 20, "the next turn keeps its time: {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_within_the_minute_before_a_daily_time_does_not_skip_it() {
    for mode in [POLLED, Mode::Push] {
        let steps = [Step::Opens, Step::Batch(100, 1), Step::Batch(86_300_000, 2)];
        let mut run = run_at("2026-11-23T02:59:01", mode, daily(&["03:00"]), steps);
        let first = run.next(1).await[0];
        assert!((59_000..=59_100).contains(&first.1), "{mode:?} {first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_is_scheduled_before_its_first_turn_which_is_healthy() {
    for schedule in [daily(&["03:00"]), Schedule::Cron(Arc::new("0 3 * * *".parse().unwrap()))] {
        let mut run = run(POLLED, schedule, [Step::Missing, Step::Opens, Step::Batch(0, 1)]);
        run.until(State::Scheduled).await;
        assert_eq!(run.next(1).await[0].0, 1);
        assert_eq!(run.section.health.status.state(), State::Delivering);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_failed_is_made_up_for_before_the_next_one() {
    let steps = [Step::Opens, Step::Batch(0, 1), Step::Fault, Step::Missing, Step::Opens, Step::Batch(0, 2)];
    let mut run =
        run_at("2026-11-23T10:07:00", POLLED, every(900), steps.into_iter().chain([Step::Batch(0, 3)]));
    // At the start, at :15 with two retries, at :30.
    assert_eq!(run.next(3).await, [(1, 0), (2, 480_750), (3, 1_380_000)]);
}
