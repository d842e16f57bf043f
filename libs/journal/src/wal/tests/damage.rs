//! Damage inside a segment costs what is damaged, and not what comes after it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    tests::whole::{Clock, samples},
    wal::{
        Encoder, Entry, frame,
        frame::Cell,
        segment,
        tests::queue::{deliver, newest_file, open, read, record},
    },
};
use reading::{Decimal, Text};

/// Numbers of a segment that can be read, by source.
fn readable(bytes: &[u8]) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    frame::entries(bytes, |entry| {
        if let Entry::Batch { layout, mantissas, .. } = entry {
            found.push((layout.section.to_string(), mantissas[0]));
        }
    });
    found
}

/// A segment of two sources: one each second, and one each quarter of an hour.
fn segment(count: i64) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::default(), frame::header(7));
    let [name, none]: [Text; 2] = ["energy".into(), Text::default()];
    for n in 0..count {
        let mut batch = |section: &str| {
            let cell = Cell {
                name: &name,
                unit: &none,
                obis: &none,
                kind: None,
                medium: None,
                value: Decimal::from(n),
            };
            encoder.batch(&mut bytes, &section.into(), 1_795_000_000_000_000 + n * 1_000_000, &[cell]);
        };
        batch("fast");
        if n % 900 == 0 {
            batch("slow");
        }
    }
    bytes
}

#[test]
fn after_damage_of_any_kind_the_log_is_read_on_from_the_next_whole_frame() {
    let whole = segment(5000);
    let all = readable(&whole);
    assert_eq!(all.len(), 5006);
    type Damage = (&'static str, fn(&mut Vec<u8>, usize), usize);
    let kinds: [Damage; 5] = [
        ("a bit", |bytes, at| bytes[at] ^= 0x10, 18),
        ("a page of zeros", |bytes, at| bytes[at..at + 4096].fill(0), 700),
        ("a sector of ones", |bytes, at| bytes[at..at + 512].fill(0xff), 120),
        ("bytes that are missing", |bytes, at| drop(bytes.drain(at..at + 7)), 18),
        ("bytes too many", |bytes, at| drop(bytes.splice(at..at, (0..300).map(|n| n as u8))), 18),
    ];
    for (kind, damage, most) in kinds {
        for at in (400..whole.len() - 5000).step_by(977) {
            let mut bytes = whole.clone();
            damage(&mut bytes, at);
            let found = readable(&bytes);
            // Nothing is invented, nothing comes twice, and what is lost is near.
            let mut rest = all.iter();
            assert!(found.iter().all(|one| rest.any(|other| other == one)), "{kind} at {at}");
            assert!(found.len() + most >= all.len(), "{kind} at {at}: {} of {}", found.len(), all.len());
            assert_eq!(found.last(), all.last(), "{kind} at {at}");
        }
    }
}

#[test]
fn a_layout_that_is_damaged_is_found_again() {
    let mut bytes = segment(3000);
    bytes[20] ^= 1;
    let found = readable(&bytes);
    assert!(found.len() > 2000 && found.last().unwrap().1 == 2999, "{} {:?}", found.len(), found.last());
}

#[test]
fn damage_inside_the_log_is_said_with_what_is_missing_a_copy_is_kept_and_the_rest_is_read() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, keeper) = clock.journal(dir.path());
    for n in 0..3000 {
        clock.record(&journal, &n.to_string());
    }
    drop((journal, keeper));
    let number = segment::segment_numbers(&dir.path().join("journal.db")).unwrap()[0];
    let path = segment::segment_path(&dir.path().join("journal.db"), number);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (journal, mut keeper) = clock.journal(dir.path());
    keeper.checkpoint();
    let found = samples(&journal);
    assert!((2980..3000).contains(&found.len()), "{}", found.len());
    assert_eq!(found.last().unwrap().1, "2999");
    let notice = journal.status().unwrap().notice.unwrap();
    let missing = "bytes of";
    assert!(notice.contains(missing) && notice.contains("missing from 2026-11-23T12:2"), "{notice}");
    let kept = path.with_file_name(format!("{}.damaged", path.file_name().unwrap().to_str().unwrap()));
    assert_eq!(fs::read(kept).unwrap(), bytes);
}

#[test]
fn a_segment_that_was_only_just_begun_is_not_damaged() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    for len in [0, 7] {
        let number = 1 + len as u64;
        fs::write(
            segment::segment_path(&dir.path().join("journal.db"), number),
            &frame::header(number)[..len],
        )
        .unwrap();
    }
    let (journal, _keeper) = clock.journal(dir.path());
    assert_eq!(journal.status().unwrap().notice, None);
}

#[test]
fn publishers_get_what_comes_after_damage() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let file = newest_file(dir.path());
    // More than is read at once.
    record(&clock, &journal, 1..=9000);
    keeper.checkpoint();
    keeper.sync();
    drop((journal, keeper));
    let mut bytes = fs::read(&file).unwrap();
    for at in [5000, 70_000] {
        bytes[at..at + 600].fill(0x5a);
    }
    fs::write(&file, bytes).unwrap();
    let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
    let mut queue = journal.queue("far");
    let found = deliver(&mut queue);
    assert!(found.is_sorted() && (8800..9000).contains(&found.len()), "{}", found.len());
    assert_eq!((found.last(), queue.backlog()), (Some(&9000), 0));
}

/// Records 3000 batches, of which 2000 were on the disk before the last sync, and returns the file of the segment.
fn synced_in_part(folder: &Path) -> PathBuf {
    let clock = Clock::new();
    let (journal, mut keeper) = clock.journal(folder);
    for n in 0..3000 {
        clock.record(&journal, &n.to_string());
        if n % 1000 == 0 {
            keeper.sync();
        }
    }
    drop((journal, keeper));
    newest_file(folder)
}

#[test]
fn after_another_boot_damage_of_what_was_synced_is_told_from_what_a_power_cut_took() {
    type Damage = (&'static str, fn(&mut Vec<u8>), Option<&'static str>, bool);
    // What is left of the end after a power cut, what is said in `/health`, and whether there is a copy.
    let damages: [Damage; 6] = [
        (
            "a bit early on",
            |bytes| flip(bytes, 1, 10),
            Some("damaged: readings are missing from 2026-11-23T12:0"),
            true,
        ),
        ("a page early on", |bytes| bytes[4096..8192].fill(0), Some("damaged: readings are missing"), true),
        ("the second half", |bytes| bytes.truncate(bytes.len() / 2), None, false),
        ("a short end", |bytes| bytes.truncate(bytes.len() - 7), None, false),
        ("a bit in the last part", |bytes| flip(bytes, 9, 10), None, true),
        ("a page in the last part", |bytes| zeros_before_the_end(bytes, 6000), None, true),
    ];
    for (what, damage, notice, has_copy) in damages {
        let dir = tempfile::tempdir().unwrap();
        let path = synced_in_part(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let clock = Clock { boot: "after a power cut", ..Clock::new() };
        let (journal, _keeper) = clock.journal(dir.path());
        let said = journal.status().unwrap().notice;
        assert_eq!(said.is_some(), notice.is_some(), "{what}: {said:?}");
        assert!(said.iter().zip(notice).all(|(said, notice)| said.contains(notice)), "{what}: {said:?}");
        let copy = path.with_file_name(format!("{}.damaged", path.file_name().unwrap().to_str().unwrap()));
        assert_eq!(fs::read(copy).is_ok_and(|copy| copy == bytes), has_copy, "{what}");
    }
}

fn flip(bytes: &mut [u8], part: usize, of: usize) {
    let at = bytes.len() * part / of;
    bytes[at] ^= 1;
}

fn zeros_before_the_end(bytes: &mut [u8], before: usize) {
    let start = bytes.len() - before;
    bytes[start..start + 4096].fill(0);
}

#[test]
fn in_the_same_boot_an_end_of_garbage_is_damage_and_a_write_that_was_interrupted_is_not() {
    for (garbage, is_said) in [(&b"\x14\x01\x00\x02"[..], false), (&b"\x05garbage"[..], true)] {
        let dir = tempfile::tempdir().unwrap();
        let path = synced_in_part(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(garbage);
        fs::write(&path, &bytes).unwrap();
        let (journal, _keeper) = Clock::new().journal(dir.path());
        assert_eq!(journal.status().unwrap().notice.is_some(), is_said, "{garbage:?}");
        assert_eq!(samples(&journal).len(), 3000);
    }
}

#[test]
fn a_damaged_segment_that_only_a_publisher_needs_is_said_with_what_is_missing_and_a_copy_is_kept() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let (journal, mut keeper) = open(&clock, dir.path(), &["far"]);
    let file = newest_file(dir.path());
    record(&clock, &journal, 1..=3000);
    keeper.checkpoint();
    keeper.sync();
    drop((journal, keeper));
    let mut bytes = fs::read(&file).unwrap();
    flip(&mut bytes, 1, 2);
    fs::write(&file, &bytes).unwrap();
    for start in ["first", "second"] {
        let (journal, _keeper) = open(&clock, dir.path(), &["far"]);
        let mut queue = journal.queue("far");
        let found = read(&mut queue, 5000);
        assert!((2980..3000).contains(&found.len()), "{}", found.len());
        let notice = journal.status().unwrap().notice.unwrap_or_default();
        if start == "first" {
            assert!(notice.contains("are damaged: readings are missing from 2026-11-23T12:2"), "{notice}");
            assert!(notice.contains("for publishers; the database has them"), "{notice}");
        } else {
            assert_eq!(notice, "", "it is said once");
        }
        let copy = file.with_file_name(format!("{}.damaged", file.file_name().unwrap().to_str().unwrap()));
        assert_eq!(fs::read(copy).unwrap(), bytes);
    }
}
