mod clock;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Batch, Batching, Commands, Decimal, PublishError, Publisher, PublisherContext, Reading, Record, Store,
    Timestamp, Value,
    journal::{Journal, JournalThread, Settings},
    scheduler::keep_running,
    store::{Section, State},
};

const NAME: &str = "home";

/// Reaction of the server to one attempt.
enum Step {
    Accepts(usize),
    Fails(PublishError),
    Panics,
    Hangs,
}

/// Scripted server, and a record of its calls.
#[derive(Default)]
struct Server {
    got: Mutex<Vec<Record>>,
    steps: Mutex<VecDeque<Step>>,
    refuses: Mutex<Vec<i64>>,
    opened: Counter,
    attempts: Counter,
    changed: Notify,
    /// Makes `batching` panic once.
    bug: AtomicBool,
}

struct Fake {
    server: Arc<Server>,
    batching: Batching,
}

#[crate::async_trait]
impl Publisher for Fake {
    fn batching(&self) -> Batching {
        assert!(!self.server.bug.swap(false, Relaxed), "a bug in batching");
        self.batching
    }

    async fn open(&mut self, _: &PublisherContext) -> Result<(), PublishError> {
        self.server.opened.increment();
        Ok(())
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        self.server.attempts.increment();
        let step = self.server.steps.lock().unwrap().pop_front();
        self.server.changed.notify_one();
        let accepted = match step {
            None => records.len(),
            Some(Step::Accepts(count)) => count.min(records.len()),
            Some(Step::Fails(error)) => return Err(error),
            Some(Step::Panics) => panic!("a bug in publish"),
            Some(Step::Hangs) => std::future::pending().await,
        };
        let refused = self.server.refuses.lock().unwrap().clone();
        if records[..accepted].iter().any(|record| refused.contains(&number(record))) {
            return Err(PublishError::refused("no such unit"));
        }
        self.server.got.lock().unwrap().extend_from_slice(&records[..accepted]);
        self.server.changed.notify_one();
        Ok(accepted)
    }
}

/// Running publisher on a real journal.
struct Run {
    server: Arc<Server>,
    journal: Journal,
    store: Arc<Store>,
    delivery: Arc<Delivery>,
    runner: JoinHandle<()>,
    stop: CancellationToken,
    sent: i64,
    keeper: Option<JournalThread>,
    _folder: tempfile::TempDir,
}

impl Run {
    fn new(route: Route, batching: Batching) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { publishers: vec![NAME.into()], ..Settings::new(folder.path().join("journal.db")) };
        let (journal, keeper) = Journal::start(settings).unwrap();
        journal.wait_open(Duration::from_secs(20));
        let section = |name: &str| Section::new(name, "test", Duration::from_secs(30), Stats::default());
        let store = Store::new([section("meter"), section("pulses")]);
        let delivery = Arc::new(Delivery::new(NAME, "fake", Stats::default()));
        let server = Arc::new(Server::default());
        let cx = PublisherContext {
            store: Arc::clone(&store),
            commands: Commands::default(),
            route: Arc::new(route),
        };
        let publisher = Box::new(Fake { server: Arc::clone(&server), batching });
        let runner = Runner::new(publisher, journal.queue(NAME), cx, Arc::clone(&delivery));
        let stop = CancellationToken::new();
        let runner = tokio::spawn(keep_running(runner, stop.clone()));
        Self {
            server,
            journal,
            store,
            delivery,
            runner,
            stop,
            sent: 0,
            keeper: Some(keeper),
            _folder: folder,
        }
    }

    fn plain() -> Self {
        Self::new(Route::default(), Batching::default())
    }

    /// Records batches with running numbers, as a source's supervisor does.
    fn send(&mut self, section: usize, count: i64) {
        let section = &self.store.sections()[section];
        for n in self.sent + 1..=self.sent + count {
            let power = Reading::number("POWER", Decimal::from(2 * n)).unit("W");
            let batch = Batch::now(vec![Reading::number("n", Decimal::from(n)), power]);
            self.journal.record(&section.name, &batch);
            self.store.publish(section, batch);
        }
        self.sent += count;
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !wanted(self) {
            assert!(std::time::Instant::now() < deadline, "never: {:?}", self.delivery);
            tokio::select! {
                () = self.server.changed.notified() => {}
                // Lets paused time go on.
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }

    fn numbers(&self) -> Vec<i64> {
        self.server.got.lock().unwrap().iter().map(number).collect()
    }

    fn next(&self, steps: impl IntoIterator<Item = Step>) {
        self.server.steps.lock().unwrap().extend(steps);
    }

    async fn arrived(&self, count: i64) {
        self.until(|run| run.numbers().last() == Some(&count) && run.delivery.backlog() == 0).await;
        let numbers = self.numbers();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    }

    async fn end(mut self) {
        self.stop.cancel();
        (&mut self.runner).await.unwrap();
        assert_eq!(self.delivery.status.state(), State::Stopped);
        let keeper = self.keeper.take().unwrap();
        tokio::task::spawn_blocking(|| keeper.stop()).await.unwrap();
    }
}

fn number(record: &Record) -> i64 {
    match record.batch.readings[0].value {
        Value::Number(value) => value.to_f64() as i64,
        Value::Text(_) => 0,
    }
}

fn unavailable() -> Step {
    Step::Fails(PublishError::unavailable("unreachable"))
}

#[tokio::test(start_paused = true)]
async fn a_publisher_whose_work_ended_by_a_panic_says_so_and_begins_again() {
    let mut run = Run::plain();
    run.send(0, 3);
    run.arrived(3).await;
    run.server.bug.store(true, Relaxed);
    run.send(0, 2);
    run.until(|run| run.delivery.status.state() == State::Waiting).await;
    assert_eq!(run.delivery.status.last_error().unwrap().message, "panicked: a bug in batching");
    assert_eq!(run.delivery.status.panics.get(), 1);
    run.arrived(5).await;
    assert_eq!((run.server.opened.get(), run.delivery.status.state()), (2, State::Delivering));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn records_arrive_in_order_with_their_time_and_units() {
    let mut run = Run::plain();
    run.send(0, 3);
    run.arrived(3).await;
    run.send(1, 2);
    run.arrived(5).await;
    let got = run.server.got.lock().unwrap().clone();
    assert_eq!(
        got.iter().map(|record| &*record.section).collect::<Vec<_>>(),
        ["meter", "meter", "meter", "pulses", "pulses"]
    );
    assert_eq!(got[4].batch.get("POWER").unwrap().unit.as_deref(), Some("W"));
    assert!(got.windows(2).all(|pair| pair[0].batch.taken_at <= pair[1].batch.taken_at));
    assert_eq!((run.delivery.records.get(), run.delivery.status.state()), (5, State::Delivering));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn records_that_failed_are_retried_in_order() {
    let mut run = Run::plain();
    run.next([unavailable(), Step::Accepts(2), unavailable(), Step::Accepts(0), Step::Accepts(1)]);
    run.send(0, 10);
    run.until(|run| run.server.attempts.get() > 0).await;
    run.send(1, 5);
    run.arrived(15).await;
    assert_eq!(run.delivery.failures.get(), 3);
    assert_eq!(run.delivery.status.last_error().unwrap().message, "the server accepted no records");
    assert_eq!(run.delivery.oldest(), None);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_may_ask_for_a_pause_of_at_most_ten_minutes() {
    let mut run = Run::plain();
    let retry_after = |seconds| PublishError::Unavailable {
        reason: "too many".to_owned(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    run.next([Step::Fails(retry_after(100)), Step::Fails(retry_after(999_999_999))]);
    run.send(0, 1);
    let start = Instant::now();
    run.arrived(1).await;
    let waited = start.elapsed().as_secs();
    assert!((700..720).contains(&waited), "{waited}");
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_refused_record_is_found_and_skipped() {
    let mut run = Run::plain();
    run.server.refuses.lock().unwrap().extend([1, 37, 38, 200]);
    run.send(0, 200);
    run.until(|run| run.delivery.refused.get() == 4 && run.delivery.backlog() == 0).await;
    let wanted: Vec<_> = (1..=200).filter(|n| ![1, 37, 38, 200].contains(n)).collect();
    assert_eq!(run.numbers(), wanted);
    assert!(run.server.attempts.get() < 80, "{} attempts", run.server.attempts.get());
    assert!(
        run.delivery
            .status
            .last_error()
            .unwrap()
            .message
            .starts_with("no such unit: the readings of `meter`")
    );
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everything_is_misconfigured_and_nothing_is_skipped() {
    // One that has accepted something before, and one that never has.
    for accepted in [0, 10] {
        let mut run = Run::plain();
        run.send(0, accepted);
        run.until(|run| run.numbers().len() == accepted as usize).await;
        run.server.refuses.lock().unwrap().extend(1..=5000);
        let before = run.server.attempts.get();
        run.send(0, 2000);
        let message =
            "no such unit; it accepts no record at all, so none is skipped; check `url` and the server";
        let said = |run: &Run| run.delivery.status.last_error().is_some_and(|error| error.message == message);
        run.until(said).await;
        // It is tried again, but not all the time.
        tokio::time::sleep(Duration::from_secs(600)).await;
        let attempts = run.server.attempts.get() - before;
        assert!((20..200).contains(&attempts), "{attempts} attempts");
        assert_eq!((run.delivery.refused.get(), run.delivery.backlog()), (0, 2000));
        assert_eq!(run.delivery.status.state(), State::Waiting);
        // All of it goes out as soon as one record is accepted.
        run.server.refuses.lock().unwrap().clear();
        run.until(|run| run.numbers().len() as i64 > accepted).await;
        let start = Instant::now();
        run.arrived(accepted + 2000).await;
        assert!(start.elapsed() < Duration::from_secs(5));
        run.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_refused_records_do_not_block_others_that_the_server_accepts() {
    let mut run = Run::plain();
    run.server.refuses.lock().unwrap().extend(1..=900);
    run.send(0, 910);
    run.until(|run| run.delivery.refused.get() == 900 && run.delivery.backlog() == 0).await;
    let mut numbers = run.numbers();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (901..=910).collect::<Vec<_>>());
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_the_server_accepts_others_sends_no_record_twice() {
    let mut run = Run::plain();
    run.send(0, 3);
    run.arrived(3).await;
    // Refused ones that come alone, and several at once with others after them.
    for (refused, count) in [(&[4][..], 1), (&[5, 6, 7, 9], 6), (&[11], 3)] {
        run.server.refuses.lock().unwrap().extend(refused);
        run.send(0, count);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    run.send(0, 3);
    run.until(|run| run.delivery.records.get() == 10 && run.delivery.backlog() == 0).await;
    assert_eq!(run.delivery.refused.get(), 6);
    let mut numbers = run.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 8, 10, 12, 13, 14, 15, 16], "{:?}", run.numbers());
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_after_which_none_comes_is_skipped_in_the_end() {
    let mut run = Run::plain();
    run.send(0, 1);
    run.arrived(1).await;
    run.server.refuses.lock().unwrap().push(2);
    run.send(0, 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((run.delivery.refused.get(), run.numbers()), (0, vec![1]));
    let message = "no such unit; the next record will show whether it accepts others";
    assert_eq!(run.delivery.status.last_error().unwrap().message, message);
    run.until(|run| run.delivery.refused.get() == 1 && run.delivery.backlog() == 0).await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_waits_until_the_server_accepts_another() {
    let mut run = Run::plain();
    run.server.refuses.lock().unwrap().push(1);
    run.send(0, 1);
    run.until(|run| run.delivery.status.state() == State::Waiting).await;
    assert_eq!((run.delivery.refused.get(), run.delivery.backlog()), (0, 1));
    run.send(0, 1);
    run.until(|run| run.numbers() == [2] && run.delivery.backlog() == 0).await;
    assert_eq!(run.delivery.refused.get(), 1);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_panics_or_hangs_is_retried() {
    let mut run = Run::plain();
    run.next([Step::Panics, Step::Hangs, Step::Hangs]);
    run.send(0, 4);
    run.arrived(4).await;
    assert_eq!(
        (run.delivery.status.panics.get(), run.server.opened.get(), run.delivery.failures.get()),
        (1, 2, 3)
    );
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn records_wait_for_each_other_no_longer_than_linger() {
    let mut run = Run::new(Route::default(), Batching { records: 1000, linger: Duration::from_secs(5) });
    run.send(0, 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    run.send(0, 2);
    assert_eq!(run.server.attempts.get(), 0);
    let start = Instant::now();
    run.arrived(3).await;
    assert!(start.elapsed() <= Duration::from_secs(2));
    assert_eq!(run.server.attempts.get(), 1);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_records_per_second_than_max_rate() {
    let mut run = Run::new(Route { max_rate: 10, ..Route::default() }, Batching::default());
    let start = Instant::now();
    run.send(0, 100);
    run.arrived(100).await;
    let seconds = start.elapsed().as_secs();
    assert!((9..12).contains(&seconds), "{seconds}");
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_selected_readings_are_delivered() {
    let pattern = wildmatch::WildMatch::new;
    let route = Route {
        sources: vec![pattern("p*s")],
        series: vec![pattern("POWER"), pattern("x?")],
        ..Route::default()
    };
    let mut run = Run::new(route, Batching::default());
    run.send(0, 3);
    run.send(1, 2);
    run.until(|run| run.numbers() == [8, 10] && run.delivery.backlog() == 0).await;
    assert!(run.server.got.lock().unwrap().iter().all(|record| record.batch.readings.len() == 1));
    // Unwanted batches do not stay in the backlog.
    run.send(0, 3);
    run.until(|run| run.delivery.backlog() == 0).await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_does_not_delay_the_end() {
    let mut run = Run::plain();
    run.next([Step::Hangs]);
    run.send(0, 1);
    run.until(|run| run.server.attempts.get() == 1).await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn records_older_than_max_backlog_age_are_dropped() {
    let mut run = Run::plain();
    run.stop.cancel();
    (&mut run.runner).await.unwrap();
    run.send(0, 3);
    let route = Route { max_backlog_age: Duration::from_secs(3600), ..Route::default() };
    let mut feed = feed::Feed::new(run.journal.queue(NAME), Arc::new(route), Arc::clone(&run.delivery));
    let now = Timestamp::now();
    feed.fill(2, now, now.as_microsecond()).await.unwrap();
    assert_eq!(feed.waiting().iter().map(number).collect::<Vec<_>>(), [1, 2]);
    // This drops records that wait, and those that are read later.
    feed.fill(2, now, now.as_microsecond() + 3_660_000_000).await.unwrap();
    assert!(feed.waiting().is_empty());
    assert_eq!(run.delivery.expired.get(), 3);
    feed.report();
    assert_eq!(run.delivery.backlog(), 0);
}
