//! Files that are removed or replaced while the journal is recording: it goes on, and what is in memory is not lost.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Journal, Keeper,
    tests::whole::{Clock, samples, tails},
    wal::{Request, segment, tests::queue},
};

/// A journal in a folder of a folder, with "1" in the database and "2" in the log.
fn running(folder: &Path) -> (Clock, Journal, Keeper) {
    let clock = Clock::new();
    let (journal, mut keeper) = clock.journal(folder);
    clock.record(&journal, "1");
    keeper.sync();
    keeper.checkpoint();
    clock.record(&journal, "2");
    keeper.sync();
    (clock, journal, keeper)
}

/// Ends as kill -9 does, and returns what the next run finds.
fn killed(folder: &Path, clock: &Clock, journal: Journal, keeper: Keeper) -> Vec<String> {
    drop((journal, keeper));
    let (journal, mut keeper) = clock.journal(folder);
    keeper.checkpoint();
    assert_eq!(journal.status().unwrap().problem, None);
    samples(&journal).into_iter().map(|sample| sample.1).collect()
}

fn said(journal: &Journal) -> String {
    journal.status().unwrap().notice.unwrap_or_default()
}

#[test]
fn a_state_folder_that_is_deleted_is_made_again_and_what_is_in_memory_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    let (clock, journal, mut keeper) = running(&folder);
    fs::remove_dir_all(&folder).unwrap();
    clock.record(&journal, "3");
    keeper.sync();
    assert!(said(&journal).contains("were removed or replaced while it was recording"), "{}", said(&journal));
    clock.record(&journal, "4");
    assert_eq!(samples(&journal).len(), 3, "{:?}", samples(&journal));
    assert_eq!(killed(&folder, &clock, journal, keeper), ["2", "3", "4"]);
}

#[test]
fn a_state_folder_that_is_replaced_by_an_empty_one_a_copy_or_a_later_backup_is_gone_on_with() {
    for case in ["empty", "copy", "later backup"] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        let (clock, journal, mut keeper) = running(&folder);
        fs::rename(&folder, dir.path().join("old")).unwrap();
        fs::create_dir(&folder).unwrap();
        let mut expected = vec!["2", "3", "4"];
        if case == "copy" {
            expected.insert(0, "1");
            for file in fs::read_dir(dir.path().join("old")).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), folder.join(file.file_name())).unwrap();
            }
        }
        if case == "later backup" {
            // Of another machine, which recorded "7" into its database and "8" into its log, with larger numbers.
            let other = Clock { boot: "other", ..Clock::new() };
            other.pass(1000 * crate::SECOND);
            let (journal, mut keeper) = other.journal(&folder);
            other.record(&journal, "7");
            keeper.checkpoint();
            keeper.checkpoint();
            other.record(&journal, "8");
            expected.extend(["7", "8"]);
        }
        clock.record(&journal, "3");
        keeper.checkpoint();
        clock.record(&journal, "4");
        keeper.sync();
        assert!(said(&journal).contains("removed or replaced"), "{case}: {}", said(&journal));
        assert_eq!(killed(&folder, &clock, journal, keeper), expected, "{case}");
    }
}

#[test]
fn a_database_that_is_removed_while_it_is_open_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, journal, mut keeper) = running(dir.path());
    fs::remove_file(dir.path().join("journal.db")).unwrap();
    clock.record(&journal, "3");
    keeper.checkpoint();
    assert!(said(&journal).contains("journal.db were removed"), "{}", said(&journal));
    assert_eq!(samples(&journal).len(), 2, "what was not checkpointed is in the new one");
    assert_eq!(killed(dir.path(), &clock, journal, keeper), ["2", "3"]);
}

#[test]
fn a_segment_that_is_removed_while_it_is_open_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, journal, mut keeper) = running(dir.path());
    let number = segment::segment_numbers(&dir.path().join("journal.db")).unwrap()[0];
    fs::remove_file(segment::segment_path(&dir.path().join("journal.db"), number)).unwrap();
    clock.record(&journal, "3");
    keeper.sync();
    clock.record(&journal, "4");
    assert_eq!(tails(dir.path()), 1);
    assert_eq!(killed(dir.path(), &clock, journal, keeper), ["1", "2", "3", "4"]);
}

#[test]
fn files_of_the_journal_are_0640_and_their_folder_0750() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (folder, runtime) = (dir.path().join("a/state"), tempfile::tempdir().unwrap());
    let clock = Clock::new();
    let runtime_dir = Some(runtime.path().to_owned());
    let (journal, mut keeper) = Journal::new(crate::Settings { runtime_dir, ..clock.settings(&folder) });
    keeper.open();
    clock.record(&journal, "1");
    keeper.sync();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = [&folder, runtime.path()]
        .map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    let files: Vec<_> = files.into_iter().flatten().filter(|path| !path.is_symlink()).collect();
    assert!(files.len() >= 5, "{files:?}");
    // What the umask of whoever runs this takes away is not granted.
    files.iter().for_each(|file| assert_eq!(mode(file) & 0o137, 0, "{file:?} {:o}", mode(file)));
    assert_eq!((mode(&folder) & 0o027, mode(&dir.path().join("a")) & 0o027), (0, 0));
}

#[test]
fn publishers_go_on_after_the_state_folder_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, clock) = (dir.path().join("state"), Clock::new());
    let (journal, mut keeper) = queue::open(&clock, &folder, &["far"]);
    let mut far = journal.queue("far");
    queue::record(&clock, &journal, 1..=5);
    assert_eq!(queue::deliver(&mut far).len(), 5);
    queue::record(&clock, &journal, 6..=8);
    fs::remove_dir_all(&folder).unwrap();
    queue::record(&clock, &journal, 9..=9);
    keeper.sync();
    queue::record(&clock, &journal, 10..=10);
    assert_eq!(queue::deliver(&mut far), [6, 7, 8, 9, 10]);
    keeper.sync();
    drop((journal, keeper, far));
    let (journal, _keeper) = queue::open(&clock, &folder, &["far"]);
    assert!(queue::deliver(&mut journal.queue("far")).is_empty());
}

#[test]
fn a_place_that_cannot_be_made_again_is_a_problem_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("state");
    let (clock, journal, mut keeper) = running(&folder);
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file in the place of the folder").unwrap();
    clock.record(&journal, "3");
    keeper.sync();
    assert!(journal.status().unwrap().problem.is_some());
    clock.record(&journal, "4");
    fs::remove_file(&folder).unwrap();
    keeper.open();
    keeper.sync();
    assert_eq!(journal.status().unwrap().problem, None);
    assert_eq!(killed(&folder, &clock, journal, keeper), ["2", "3", "4"]);
}

/// Waits until something is so, while `again` is done again and again.
fn until(what: &str, mut again: impl FnMut(), is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "never {what}");
        again();
        thread::sleep(Duration::from_millis(5)); // between two attempts, not for timing
    }
}

#[test]
fn a_folder_or_segment_that_is_removed_is_noticed_by_the_next_recordings_and_not_only_at_the_next_sync() {
    type Removal = fn(&Path);
    let removals: [(&str, Removal); 3] = [
        ("deleted", |folder| fs::remove_dir_all(folder).unwrap()),
        ("moved", |folder| fs::rename(folder, folder.with_file_name("moved")).unwrap()),
        ("without its segment", |folder| {
            let number = segment::segment_numbers(&folder.join("journal.db")).unwrap()[0];
            fs::remove_file(segment::segment_path(&folder.join("journal.db"), number)).unwrap();
        }),
    ];
    for (what, remove) in removals {
        for in_memory in [false, true] {
            let [dir, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
            let (folder, clock) = (dir.path().join("state"), Clock::new());
            let runtime_dir = in_memory.then(|| runtime.path().to_owned());
            let sync_interval = Duration::from_secs(3600);
            let settings = crate::Settings { runtime_dir, sync_interval, ..clock.settings(&folder) };
            let (journal, running) = Journal::start(settings).unwrap();
            journal.wait_open(Duration::from_secs(20));
            clock.record(&journal, "1");
            let disk = || tails(&folder) == 1;
            journal.0.as_ref().unwrap().wal.requests.send(Request::Sync).unwrap();
            until("synced", || (), || folder.exists() && disk());
            remove(&folder);
            until(what, || clock.record(&journal, "2"), || said(&journal).contains("removed or replaced"));
            until("on the disk", || (), || folder.join("journal.db").exists() && disk());
            let recorded = samples(&journal).len();
            // As kill -9 would leave it.
            let copy = tempfile::tempdir().unwrap();
            for file in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                if !file.path().is_symlink() {
                    fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
                }
            }
            let (after, _keeper) = clock.journal(copy.path());
            assert_eq!(samples(&after).len(), recorded, "{what}");
            running.stop();
        }
    }
}

#[test]
fn the_backlog_of_earlier_runs_is_not_lost_with_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, clock) = (dir.path().join("state"), Clock::new());
    for run in 0..3 {
        let (journal, mut keeper) = queue::open(&clock, &folder, &["far"]);
        queue::record(&clock, &journal, 1 + run * 10..=10 + run * 10);
        keeper.checkpoint();
        keeper.sync();
    }
    let (journal, mut keeper) = queue::open(&clock, &folder, &["far"]);
    let mut far = journal.queue("far");
    assert_eq!(queue::read(&mut far, 5), [1, 2, 3, 4, 5]);
    queue::record(&clock, &journal, 31..=35);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(queue::read(&mut far, 7), (6..=12).collect::<Vec<_>>(), "before anybody has noticed");
    keeper.sync();
    assert_eq!(queue::read(&mut far, 100), (13..=35).collect::<Vec<_>>());
    drop((journal, keeper, far));
    let (journal, _keeper) = queue::open(&clock, &folder, &["far"]);
    assert_eq!(queue::deliver(&mut journal.queue("far")), (1..=35).collect::<Vec<_>>());
}

#[test]
fn a_database_that_is_gone_at_the_start_beside_the_files_of_an_earlier_one_is_said() {
    for in_memory in [false, true] {
        let [dir, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let clock = Clock::new();
        let open = || {
            let runtime_dir = in_memory.then(|| runtime.path().to_owned());
            let (journal, mut keeper) =
                Journal::new(crate::Settings { runtime_dir, ..clock.settings(dir.path()) });
            keeper.open();
            (journal, keeper)
        };
        let (journal, mut keeper) = open();
        assert_eq!(said(&journal), "", "a first start is no fault");
        clock.record(&journal, "1");
        keeper.checkpoint();
        clock.record(&journal, "2");
        drop((journal, keeper));
        assert_eq!(said(&open().0), "", "nor is a second one");
        fs::remove_file(dir.path().join("journal.db")).unwrap();
        let (journal, mut keeper) = open();
        assert!(said(&journal).contains("journal.db is gone, while"), "{}", said(&journal));
        assert!(said(&journal).contains("only what the log has is in it"), "{}", said(&journal));
        assert_eq!(samples(&journal).into_iter().map(|sample| sample.1).collect::<Vec<_>>(), ["2"]);
        keeper.checkpoint();
        drop((journal, keeper));
        assert_eq!(said(&open().0), "", "it is said once");
    }
}
