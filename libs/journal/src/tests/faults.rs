//! Disks that take nothing, files that cannot be read, clocks that are wrong: what was recorded is not lost.

use reading::DeviceTime;
use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    thread,
    time::Duration,
};

use rusqlite::Connection;

use crate::{
    Journal, Settings,
    tests::whole::{Clock, NOON, SECOND, samples, tails},
    wal::{Entry, frame, segment},
};
use reading::{Decimal, Reading, Timestamp};

/// A journal whose database takes nothing until the trigger is gone.
fn full(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("journal.db")).unwrap();
    connection
        .execute_batch("CREATE TRIGGER t BEFORE INSERT ON raw BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    connection
}

fn room(connection: &Connection) {
    connection.execute_batch("DROP TRIGGER t").unwrap();
}

/// The next segments cannot be made, as long as this folder has these folders.
fn blocked(folder: &Path, number: u64, yes: bool) {
    for number in number..number + 12 {
        let path = folder.join(format!("journal.db-tail.{number}"));
        if yes { fs::create_dir(path).unwrap() } else { drop(fs::remove_dir(path)) }
    }
}

fn segment(folder: &Path) -> u64 {
    *segment::segment_numbers(&folder.join("journal.db")).unwrap().last().unwrap()
}

fn segment_file(folder: &Path) -> std::path::PathBuf {
    segment::segment_path(&folder.join("journal.db"), segment(folder))
}

#[test]
fn a_full_disk_costs_nothing_that_memory_can_hold() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1");
    keeper.sync();
    let connection = full(dir.path());
    let next = segment(dir.path()) + 1;
    blocked(dir.path(), next, true);
    keeper.checkpoint();
    for n in 2..12 {
        clock.record(&journal, &n.to_string());
        keeper.sync();
        keeper.checkpoint();
    }
    assert!(journal.status().unwrap().problem.is_some());
    room(&connection);
    blocked(dir.path(), next, false);
    keeper.sync();
    keeper.checkpoint();
    assert_eq!(samples(&journal).len(), 11, "{:?}", samples(&journal));
    keeper.sync();
    assert_eq!(journal.status().unwrap().problem, None);
}

/// Puts the full device in the place of the file that a segment is written into on the disk.
fn disk_is_full(folder: &Path, journal: &Journal, is_live: bool) {
    let path = segment_file(folder);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let file = Some(Arc::new(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()));
    journal.0.as_ref().unwrap().wal.log().with_open_file(|on_disk| {
        *(if is_live { &mut on_disk.disk } else { &mut on_disk.file }) = file;
    });
}

#[test]
fn a_full_disk_is_degraded_at_once_and_at_the_end_it_is_said_how_many_batches_are_lost_or_in_memory_only() {
    for in_memory in [false, true] {
        let [dir, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let clock = Clock::new();
        let runtime_dir = in_memory.then(|| runtime.path().to_owned());
        let (journal, mut keeper) = Journal::new(Settings { runtime_dir, ..clock.settings(dir.path()) });
        keeper.open();
        let unsaved = || journal.0.as_ref().unwrap().unsaved();
        for n in 0..10 {
            clock.record(&journal, &n.to_string());
        }
        keeper.sync();
        assert_eq!(unsaved(), (None, None));
        disk_is_full(dir.path(), &journal, in_memory);
        for n in 10..17 {
            clock.record(&journal, &n.to_string());
        }
        if in_memory {
            keeper.sync();
        }
        let problem = journal.status().unwrap().problem.unwrap();
        assert!(problem.starts_with("could not write beside"), "{problem}");
        let (lost, kept) = unsaved();
        if in_memory {
            assert_eq!(lost, None);
            assert!(kept.unwrap().starts_with("17 batches are in the folder in memory only"));
        } else {
            let lost = lost.unwrap();
            assert!(lost.starts_with("7 batches are lost, as"), "{lost}");
            assert!(!lost.contains("retrying"), "nothing is tried any more: {lost}");
        }
        drop((journal, keeper));
        fs::remove_file(segment_file(dir.path())).unwrap(); // the device
        if in_memory {
            let runtime_dir = Some(runtime.path().to_owned());
            let (journal, mut keeper) = Journal::new(Settings { runtime_dir, ..clock.settings(dir.path()) });
            keeper.open();
            assert_eq!(samples(&journal).len(), 17, "the next start has them");
        }
    }
}

#[test]
fn what_waits_for_a_journal_that_is_never_opened_is_counted_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::new();
    fs::write(dir.path().join("file"), "").unwrap();
    let (journal, mut keeper) = clock.journal(&dir.path().join("file/state"));
    (0..5).for_each(|n| clock.record(&journal, &n.to_string()));
    keeper.sync();
    let (lost, _) = journal.0.as_ref().unwrap().unsaved();
    assert!(lost.as_ref().unwrap().starts_with("5 batches are lost, as the journal"), "{lost:?}");
}

#[test]
fn folds_that_fail_make_no_new_segments() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let _connection = full(dir.path());
    for n in 0..50 {
        clock.record(&journal, &n.to_string());
        keeper.sync();
        keeper.checkpoint();
    }
    assert!(tails(dir.path()) <= 2, "{}", tails(dir.path()));
}

#[test]
fn a_segment_that_cannot_be_read_now_is_folded_later() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let settings = Settings { checkpoint_size: 60, ..clock.settings(dir.path()) };
    let (journal, mut keeper) = Journal::new(settings);
    keeper.open();
    let connection = full(dir.path());
    for n in 0..40 {
        clock.record(&journal, &n.to_string());
        keeper.sync();
    }
    // The oldest is in its file only.
    let numbers = segment::segment_numbers(&dir.path().join("journal.db")).unwrap();
    let path = segment::segment_path(&dir.path().join("journal.db"), numbers[0]);
    let away = dir.path().join("away");
    fs::rename(&path, &away).unwrap();
    room(&connection);
    keeper.checkpoint();
    fs::rename(&away, &path).unwrap();
    keeper.checkpoint();
    assert_eq!(samples(&journal).len(), 40, "{:?}", samples(&journal));
}

#[test]
fn a_clock_that_is_ahead_for_a_moment_removes_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1");
    keeper.checkpoint();
    clock.wall_offset.fetch_add(100 * 86_400 * SECOND, Relaxed);
    keeper.prune();
    clock.wall_offset.fetch_add(-100 * 86_400 * SECOND, Relaxed);
    clock.record(&journal, "2");
    assert_eq!(samples(&journal).len(), 2, "{:?}", samples(&journal));
}

/// A second passes, and a gas meter says what it read at a moment by its own clock.
fn gas(clock: &Clock, journal: &Journal, own: i64) {
    clock.pass(SECOND);
    let mut reading = Reading::number("energy", Decimal::parse(b"7.0").unwrap()).unit("m3");
    let utc = Timestamp::from_microsecond(own).ok();
    reading.time = Some(DeviceTime { sent: "".into(), utc });
    journal.record(&"meter".into(), &clock.batch(vec![reading]));
}

#[test]
fn a_reading_with_its_own_time_is_moved_with_what_came_with_it() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::unset());
    let (journal, mut keeper) = clock.journal(dir.path());
    let own = NOON - 1800 * SECOND;
    gas(&clock, &journal, own);
    clock.wall_offset.store(NOON - clock.boottime.load(Relaxed), Relaxed);
    clock.synchronized.store(NOON, Relaxed);
    gas(&clock, &journal, own);
    // Not in the future, and once: it came when the clock was not set.
    assert_eq!(samples(&journal), [(0, "7.0".to_owned())]);
    keeper.checkpoint();
    assert_eq!(samples(&journal), [(0, "7.0".to_owned())]);
}

#[test]
fn a_device_whose_clock_is_ahead_does_not_steer_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::new();
    {
        let (journal, mut keeper) = clock.journal(dir.path());
        gas(&clock, &journal, NOON + 7200 * SECOND);
        keeper.checkpoint();
    }
    let clock = Clock { boot: "other", ..clock };
    clock.synchronized.store(0, Relaxed);
    clock.pass(60 * SECOND);
    let (journal, _keeper) = clock.journal(dir.path());
    gas(&clock, &journal, NOON + 7201 * SECOND);
    assert_eq!(samples(&journal).iter().map(|sample| sample.0).collect::<Vec<_>>(), [1, 62]);
}

#[test]
fn a_wrong_clock_of_before_does_not_keep_the_journal_in_the_future() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    clock.wall_offset.fetch_add(30 * 365 * 86_400 * SECOND, Relaxed);
    {
        let (journal, mut keeper) = clock.journal(dir.path());
        clock.record(&journal, "1");
        keeper.checkpoint();
    }
    let clock = Clock { boot: "other", ..Clock::new() };
    clock.synchronized.store(0, Relaxed);
    let (journal, _keeper) = clock.journal(dir.path());
    clock.record(&journal, "2");
    assert_eq!(samples(&journal), [(1, "2".to_owned())]);
}

#[test]
fn a_journal_that_opens_late_moves_only_what_came_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    {
        let clock = Clock::new();
        let (journal, mut keeper) = clock.journal(dir.path());
        for n in 0..60 {
            clock.pass(59 * SECOND);
            clock.record(&journal, &n.to_string());
        }
        keeper.checkpoint();
    }
    // A new boot with a clock half an hour behind what is recorded.
    let clock = Clock { boot: "other", ..Clock::new() };
    clock.synchronized.store(0, Relaxed);
    clock.wall_offset.store(NOON + 1800 * SECOND - 1000 * SECOND, Relaxed);
    let (journal, mut keeper) = Journal::new(clock.settings(dir.path()));
    clock.record(&journal, "100");
    keeper.open();
    clock.record(&journal, "101");
    let before = samples(&journal);
    keeper.checkpoint();
    assert_eq!(samples(&journal), before);
    assert_eq!(before.len(), 62);
    assert!(before.windows(2).all(|pair| pair[0].0 < pair[1].0), "{before:?}");
    assert_eq!(before[59].0, 3600);
}

#[test]
fn segments_of_a_journal_that_opens_late_keep_their_order() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = Journal::new(Settings { checkpoint_size: 100, ..clock.settings(dir.path()) });
    for n in 0..5 {
        clock.record(&journal, &n.to_string());
    }
    keeper.open();
    keeper.checkpoint();
    assert_eq!(samples(&journal).len(), 5);
    assert_eq!(tails(dir.path()), 1);
}

#[test]
fn what_cannot_be_read_at_the_start_is_set_aside() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = clock.journal(dir.path());
    clock.record(&journal, "1");
    drop((journal, keeper));
    fs::create_dir(dir.path().join("journal.db-tail.9999999999")).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    assert!(journal.status().unwrap().open, "{:?}", journal.status());
    keeper.checkpoint();
    assert_eq!(samples(&journal).len(), 1);
}

#[test]
fn a_path_that_is_a_folder_and_stray_files_stop_no_recording_and_cost_no_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, clock) = (dir.path().join("journal"), Clock::new());
    fs::create_dir(&folder).unwrap();
    let settings = Settings { path: folder.clone(), ..clock.settings(dir.path()) };
    let (journal, mut keeper) = Journal::new(settings.clone());
    keeper.open();
    clock.record(&journal, "1");
    drop((journal, keeper));
    let last = segment(&folder);
    let beside = |name: String| folder.join(format!("journal.db-tail.{name}"));
    for (number, stray) in [u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX as u64, 1 << 40].iter().zip(0..) {
        if stray % 2 == 0 {
            fs::write(beside(number.to_string()), [stray; 5000]).unwrap();
        } else {
            fs::create_dir(beside(number.to_string())).unwrap();
        }
    }
    for (number, content) in [(1, 0), (last - 1, 3), (last + 1, 5000), (last + 1_000_000_000, 70_000)] {
        let noise = (0..content).map(|n: usize| ((n * 2_654_435_761) >> 9) as u8);
        fs::write(beside(number.to_string()), noise.collect::<Vec<_>>()).unwrap();
    }
    fs::create_dir(beside((last + 2).to_string())).unwrap();
    fs::copy(beside(last.to_string()), beside((last + 3).to_string())).unwrap();
    fs::File::create(beside((last + 4).to_string())).unwrap().set_len(1 << 40).unwrap();
    for name in ["", "x", "-5", "+7", "07", "1e3", " 8", "\u{661}"] {
        fs::write(beside(name.to_owned()), "stray").unwrap();
    }
    for run in 2..5 {
        let (journal, mut keeper) = Journal::new(settings.clone());
        keeper.open();
        clock.record(&journal, &run.to_string());
        assert_eq!(journal.status().unwrap().problem, None, "{run}");
        keeper.sync();
        if run > 2 {
            keeper.checkpoint();
        }
        assert_eq!(samples(&journal).len(), run, "{run}: {:?}", samples(&journal));
    }
    assert!(beside(u64::MAX.to_string()).exists(), "what is not ours stays");
}

#[test]
fn damage_in_the_middle_of_a_segment_is_kept_for_people() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = clock.journal(dir.path());
    for n in 0..9000 {
        clock.record(&journal, &n.to_string());
    }
    drop((journal, keeper));
    let path = segment_file(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 10;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    keeper.checkpoint();
    assert!(samples(&journal).len() > 500);
    let kept = path.with_file_name(format!("{}.damaged", path.file_name().unwrap().to_str().unwrap()));
    assert_eq!(fs::read(kept).unwrap(), bytes);
}

#[test]
fn a_file_that_cannot_be_made_keeps_nobody_waiting() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    clock.record(&journal, "1");
    // Opening it hangs until somebody reads from it.
    let fifo = segment::segment_path(&dir.path().join("journal.db"), segment(dir.path()) + 1);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    thread::spawn(move || keeper.checkpoint());
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        for n in 2..1000 {
            clock.record(&journal, &n.to_string());
        }
        let _ = done.send(());
    });
    assert!(wait.recv_timeout(Duration::from_secs(20)).is_ok(), "recording waits for the keeper");
}

#[test]
fn what_came_while_segments_changed_is_in_the_files() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = clock.journal(dir.path());
    let _connection = full(dir.path());
    clock.record(&journal, "0");
    keeper.sync();
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let (journal, clock) = (journal.clone(), clock.clone());
            thread::spawn(move || {
                for n in 1..=2000 {
                    let reading = Reading::number("energy", Decimal::from(n));
                    journal.record(&format!("m{i}").into(), &clock.batch(vec![reading]));
                    clock.pass(7);
                }
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        journal.0.as_ref().unwrap().wal.log().rotate();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // As a kill would leave it: nobody writes anything more.
    let mut found = 0;
    for number in segment::segment_numbers(&dir.path().join("journal.db")).unwrap() {
        let bytes = fs::read(segment::segment_path(&dir.path().join("journal.db"), number)).unwrap();
        frame::entries(&bytes, |entry| {
            found += usize::from(matches!(entry, Entry::Batch { layout, .. } if layout.section != "meter"));
        });
    }
    assert_eq!(found, 8000);
}
