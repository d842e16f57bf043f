use std::{os::unix::fs::PermissionsExt as _, path::Path, thread};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

fn total(state_dir: &Path, per_kwh: f64) -> (Total, SourceContext) {
    let cx = SourceContext::new(framework::Context::new("heat", state_dir), Duration::from_secs(30));
    (Total::new(&cx, Rate::new(per_kwh).unwrap(), Duration::from_secs(60)), cx)
}

fn fact(cx: &SourceContext) -> String {
    cx.stats().facts().into_iter().find(|(name, _)| *name == "count_file").unwrap().1.to_string()
}

fn counter(cx: &SourceContext, name: &str) -> u64 {
    cx.stats().counters().into_iter().find(|(counter, _)| *counter == name).unwrap().1
}

#[test]
fn a_count_is_in_its_file_before_it_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (first, cx) = total(&dir.path().join("not/yet/there"), 1000.0);
    first.load().unwrap();
    first.add(3);
    first.add(4);
    assert!(fact(&cx).ends_with("not/yet/there/heat.count"));
    drop(first); // as by kill -9: neither closed nor synced
    let (again, _) = total(&dir.path().join("not/yet/there"), 1000.0);
    again.load().unwrap();
    assert_eq!(again.pulses(), 7);
    assert_eq!(again.sync_due(), None);
    again.set(100).unwrap();
    assert_eq!((again.pulses(), again.sync_due()), (100, None));
}

#[test]
fn another_rate_keeps_the_energy() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = total(dir.path(), 1000.0);
    first.set(13_756_570).unwrap();
    drop(first);
    for _ in 0..2 {
        let (again, _) = total(dir.path(), 2000.0);
        again.load().unwrap();
        assert_eq!(again.pulses(), 27_513_140);
    }
}

#[test]
fn a_damaged_slot_is_reported_and_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = total(dir.path(), 1000.0);
    first.set(5).unwrap();
    drop(first);
    let path = dir.path().join("heat.count");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 + 20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (again, cx) = total(dir.path(), 1000.0);
    again.load().unwrap();
    assert_eq!(counter(&cx, "damaged_slots"), 1);
    assert!(fact(&cx).contains("one of its two slots was damaged"));
    drop(again);
    let (third, cx) = total(dir.path(), 1000.0);
    third.load().unwrap();
    assert_eq!(counter(&cx, "damaged_slots"), 0);
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = total(dir.path(), 1000.0);
    first.load().unwrap();
    let (second, _) = total(dir.path(), 1000.0);
    assert!(second.load().unwrap_err().to_string().starts_with("another process counts in"));
    assert!(second.set(1).unwrap_err().starts_with("another process counts in"));
}

/// Runs `act` without capabilities: permissions do not apply to root.
fn restricted<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let run = || {
        let mut sets = capabilities(None).unwrap();
        sets.effective = CapabilitySet::empty();
        set_capabilities(None, sets).unwrap(); // of this thread only
        act()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A file with 42 pulses.
fn counted(dir: &Path) -> PathBuf {
    let (first, _) = total(dir, 1000.0);
    first.set(42).unwrap();
    dir.join("heat.count")
}

#[test]
fn two_damaged_slots_are_reported_until_the_damaged_file_is_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = counted(dir.path());
    fs::write(&path, [7; 5000]).unwrap();
    let month = Timestamp::now().strftime("%Y-%m-").to_string();
    let aside = format!("and is kept as {}.damaged-1", path.display());
    for damaged_slots in [2, 0] {
        let (total, cx) = total(dir.path(), 1000.0);
        total.load().unwrap();
        assert_eq!((total.pulses(), counter(&cx, "damaged_slots")), (0, damaged_slots));
        let told = |when: &str| {
            let fact = fact(&cx);
            let since = format!(", started at 0 on {month}");
            assert!(fact.contains(&since) && fact.ends_with(&aside), "{when}: {fact}");
        };
        told("at the start");
        total.complain(&mut total.state(), "write", &std::io::Error::other("full"));
        assert!(fact(&cx).starts_with("could not write"));
        let _ = total.write(&mut total.state());
        told("after a failed write");
    }
    fs::remove_file(dir.path().join("heat.count.damaged-1")).unwrap();
    let (total, cx) = total(dir.path(), 1000.0);
    total.load().unwrap();
    assert_eq!(fact(&cx), path.to_str().unwrap());
}

#[test]
fn a_read_only_file_is_read_and_written_as_soon_as_possible() {
    for (mode_of_file, mode_of_folder) in [(0o444, 0o755), (0o444, 0o555)] {
        let dir = tempfile::tempdir().unwrap();
        let path = counted(dir.path());
        permit(&path, mode_of_file);
        permit(dir.path(), mode_of_folder);
        let (total, cx) = total(dir.path(), 500.0);
        restricted(|| {
            total.load().unwrap();
            assert_eq!(total.pulses(), 21, "the energy of 42 at 1000 per kWh");
            total.add(3);
            assert!(fact(&cx).starts_with("could not open"), "{}", fact(&cx));
            assert!(total.sync_due().is_some(), "it is tried again");
            total.sync().unwrap_err();
            assert!(total.sync_due().is_some(), "and again");
        });
        assert_eq!((total.pulses(), counter(&cx, "write_errors")), (24, 2));
        permit(dir.path(), 0o755);
        permit(&path, 0o644);
        restricted(|| total.sync().unwrap());
        assert_eq!((fact(&cx), total.sync_due()), (path.to_str().unwrap().to_owned(), None));
        total.add(1);
        drop(total);
        let (again, _) = self::total(dir.path(), 500.0);
        again.load().unwrap();
        assert_eq!(again.pulses(), 25);
    }
}

#[test]
fn a_file_that_comes_later_continues_with_the_pulses_counted_meanwhile() {
    for (command, expected) in [(None, 45), (Some(7), 10)] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state");
        fs::write(&folder, "").unwrap(); // like a disk that is mounted late
        let (total, _) = total(&folder, 1000.0);
        total.load().unwrap();
        if let Some(pulses) = command {
            total.set(pulses).unwrap_err();
        }
        total.add(3);
        fs::remove_file(&folder).unwrap();
        counted(&folder);
        total.sync().unwrap();
        drop(total);
        let (again, _) = self::total(&folder, 1000.0);
        again.load().unwrap();
        assert_eq!(again.pulses(), expected);
    }
}

#[test]
fn an_unreadable_file_has_no_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = counted(dir.path());
    let (total, cx) = total(dir.path(), 1000.0);
    let refused = |reason: &str| {
        let error = total.load().unwrap_err().to_string();
        assert!(error.starts_with("could not read `") && error.contains(reason), "{error}");
        assert_eq!(fact(&cx), error);
        assert!(total.set(1).unwrap_err().starts_with("could not read `"));
    };
    permit(&path, 0o000);
    restricted(|| refused("Permission denied"));
    permit(&path, 0o444);
    let aside = dir.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    refused("Is a directory");
    fs::remove_dir(&path).unwrap();
    // Damaged, and it cannot be renamed either.
    fs::write(&path, [7; 5000]).unwrap();
    permit(dir.path(), 0o555);
    restricted(|| refused("it is damaged"));
    permit(dir.path(), 0o755);
    fs::rename(&aside, &path).unwrap();
    total.load().unwrap();
    assert_eq!((total.pulses(), fact(&cx)), (42, path.to_str().unwrap().to_owned()));
}

#[test]
fn without_a_directory_it_counts_in_memory_and_reports_it() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let (total, cx) = total(&in_the_way, 1000.0);
    total.load().unwrap();
    total.add(2);
    assert_eq!(total.pulses(), 2);
    assert!(fact(&cx).ends_with("the count is in memory only, trying again"), "{}", fact(&cx));
    let error = total.set(1000).unwrap_err();
    assert!(error.starts_with("the count is 1.0 kWh now, but may be lost: could not open"), "{error}");
    assert_eq!(total.pulses(), 1000);
}

#[test]
fn a_full_disk_is_reported_and_tried_again_at_the_next_pulse() {
    let dir = tempfile::tempdir().unwrap();
    let (total, cx) = total(dir.path(), 1000.0);
    total.load().unwrap();
    total.add(1);
    let with_slots = |act: &dyn Fn(&mut Slots)| {
        let Home::File(slots) = &mut total.state().home else { panic!("no file") };
        act(slots);
    };
    let full = Mutex::new(Arc::new(fs::OpenOptions::new().write(true).open("/dev/full").unwrap()));
    let swap = |slots: &mut Slots| std::mem::swap(&mut slots.file, &mut full.lock().unwrap());
    with_slots(&swap);
    total.add(1);
    total.add(1);
    assert_eq!((total.pulses(), counter(&cx, "write_errors")), (3, 2));
    assert!(fact(&cx).starts_with("could not write"), "{}", fact(&cx));
    assert!(total.set(4).unwrap_err().contains("may be lost: could not write"));
    with_slots(&swap);
    total.add(1);
    assert!(fact(&cx).ends_with("heat.count"));
    assert!(total.sync_due().is_some());
    total.sync().unwrap();
    drop(total);
    let (again, _) = self::total(dir.path(), 1000.0);
    again.load().unwrap();
    assert_eq!(again.pulses(), 5);
}
