use std::{os::unix::fs::PermissionsExt as _, path::Path, thread};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

fn total(state_dir: &Path, per_kwh: f64) -> (Total, SourceContext) {
    total_in(state_dir, None, per_kwh)
}

/// A total with a runtime folder.
fn total_in(state_dir: &Path, runtime_dir: Option<&Path>, per_kwh: f64) -> (Total, SourceContext) {
    let context = framework::Context::new("heat", state_dir).with_runtime_dir(runtime_dir);
    let cx = SourceContext::new(context, Duration::from_secs(30));
    (Total::new(&cx, Rate::new(per_kwh).unwrap(), Duration::from_secs(60)), cx)
}

fn problem(cx: &SourceContext) -> Option<String> {
    cx.stats().problem().map(|problem| problem.to_string())
}

impl Total {
    fn pulses(&self) -> u64 {
        self.state().pulses
    }

    fn add(&self, n: u64) {
        let line = self.line();
        self.count_to(n, line);
    }

    fn sync_due(&self) -> Option<Instant> {
        self.state().sync_at
    }
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
    assert!(problem(&cx).unwrap().contains("had one damaged slot of two"), "{:?}", problem(&cx));
    drop(again);
    let (third, cx) = total(dir.path(), 1000.0);
    third.load().unwrap();
    assert_eq!(counter(&cx, "damaged_slots"), 0);
    assert!(problem(&cx).unwrap().contains("had one damaged slot of two"), "nobody has confirmed the count");
    third.set(5).unwrap();
    assert_eq!(problem(&cx), None);
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
fn a_damaged_file_is_reported_until_a_command_confirms_the_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = counted(dir.path());
    fs::write(&path, [7; 5000]).unwrap();
    let month = framework::Timestamp::now().strftime("%Y-%m-").to_string();
    let about = format!("was damaged, and is kept as {}.damaged-1, on {month}", path.display());
    for damaged_slots in [2, 0] {
        let (total, cx) = total(dir.path(), 1000.0);
        total.load().unwrap();
        assert_eq!((total.pulses(), counter(&cx, "damaged_slots")), (0, damaged_slots));
        let told = |when: &str| {
            let problem = problem(&cx).unwrap();
            assert!(
                problem.contains(&about) && problem.contains("0.0 kWh, as no count is known"),
                "{problem}"
            );
            assert!(
                problem.ends_with("confirm or correct it with the command `set_s0`"),
                "{when}: {problem}"
            );
        };
        told("at the start");
        let _ = total.complain(&mut total.state(), "write", &io::Error::other("full"));
        assert!(problem(&cx).unwrap().starts_with("could not write"));
        let _ = total.write(&mut total.state());
        told("after a failed write");
    }
    let (total, cx) = total(dir.path(), 1000.0);
    total.set(42).unwrap();
    assert_eq!((problem(&cx), fact(&cx)), (None, path.to_str().unwrap().to_owned()));
    drop(total);
    let (total, cx) = self::total(dir.path(), 1000.0);
    total.load().unwrap();
    assert_eq!((total.pulses(), problem(&cx)), (42, None));
}

#[test]
fn a_new_source_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (total, cx) = total(dir.path(), 1000.0);
        total.load().unwrap();
        assert_eq!((total.pulses(), problem(&cx)), (0, None));
    }
}

#[test]
fn the_end_of_the_process_loses_nothing_of_the_runtime_folder_and_a_power_cut_what_was_not_committed() {
    let [state, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let open = || {
        let (total, cx) = total_in(state.path(), Some(runtime.path()), 1000.0);
        total.load().unwrap();
        assert_eq!(problem(&cx), None);
        total
    };
    let disk = state.path().join("heat.count");
    let first = open();
    first.add(10);
    first.sync().unwrap();
    let committed = fs::read(&disk).unwrap();
    first.add(5);
    assert_eq!(fs::read(&disk).unwrap(), committed, "nothing is written to the disk until the next sync");
    assert!(first.sync_due().is_some());
    drop(first); // as by kill -9
    let second = open();
    assert_eq!(second.pulses(), 15);
    second.add(1);
    drop(second);
    // A power cut: the runtime folder is empty afterwards, and the disk as it was at the last sync.
    fs::remove_file(runtime.path().join("heat.count")).unwrap();
    fs::write(&disk, &committed).unwrap();
    let third = open();
    assert_eq!(third.pulses(), 10);
    third.set(3).unwrap();
    drop(third);
    fs::remove_file(runtime.path().join("heat.count")).unwrap();
    assert_eq!(open().pulses(), 3, "a command is on the disk when it has answered");
}

#[test]
fn a_run_without_the_runtime_folder_is_newer_than_what_was_left_there() {
    let [state, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, _) = total_in(state.path(), Some(runtime.path()), 1000.0);
    first.load().unwrap();
    (0..100).for_each(|_| first.add(1));
    drop(first);
    let (by_hand, _) = total(state.path(), 1000.0);
    by_hand.set(7).unwrap();
    drop(by_hand);
    let (third, _) = total_in(state.path(), Some(runtime.path()), 1000.0);
    third.load().unwrap();
    assert_eq!(third.pulses(), 7);
}

#[test]
fn a_file_that_is_lost_or_damaged_is_replaced_from_the_runtime_folder() {
    for damage in [None, Some(&b""[..]), Some(&[7; 5000]), Some(b"s0count")] {
        let [state, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let path = state.path().join("heat.count");
        let (first, _) = total_in(state.path(), Some(runtime.path()), 1000.0);
        first.set(41).unwrap();
        first.add(1);
        drop(first);
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        let (again, cx) = total_in(state.path(), Some(runtime.path()), 1000.0);
        again.load().unwrap();
        assert_eq!(again.pulses(), 42);
        assert!(
            problem(&cx).unwrap().contains("0.042 kWh, the newest count that is left"),
            "{:?}",
            problem(&cx)
        );
        drop(again);
        fs::remove_file(runtime.path().join("heat.count")).unwrap();
        let (after, _) = total(state.path(), 1000.0);
        after.load().unwrap();
        assert_eq!(after.pulses(), 42, "it was committed at once");
    }
}

#[test]
fn a_state_folder_that_is_deleted_or_replaced_gets_the_count_again() {
    for with_runtime in [false, true] {
        for replaced in [false, true] {
            let [dir, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
            let runtime = with_runtime.then_some(runtime.path());
            let state = dir.path().join("state");
            let (total, cx) = total_in(&state, runtime, 1000.0);
            total.set(77_505).unwrap();
            fs::rename(&state, dir.path().join("gone")).unwrap();
            if replaced {
                counted(&state); // with a count of its own, 42
            }
            total.add(10);
            assert!(total.turn_due().unwrap() <= Instant::now(), "it is noticed at the next pulse");
            total.sync().unwrap();
            assert_eq!((total.pulses(), problem(&cx)), (77_515, None));
            // Without a pulse, it is noticed at the next look.
            fs::remove_dir_all(&state).unwrap();
            assert!(total.turn_due().unwrap() <= Instant::now() + TURN);
            total.sync().unwrap();
            drop(total);
            let (again, cx) = self::total(&state, 1000.0);
            again.load().unwrap();
            assert_eq!((again.pulses(), problem(&cx)), (77_515, None));
        }
    }
}

#[test]
fn a_runtime_folder_that_is_deleted_costs_nothing_and_is_used_again_when_it_is_back() {
    let [state, dir] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let runtime = dir.path().join("runtime");
    fs::create_dir(&runtime).unwrap();
    let (total, cx) = total_in(state.path(), Some(&runtime), 1000.0);
    total.load().unwrap();
    total.add(5);
    fs::remove_dir_all(&runtime).unwrap();
    total.add(1);
    let on_disk = |expected| {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(state.path().join("heat.count"), copy.path().join("heat.count")).unwrap();
        let (copied, _) = self::total(copy.path(), 1000.0);
        copied.load().unwrap();
        assert_eq!(copied.pulses(), expected);
    };
    on_disk(6);
    total.sync().unwrap();
    fs::create_dir(&runtime).unwrap();
    total.sync().unwrap();
    total.add(1);
    on_disk(6);
    drop(total);
    let (again, _) = total_in(state.path(), Some(&runtime), 1000.0);
    again.load().unwrap();
    assert_eq!((again.pulses(), problem(&cx)), (7, None));
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
    assert_eq!(problem(&cx), Some(fact(&cx)), "it is not well");
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
    let [path, aside] = ["heat.count", "aside"].map(|name| dir.path().join(name));
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    total.add(1);
    total.add(1);
    assert_eq!((total.pulses(), counter(&cx, "write_errors")), (3, 2));
    assert!(fact(&cx).starts_with("could not write"), "{}", fact(&cx));
    assert_eq!(problem(&cx), Some(fact(&cx)), "it is not well");
    assert!(total.turn_due().is_some(), "it is tried again without a pulse, too");
    assert!(total.set(4).unwrap_err().contains("may be lost: could not write"));
    with_slots(&swap);
    fs::rename(&aside, &path).unwrap();
    total.add(1);
    assert!(fact(&cx).ends_with("heat.count"));
    assert!(total.sync_due().is_some());
    total.sync().unwrap();
    drop(total);
    let (again, _) = self::total(dir.path(), 1000.0);
    again.load().unwrap();
    assert_eq!(again.pulses(), 5);
}

#[test]
fn the_state_of_the_line_goes_with_the_newest_count_and_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (state, runtime) = (dir.path().join("state"), dir.path().join("run"));
    fs::create_dir(&runtime).unwrap();
    let line = |seqno| {
        Some(LineState {
            seqno,
            level: Some(false),
            since: Duration::from_secs(u64::from(seqno)),
            stable: true,
        })
    };
    let start = |runtime| {
        let (total, _) = total_in(&state, runtime, 1000.0);
        total.load().unwrap();
        total
    };
    let total = start(Some(&*runtime));
    assert_eq!(total.line(), None);
    assert_eq!(total.count_to(2, line(4)), 2);
    // An edge that is not a pulse yet.
    assert_eq!(total.count_to(0, line(5)), 2);
    drop(total); // killed
    let total = start(Some(&*runtime));
    assert_eq!((total.pulses(), total.line()), (2, line(5)));
    total.count_to(1, line(7));
    drop(total);
    // Without the runtime folder, at each pulse and in an orderly end.
    let total = start(None);
    assert_eq!((total.pulses(), total.line()), (2, line(5)), "the file on the disk is older");
    total.count_to(3, line(20));
    total.count_to(0, line(21));
    total.sync().unwrap();
    drop(total);
    let total = start(None);
    assert_eq!((total.pulses(), total.line()), (5, line(21)));
    drop(total);
    // What the runtime folder has is older than that.
    let total = start(Some(&*runtime));
    assert_eq!((total.pulses(), total.line()), (5, line(21)));
}
