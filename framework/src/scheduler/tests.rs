//! Sources that follow a script, on a paused clock: waiting costs no time.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Schedule, Supervisor, keep_running};
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
    /// `open` works.
    Opens,
    /// `acquire` returns a batch with this number, after so many milliseconds.
    Batch(u64, i64),
    /// `acquire` has nothing new, after so many milliseconds.
    Nothing(u64),
    Malformed,
    Misconfigured,
    Silent,
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
            Some(Step::Panic) => panic!("a bug in open"),
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
    let script = Script::of(steps);
    let cx = Context::new("meter", "");
    let store = Store::new([Section::new("meter", "script", Duration::from_secs(30), cx.stats().clone())]);
    let section = Arc::clone(&store.sections()[0]);
    let stop = CancellationToken::new();
    let events = store.subscribe();
    let journal = crate::journal::Journal::off();
    let supervisor = Supervisor::new(
        (Box::new(script.clone()), Some("/dev/y".to_owned())),
        (mode, schedule),
        Arc::clone(&section),
        store,
        journal,
    );
    let task = tokio::spawn(keep_running(supervisor, stop.clone()));
    Run { script, section, stop, task, events }
}

impl Run {
    /// Returns the numbers of the next batches that are emitted, and the milliseconds before each.
    async fn next(&mut self, count: usize) -> Vec<(i64, u128)> {
        let mut got = Vec::new();
        let start = Instant::now();
        while got.len() < count {
            let snapshot = timeout(Duration::from_secs(3600), self.events.recv()).await.unwrap().unwrap();
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
    assert!(run.section.health.status.last_error().unwrap().1.starts_with("/dev/x is not available: "));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_system_gets_the_device_s_name() {
    let mut run = run(Mode::Push, Schedule::Continuous, [Step::Gone, Step::Opens, Step::Batch(0, 1)]);
    run.next(1).await;
    let error = run.section.health.status.last_error().unwrap();
    assert_eq!(error.1, "/dev/y is not available: entity not found");
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
    assert_eq!(run.section.health.status.last_error().unwrap().1, "panicked: a bug in open");
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
    assert_eq!(run.section.health.status.last_error().unwrap().1, "write `plugin = \"x\"`");
    assert_eq!(run.script.said(), "open");
}

#[tokio::test(start_paused = true)]
async fn a_polled_source_that_is_silent_is_polled_again_at_its_next_turn() {
    let every = Schedule::Every(Duration::from_secs(10));
    let steps = [Step::Opens, Step::Batch(0, 1), Step::Silent, Step::Silent, Step::Batch(0, 2)];
    let mut run = run(Mode::Poll(Duration::from_secs(1)), every, steps);
    assert_eq!(run.next(2).await, [(1, 0), (2, 30_000)]);
    assert_eq!(run.section.health.malformed.get(), 0);
    assert!(run.section.health.status.last_error().unwrap().1.starts_with("nothing arrived from /dev/x"));
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
