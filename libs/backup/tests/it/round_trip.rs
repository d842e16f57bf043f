//! A backup restored elsewhere, and on the same machine.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use backup::BackupError;

use crate::program::{Program, check};

const FROM: &str = "2026-11-01T00:00:00Z";
const LATER: &str = "2026-11-20T00:00:00Z";

fn household() -> Program {
    let program = Program::recorded(FROM, 100);
    program.put("s0.count", "a count");
    program.put("sources/heat/derived.json", "{}");
    program.put("config.d/10-meter.toml", "[sources.meter]\n");
    program
}

#[test]
fn an_empty_machine_gets_history_counts_and_drop_ins() {
    let old = household();
    let backup = old.backup();
    let new = Program::empty();
    let restored = new.restore(&backup).unwrap();
    assert_eq!(new.readings(), old.readings());
    assert_eq!(new.readings().len(), 100);
    assert_eq!(new.read("s0.count"), "a count");
    assert_eq!(new.read("sources/heat/derived.json"), "{}");
    assert_eq!(new.read("config.d/10-meter.toml"), "[sources.meter]\n");
    assert_eq!((restored.aside.len(), restored.upgraded), (0, None));
    assert!(!new.state("restore.part").exists());
    // The backup of the restored one is the same.
    let again = Program::empty();
    again.restore(&new.backup()).unwrap();
    assert_eq!(again.readings(), old.readings());
}

#[test]
fn a_backup_beside_a_program_has_its_last_reading() {
    let program = Program::recorded(FROM, 10);
    let journal = program.journal();
    let settings = journal::Settings::new(journal);
    let (recording, thread) = journal::Journal::start(settings).unwrap();
    recording.wait_open(std::time::Duration::from_secs(20));
    let value = reading::Decimal::parse(b"42.5").unwrap();
    recording.record(&"pulses".into(), &reading::Batch::now(vec![reading::Reading::number("COUNT", value)]));
    let backup = program.backup();
    let new = Program::empty();
    new.restore(&backup).unwrap();
    assert!(new.readings().last().unwrap().contains("pulses/COUNT 42.5"), "{:?}", new.readings().last());
    thread.stop();
}

#[test]
fn what_was_there_is_put_aside_and_not_removed() {
    let old = household();
    let backup = old.backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 20);
    new.put("config.d/20-other.toml", "# another\n");
    let before = new.readings();
    let restored = new.restore(&backup).unwrap();
    assert_eq!(new.readings(), old.readings());
    assert!(!new.state("config.d/20-other.toml").exists());
    let [aside] = &restored.aside[..] else { panic!("{:?}", restored.aside) };
    assert_eq!(fs::read_to_string(aside.join("config.d/20-other.toml")).unwrap(), "# another\n");
    let earlier = Program::empty();
    fs::create_dir_all(&earlier.places.state_dir).unwrap();
    for file in fs::read_dir(aside).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        fs::copy(&file, earlier.state(file.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    assert_eq!(earlier.readings(), before);
}

#[test]
fn newer_readings_are_replaced_only_by_force() {
    let backup = household().backup();
    let new = Program::recorded(LATER, 20);
    let before = new.files();
    let error = new.restore(&backup).unwrap_err();
    assert!(matches!(error, BackupError::NewerReadings { .. }), "{error}");
    assert_eq!(new.files(), before);
    new.force(&backup).unwrap();
    assert_eq!(new.readings().len(), 100);
}

#[test]
fn two_restores_within_a_second_put_their_files_into_folders_of_their_own() {
    let backup = household().backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 20);
    let mut aside: Vec<_> = (0..4).flat_map(|_| new.force(&backup).unwrap().aside).collect();
    let all = aside.len();
    aside.sort();
    aside.dedup();
    assert!(all >= 4 && aside.len() == all, "{aside:?}");
}

#[test]
fn a_program_that_runs_is_left_alone() {
    let backup = household().backup();
    let new = Program::recorded(FROM, 10);
    let (recording, thread) = journal::Journal::start(journal::Settings::new(new.journal())).unwrap();
    recording.wait_open(std::time::Duration::from_secs(20));
    for restored in [new.restore(&backup), new.force(&backup)] {
        let error = restored.unwrap_err();
        assert!(matches!(&error, BackupError::Journal(journal::TransferError::InUse(_))), "{error}");
    }
    thread.stop();
    assert_eq!(new.readings().len(), 10);
}

#[test]
fn a_backup_is_a_file_that_only_its_owner_reads_and_nothing_is_left_where_it_fails() {
    let program = household();
    let file = program.folder.path().join("home.tar.gz");
    let contents = backup::write_file(&program.places, &file, &mut |_, _| {}).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(check(&fs::read(&file).unwrap()).unwrap(), contents);
    let names = |folder: &std::path::Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(program.folder.path());
    fs::write(program.journal(), "no database").unwrap();
    backup::write_file(&program.places, &file, &mut |_, _| {}).unwrap_err();
    assert_eq!(names(program.folder.path()), before);
    assert_eq!(check(&fs::read(&file).unwrap()).unwrap(), contents);
}

#[test]
fn progress_ends_at_the_whole() {
    let program = household();
    let mut out = Vec::new();
    let (mut last, mut calls) = ((0, 0), 0);
    let contents = backup::write(&program.places, &mut out, &mut |done, of| {
        assert!(done >= last.0 && done <= of);
        last = (done, of);
        calls += 1;
    });
    let contents = contents.unwrap();
    assert_eq!(last, (contents.bytes, contents.bytes));
    assert!(calls > 3);
    backup::check(&out[..], &mut |done, of| last = (done, of)).unwrap();
    assert_eq!(last, (contents.bytes, contents.bytes));
}

#[test]
fn files_belong_to_the_owner_of_their_folder() {
    let program = household();
    let backup = program.backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 20);
    if !rustix::process::geteuid().is_root() {
        return; // only root can give files away
    }
    std::os::unix::fs::chown(&new.places.state_dir, Some(4711), Some(4712)).unwrap();
    new.restore(&backup).unwrap();
    for (path, _) in new.files() {
        if path.starts_with(&new.places.state_dir) {
            let file = fs::symlink_metadata(&path).unwrap();
            let is_aside = path
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("before-restore"));
            assert!(is_aside || (file.uid(), file.gid()) == (4711, 4712), "{}", path.display());
        }
    }
}

#[test]
fn two_backups_into_one_file_do_not_meet() {
    let program = household();
    let (file, part) =
        (program.folder.path().join("home.tar.gz"), program.folder.path().join("home.tar.gz.part"));
    let mut second = None;
    let contents = backup::write_file(&program.places, &file, &mut |_, _| {
        second.get_or_insert_with(|| backup::write_file(&program.places, &file, &mut |_, _| {}));
    });
    assert!(matches!(second, Some(Err(BackupError::InProgress(_)))), "{second:?}");
    assert_eq!(check(&fs::read(&file).unwrap()).unwrap(), contents.unwrap());
    assert!(!part.exists());
    // What a killed one left goes, and anything else stays.
    fs::write(&part, [0x1f, 0x8b, 8]).unwrap();
    backup::write_file(&program.places, &file, &mut |_, _| {}).unwrap();
    fs::write(&part, "a letter").unwrap();
    let error = backup::write_file(&program.places, &file, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, BackupError::Occupied(_)), "{error}");
    assert_eq!(fs::read_to_string(&part).unwrap(), "a letter");
}

#[test]
fn a_backup_whose_unfinished_file_was_replaced_is_an_error() {
    let program = household();
    let (file, part) =
        (program.folder.path().join("home.tar.gz"), program.folder.path().join("home.tar.gz.part"));
    let written = backup::write_file(&program.places, &file, &mut |_, _| {
        fs::remove_file(&part).unwrap();
        fs::write(&part, "of somebody else").unwrap();
    });
    assert!(matches!(written, Err(BackupError::InProgress(_))), "{written:?}");
    assert_eq!(fs::read_to_string(&part).unwrap(), "of somebody else");
    assert!(!file.exists());
}

#[test]
fn a_restore_that_fails_half_way_removes_nothing_and_names_every_folder() {
    let old = household();
    let backup = old.backup();
    let mut new = Program::recorded("2026-10-01T00:00:00Z", 4);
    new.places.state_dir = new.folder.path().join("counts");
    new.put("s0.count", "of before");
    let readings = new.readings();
    // The folder for what was there cannot be made: its name is taken, whatever the time is.
    for second in 0..60 {
        let time = jiff::Timestamp::now() + std::time::Duration::from_secs(second);
        new.put(&format!("before-restore-{}", time.strftime("%Y%m%dT%H%M%SZ")), "taken");
    }
    let error = new.restore(&backup).unwrap_err();
    let BackupError::Partial { aside, unpacked, .. } = error else { panic!("{error}") };
    let set_aside = aside.iter().find(|folder| folder.starts_with(new.journal().parent().unwrap())).unwrap();
    assert!(set_aside.join("journal.db").exists());
    assert!(unpacked.iter().any(|folder| folder.join("state/s0.count").exists()), "{unpacked:?}");
    assert_eq!((new.readings(), new.read("s0.count")), (old.readings(), "of before".to_owned()));
    assert_ne!(readings, new.readings());
}
