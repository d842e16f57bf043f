use std::path::Path;

use super::*;

fn total(state_dir: &Path, per_kwh: f64) -> (Total, Context) {
    let cx = Context::new("heat", state_dir, Duration::from_secs(30));
    (Total::new(&cx, Rate::new(per_kwh).unwrap(), Duration::from_secs(60)), cx)
}

fn fact(cx: &Context) -> String {
    cx.stats().facts().into_iter().find(|(name, _)| *name == "count_file").unwrap().1.to_string()
}

fn counter(cx: &Context, name: &str) -> u64 {
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
    drop(first); // as kill -9 does: no close, no sync
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

#[test]
fn without_a_directory_it_counts_in_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let (total, cx) = total(&in_the_way, 1000.0);
    total.load().unwrap();
    total.add(2);
    assert_eq!(total.pulses(), 2);
    assert!(fact(&cx).starts_with("none, the count will not survive a restart"));
    let error = total.set(1000).unwrap_err();
    assert!(error.starts_with("the count is 1.0 kWh now, but may not survive: could not use"), "{error}");
    assert_eq!((total.pulses(), total.sync_due()), (1000, None));
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
    let real = Mutex::new(None);
    with_slots(&|slots| *real.lock().unwrap() = Some(slots.full_disk()));
    total.add(1);
    total.add(1);
    assert_eq!((total.pulses(), counter(&cx, "write_errors")), (3, 2));
    assert!(fact(&cx).starts_with("could not write"), "{}", fact(&cx));
    assert!(total.set(4).unwrap_err().contains("may not survive: could not write"));
    with_slots(&|slots| slots.repaired(real.lock().unwrap().take().unwrap()));
    total.add(1);
    assert!(fact(&cx).ends_with("heat.count"));
    assert!(total.sync_due().is_some());
    total.sync().unwrap();
    drop(total);
    let (again, _) = self::total(dir.path(), 1000.0);
    again.load().unwrap();
    assert_eq!(again.pulses(), 5);
}
