//! Effects of a wrong or corrected clock on waiting records.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::*;
use crate::journal::{ClockReading, ClockSource, Keeper};

const S: i64 = 1_000_000;

/// Scripted clock: boot time, wall minus boot time, time of the last synchronization.
struct Clock {
    boot: AtomicI64,
    offset: AtomicI64,
    synced: AtomicI64,
}

impl Clock {
    fn new(synced: bool) -> Arc<Self> {
        let wall = 1_790_000_000 * S;
        let boot = 100 * S;
        let synced = if synced { wall - S } else { 0 };
        Arc::new(Self { boot: boot.into(), offset: (wall - boot).into(), synced: synced.into() })
    }
    fn source(self: &Arc<Self>) -> ClockSource {
        let clock = Arc::clone(self);
        ClockSource::with("boot", move || {
            let synced = clock.synced.load(Relaxed);
            ClockReading {
                boottime: clock.boot.load(Relaxed),
                wall: clock.wall(),
                synchronized: (synced > 0).then_some(synced),
            }
        })
    }
    fn wall(&self) -> i64 {
        self.boot.load(Relaxed) + self.offset.load(Relaxed)
    }
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.wall()).unwrap()
    }
    fn record(&self, journal: &Journal, section: &str, n: i64) {
        self.boot.fetch_add(S, Relaxed);
        let readings = vec![Reading::number("n", Decimal::from(n))];
        journal.record(&section.into(), &Batch { taken_at: self.now(), readings });
    }
}

fn journal(clock: &Arc<Clock>, folder: &tempfile::TempDir) -> (Journal, Keeper) {
    let settings = Settings {
        publishers: vec![NAME.into()],
        clock: clock.source(),
        ..Settings::new(folder.path().join("journal.db"))
    };
    let (journal, mut keeper) = Journal::new(settings);
    keeper.open();
    (journal, keeper)
}

fn feed(journal: &Journal, route: Route) -> (feed::Feed, Arc<Delivery>) {
    let delivery = Arc::new(Delivery::new(NAME, "fake", Stats::default()));
    (feed::Feed::new(journal.queue(NAME), Arc::new(route), Arc::clone(&delivery)), delivery)
}

/// Fills the feed as the runner does.
async fn fill(feed: &mut feed::Feed, wanted: usize, clock: &Arc<Clock>) -> std::io::Result<()> {
    let over = feed.past();
    feed.fill(wanted, clock.now(), over).await
}

#[tokio::test]
async fn waiting_records_are_re_timestamped_when_the_clock_is_set() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(false));
    let (journal, _keeper) = journal(&clock, &folder);
    let (mut feed, _) = feed(&journal, Route::default());
    for n in 1..=3 {
        clock.record(&journal, "meter", n);
    }
    fill(&mut feed, 1000, &clock).await.unwrap();
    // NTP sets it a day later.
    clock.offset.fetch_add(86_400 * S, Relaxed);
    clock.synced.store(clock.wall(), Relaxed);
    clock.record(&journal, "meter", 4);
    fill(&mut feed, 1000, &clock).await.unwrap();
    let ages: Vec<_> =
        feed.waiting().iter().map(|r| clock.now().as_second() - r.batch.taken_at.as_second()).collect();
    let mut queue = journal.queue(NAME);
    let right: Vec<_> = queue
        .read(10)
        .unwrap()
        .iter()
        .map(|q| clock.now().as_second() - q.record.batch.taken_at.as_second())
        .collect();
    assert_eq!(ages, right);
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_moment_expires_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    let (journal, _keeper) = journal(&clock, &folder);
    let (mut feed, delivery) = feed(&journal, Route::default());
    for n in 1..=3 {
        clock.record(&journal, "meter", n);
    }
    clock.offset.fetch_add(40 * 86_400 * S, Relaxed);
    clock.record(&journal, "meter", 4);
    fill(&mut feed, 1000, &clock).await.unwrap();
    clock.offset.fetch_sub(40 * 86_400 * S, Relaxed);
    clock.record(&journal, "meter", 5);
    fill(&mut feed, 1000, &clock).await.unwrap();
    assert_eq!(feed.waiting().iter().map(number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(delivery.expired.get(), 0);
}

#[tokio::test]
async fn a_wrong_clock_at_the_start_expires_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    let (first, mut keeper) = journal(&clock, &folder);
    first.queue(NAME).read(1).unwrap();
    for n in 1..=3 {
        clock.record(&first, "meter", n);
    }
    keeper.sync();
    drop((first, keeper));
    // Another boot; the hardware clock is in local time, two hours ahead, nobody has synchronized it yet.
    let clock2 = Clock::new(false);
    clock2.offset.fetch_add(7200 * S, Relaxed);
    let c3 = Arc::clone(&clock2);
    let source = ClockSource::with("boot2", move || ClockReading {
        boottime: c3.boot.load(Relaxed),
        wall: c3.wall(),
        synchronized: None,
    });
    let settings = Settings {
        publishers: vec![NAME.into()],
        clock: source,
        ..Settings::new(folder.path().join("journal.db"))
    };
    let (second, mut keeper) = Journal::new(settings);
    keeper.open();
    let route = Route { max_backlog_age: Duration::from_secs(3600), ..Route::default() };
    let (mut feed, delivery) = feed(&second, route);
    fill(&mut feed, 1000, &clock2).await.unwrap();
    assert!(feed.is_settled());
    assert_eq!((delivery.expired.get(), feed.waiting().len()), (0, 3));
}

#[tokio::test]
async fn setting_the_clock_expires_nothing() {
    for next in [false, true] {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(false));
        let (journal, _keeper) = journal(&clock, &folder);
        let (mut feed, delivery) = feed(&journal, Route::default());
        for n in 1..=3 {
            clock.record(&journal, "meter", n);
        }
        fill(&mut feed, 1000, &clock).await.unwrap();
        clock.offset.fetch_add(60 * 86_400 * S, Relaxed);
        clock.synced.store(clock.wall(), Relaxed);
        if next {
            clock.record(&journal, "meter", 4);
        }
        fill(&mut feed, 1000, &clock).await.unwrap();
        assert_eq!((delivery.expired.get(), feed.waiting().len()), (0, if next { 4 } else { 3 }), "{next}");
        assert!(feed.waiting().iter().all(|r| clock.now().as_second() - r.batch.taken_at.as_second() < 10));
    }
}

#[test]
fn a_wrong_clock_does_not_prune() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    {
        let (journal, mut keeper) = journal(&clock, &folder);
        for n in 1..=3 {
            clock.record(&journal, "meter", n);
        }
        keeper.sync();
        keeper.checkpoint();
    }
    let raw = || {
        let c = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
        c.query_row("SELECT count(*) FROM raw", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(raw(), 1);
    let clock2 = Clock::new(false);
    clock2.offset.fetch_add(5 * 365 * 86_400 * S, Relaxed);
    let c3 = Arc::clone(&clock2);
    let source = ClockSource::with("boot2", move || ClockReading {
        boottime: c3.boot.load(Relaxed),
        wall: c3.wall(),
        synchronized: None,
    });
    let (_journal, mut keeper) =
        Journal::new(Settings { clock: source, ..Settings::new(folder.path().join("journal.db")) });
    keeper.open();
    keeper.prune();
    assert_eq!(raw(), 1);
}

#[tokio::test]
async fn a_register_of_last_month_is_delivered() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    let (journal, _keeper) = journal(&clock, &folder);
    let (mut feed, delivery) = feed(&journal, Route::default());
    let mut peak = Reading::number("peak", Decimal::from(7));
    let own = clock.now() - Duration::from_secs(35 * 86_400);
    peak.time = Some(crate::DeviceTime { utc: Some(own), sent: "x".into() });
    let readings = vec![Reading::number("n", Decimal::from(1)), peak];
    journal.record(&"meter".into(), &Batch { taken_at: clock.now(), readings });
    fill(&mut feed, 1000, &clock).await.unwrap();
    assert_eq!((delivery.expired.get(), feed.waiting().len()), (0, 2));
}

#[tokio::test]
async fn an_unreadable_segment_is_skipped() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    let path = folder.path().to_owned();
    {
        let (journal, mut keeper) = journal(&clock, &folder);
        for n in 1..=3 {
            clock.record(&journal, "meter", n);
        }
        keeper.sync();
        keeper.checkpoint();
        for n in 4..=6 {
            clock.record(&journal, "meter", n);
        }
        keeper.sync();
        keeper.checkpoint();
    }
    let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let mut tails: Vec<_> = files.filter(|file| file.to_string_lossy().contains("-tail.")).collect();
    tails.sort();
    // A folder cannot be read, like a bad block of a memory card.
    std::fs::remove_file(&tails[0]).unwrap();
    std::fs::create_dir(&tails[0]).unwrap();
    let (journal, _keeper) = journal(&clock, &folder);
    clock.record(&journal, "meter", 7);
    let (mut feed, _) = feed(&journal, Route::default());
    let mut failures = 0;
    while fill(&mut feed, 1000, &clock).await.is_err() {
        failures += 1;
        assert!(failures < 30, "it is never skipped");
    }
    assert!(failures > 10, "it may have been for a moment only");
    assert_eq!(feed.waiting().iter().map(number).collect::<Vec<_>>(), [4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn waiting_records_are_delivered_when_the_journal_opens_late() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new(true));
    {
        let (journal, mut keeper) = journal(&clock, &folder);
        for n in 1..=3 {
            clock.record(&journal, "meter", n);
        }
        keeper.sync();
    }
    let settings = Settings {
        publishers: vec![NAME.into()],
        clock: clock.source(),
        ..Settings::new(folder.path().join("journal.db"))
    };
    let (journal, mut keeper) = Journal::new(settings);
    let store = Store::new([Section::new("meter", "test", Duration::from_secs(30), Stats::default())]);
    let server = Arc::new(Server::default());
    let delivery = Arc::new(Delivery::new(NAME, "fake", Stats::default()));
    let publisher = Box::new(Fake { server: Arc::clone(&server), batching: Batching::default() });
    let route = Route { max_backlog_age: Duration::from_secs(1_000_000_000), ..Route::default() };
    let cx = PublisherContext { store, commands: Commands::default(), route: Arc::new(route) };
    let runner = Runner::new(publisher, journal.queue(NAME), cx, Arc::clone(&delivery));
    let stop = CancellationToken::new();
    let task = tokio::spawn(keep_running(runner, stop.clone()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    keeper.open();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while server.got.lock().unwrap().len() < 3 || delivery.backlog() > 0 {
        assert!(std::time::Instant::now() < deadline, "{delivery:?}");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_for_two_seconds_does_not_lose_everything() {
    let mut run = Run::new(Route::default(), Batching { records: 1000, linger: Duration::ZERO });
    run.server.refuses.lock().unwrap().extend(1..=100_000);
    let start = Instant::now();
    run.send(0, 100_000);
    run.until(|run| run.delivery.refused.get() > 50_000 || start.elapsed().as_secs() > 2).await;
    assert!(
        run.delivery.refused.get() < 50_000,
        "{} skipped after {:?} with {} attempts",
        run.delivery.refused.get(),
        start.elapsed(),
        run.server.attempts.get()
    );
    run.end().await;
}
