//! `smartmeter backup` and `smartmeter restore`: a program goes on elsewhere without a jump.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use crate::program::*;

const IMPORT: &str = "/history/meter/POWER_IMPORT?step=raw&from=-1h";
const PULSES: &str = "/history/heat/pulses?step=raw&from=-1h";

/// Machine with folders of its own; the devices go from one to the other.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        Self { folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes the configuration, and starts the program as systemd does.
    fn start(&self, sources: &str) -> Program {
        self.configure(sources);
        let mut command = smartmeter();
        command.arg("--config").arg(self.path("config.toml")).env("RUNTIME_DIRECTORY", self.path("run"));
        Program::run(command)
    }

    fn configure(&self, sources: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n{sources}",
            self.path("state").display()
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Runs a command, which has not the environment of the service.
    fn run(&self, command: &str, args: &[&str], input: &[u8]) -> Output {
        let mut program = smartmeter();
        program.arg(command).arg("--config").arg(self.path("config.toml")).args(args);
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn().unwrap();
        let (mut stdin, input) = (program.stdin.take().unwrap(), input.to_vec());
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = program.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }
}

fn succeeded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A telegram with this number, once `/data` shows it.
fn send_telegram(program: &Program, line: &simulator::Pty, number: u32) {
    send(line, &seven_e_one(telegram(&format!("002714.{number:08}"), "000458.90")));
    let wanted = format!("2714.{number:08}").parse::<f64>().unwrap();
    program.until("/data/meter", "there", |json| json["POWER_IMPORT"]["value"].as_f64() == Some(wanted));
}

fn send_pulses(program: &Program, line: &simulator::Pty, count: usize, total: u64) {
    send(line, &vec![0; count]);
    program.until("/data/heat", "counted", |json| json["pulses"] == total);
}

fn series(history: &Json) -> (Json, Json) {
    (history["time"].clone(), history["value"].clone())
}

#[test]
fn a_backup_from_the_running_program_goes_on_on_an_empty_machine_without_a_jump() {
    let (meter, adapter) = (line(), line());
    let sources = format!("{}{}", d0("meter", meter.path()), s0("heat", adapter.path()));
    let old = Machine::new();
    let program = old.start(&sources);
    for number in 1..=20 {
        send_telegram(&program, &meter, number);
    }
    send_pulses(&program, &adapter, 7, 7);
    fs::create_dir_all(old.path("state/config.d")).unwrap();
    fs::write(old.path("state/config.d/10-name.toml"), "[server]\nname = \"home\"\n").unwrap();
    let before = [IMPORT, PULSES].map(|path| series(&program.get(path).1));
    let backup = succeeded_bytes(&old.run("backup", &["-"], b""));
    drop(program); // killed, and gone

    let new = Machine::new();
    new.configure(&sources);
    let told = succeeded(&new.run("restore", &["-"], &backup));
    assert!(told.contains("restored the backup of"), "{told}");
    let program = new.start(&sources);
    let after = [IMPORT, PULSES].map(|path| series(&program.get(path).1));
    assert_eq!(after[0], before[0], "{}", program.log());
    let count = |history: &(Json, Json)| history.1.as_array().unwrap().len();
    let (first, then) = (&before[1], &after[1]);
    // The program shows the count again at its start.
    assert_eq!(then.1.as_array().unwrap()[..count(first)], *first.1.as_array().unwrap());
    let counts = then.1.as_array().unwrap();
    assert!(counts.iter().map(|count| count.as_u64().unwrap()).is_sorted(), "{then:?}");
    assert_eq!(program.get("/data/heat").1["pulses"], 7, "{}", program.log());
    send_pulses(&program, &adapter, 3, 10);
    send_telegram(&program, &meter, 21);
    assert_eq!(count(&series(&program.get(IMPORT).1)), count(&before[0]) + 1);
    assert_eq!(program.get("/health").1["journal"]["state"], "recording");
    let log = program.log();
    assert!(!log.contains("ERROR") && !log.contains("older than the journal"), "{log}");
    assert_eq!(
        fs::read_to_string(new.path("state/config.d/10-name.toml")).unwrap(),
        "[server]\nname = \"home\"\n"
    );
}

fn succeeded_bytes(output: &Output) -> Vec<u8> {
    succeeded(output);
    output.stdout.clone()
}

#[test]
fn publishers_neither_lose_nor_repeat_what_was_confirmed_before_a_move() {
    let meter = line();
    let old = Machine::new();
    let table = |machine: &Machine| {
        format!(
            "{}[publishers.table]\nplugin = \"csv\"\nfolder = \"{}\"\nflush_interval = \"1s\"\n",
            d0("meter", meter.path()),
            machine.path("csv").display()
        )
    };
    fs::create_dir(old.path("csv")).unwrap();
    let program = old.start(&table(&old));
    for number in 1..=5 {
        send_telegram(&program, &meter, number);
    }
    rows_until(&old.path("csv"), 5, &program);
    assert_eq!(program.terminate().code(), Some(0));
    // What comes now is not delivered: the folder is gone.
    fs::rename(old.path("csv"), old.path("csv.done")).unwrap();
    let program = old.start(&table(&old));
    for number in 6..=9 {
        send_telegram(&program, &meter, number);
    }
    let file = old.path("home.tar.gz");
    let told = succeeded(&old.run("backup", &[file.to_str().unwrap()], b""));
    assert!(told.starts_with(&format!("{}: ", file.display())), "{told}");
    drop(program);

    let new = Machine::new();
    fs::create_dir(new.path("csv")).unwrap();
    new.configure(&table(&new));
    succeeded(&new.run("restore", &[file.to_str().unwrap()], b""));
    let program = new.start(&table(&new));
    send_telegram(&program, &meter, 10);
    let rows = rows_until(&new.path("csv"), 5, &program);
    let numbers: Vec<_> =
        rows.iter().map(|row| row.split(',').nth(1).unwrap().parse::<f64>().unwrap()).collect();
    let expected: Vec<_> =
        (6..=10).map(|number| format!("2714.{number:08}").parse::<f64>().unwrap()).collect();
    assert_eq!(numbers, expected);
}

/// Waits for rows in all files of a folder.
fn rows_until(folder: &Path, count: usize, program: &Program) -> Vec<String> {
    let start = Instant::now();
    loop {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let text: String = files.map(|file| fs::read_to_string(file).unwrap()).collect();
        let rows: Vec<_> = text.lines().filter(|row| !row.starts_with("time")).map(str::to_owned).collect();
        if rows.len() >= count {
            return rows;
        }
        assert!(start.elapsed() < DEADLINE, "only {rows:?}: {}", program.log());
        thread::sleep(Duration::from_millis(20)); // between two looks, not for timing
    }
}

#[test]
fn a_count_never_runs_backwards_where_an_older_backup_is_restored_over_it() {
    let adapter = line();
    let sources = s0("heat", adapter.path());
    let machine = Machine::new();
    let program = machine.start(&sources);
    send_pulses(&program, &adapter, 5, 5);
    let backup = succeeded_bytes(&machine.run("backup", &["-"], b""));
    let start = Instant::now();
    // Files tell their times in whole seconds.
    while start.elapsed() < Duration::from_millis(2100) {
        thread::sleep(Duration::from_millis(50));
    }
    send_pulses(&program, &adapter, 4, 9);

    let beside = failed(&machine.run("restore", &["-", "--force"], &backup));
    assert!(beside.contains("a program runs") && beside.contains("systemctl stop smartmeter"), "{beside}");
    drop(program); // killed: the newest count is in memory alone
    let refused = failed(&machine.run("restore", &["-"], &backup));
    assert!(refused.contains("readings up to") && refused.contains("--force"), "{refused}");
    let told = succeeded(&machine.run("restore", &["-", "--force"], &backup));
    let has_id = fs::read_to_string("/etc/machine-id").is_ok_and(|id| !id.trim().is_empty());
    assert_eq!(has_id, told.contains("heat.count stays"), "{told}");
    let program = machine.start(&sources);
    let expected = if has_id { 9 } else { 5 };
    program.until("/data/heat", "kept", |json| json["pulses"] == expected);
    send_pulses(&program, &adapter, 1, expected + 1);
}

#[test]
fn a_backup_that_is_cut_off_changes_nothing_and_says_so() {
    let meter = line();
    let sources = d0("meter", meter.path());
    let machine = Machine::new();
    let program = machine.start(&sources);
    send_telegram(&program, &meter, 1);
    let backup = succeeded_bytes(&machine.run("backup", &["-"], b""));
    program.terminate();
    let told = failed(&machine.run("restore", &["-", "--force"], &backup[..backup.len() / 2]));
    assert!(told.contains("cut off") && told.contains("nothing was changed"), "{told}");
    let told = failed(&machine.run("restore", &["-"], b"no backup at all"));
    assert!(told.contains("not a backup of smartmeter"), "{told}");
    let program = machine.start(&sources);
    assert_eq!(series(&program.get(IMPORT).1).1.as_array().unwrap().len(), 1, "{}", program.log());
}

#[test]
fn a_backup_that_nobody_reads_to_its_end_is_an_error() {
    let meter = line();
    let machine = Machine::new();
    let program = machine.start(&d0("meter", meter.path()));
    send_telegram(&program, &meter, 1);
    let mut command = smartmeter();
    command.arg("backup").arg("--config").arg(machine.path("config.toml")).arg("-");
    let mut backup = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(backup.stdout.take());
    let told = failed(&backup.wait_with_output().unwrap());
    assert!(told.contains("could not back up: could not write the backup"), "{told}");
}

#[test]
fn a_backup_of_nothing_is_an_error_with_a_hint() {
    let machine = Machine::new();
    machine.configure("");
    let file = machine.path("home.tar.gz");
    let told = failed(&machine.run("backup", &[file.to_str().unwrap()], b""));
    assert!(told.contains("there is no journal") && told.contains("--config"), "{told}");
    assert!(!file.exists() && !machine.path("home.tar.gz.part").exists());
}
