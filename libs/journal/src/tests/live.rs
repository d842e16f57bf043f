//! Segments in a folder in memory: the promises are those of a log on the disk.

use std::{fs, path::Path};

use crate::{
    Archive, Import, Journal, Keeper, Queue, Selection, Settings,
    tests::whole::{Clock, samples},
    wal::{segment, tests::queue},
};

struct Place {
    state: tempfile::TempDir,
    runtime: tempfile::TempDir,
    clock: Clock,
}

impl Place {
    fn new() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        Self { state: folder(), runtime: folder(), clock: Clock::new() }
    }

    fn settings(&self) -> Settings {
        let publishers = vec!["far".into()];
        let runtime_dir = Some(self.runtime.path().to_owned());
        Settings { runtime_dir, publishers, ..self.clock.settings(self.state.path()) }
    }

    fn open(&self) -> (Journal, Keeper) {
        let (journal, mut keeper) = Journal::new(self.settings());
        keeper.open();
        assert_eq!(journal.status().unwrap().problem, None);
        (journal, keeper)
    }

    fn record(&self, journal: &Journal, numbers: std::ops::RangeInclusive<i64>) {
        queue::record(&self.clock, journal, numbers);
    }

    /// Bytes of all segments on the disk, and in memory.
    fn bytes(&self) -> (u64, u64) {
        (size(self.state.path()), size(self.runtime.path()))
    }

    /// What a power cut leaves.
    fn cut_power(&self) {
        for file in fs::read_dir(self.runtime.path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let segments = files.filter(|file| file.file_name().to_string_lossy().contains("-tail."));
    segments.map(|file| file.metadata().unwrap().len()).sum()
}

fn numbers(journal: &Journal) -> Vec<i64> {
    samples(journal).iter().map(|sample| sample.1.parse().unwrap()).collect()
}

fn upto(last: i64) -> Vec<i64> {
    (1..=last).collect()
}

fn deliver(journal: &Journal) -> Vec<i64> {
    let mut queue: Queue = journal.queue("far");
    queue::deliver(&mut queue)
}

#[test]
fn with_a_folder_in_memory_the_disk_is_written_at_each_sync_only() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    keeper.sync();
    let (disk, live) = place.bytes();
    place.record(&journal, 1..=1000);
    let (disk_now, live_now) = place.bytes();
    assert_eq!(disk_now, disk);
    assert!(live_now > live + 5000, "{live_now}");
    keeper.sync();
    assert_eq!(place.bytes(), (live_now, live_now));
    keeper.checkpoint();
    keeper.sync();
    assert_eq!(deliver(&journal), upto(1000));
    keeper.sync();
    let (disk, live) = place.bytes();
    assert!(disk < 1000 && live < 1000, "what is checkpointed and delivered is nowhere: {disk} {live}");
    assert_eq!(numbers(&journal), upto(1000));
}

#[test]
fn with_a_folder_in_memory_a_kill_loses_nothing_whenever_it_comes() {
    for synced in [false, true] {
        for checkpointed in [false, true] {
            for without in [false, true] {
                let place = Place::new();
                let (journal, mut keeper) = place.open();
                place.record(&journal, 1..=10);
                if checkpointed {
                    keeper.checkpoint();
                }
                place.record(&journal, 11..=20);
                if synced {
                    keeper.sync();
                }
                place.record(&journal, 21..=30);
                drop((journal, keeper));
                // The next one may be started by hand, where nothing names the folder in memory.
                let settings = place.settings();
                let runtime_dir = settings.runtime_dir.clone().filter(|_| !without);
                let (journal, mut keeper) = Journal::new(Settings { runtime_dir, ..settings });
                keeper.open();
                place.record(&journal, 31..=31);
                assert_eq!(numbers(&journal), upto(31));
                assert_eq!(deliver(&journal), upto(31));
                keeper.checkpoint();
                assert_eq!(numbers(&journal), upto(31));
                assert_eq!(size(place.runtime.path()) == 0, without);
            }
        }
    }
}

#[test]
fn with_a_folder_in_memory_a_power_cut_loses_what_was_not_synced() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    place.record(&journal, 1..=10);
    keeper.checkpoint();
    place.record(&journal, 11..=20);
    keeper.sync();
    place.record(&journal, 21..=30);
    drop((journal, keeper));
    place.cut_power();
    let (journal, mut keeper) = place.open();
    assert_eq!(numbers(&journal), upto(20));
    assert_eq!(deliver(&journal), upto(20));
    keeper.checkpoint();
    assert_eq!(numbers(&journal), upto(20));
}

/// The state of the source `heat` that an earlier run saved.
fn saved(journal: &Journal) -> Option<Vec<u8>> {
    journal.saved("heat").unwrap()
}

#[test]
fn what_a_source_saves_is_on_the_disk_after_the_next_sync_and_stays_through_checkpoints_and_power_cuts() {
    let place = Place::new();
    let heat = "heat".into();
    let (journal, mut keeper) = Journal::new(place.settings());
    journal.save(&heat, b"before the journal is open");
    assert!(journal.saved("heat").is_err() && journal.saves_every().is_none());
    keeper.open();
    assert_eq!(saved(&journal), None);
    assert_eq!(journal.saves_every(), Some(place.settings().sync_interval));
    keeper.sync();
    let disk = place.bytes().0;
    journal.save(&heat, b"lost");
    assert_eq!(place.bytes().0, disk, "nothing is written before the next sync");
    drop((journal, keeper));
    place.cut_power();
    let mut before = b"before the journal is open".to_vec();
    for (round, checkpointed) in [false, true, true, false].into_iter().enumerate() {
        let (journal, mut keeper) = place.open();
        assert_eq!(saved(&journal), Some(before), "round {round}");
        keeper.checkpoint(); // of the segments of earlier runs
        before = vec![round as u8; 40];
        journal.save(&heat, b"replaced");
        journal.save(&heat, &before);
        if checkpointed {
            place.record(&journal, 1..=1);
            keeper.checkpoint();
        }
        keeper.sync();
        drop((journal, keeper));
        place.cut_power();
    }
    assert_eq!(saved(&place.open().0), Some(before));
}

#[test]
fn what_a_source_saved_survives_a_damaged_database() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    journal.save(&"heat".into(), b"42");
    place.record(&journal, 1..=5);
    keeper.checkpoint();
    place.record(&journal, 6..=6);
    keeper.sync();
    drop((journal, keeper));
    fs::write(place.state.path().join("journal.db"), [7; 40_000]).unwrap();
    assert_eq!(saved(&place.open().0), Some(b"42".to_vec()), "each segment begins with it");
}

#[test]
fn with_a_folder_in_memory_an_export_and_an_import_see_everything() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    place.record(&journal, 1..=10);
    keeper.sync();
    place.record(&journal, 11..=20);
    let path = place.state.path().join("journal.db");
    let count =
        || Archive::open(&path).unwrap().readings(&Selection::default(), |_, _, _, _| Ok(())).unwrap().rows;
    assert_eq!(count(), 20);
    drop((journal, keeper));
    Import::open(&path).unwrap().finish().unwrap();
    assert_eq!(count(), 20);
    let (journal, _keeper) = place.open();
    assert_eq!((numbers(&journal), deliver(&journal)), (upto(20), upto(20)));
}

#[test]
fn a_folder_in_memory_that_is_gone_or_full_is_replaced_by_the_disk() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    place.record(&journal, 1..=10);
    keeper.sync();
    let runtime = place.runtime.path().to_owned();
    fs::remove_dir_all(&runtime).unwrap();
    place.record(&journal, 11..=20);
    keeper.sync();
    place.record(&journal, 21..=30);
    keeper.checkpoint();
    place.record(&journal, 31..=40);
    assert_eq!(journal.status().unwrap().problem, None);
    drop((journal, keeper));
    let (journal, _keeper) = place.open();
    assert_eq!(numbers(&journal), upto(40), "as without a folder, a kill loses nothing");
    assert_eq!(deliver(&journal), upto(40));
}

#[test]
fn two_journals_share_a_folder_in_memory() {
    let (place, other) = (Place::new(), Place::new());
    let settings = Settings { runtime_dir: Some(place.runtime.path().to_owned()), ..other.settings() };
    let (journal, keeper) = place.open();
    let (second, mut second_keeper) = Journal::new(settings.clone());
    second_keeper.open();
    place.record(&journal, 1..=5);
    other.record(&second, 1..=7);
    drop((journal, keeper, second, second_keeper));
    let (second, mut second_keeper) = Journal::new(settings);
    second_keeper.open();
    let (journal, _keeper) = place.open();
    assert_eq!((numbers(&journal), numbers(&second)), (upto(5), upto(7)));
}

#[test]
fn a_file_on_the_disk_that_differs_is_kept_and_replaced() {
    let place = Place::new();
    let (journal, mut keeper) = place.open();
    place.record(&journal, 1..=10);
    keeper.sync();
    drop((journal, keeper));
    let path = place.state.path().join("journal.db");
    let number = *segment::segment_numbers(&path).unwrap().last().unwrap();
    let file = segment::segment_path(&path, number);
    fs::write(&file, "something else that is longer than what was recorded".repeat(100)).unwrap();
    let (journal, _keeper) = place.open();
    assert_eq!(numbers(&journal), upto(10));
    assert!(
        fs::read_dir(place.state.path())
            .unwrap()
            .any(|file| { file.unwrap().file_name().to_string_lossy().ends_with(".damaged") })
    );
}

#[test]
fn a_state_folder_that_is_deleted_beside_a_folder_in_memory_is_made_again() {
    let place = Place::new();
    let folder = place.state.path().join("state");
    let settings = Settings { path: folder.join("journal.db"), ..place.settings() };
    let (journal, mut keeper) = Journal::new(settings.clone());
    keeper.open();
    place.record(&journal, 1..=5);
    keeper.sync();
    fs::remove_dir_all(&folder).unwrap();
    place.record(&journal, 6..=8);
    keeper.sync();
    place.record(&journal, 9..=9);
    drop((journal, keeper));
    let (journal, mut keeper) = Journal::new(settings);
    keeper.open();
    assert_eq!(numbers(&journal), upto(9));
}
