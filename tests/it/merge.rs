//! `smartmeter restore --merge`, and what a kill leaves of a backup, a restore or a merge.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::program::*;

/// Kills of each command.
const KILLS: u32 = 12;
const START: i64 = 1_790_000_000;

/// Folders of a program that is stopped.
struct Machine(tempfile::TempDir);

impl Machine {
    /// A box that has read a meter of 3.6 kW each second.
    fn with(section: &str, seconds: std::ops::Range<i64>, first: i64) -> Self {
        let new = Self(tempfile::tempdir().unwrap());
        let state = new.path("state");
        fs::create_dir(&state).unwrap();
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n", state.display());
        fs::write(new.path("config.toml"), text).unwrap();
        let mut csv = "time,section,name,value,unit,obis\n".to_owned();
        for second in seconds {
            let time = framework::Timestamp::from_second(START + second).unwrap();
            let number = first + second;
            let (whole, part) = (number / 1000, number % 1000);
            writeln!(csv, "{time},{section},ENERGY,{whole}.{part:03},kWh,1.8.0").unwrap();
        }
        fs::write(new.path("readings.csv"), csv).unwrap();
        succeeded(&new.run("import", &["readings.csv"]));
        new
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut program = smartmeter();
        program.arg(command).arg("--config").arg(self.path("config.toml")).args(args);
        program.current_dir(self.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        program
    }

    fn run(&self, command: &str, args: &[&str]) -> Output {
        self.command(command, args).output().unwrap()
    }

    fn backup(&self) -> String {
        succeeded(&self.run("backup", &["home.tar.gz"]));
        self.path("home.tar.gz").display().to_string()
    }

    /// Every reading and every day.
    fn history(&self) -> String {
        ["raw", "1d"].map(|step| succeeded(&self.run("export", &["--step", step]))).concat()
    }

    fn copy(&self) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        fs::create_dir(copy.path("state")).unwrap();
        for file in fs::read_dir(self.path("state")).unwrap().map(|file| file.unwrap().path()) {
            if file.is_file() {
                fs::copy(&file, copy.path("state").join(file.file_name().unwrap())).unwrap();
            }
        }
        let text = fs::read_to_string(self.path("config.toml")).unwrap();
        let text = text.replace(self.0.path().to_str().unwrap(), copy.0.path().to_str().unwrap());
        fs::write(copy.path("config.toml"), text).unwrap();
        copy
    }
}

fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn failed(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command to its end once, and then kills it at moments that are spread over that time. `check` looks at what each
/// leaves; `command` makes a new one.
fn kill(mut command: impl FnMut() -> Command, mut check: impl FnMut(bool)) {
    let begin = Instant::now();
    succeeded(&command().output().unwrap());
    let whole = begin.elapsed();
    for part in 1..=KILLS {
        let mut process = command().spawn().unwrap();
        thread::sleep(whole * part / KILLS + Duration::from_micros(u64::from(part) * 137)); // a moment of the work
        let has_ended = process.try_wait().unwrap().is_some();
        let _ = process.kill();
        let _ = process.wait();
        check(has_ended);
    }
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_or_a_whole_one() {
    let own = Machine::with("meter", 0..20_000, 5_000_000);
    let (file, history) = (own.path("killed.tar.gz"), own.history());
    kill(
        || {
            let _ = fs::remove_file(&file);
            own.command("backup", &["killed.tar.gz"])
        },
        |_| {
            if file.exists() {
                let new = Machine::with("other", 0..1, 0);
                succeeded(&new.run("restore", &["--force", file.to_str().unwrap()]));
                assert_eq!(new.history(), history);
            }
            assert_eq!(own.history(), history);
        },
    );
    own.backup();
}

#[test]
fn a_merge_that_is_killed_leaves_the_history_of_before_or_the_new_one() {
    let (own, other) = (Machine::with("meter", 0..8000, 0), Machine::with("meter", 6000..20_000, 0));
    let backup = other.backup();
    let before = own.history();
    let merged = own.copy();
    succeeded(&merged.run("restore", &["--merge", &backup]));
    let after = merged.history();
    assert_ne!(before, after);
    let current = own.copy();
    let place = current.0.path().to_owned();
    let mut seen = [0, 0];
    kill(
        || {
            // From the beginning each time.
            for file in fs::read_dir(own.path("state")).unwrap().map(|file| file.unwrap().path()) {
                let to = place.join("state").join(file.file_name().unwrap());
                fs::copy(&file, to).unwrap();
            }
            for left in ["-wal", "-shm", "-journal"] {
                let _ = fs::remove_file(place.join(format!("state/journal.db{left}")));
            }
            let mut command = smartmeter();
            command.args(["restore", "--merge", &backup, "--config"]).arg(place.join("config.toml"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        },
        |has_ended| {
            let found = history_of(&place);
            let is_new = found == after;
            assert!(is_new || found == before && !has_ended, "{} lines", found.lines().count());
            seen[usize::from(is_new)] += 1;
        },
    );
    println!("{seen:?} histories of before, and new ones");
    // What was killed is no obstacle.
    succeeded(&current.run("restore", &["--merge", &backup]));
    assert_eq!(current.history(), after);
    assert!(!current.path("state/restore.part").exists());
}

#[test]
fn a_restore_that_is_killed_leaves_the_history_of_before_or_the_new_one() {
    let (own, other) = (Machine::with("meter", 0..8000, 0), Machine::with("meter", 6000..20_000, 0));
    let backup = other.backup();
    let (before, after) = (own.history(), other.history());
    let mut seen = [0, 0];
    let places: Vec<_> = (0..=KILLS).map(|_| own.copy()).collect();
    let mut next = places.iter();
    let current = std::cell::Cell::new(&places[0]);
    kill(
        || {
            current.set(next.next().unwrap());
            current.get().command("restore", &[&backup])
        },
        |has_ended| {
            let found = current.get().history();
            let is_new = found == after;
            assert!(is_new || found == before && !has_ended, "{} lines", found.lines().count());
            seen[usize::from(is_new)] += 1;
            succeeded(&current.get().run("restore", &[&backup]));
            assert_eq!(current.get().history(), after);
        },
    );
    println!("{seen:?} histories of before, and new ones");
}

fn history_of(folder: &Path) -> String {
    let export = |step: &str| {
        let mut command = smartmeter();
        command.args(["export", "--step", step, "--config"]).arg(folder.join("config.toml"));
        succeeded(&command.output().unwrap())
    };
    ["raw", "1d"].map(export).concat()
}

#[test]
fn the_history_of_another_box_joins_this_one_under_the_names_of_this_one() {
    let own = Machine::with("meter", 7200..9000, 90_000_000);
    let other = Machine::with("old_meter", 0..7000, 5_000_000);
    fs::write(other.path("state/old_meter.count"), "of the other box").unwrap();
    fs::write(other.path("state/gas.count"), "of the other box").unwrap();
    fs::write(own.path("state/gas.count"), "of this box").unwrap();
    let backup = other.backup();
    let message = failed(&own.run("restore", &["--merge", "--rename", "nothing=meter", &backup]), 1);
    assert!(
        message.contains(
            "no series matches `nothing`\nhint: nothing was changed; the backup has `old_meter/ENERGY`"
        ),
        "{message}"
    );
    let message = failed(&own.run("restore", &["--merge", "--rename", "old_meter=a b", &backup]), 2);
    assert!(message.contains("`a b` cannot be the name of a source"), "{message}");
    // A new name says nothing where the journal is replaced.
    let message = failed(&own.run("restore", &["--force", "--rename", "old_meter=meter", &backup]), 2);
    assert!(message.contains("'--force' cannot be used with"), "{message}");
    let args = ["--merge", "--rename", "old_meter=meter", &backup];
    let message = succeeded(&own.run("restore", &args));
    assert!(message.contains(": 117 minutes of its series are new\n"), "{message}");
    assert!(message.contains("meter.count is that of the backup, as there was none"), "{message}");
    assert_eq!(fs::read_to_string(own.path("state/meter.count")).unwrap(), "of the other box");
    assert_eq!(fs::read_to_string(own.path("state/gas.count")).unwrap(), "of this box");
    let history = own.history();
    let raw = succeeded(&own.run("export", &[]));
    assert_eq!(raw.lines().filter(|line| line.contains(",meter,ENERGY,")).count(), 7000 + 1800);
    let again = succeeded(&own.run("restore", &args));
    assert!(again.contains(": 0 minutes of its series are new\n"), "{again}");
    assert_eq!(own.history(), history);
    // Another meter, which is no consumption: 6999 and 1799 Wh.
    let program = Program::start(&["--config", own.path("config.toml").to_str().unwrap()]);
    let (status, json) =
        program.get(&format!("/history/meter/ENERGY?per=day&from={}&to={}", START, START + 9000));
    assert_eq!(status, 200, "{json}");
    let amounts = json["amount"].as_array().unwrap_or_else(|| panic!("{json}"));
    let sum: f64 = amounts.iter().filter_map(serde_json::Value::as_f64).sum();
    assert!((sum - 8.798).abs() < 1e-6, "{json}");
    let message = failed(&own.run("restore", &args), 1);
    assert!(message.contains("a program runs with the files in "), "{message}");
}
