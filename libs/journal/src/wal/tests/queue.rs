//! Delivery to publishers, and removal of segments.

use std::{
    fs,
    path::Path,
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Import, Imported, Journal, Keeper, Labels, Queue, Queued, Settings, lock,
    tests::whole::{Clock, NOON, SECOND, samples, tails},
    wal::{Closed, Entry, Position, frame, segment},
};
use reading::{Decimal, Obis, Reading, Value};

impl Queue {
    /// Returns whether the next read is quick, as everything from the queue's place on is in memory.
    pub(crate) fn is_live(&self) -> bool {
        let log = self.journal.0.as_ref().unwrap().wal.log();
        let Some(place) = self.place.as_ref().filter(|place| place.is_in(log)) else { return false };
        let state = lock(&log.state);
        let is_ahead = |closed: &Closed| {
            Position { segment: closed.number, offset: closed.len() as u64 } > place.stream.at
        };
        state.closed.iter().all(|closed| closed.bytes.is_some() || !is_ahead(closed))
    }
}

pub(crate) fn open(clock: &Clock, folder: &Path, publishers: &[&str]) -> (Journal, Keeper) {
    let publishers = publishers.iter().map(|name| (*name).into()).collect();
    let (journal, mut keeper) = Journal::new(Settings { publishers, ..clock.settings(folder) });
    keeper.open();
    (journal, keeper)
}

pub(crate) fn number(queued: &Queued) -> i64 {
    let value = &queued.record.batch.get("energy").unwrap().value;
    let Value::Number(value) = value else { panic!("{value:?}") };
    value.mantissa_at(0).unwrap()
}

/// The next ones; they stay.
pub(crate) fn read(queue: &mut Queue, most: usize) -> Vec<i64> {
    queue.read(most).unwrap().iter().map(number).collect()
}

/// Reads all that there is, and is done with it.
pub(crate) fn deliver(queue: &mut Queue) -> Vec<i64> {
    let batches = queue.read(usize::MAX).unwrap();
    batches.iter().for_each(|batch| queue.done(batch.end));
    batches.iter().map(number).collect()
}

/// Records these, a second apart.
pub(crate) fn record(clock: &Clock, journal: &Journal, numbers: std::ops::RangeInclusive<i64>) {
    numbers.for_each(|n| clock.record(journal, &n.to_string()));
}

pub(crate) fn newest_file(folder: &Path) -> std::path::PathBuf {
    let database = folder.join("journal.db");
    segment::segment_path(&database, *segment::segment_numbers(&database).unwrap().last().unwrap())
}

#[test]
fn a_batch_comes_at_once_as_it_was() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    assert!(queue.read(10).unwrap().is_empty() && queue.is_live());
    let readings = vec![
        Reading::number("energy", Decimal::parse(b"7.050").unwrap())
            .unit("kWh")
            .obis(Obis::parse(b"1-0:1.8.0*255").unwrap()),
        Reading::text("serial", "x"),
        Reading::number("count", Decimal::from(3)),
    ];
    let batch = clock.batch(readings);
    journal.record(&"meter".into(), &batch);
    let [queued] = &queue.read(10).unwrap()[..] else { panic!("one") };
    let found = &queued.record.batch;
    assert_eq!((&*queued.record.section, found.taken_at), ("meter", batch.taken_at));
    let [energy, count] = &found.readings[..] else { panic!("{found:?}") };
    assert_eq!(energy.value, batch.readings[0].value);
    assert_eq!((energy.unit.as_deref(), energy.obis), (Some("kWh"), Obis::parse(b"1.8.0")));
    assert_eq!((&*count.name, count.unit.as_deref(), count.obis), ("count", None, None));
    assert!(queue.is_live() && queue.is_settled());
}

#[test]
fn all_batches_come_in_order_through_segments_folds_and_starts() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let mut found = Vec::new();
    for run in 0..3 {
        let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
        let mut queue = journal.queue("far");
        for part in 0..3 {
            let first = 1 + 30 * run + 10 * part;
            record(&clock, &journal, first..=first + 9);
            // Always some behind.
            let batches = queue.read(7).unwrap();
            found.extend(batches.iter().map(number));
            queue.done(batches.last().unwrap().end);
            keeper.checkpoint();
        }
        assert_eq!(samples(&journal).len() as i64, 30 * run + 30, "nobody sees a segment twice");
        keeper.sync();
    }
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    assert!(tails(dir.path()) > 3);
    found.extend(deliver(&mut journal.queue("far")));
    assert_eq!(found, (1..=90).collect::<Vec<_>>());
    keeper.checkpoint();
    assert_eq!(tails(dir.path()), 1);
}

#[test]
fn two_publishers_read_while_batches_are_recorded_and_folded() {
    const COUNT: i64 = 3000;
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["near", "far"]);
    let reader = |name: &str, most: usize| {
        let mut queue = journal.queue(name);
        thread::spawn(move || {
            let (mut found, mut done) = ([0, 0], 0);
            let deadline = Instant::now() + Duration::from_secs(60);
            while done < 2 * COUNT && Instant::now() < deadline {
                for batch in queue.read(most).unwrap() {
                    let last = &mut found[usize::from(batch.record.section == "b")];
                    assert_eq!(number(&batch), *last + 1, "of each source in its order");
                    *last += 1;
                    done += 1;
                    queue.done(batch.end);
                }
            }
            assert_eq!((found, queue.backlog()), ([COUNT, COUNT], 0));
        })
    };
    let recorder = |name: &'static str| {
        let (journal, clock) = (journal.clone(), clock.clone());
        thread::spawn(move || {
            for n in 1..=COUNT {
                clock.pass(7);
                let readings = vec![Reading::number("energy", Decimal::from(n))];
                journal.record(&name.into(), &clock.batch(readings));
            }
        })
    };
    let threads = [reader("near", 1), reader("far", 1000), recorder("a"), recorder("b")];
    while threads.iter().any(|thread| !thread.is_finished()) {
        keeper.checkpoint();
        keeper.sync();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(tails(dir.path()) <= 3, "{}", tails(dir.path()));
}

#[test]
fn a_segment_stays_until_the_last_publisher_has_passed_it() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["near", "far"]);
    let (mut near, mut far) = (journal.queue("near"), journal.queue("far"));
    for part in 0..3 {
        record(&clock, &journal, 1 + part * 10..=10 + part * 10);
        keeper.checkpoint();
    }
    assert_eq!(tails(dir.path()), 4);
    assert_eq!(deliver(&mut near).len(), 30);
    assert_eq!(tails(dir.path()), 4);
    let batches = far.read(15).unwrap();
    assert_eq!(tails(dir.path()), 4, "read is not done");
    far.done(batches[8].end);
    assert_eq!(tails(dir.path()), 4);
    far.done(batches[10].end);
    assert_eq!(tails(dir.path()), 3, "all ten of the first, and more");
    far.done(batches[14].end);
    assert_eq!(deliver(&mut far), (16..=30).collect::<Vec<_>>());
    assert_eq!(tails(dir.path()), 1);
    assert_eq!(samples(&journal).len(), 30);
}

#[test]
fn after_an_end_in_order_nothing_comes_twice_and_after_a_kill_five_seconds() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    for n in 1..=33 {
        record(&clock, &journal, n..=n);
        assert_eq!(deliver(&mut queue), [n]);
    }
    drop((journal, keeper, queue));
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    let again = deliver(&mut queue);
    assert!(again.len() < 5 && again.last().is_none_or(|last| *last == 33), "{again:?}");
    record(&clock, &journal, 34..=36);
    assert_eq!(read(&mut queue, 2), [34, 35]);
    keeper.sync();
    record(&clock, &journal, 37..=37);
    queue = journal.queue("far");
    let batches = queue.read(2).unwrap();
    queue.done(batches[1].end);
    keeper.sync();
    drop((journal, keeper, queue));
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    assert_eq!(deliver(&mut journal.queue("far")), [36, 37]);
}

#[test]
fn what_is_not_done_comes_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 1..=5);
    keeper.checkpoint();
    record(&clock, &journal, 6..=10);
    let batches = queue.read(8).unwrap();
    queue.done(batches[2].end);
    let mut queue = journal.queue("far");
    assert_eq!(read(&mut queue, 100), [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(queue.backlog(), 7);
    queue.done(batches[6].end);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 11..=11);
    assert_eq!(read(&mut queue, 100), [8, 9, 10, 11]);
    queue.done(batches[0].end);
    assert_eq!(read(&mut journal.queue("far"), 1), [8], "a cursor does not go back");
}

#[test]
fn a_new_publisher_begins_with_what_comes_and_one_that_is_taken_out_keeps_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    {
        let (journal, mut keeper) = open(&clock, dir.path(), &["old"]);
        record(&clock, &journal, 1..=5);
        keeper.checkpoint();
        record(&clock, &journal, 6..=10);
        keeper.sync();
    }
    {
        let publishers = vec!["old".into(), "new".into()];
        let (journal, mut keeper) = Journal::new(Settings { publishers, ..clock.settings(dir.path()) });
        let (mut old, mut new) = (journal.queue("old"), journal.queue("new"));
        record(&clock, &journal, 11..=12);
        // The database is not open yet.
        assert_eq!(read(&mut old, 100), [11, 12]);
        let early = new.read(100).unwrap();
        keeper.open();
        new.done(early[1].end);
        record(&clock, &journal, 13..=13);
        assert_eq!(deliver(&mut old), (1..=13).collect::<Vec<_>>(), "rather twice than never");
        assert_eq!(deliver(&mut new), [11, 12, 13]);
        record(&clock, &journal, 14..=14);
        keeper.checkpoint();
        keeper.sync();
    }
    assert_eq!(tails(dir.path()), 2);
    {
        let (_journal, mut keeper) = open(&clock, dir.path(), &[]);
        keeper.checkpoint();
        assert_eq!(tails(dir.path()), 1);
    }
    // What there is of what came after its cursor.
    let (journal, _keeper) = open(&clock, dir.path(), &["old"]);
    let mut old = journal.queue("old");
    assert!(deliver(&mut old).is_empty());
    record(&clock, &journal, 15..=15);
    assert_eq!(deliver(&mut old), [15]);
}

#[test]
fn what_waits_gets_its_right_time_when_the_clock_is_set() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::unset());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far", "late"]);
    let mut queue = journal.queue("far");
    assert!(!queue.is_settled(), "the clock was never set");
    record(&clock, &journal, 1..=2);
    keeper.checkpoint();
    assert_eq!(read(&mut queue, 1), [1]);
    record(&clock, &journal, 3..=3);
    clock.pass(SECOND);
    clock.wall_offset.store(NOON + 60 * SECOND - clock.boottime.load(Relaxed), Relaxed);
    clock.synchronized.store(NOON + 60 * SECOND, Relaxed);
    record(&clock, &journal, 4..=4);
    assert!(queue.is_settled());
    let times = |queue: &mut Queue| {
        let batches = queue.read(100).unwrap();
        batches
            .iter()
            .map(|q| (number(q), (q.record.batch.taken_at.as_microsecond() - NOON) / SECOND))
            .collect::<Vec<_>>()
    };
    let all = [(1, 57), (2, 58), (3, 59), (4, 61)];
    assert_eq!(times(&mut queue), all[1..]);
    queue = journal.queue("far");
    assert_eq!(times(&mut queue), all);
    keeper.checkpoint();
    assert_eq!(times(&mut journal.queue("late")), all);
    keeper.sync();
    drop((journal, keeper, queue));
    let (journal, _keeper) = open(&clock, dir.path(), &["far", "late"]);
    assert_eq!(times(&mut journal.queue("late")), all, "from the files, too");
}

#[test]
fn a_clock_that_is_behind_what_is_recorded_is_not_settled() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    record(&clock, &journal, 1..=1);
    keeper.checkpoint();
    drop((journal, keeper));
    let behind = Clock { boot: "other", ..Clock::new() };
    behind.synchronized.store(0, Relaxed);
    behind.wall_offset.fetch_add(-3600 * SECOND, Relaxed);
    let (journal, _keeper) = open(&behind, dir.path(), &["far"]);
    assert!(!journal.queue("far").is_settled());
}

#[test]
fn a_publisher_with_nothing_to_do_writes_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 1..=5);
    assert_eq!(deliver(&mut queue).len(), 5);
    let mut turn = || {
        clock.pass(3600 * SECOND);
        assert!(deliver(&mut queue).is_empty());
        keeper.sync();
        keeper.checkpoint();
    };
    (0..3).for_each(|_| turn());
    let (file, before) = (newest_file(dir.path()), fs::read(newest_file(dir.path())).unwrap());
    (0..50).for_each(|_| turn());
    assert_eq!((newest_file(dir.path()), fs::read(file.clone()).unwrap()), (file, before));
    assert_eq!((tails(dir.path()), queue.backlog()), (1, 0));
}

#[test]
fn the_backlog_is_what_was_recorded_and_is_not_done() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    {
        let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
        record(&clock, &journal, 1..=5);
        keeper.checkpoint();
        record(&clock, &journal, 6..=10);
    }
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 11..=12);
    assert_eq!(queue.backlog(), 2, "of this run");
    let batches = queue.read(4).unwrap();
    assert_eq!(queue.backlog(), 12);
    queue.done(batches[3].end);
    assert_eq!(queue.backlog(), 8);
    queue.done(batches[3].end);
    keeper.checkpoint();
    record(&clock, &journal, 13..=13);
    assert_eq!(queue.backlog(), 9);
    assert_eq!(deliver(&mut queue).len(), 9);
    assert_eq!(queue.backlog(), 0);
}

#[test]
fn an_import_leaves_alone_what_is_to_be_delivered() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    {
        let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
        record(&clock, &journal, 1..=5);
        keeper.checkpoint();
        record(&clock, &journal, 6..=7);
    }
    let mut import = Import::open(&dir.path().join("journal.db")).unwrap();
    let [section, name, unit, obis] = ["meter", "energy", "kWh", ""].map(reading::Text::from);
    let labels = Labels { section, name, unit, obis };
    import.add(Imported { time: NOON - SECOND, labels, value: Decimal::from(0), set_from: None }).unwrap();
    import.finish().unwrap();
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    record(&clock, &journal, 8..=8);
    assert_eq!(deliver(&mut journal.queue("far")), (1..=8).collect::<Vec<_>>());
    assert_eq!(samples(&journal).len(), 9);
}

#[test]
fn a_segment_begins_with_all_cursors() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["near", "far"]);
    record(&clock, &journal, 1..=3);
    let log = journal.0.as_ref().unwrap().wal.log();
    let far = log.cursor("far");
    assert_eq!(read_and_done(&mut journal.queue("near"), 1), [1]);
    record(&clock, &journal, 4..=4);
    assert_eq!(read_and_done(&mut journal.queue("near"), 1), [2]);
    let near = log.cursor("near");
    keeper.checkpoint();
    let mut cursors = Vec::new();
    frame::entries(&fs::read(newest_file(dir.path())).unwrap(), |entry| {
        if let Entry::Cursor { publisher, position } = entry {
            cursors.push((publisher, position));
        }
    });
    assert_eq!(cursors, [("near".into(), near), ("far".into(), far)]);
}

/// Numbers of the next batches, which are done then.
fn read_and_done(queue: &mut Queue, most: usize) -> Vec<i64> {
    let batches = queue.read(most).unwrap();
    queue.done(batches[batches.len() - 1].end);
    batches.iter().map(number).collect()
}
