//! Delivery from damaged files, and from a disk that cannot be written.

use std::fs;

use crate::{
    Journal, Settings,
    tests::whole::{Clock, samples},
    wal::{
        segment,
        tests::queue::{deliver, newest_file, open, read, record},
    },
};

#[test]
fn a_cursor_after_a_torn_end_goes_on_with_the_next_segment() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 1..=5);
    keeper.sync();
    let file = newest_file(dir.path());
    let len = fs::metadata(&file).unwrap().len();
    record(&clock, &journal, 6..=10);
    assert_eq!(deliver(&mut queue).len(), 10);
    keeper.checkpoint();
    keeper.sync();
    drop((journal, keeper, queue));
    fs::File::options().write(true).open(&file).unwrap().set_len(len + 3).unwrap();
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    assert!(deliver(&mut queue).is_empty());
    record(&clock, &journal, 11..=11);
    assert_eq!(deliver(&mut queue), [11]);
}

#[test]
fn damage_costs_the_rest_of_its_segment_and_a_file_that_is_gone_only_itself() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut files = Vec::new();
    for part in 0..4 {
        files.push(newest_file(dir.path()));
        record(&clock, &journal, 1 + part * 10..=10 + part * 10);
        keeper.checkpoint();
    }
    keeper.sync();
    drop((journal, keeper));
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[2]).unwrap();
    let mut bytes = fs::read(&files[1]).unwrap();
    let middle = bytes.len() * 3 / 4;
    bytes[middle] ^= 1;
    fs::write(&files[1], bytes).unwrap();
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    let found = read(&mut queue, 1000);
    let ahead = found.iter().position(|n| *n == 31).unwrap();
    assert!((1..10).contains(&ahead), "{found:?}");
    assert_eq!(found[..ahead], (11..11 + ahead as i64).collect::<Vec<_>>());
    assert_eq!(found[ahead..], (31..=40).collect::<Vec<_>>());
    assert_eq!(queue.backlog(), found.len() as u64);
}

#[test]
fn where_the_database_is_lost_cursors_are_not_and_without_them_all_comes_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    {
        let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
        let mut queue = journal.queue("far");
        record(&clock, &journal, 1..=5);
        assert_eq!(deliver(&mut queue).len(), 5);
        record(&clock, &journal, 6..=8);
        keeper.sync();
    }
    fs::write(dir.path().join("journal.db"), vec![7; 5000]).unwrap();
    {
        let (journal, _keeper) = open(&clock, dir.path(), &["far", "other"]);
        assert_eq!(read(&mut journal.queue("far"), 100), [6, 7, 8]);
        assert_eq!(read(&mut journal.queue("other"), 100).len(), 8);
    }
}

#[test]
fn a_database_that_is_lost_while_it_runs_takes_kept_segments_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    record(&clock, &journal, 1..=5);
    keeper.checkpoint();
    record(&clock, &journal, 6..=8);
    // Another connection's change, so that this one reads its pages again: they are empty.
    let (path, change) = (dir.path().join("journal.db"), "INSERT INTO state VALUES ('x', 1)");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(&format!("{change}; PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
    drop(connection);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x55);
    fs::write(&path, bytes).unwrap();
    keeper.checkpoint();
    keeper.checkpoint();
    assert!(journal.status().unwrap().notice.is_some(), "it was damaged");
    assert_eq!(samples(&journal).len(), 8, "{:?}", samples(&journal));
    assert_eq!(deliver(&mut queue), (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_no_file_takes_is_delivered_from_memory_as_far_as_that_reaches() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let settings =
        Settings { checkpoint_size: 1000, publishers: vec!["far".into()], ..clock.settings(dir.path()) };
    let (journal, mut keeper) = Journal::new(settings);
    keeper.open();
    let mut queue = journal.queue("far");
    assert!(queue.read(1).unwrap().is_empty());
    let path = dir.path().join("journal.db");
    let next = segment::segment_numbers(&path).unwrap()[0] + 1;
    (next..next + 400).for_each(|number| fs::create_dir(segment::segment_path(&path, number)).unwrap());
    for n in 1..=1000 {
        record(&clock, &journal, n..=n);
        if n % 10 == 0 {
            keeper.sync();
            keeper.checkpoint();
        }
    }
    assert_eq!(samples(&journal).len(), 1000, "the database has them");
    let found = deliver(&mut queue);
    assert_eq!(found[..10], (1..=10).collect::<Vec<_>>(), "those of the file");
    let last = found.iter().rev().zip((1..=1000).rev()).take_while(|(a, b)| *a == b).count();
    assert!((100..800).contains(&last) && last + 10 == found.len(), "{} of {}", last, found.len());
    assert!(queue.is_live());
}
