//! Power cuts: whatever of the unsynced writes reaches the disk, what was committed is there, each reading once.
//! And kills, where all writes do: what was recorded is there.
//!
//! The test runs itself again as a program that records under load, with a library preloaded that notes each of
//! its writes (`support/recorder.c`). From the notes it makes the folders that power cuts leave
//! (`support/disk.rs` has the model), and opens the journal in each of them.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use crate::support::{
    Random,
    disk::{Files, Recording},
    load::{ABREAST, Found, Load},
};

/// Folder in which the program records, and its first and last batch.
const FOLDER: &str = "JOURNAL_POWERCUT_FOLDER";
const BATCHES: &str = "JOURNAL_POWERCUT_BATCHES";
/// Set if the keeper is late: segments are closed before it checkpoints them.
const LATE: &str = "JOURNAL_POWERCUT_LATE";
/// Folder in memory, where there is one. A power cut leaves nothing of it.
const RUNTIME: &str = "JOURNAL_POWERCUT_RUNTIME";
/// In the folder, but none of the journal's files: what the program prints.
const MARKS: &str = "marks";
/// Programs that follow each other: each begins with what a power cut left of the one before.
const PROGRAMS: u64 = 3;
const BATCHES_EACH: u64 = 400;
const CUTS_EACH: u64 = 110;
const KILLS_EACH: u64 = 40;
/// Recorded after the power is back.
const MORE: u64 = 7;

/// The program whose power is cut. It prints each batch after it was recorded, and the number up to which all are
/// synced.
#[test]
fn program() {
    let (Ok(folder), Ok(batches)) = (std::env::var(FOLDER), std::env::var(BATCHES)) else { return };
    let folder = PathBuf::from(folder);
    let (first, end) = batches.split_once(' ').unwrap();
    let (first, end): (u64, u64) = (first.parse().unwrap(), end.parse().unwrap());
    let late = std::env::var_os(LATE).is_some();
    let size = if late { 500 } else { 4 << 20 };
    let (load, mut keeper) = Load::new(&folder, &format!("boot {first}"), first, |settings| {
        settings.checkpoint_size = size;
        settings.runtime_dir = std::env::var_os(RUNTIME).map(PathBuf::from);
    });
    let marks = fs::File::options().append(true).create(true).open(folder.join(MARKS)).unwrap();
    let say = |text: String| (&marks).write_all(format!("{text}\n").as_bytes()).unwrap(); // at once
    let mut random = Random::new(first + 1);
    // Of each thread: what it has not recorded yet.
    let next = [first, first + 1].map(AtomicU64::new);
    keeper.open();
    thread::scope(|scope| {
        let record = |own: usize| {
            let mut random = Random::new(first + 2 + own as u64);
            for number in (first + own as u64..end).step_by(2) {
                while number > next[1 - own].load(Relaxed) + ABREAST {
                    thread::yield_now();
                }
                load.record(number);
                next[own].store(number + 2, Relaxed);
                say(format!("recorded {number}"));
                thread::sleep(Duration::from_micros(random.below(800))); // batches have distances
            }
        };
        let recorders = [0, 1].map(|own| scope.spawn(move || record(own)));
        while !recorders.iter().all(|recorder| recorder.is_finished()) {
            let before = next.iter().map(|next| next.load(Relaxed)).min().unwrap();
            if random.below(if late { 40 } else { 8 }) == 0 {
                keeper.checkpoint();
            } else {
                keeper.sync();
            }
            load.assert_well("under load");
            say(format!("committed {before}"));
            thread::sleep(Duration::from_micros(random.below(2000)));
        }
    });
}

#[test]
fn what_was_committed_survives_a_power_cut() {
    survives(KILLS_EACH, false);
}

/// Kills are another test's: the folder in memory is not noted.
#[test]
fn with_a_folder_in_memory_what_was_committed_survives_a_power_cut() {
    survives(0, true);
}

fn survives(kills: u64, live: bool) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed);
    let mut random = Random::new(seed);
    let (_dir, recorder) = recorder();
    // What the program finds when it starts, and the batches that are in there.
    let (mut before, mut there) = (Files::new(), BTreeSet::new());
    let (mut committed, mut kept, mut moments) = (0, 0, 0);
    for program in 0..PROGRAMS {
        let first = program * (BATCHES_EACH + 10 * MORE);
        let batches = first..first + BATCHES_EACH;
        let late = program == PROGRAMS - 1;
        let recording = record(&recorder, &before, batches.clone(), (late, live));
        moments += recording.len();
        let mut next = None;
        for cut in 0..CUTS_EACH + kills {
            let at = recording.moment(&mut random);
            let mut safe = there.clone();
            let power = cut < CUTS_EACH;
            let files = if power {
                let said = recording.marks(at).filter_map(|mark| mark.strip_prefix("committed ")).next_back();
                safe.extend(first..said.map_or(first, |number| number.parse().unwrap()));
                recording.cut(at, &mut random)
            } else {
                let said = recording.marks(at).filter_map(|mark| mark.strip_prefix("recorded "));
                safe.extend(said.map(|number| number.parse::<u64>().unwrap()));
                recording.seen(at)
            };
            let case = format!(
                "{} of program {program} after event {at} of {}, attempt {cut} (SEED={seed})",
                if power { "power cut" } else { "kill" },
                recording.len()
            );
            let found = explained(&case, || check(&files, &there, &safe, batches.clone()));
            if power {
                committed += safe.range(first..).count();
                kept += found.range(first..).count();
            }
            if power
                && cut >= CUTS_EACH / 2
                && next.is_none()
                && files.keys().any(|name| name.ends_with("-wal"))
            {
                next = Some((files, found));
            }
        }
        (before, there) = next.unwrap_or_else(|| (recording.seen(recording.len()), batches.collect()));
    }
    println!(
        "{} power cuts and {} kills at {moments} moments: at the cuts {committed} batches were committed, and {kept} were \
         there",
        PROGRAMS * CUTS_EACH,
        PROGRAMS * kills
    );
    assert!(kept > committed, "nothing but what was committed is ever there: the cuts are too harsh");
}

/// Makes the library that notes writes.
fn recorder() -> (tempfile::TempDir, PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/recorder.c");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let library = dir.path().join("recorder.so");
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .args([&library, &source])
        .status();
    assert!(cc.unwrap().success(), "cc, which builds SQLite too, could not build {}", source.display());
    (dir, library)
}

/// A folder that is quick to sync, where the system has such a thing: what a sync means is the model's.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// Runs the program in a folder that has these files.
fn record(
    recorder: &Path,
    before: &Files,
    batches: std::ops::Range<u64>,
    (late, live): (bool, bool),
) -> Recording {
    let (dir, notes, runtime) = (folder(), folder(), folder());
    let (path, notes) = (dir.path().canonicalize().unwrap(), notes.path().join("notes"));
    write(&path, before);
    let mut program = Command::new(std::env::current_exe().unwrap());
    if late {
        program.env(LATE, "1");
    }
    if live {
        program.env(RUNTIME, runtime.path());
    }
    let output = program
        .args(["powercut::program", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, &path)
        .env(BATCHES, format!("{} {}", batches.start, batches.end))
        .env("LD_PRELOAD", recorder)
        .env("RECORDER_FOLDER", &path)
        .env("RECORDER_LOG", &notes)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let recording = Recording::parse(&fs::read(notes).unwrap(), &path, before.clone(), MARKS);
    assert!(recording.len() > 500, "only {} events were noted", recording.len());
    // Otherwise something changes files in a way that is not noted.
    let (noted, mut real) = (recording.seen(recording.len()), read(&path));
    // The link to the folder in memory leads nowhere after a power cut.
    real.retain(|name, _| name != MARKS && !name.ends_with("-shm") && !name.ends_with("-live"));
    assert_eq!(noted.keys().collect::<Vec<_>>(), real.keys().collect::<Vec<_>>());
    for (name, content) in &noted {
        assert!(real[name] == *content, "`{name}` is not as noted");
    }
    recording
}

/// Opens the journal in a folder with these files, as a program does, and looks what is in there: of what was there
/// before and the program's batches, at least those that are safe.
fn check(
    files: &Files,
    there: &BTreeSet<u64>,
    safe: &BTreeSet<u64>,
    batches: std::ops::Range<u64>,
) -> BTreeSet<u64> {
    let dir = folder();
    write(dir.path(), files);
    let more = batches.end + MORE..batches.end + 2 * MORE;
    let (load, mut keeper) = Load::new(dir.path(), "the next boot", more.start, |_| {});
    keeper.open();
    load.assert_well("opened");
    // Recording goes on.
    more.clone().for_each(|number| load.record(number));
    keeper.sync();
    keeper.checkpoint();
    load.assert_well("folded");
    drop((load, keeper));

    let mut found = Found::read(dir.path());
    found.check_database(dir.path());
    let all = safe.iter().copied().chain(more.clone());
    found.check_sets(all.clone());
    for number in all {
        assert!(found.batches.contains(&number), "batch {number} was safe, and is lost");
    }
    for number in &found.batches {
        let recorded = there.contains(number) || batches.contains(number) || more.contains(number);
        assert!(recorded, "batch {number} was never recorded");
    }
    found.batches.retain(|number| !more.contains(number));
    found.batches
}

fn read(folder: &Path) -> Files {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| !path.is_symlink());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect()
}

fn write(folder: &Path, files: &Files) {
    files.iter().for_each(|(name, content)| fs::write(folder.join(name), content).unwrap());
}

/// Says which case it was before it fails.
fn explained<T>(case: &str, check: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        println!("this was a {case}");
        resume_unwind(panic)
    })
}
