//! Folders of all kinds, and the files of sources in them.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use journal::{Journal, Settings};

use crate::{made::with_manifest, program::Program};

const FROM: &str = "2026-11-01T00:00:00Z";

/// Sets the time of a file's last change, in seconds before now.
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The backup as if another machine had written it.
fn of_another_machine(backup: &[u8]) -> Vec<u8> {
    with_manifest(backup, |manifest| manifest["machine"] = "another".into())
}

#[test]
fn a_journal_elsewhere_with_another_name_is_restored_there() {
    let mut old = Program::recorded(FROM, 50);
    old.put("journal.db.txt", "beside the journal");
    old.places.config = Some(old.folder.path().join("config.toml"));
    fs::write(old.folder.path().join("config.toml"), "# the main file\n").unwrap();
    let backup = old.backup();
    let mut new = Program::empty();
    new.places.journal = Some(new.folder.path().join("disk/deep/history.sqlite"));
    new.places.state_dir = new.folder.path().join("counts");
    new.restore(&backup).unwrap();
    assert_eq!(new.readings(), old.readings());
    assert!(!new.state("config.toml").exists() && !new.state("journal.db.txt").exists());
    assert!(!new.folder.path().join("disk/deep/restore.part").exists());
}

#[test]
fn a_program_without_a_journal_has_its_counts_backed_up() {
    let mut old = Program::empty();
    old.places.journal = None;
    old.put("s0.count", "a count");
    let backup = old.backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 2);
    let readings = new.readings();
    new.restore(&backup).unwrap_err(); // it has no reading as new as that of the journal
    new.force(&backup).unwrap();
    assert_eq!((new.read("s0.count"), new.readings()), ("a count".to_owned(), readings));
}

#[test]
fn what_is_in_memory_alone_is_in_the_backup() {
    let mut old = Program::recorded(FROM, 10);
    let runtime = old.folder.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let settings = Settings {
        runtime_dir: Some(runtime.clone()),
        sync_interval: Duration::from_secs(3600),
        ..Settings::new(old.journal())
    };
    let (recording, thread) = Journal::start(settings).unwrap();
    recording.wait_open(Duration::from_secs(20));
    let value = reading::Decimal::parse(b"42.5").unwrap();
    recording.record(&"pulses".into(), &reading::Batch::now(vec![reading::Reading::number("COUNT", value)]));
    // A source's newest count is there, too, and the configuration of a command does not name the folder.
    old.put("s0.count", "committed an hour ago");
    age(&old.state("s0.count"), 3600);
    fs::write(runtime.join("s0.count"), "newest").unwrap();
    fs::write(runtime.join("derived-sum.json"), "{}").unwrap();
    old.places.runtime_dir = None;
    let backup = old.backup();
    thread.stop();
    let new = Program::empty();
    new.restore(&backup).unwrap();
    assert!(new.readings().last().unwrap().contains("pulses/COUNT 42.5"), "{:?}", new.readings().last());
    assert_eq!((new.read("s0.count"), new.read("derived-sum.json")), ("newest".to_owned(), "{}".to_owned()));
    assert!(fs::read_dir(&new.places.state_dir).unwrap().all(|file| {
        let name = file.unwrap().file_name();
        !name.to_string_lossy().contains('%')
    }));
}

#[test]
fn a_count_that_this_machine_wrote_after_its_backup_stays() {
    let new = Program::recorded(FROM, 10);
    new.put("s0.count", "at the backup");
    age(&new.state("s0.count"), 100);
    let backup = new.backup();
    if backup::check(&backup[..], &mut |_, _| {}).unwrap().machine.is_empty() {
        return; // a container without an id
    }
    new.put("s0.count", "counted since");
    let restored = new.restore(&backup).unwrap();
    assert_eq!(new.read("s0.count"), "counted since");
    assert_eq!(restored.kept, [Path::new("s0.count")]);
    // The other way round, the backup has the later one.
    new.put("s0.count", "of an older image");
    age(&new.state("s0.count"), 5000);
    new.restore(&backup).unwrap();
    assert_eq!(new.read("s0.count"), "at the backup");
}

#[test]
fn a_count_of_another_machine_replaces_the_one_that_is_there_and_in_memory() {
    let old = Program::recorded(FROM, 10);
    old.put("s0.count", "of the old machine");
    age(&old.state("s0.count"), 3600);
    let backup = of_another_machine(&old.backup());
    let mut new = Program::empty();
    let runtime = new.folder.path().join("run");
    fs::create_dir(&runtime).unwrap();
    new.places.runtime_dir = Some(runtime.clone());
    new.put("s0.count", "three pulses");
    new.put("s0.count.doubt", "was lost");
    fs::write(runtime.join("s0.count"), "four pulses").unwrap();
    let restored = new.restore(&backup).unwrap();
    assert_eq!(new.read("s0.count"), "of the old machine");
    assert!(!runtime.join("s0.count").exists() && !new.state("s0.count.doubt").exists());
    assert!(restored.kept.is_empty());
    let [aside] = &restored.aside[..] else { panic!("{:?}", restored.aside) };
    for (file, text) in
        [("s0.count", "three pulses"), ("runtime/s0.count", "four pulses"), ("s0.count.doubt", "was lost")]
    {
        assert_eq!(fs::read_to_string(aside.join(file)).unwrap(), text);
    }
    // A restored file is as old as it was: `s0` compares that with the journal's newest reading.
    let time = fs::metadata(new.state("s0.count")).unwrap().modified().unwrap();
    assert!(time.elapsed().unwrap() > Duration::from_secs(3000));
}

#[test]
fn files_with_odd_names_do_no_harm() {
    let old = Program::recorded(FROM, 4);
    old.put("sources/odd/two\nlines", "x");
    old.put("sources/odd/back\\slash", "x");
    old.put(&format!("sources/odd/{}", "n".repeat(200)), "x");
    old.put("sources/odd/größe", "x");
    std::os::unix::fs::symlink("/dev/zero", old.state("sources/odd/endless")).unwrap();
    std::os::unix::fs::symlink("/", old.state("sources/odd/root")).unwrap();
    let new = Program::empty();
    new.restore(&old.backup()).unwrap();
    assert_eq!(new.read("sources/odd/größe"), "x");
    assert_eq!(fs::read_dir(new.state("sources/odd")).unwrap().count(), 1);
}

#[test]
fn links_to_files_and_folders_elsewhere_are_not_followed() {
    use std::os::unix::fs::symlink;
    let old = Program::recorded(FROM, 4);
    let secrets = old.folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    fs::write(secrets.join("key"), "of the superuser").unwrap();
    old.put("sources/meter/own", "x");
    old.put("config.d/a.toml", "");
    symlink(secrets.join("key"), old.state("sources/meter/key")).unwrap();
    symlink(secrets.join("key"), old.state("config.d/b.toml")).unwrap();
    symlink(secrets.join("key"), old.state("key.json")).unwrap();
    symlink(&secrets, old.state("publishers")).unwrap();
    symlink(&secrets, old.state("sources/all")).unwrap();
    let backup = old.backup();
    let names: Vec<_> = crate::made::files(&backup).iter().map(crate::made::File::name).collect();
    assert!(names.iter().any(|name| name == "state/sources/meter/own"), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("key") || name.ends_with("b.toml")), "{names:?}");
    assert!(!names.iter().any(|name| name == "state/key.json"), "{names:?}");
    // Nor does a restore move or give away what is behind them.
    let new = Program::empty();
    fs::create_dir_all(new.state("sources")).unwrap();
    symlink(&secrets, new.state("sources/meter")).unwrap();
    fs::write(secrets.join("own"), "of somebody else").unwrap();
    let error = new.restore(&backup).unwrap_err();
    assert!(matches!(error, backup::BackupError::Link(_)), "{error}");
    assert_eq!(fs::read_to_string(secrets.join("own")).unwrap(), "of somebody else");
    assert!(!new.journal().exists());
}

#[test]
fn the_main_file_of_a_backup_is_only_for_its_owner_also_unpacked() {
    let mut old = Program::recorded(FROM, 2);
    let config = old.folder.path().join("config.toml");
    fs::write(&config, "# secrets\n").unwrap();
    old.places.config = Some(config);
    let files = crate::made::files(&old.backup());
    let config = files.iter().find(|file| file.name() == "config.toml").unwrap();
    assert_eq!(config.header.mode().unwrap(), 0o600);
}
