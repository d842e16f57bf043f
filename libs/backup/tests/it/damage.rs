//! Files that are damaged, cut off, or made by somebody who means harm.

use backup::BackupError;
use tar::EntryType;

use crate::{
    made::{File, files, packed, summed},
    program::{Program, check},
};

fn household() -> Program {
    let program = Program::recorded("2026-11-01T00:00:00Z", 4);
    program.put("s0.count", "a count");
    program
}

#[test]
fn a_backup_cut_off_anywhere_is_refused_and_changes_nothing() {
    let backup = household().backup();
    let new = Program::recorded("2026-10-01T00:00:00Z", 2);
    let before = new.files();
    let lens = (0..40).chain((40..backup.len()).step_by(211)).chain(backup.len() - 40..backup.len());
    for len in lens {
        let error = new.restore(&backup[..len]).unwrap_err();
        assert!(matches!(error, BackupError::Truncated), "{len}: {error}");
    }
    assert_eq!(new.files(), before);
    new.restore(&backup).unwrap();
}

#[test]
fn a_flipped_bit_anywhere_is_found_or_does_not_matter() {
    let program = household();
    let backup = program.backup();
    let whole = check(&backup).unwrap();
    let places = (0..64).chain((64..backup.len()).step_by(37)).chain(backup.len() - 64..backup.len());
    let mut found = 0;
    for at in places {
        for bit in [0, 5] {
            let mut damaged = backup.clone();
            damaged[at] ^= 1 << bit;
            match check(&damaged) {
                // Time, flags and system in the header of gzip, which nobody reads.
                Ok(contents) => assert_eq!(contents, whole, "byte {at}"),
                Err(BackupError::Input(error) | BackupError::Output(error)) => panic!("byte {at}: {error}"),
                Err(_) => found += 1,
            }
        }
    }
    assert!(found > 100, "{found}");
    let mut damaged = backup.clone();
    // More than a bit: one may be an unused bit of the compression, and then the files are what they were.
    let at = backup.len() / 2;
    damaged[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
    let new = Program::empty();
    let before = new.files();
    new.restore(&damaged).unwrap_err();
    assert_eq!(new.files(), before);
}

#[test]
fn a_file_that_leads_out_of_its_folder_is_refused() {
    let backup = household().backup();
    for name in [
        "../x",
        "/etc/x",
        "state/../../x",
        "state//x",
        "state/./x",
        "state/",
        "state",
        "config.d/../../x",
        "journal.db-tail.../../x",
        "journal.db-tail.07",
        "journal.db-wal",
        "other/x",
        "x",
    ] {
        let mut all = files(&backup);
        all.insert(1, File::new(name, b"harm"));
        let new = Program::empty();
        let before = new.files();
        let error = new.restore(&summed(&all)).unwrap_err();
        assert!(matches!(error, BackupError::Damaged(_)), "{name}: {error}");
        assert_eq!(new.files(), before, "{name}");
    }
}

#[test]
fn entries_of_another_kind_are_refused() {
    let backup = household().backup();
    let kinds = [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
    ];
    for kind in kinds {
        let mut all = files(&backup);
        all.insert(1, File::new("state/x", b"").of_kind(kind));
        let error = check(&summed(&all)).unwrap_err();
        assert!(matches!(error, BackupError::Damaged(_)), "{kind:?}: {error}");
    }
}

#[test]
fn a_file_longer_than_announced_is_refused_before_it_is_unpacked() {
    let backup = household().backup();
    let all = files(&backup);
    let inserted = |file: File| {
        let mut all = all.clone();
        all.insert(1, file);
        packed(&all)
    };
    // Gigabytes of zeros are a few megabytes of gzip; the announced length alone is enough here.
    for bomb in [
        inserted(File::new("state/bomb", b"x").sized(1 << 40)),
        inserted(File::new("journal.db-tail.9", b"x").sized(u64::MAX >> 1)),
        inserted(File::new("././@LongLink", b"x").of_kind(EntryType::GNULongName).sized(1 << 40)),
    ] {
        let new = Program::empty();
        let before = new.files();
        let error = new.restore(&bomb).unwrap_err();
        assert!(matches!(error, BackupError::Damaged(_)), "{error}");
        assert_eq!(new.files(), before);
    }
    // A manifest or checksums without an end.
    let mut manifest = all.clone();
    manifest[0] = File::new("manifest.json", b"{").sized(1 << 40);
    assert!(matches!(check(&packed(&manifest)), Err(BackupError::Damaged(_) | BackupError::Truncated)));
    let mut sums = all;
    *sums.last_mut().unwrap() = File::new("SHA256SUMS", b"").sized(1 << 40);
    assert!(matches!(check(&packed(&sums)), Err(BackupError::Damaged(_))));
}

#[test]
fn a_backup_that_needs_more_space_than_there_is_is_refused() {
    let backup = household().backup();
    let large = crate::made::with_manifest(&backup, |manifest| manifest["bytes"] = (1_u64 << 60).into());
    let new = Program::empty();
    let before = new.files();
    let error = new.restore(&large).unwrap_err();
    assert!(matches!(error, BackupError::NoSpace { .. }), "{error}");
    assert_eq!(new.files(), before);
}

#[test]
fn another_order_of_files_is_refused() {
    let backup = household().backup();
    let all = files(&backup);
    let (mut sums_first, mut twice, mut after, mut lacks) =
        (all.clone(), all.clone(), all.clone(), all.clone());
    let sums = sums_first.pop().unwrap();
    sums_first.insert(1, sums);
    twice.insert(1, all[1].clone());
    after.push(File::new("state/x", b"x"));
    lacks.remove(1);
    for (what, backup) in [("first", sums_first), ("twice", twice), ("after", after), ("lacks", lacks)] {
        let error = check(&packed(&backup)).unwrap_err();
        assert!(matches!(error, BackupError::Damaged(_)), "{what}: {error}");
    }
    let error = check(&packed(&all[..all.len() - 1])).unwrap_err();
    assert!(matches!(error, BackupError::Truncated), "{error}");
    let error = check(&packed(&all[1..])).unwrap_err();
    assert!(matches!(error, BackupError::NotABackup), "{error}");
}

#[test]
fn other_files_are_no_backups() {
    let gzip = packed(&[File::new("hello.txt", b"hello")]);
    for other in [&b"SQLite format 3\0"[..], b"{}", b"PK\x03\x04", &gzip, &packed(&[])] {
        let error = check(other).unwrap_err();
        assert!(matches!(error, BackupError::NotABackup), "{error}");
    }
}

#[test]
fn more_empty_files_than_checksums_can_name_are_refused() {
    let backup = household().backup();
    let backup = crate::made::with_manifest(&backup, |manifest| manifest["files"] = 1_000_000_000.into());
    let [manifest, ..] = &files(&backup)[..] else { panic!("no manifest") };
    let empty = |number: usize| File::new(&format!("state/sources/{number:085}"), b"");
    let all: Vec<_> = std::iter::once(manifest.clone()).chain((0..110_000).map(empty)).collect();
    let error = check(&packed(&all)).unwrap_err();
    assert!(error.to_string().contains("more files than any backup"), "{error}");
}
