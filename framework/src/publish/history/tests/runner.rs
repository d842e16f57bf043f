//! Updates, retries and requests of one publisher of history, with a scripted server.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, advance, sleep},
};
use tokio_util::sync::CancellationToken;

use super::super::{
    Figures, HOUR, HistoryRunner, Hours, Progress, RepublishError, Republisher, Scope, Update,
};
use crate::{
    Batch, Config, Costs, Counter, Decimal, HistoryPublisher, Labels, PublishError, Reading, Route, Stats,
    Store, Tariffs, Timestamp,
    journal::{ClockReading, ClockSource, Journal, Keeper, Settings},
    labels::Label,
    publish::Delivery,
    scheduler::keep_running,
    store::{Section, State},
};

const S: i64 = 1_000_000;
/// Start of the hour in which the first reading comes.
const START: i64 = 1_790_002_800;

/// Reaction of the server to one update.
enum Step {
    Fails(PublishError),
    Panics,
    /// It works for so long, and reports its progress in this interval.
    Works(Duration, Duration),
}

/// Scripted server, and a record of the updates.
#[derive(Default)]
struct Server {
    /// What each update was for, and the starts of the hours that were sent, counted from the first reading.
    updates: Mutex<Vec<(Scope, Vec<i64>)>>,
    steps: Mutex<VecDeque<Step>>,
    opened: Counter,
    closed: Counter,
    dropped: Counter,
    gone: Notify,
}

struct Fake(Arc<Server>);

/// Counts an update that was not finished.
struct Unfinished<'a>(&'a Counter);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.increment();
    }
}

#[crate::async_trait]
impl HistoryPublisher for Fake {
    async fn open(&mut self) -> Result<(), PublishError> {
        self.0.opened.increment();
        Ok(())
    }

    async fn update(&mut self, update: &Update) -> Result<(), PublishError> {
        let step = self.0.steps.lock().unwrap().pop_front();
        match step {
            None => {}
            Some(Step::Fails(error)) => return Err(error),
            Some(Step::Panics) => panic!("a bug in update"),
            Some(Step::Works(long, interval)) => {
                let unfinished = Unfinished(&self.0.dropped);
                let (start, mut done) = (Instant::now(), 0);
                while start.elapsed() < long {
                    sleep(interval).await;
                    done += 1;
                    update.progress(done, 1000);
                }
                std::mem::forget(unfinished);
            }
        }
        let mut sent = Vec::new();
        for series in &update.series {
            let mut rows = update.hours.rows(series, update.wanted(series));
            loop {
                let hours = rows.next().await?;
                if hours.is_empty() {
                    break;
                }
                update.delivered(hours.len() as u64);
                sent.extend(hours.iter().map(|hour| (hour.start - START) / HOUR));
            }
        }
        update.progress(sent.len() as u64, sent.len() as u64);
        self.0.updates.lock().unwrap().push((update.scope, sent));
        Ok(())
    }

    async fn lost(&mut self) -> PublishError {
        self.0.gone.notified().await;
        PublishError::unavailable("the server has gone")
    }

    async fn close(&mut self) {
        self.0.closed.increment();
    }
}

/// Clock of the journal, which the test sets.
#[derive(Default)]
struct Clock {
    boot: AtomicI64,
    offset: AtomicI64,
    is_set: AtomicBool,
}

impl Clock {
    fn wall(&self) -> i64 {
        START * S + self.boot.load(Relaxed) + self.offset.load(Relaxed)
    }

    fn source(self: &Arc<Self>) -> ClockSource {
        let clock = Arc::clone(self);
        ClockSource::with("boot", move || ClockReading {
            boottime: clock.boot.load(Relaxed),
            wall: clock.wall(),
            synchronized: clock.is_set.load(Relaxed).then(|| clock.wall() - S),
        })
    }
}

/// Running publisher of history, on a real journal.
struct Run {
    server: Arc<Server>,
    clock: Arc<Clock>,
    journal: Journal,
    keeper: Option<Keeper>,
    costs: Arc<Costs>,
    store: Arc<Store>,
    delivery: Arc<Delivery>,
    republisher: Republisher,
    runner: JoinHandle<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let mut run = Self::closed();
        run.keeper.as_mut().unwrap().open();
        run
    }

    /// Its first hour is complete.
    fn filled() -> Self {
        let run = Self::new();
        run.read(10);
        run.read(60);
        run
    }

    /// The journal is not open yet.
    fn closed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::<Clock>::default();
        let settings = Settings { clock: clock.source(), ..Settings::new(folder.path().join("journal.db")) };
        let (journal, keeper) = Journal::new(settings);
        let costs = Arc::new(Costs::new(journal.clone(), Arc::default()));
        let section = Section::new("meter", "test", Duration::from_secs(30), Stats::default());
        let store = Store::new([section]);
        let delivery = Arc::new(Delivery::new("home", "fake", Stats::default()).of_history());
        let server = Arc::<Server>::default();
        let hours = Hours::new(
            Arc::clone(&costs),
            Arc::clone(&store),
            Arc::new(Route::default()),
            Arc::clone(&delivery),
        );
        let (runner, republisher) = HistoryRunner::new(Box::new(Fake(Arc::clone(&server))), hours);
        let stop = CancellationToken::new();
        let runner = tokio::spawn(keep_running(runner, stop.clone()));
        let keeper = Some(keeper);
        Self {
            server,
            clock,
            journal,
            keeper,
            costs,
            store,
            delivery,
            republisher,
            runner,
            stop,
            _folder: folder,
        }
    }

    /// Records a reading after so many minutes, as a source's supervisor does.
    fn read(&self, minutes: i64) {
        self.clock.boot.fetch_add(minutes * 60 * S, Relaxed);
        let count = Decimal::from(self.clock.boot.load(Relaxed) / (60 * S));
        let taken_at = Timestamp::from_microsecond(self.clock.wall()).unwrap();
        let batch = Batch { taken_at, readings: vec![Reading::number("IMPORT", count).unit("kWh")] };
        let section = self.store.section("meter").unwrap();
        self.journal.record(&section.name, &batch);
        self.store.publish(&section, batch);
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !wanted(self) {
            assert!(std::time::Instant::now() < deadline, "{what}: {:?}", self.server.updates);
            // Lets paused time go on.
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for the update of this number, and returns it.
    async fn update(&self, number: usize) -> (Scope, Vec<i64>) {
        self.until("an update", |run| run.server.updates.lock().unwrap().len() >= number).await;
        let updates = self.server.updates.lock().unwrap();
        assert_eq!(updates.len(), number, "{updates:?}");
        updates[number - 1].clone()
    }

    fn next(&self, step: Step) {
        self.server.steps.lock().unwrap().push_back(step);
    }

    async fn end(self) {
        self.stop.cancel();
        self.runner.await.unwrap();
        assert_eq!(self.delivery.status.state(), State::Stopped);
        assert_eq!(self.server.opened.get(), self.server.closed.get(), "each connection is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_compared_at_the_start_and_then_each_hour_is_sent_once_it_is_complete() {
    let run = Run::new();
    for _ in 0..20 {
        run.read(10);
    }
    assert_eq!(run.update(1).await, (Scope::Compare, vec![0, 1, 2]));
    let delivered = run.delivery.delivered_to().unwrap().unwrap();
    assert_eq!(delivered.as_second(), START + 3 * HOUR);
    assert_eq!((run.delivery.status.state(), run.delivery.records.get()), (State::Delivering, 3));
    // Within the hour there is nothing to do.
    run.read(10);
    sleep(Duration::from_secs(300)).await;
    run.read(29);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(run.server.updates.lock().unwrap().len(), 1);
    run.read(2);
    assert_eq!(run.update(2).await, (Scope::New, vec![3]));
    // An outage of the meter is filled in.
    run.read(3 * 60);
    assert_eq!(run.update(3).await, (Scope::New, vec![4, 5, 6]));
    assert_eq!((run.server.opened.get(), run.delivery.failures.get()), (1, 0));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_back_is_compared_with_the_journal_and_gets_what_was_counted_meanwhile() {
    let run = Run::filled();
    assert_eq!(run.update(1).await, (Scope::Compare, vec![0]));
    // It is gone, and stays away for a week.
    for _ in 0..1000 {
        run.next(Step::Fails(PublishError::unavailable("unreachable")));
    }
    run.server.gone.notify_one();
    run.until("a fault", |run| run.delivery.status.state() == State::Waiting).await;
    assert_eq!(run.delivery.status.last_error().unwrap().message, "the server has gone");
    run.read(7 * 24 * 60);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(run.delivery.status.last_error().unwrap().message, "unreachable");
    let attempts = run.delivery.failures.get();
    assert!((600..900).contains(&attempts), "{attempts} attempts of an hour, with pauses of up to 5 s");
    run.server.steps.lock().unwrap().clear();
    let (scope, sent) = run.update(2).await;
    assert_eq!((scope, sent), (Scope::Compare, (0..169).collect()));
    assert_eq!(run.delivery.status.state(), State::Delivering);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_compared_again_after_a_day_another_price_another_name_and_a_corrected_clock() {
    let run = Run::filled();
    assert_eq!(run.update(1).await.0, Scope::Compare);
    advance(Duration::from_secs(86_400)).await;
    assert_eq!(run.update(2).await.0, Scope::Compare);
    let text = "[sources.meter]\nplugin = \"greedy\"\n\
                [[tariffs]]\nsource = \"meter\"\nfrom = \"2020-01-01\"\nwork_price = 0.25\n";
    let priced = Config::parse("config.toml", text, &[]).unwrap().tariffs;
    run.costs.replace(priced);
    assert_eq!(run.update(3).await, (Scope::Compare, vec![0, 0]), "the counter and its cost");
    run.costs.replace(Arc::<Tariffs>::default());
    assert_eq!(run.update(4).await, (Scope::Compare, vec![0]));
    let label = Label { label: Some("House".into()), role: None };
    run.store.section("meter").unwrap().relabel(Labels::of_source(label.label, None));
    assert_eq!(run.update(5).await.0, Scope::Compare);
    // The clock was an hour slow.
    run.clock.offset.fetch_add(HOUR * S, Relaxed);
    run.clock.is_set.store(true, Relaxed);
    run.read(1);
    assert_eq!(run.update(6).await, (Scope::Compare, vec![1]), "the hours are other ones now");
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_not_open_yet_is_not_taken_for_one_that_begins_today() {
    let mut run = Run::closed();
    run.read(10);
    run.read(60);
    run.until("a fault", |run| run.delivery.failures.get() > 1).await;
    let error = run.delivery.status.last_error().unwrap();
    assert_eq!(error.message, "could not read the journal: its database is not open");
    assert_eq!(error.code, crate::FaultCode::Unreadable);
    assert_eq!(run.server.opened.get(), 0);
    run.keeper.as_mut().unwrap().open();
    assert_eq!(run.update(1).await, (Scope::Compare, vec![0]));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_decides_when_the_next_attempt_is_and_a_panic_stops_nothing() {
    let run = Run::filled();
    let retry_after = Some(Duration::from_secs(100));
    for (step, pause) in [
        (Step::Fails(PublishError::Unavailable { reason: "busy".into(), retry_after }), 100),
        (Step::Fails(PublishError::misconfigured("the token is wrong")), 60),
        (Step::Fails(PublishError::refused("no such unit")), 60),
        (Step::Panics, 60),
    ] {
        let (updates, start) = (run.server.updates.lock().unwrap().len(), Instant::now());
        run.next(step);
        run.server.gone.notify_one();
        let fails = |run: &Run| run.delivery.status.state() == State::Waiting;
        run.until("a fault", fails).await;
        run.until("an update", |run| run.server.updates.lock().unwrap().len() > updates && !fails(run)).await;
        let waited = start.elapsed().as_secs();
        assert!((pause..pause + 40).contains(&waited), "{waited} s in place of {pause}");
    }
    assert_eq!(run.delivery.status.panics.get(), 1);
    let message = run.delivery.status.last_error().unwrap().message.clone();
    assert_eq!(message, "panicked, which is a bug of its plugin: a bug in update");
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_update_may_take_as_long_as_it_goes_on_and_one_that_hangs_is_cancelled() {
    let run = Run::filled();
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    run.next(Step::Works(hour, minute));
    assert_eq!(run.update(1).await.0, Scope::Compare);
    assert_eq!((run.delivery.failures.get(), run.server.dropped.get()), (0, 0));
    run.next(Step::Works(hour, hour));
    run.server.gone.notify_one();
    run.until("an end", |run| run.server.dropped.get() == 1).await;
    run.until("a fault", |run| run.delivery.failures.get() == 2).await;
    assert_eq!(run.delivery.status.last_error().unwrap().message, "no progress within 120s");
    run.update(2).await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn hours_are_sent_again_when_a_person_asks_for_them() {
    let run = Run::new();
    for _ in 0..20 {
        run.read(30);
    }
    run.update(1).await;
    let mut republication = run.republisher.republish(START + 2 * HOUR..START + 5 * HOUR).unwrap();
    assert_eq!(republication.progress().await, Ok(Some(Progress { done: 3, of: 3 })));
    assert_eq!(republication.progress().await, Ok(None));
    let again = Scope::Again { from: START + 2 * HOUR, to: START + 5 * HOUR };
    assert_eq!(run.update(2).await, (again, vec![2, 3, 4]));
    let mut everything = run.republisher.republish(i64::MIN..i64::MAX).unwrap();
    while everything.progress().await.unwrap().is_some() {}
    assert_eq!(run.update(3).await.1, (0..9).collect::<Vec<_>>());
    // The next hour comes as ever.
    run.read(61);
    assert_eq!(run.update(4).await, (Scope::New, vec![9, 10]));
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_hears_at_once_why_hours_could_not_be_sent_again() {
    let run = Run::filled();
    run.update(1).await;
    run.next(Step::Fails(PublishError::misconfigured("the token is wrong: make another")));
    let mut republication = run.republisher.republish(0..i64::MAX).unwrap();
    let reason = "the token is wrong: make another".to_owned();
    assert_eq!(republication.progress().await, Err(RepublishError::Failed(reason)));
    assert_eq!(run.delivery.status.state(), State::Waiting);
    assert_eq!(run.update(2).await.0, Scope::Compare, "what was sent of it may be half of it");
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_who_goes_away_cancels_the_rest_and_everything_is_compared() {
    let run = Run::filled();
    run.update(1).await;
    run.next(Step::Works(Duration::from_secs(3600), Duration::from_secs(1)));
    let mut republication = run.republisher.republish(0..i64::MAX).unwrap();
    assert_eq!(republication.progress().await, Ok(Some(Progress { done: 1, of: 1000 })));
    // Others wait meanwhile, as many as there is room for.
    let waiting: Vec<_> = (0..4).map(|_| run.republisher.republish(0..1).unwrap()).collect();
    let refused = run.republisher.republish(0..1).unwrap_err();
    assert!(matches!(refused, RepublishError::Busy(_)), "{refused}");
    drop((republication, waiting));
    run.until("an end", |run| run.server.dropped.get() == 1).await;
    run.until("a comparison", |run| run.server.updates.lock().unwrap().last().unwrap().0 == Scope::Compare)
        .await;
    assert_eq!((run.delivery.failures.get(), run.delivery.status.state()), (0, State::Delivering));
    run.end().await;
}

#[test]
fn figures_of_an_hour_take_little_memory() {
    assert!(size_of::<Figures>() <= 64, "{}", size_of::<Figures>());
}
