//! Pulses on a serial line, counts and commands over HTTP.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;

use crate::program::*;

/// Configuration of pulses at this port, as with an adapter on a serial line.
fn serial(port: &Path) -> String {
    format!("[sources.heat]\nplugin = \"s0\"\nport = \"{}\"\n", port.display())
}

/// Starts the program with a runtime folder, as systemd does.
fn with_runtime(folder: &Path, sources: &str, runtime: &Path) -> Program {
    let config = folder.join("config.toml");
    let state = folder.join("state");
    let text = format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n{sources}", state.display());
    fs::write(&config, text).unwrap();
    let mut command = smartmeter();
    command.arg("--config").arg(config).env("RUNTIME_DIRECTORY", runtime);
    Program::run(command)
}

/// What a person must look at, of the source `heat`.
fn problem(program: &Program) -> Option<String> {
    program.get("/health").1["sources"]["heat"]["problem"].as_str().map(str::to_owned)
}

#[test]
fn pulses_are_counted_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("smartmeter_s0", adapter.path());
    let program = Program::with_config(folder.path(), &config);
    let first = program.until("/data/smartmeter_s0", "there", |json| json["pulses"].is_number());
    assert_eq!((&first["count"].as_f64(), &first["pulses"].as_u64()), (&Some(0.0), &Some(0)));
    send(&adapter, &[0; 1234]);
    let data = program.until("/data/smartmeter_s0", "counted", |json| json["pulses"] == 1234);
    assert_eq!(data["count"], 1.234);
    assert!(data["timestampUTC"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(program.terminate().code(), Some(0));

    let program = Program::with_config(folder.path(), &config);
    program.until("/data/smartmeter_s0", "kept", |json| json["pulses"] == 1234);
}

#[test]
fn commands_change_the_count_at_once_and_permanently() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("smartmeter_s0", adapter.path());
    let program = Program::with_config(folder.path(), &config);
    let (status, answer) = program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 13756.57}}"#);
    assert_eq!((status, &answer["name"], &answer["result"]), (200, &"set_s0".into(), &true.into()));
    program.until("/data", "set", |json| json["smartmeter_s0"]["pulses"] == 13_756_570);
    assert!(program.text("/data").contains(r#""count":13756.57,"#), "{}", program.text("/data"));
    send(&adapter, &[0]);
    program.until("/data", "counted on", |json| json["smartmeter_s0"]["pulses"] == 13_756_571);

    // raspend's own form with the original program's name of the command.
    let envelope = r#"{"Command": {"Name": "s0Interface.setValue", "Args": {"value": "2.5"}}, "Tag": 7}"#;
    let (status, answer) = program.post("/", envelope);
    assert_eq!(
        (status, &answer["Command"]["Result"], &answer["Tag"]),
        (200, &true.into(), &7.into()),
        "{answer}"
    );
    program.until("/data", "set", |json| json["smartmeter_s0"]["count"] == 2.5);

    let (status, _) = program.post("/cmd", r#"{"name": "smartmeter_s0.reset_s0", "args": {}}"#);
    assert_eq!(status, 200);
    program.until("/data", "reset", |json| json["smartmeter_s0"]["pulses"] == 0);

    let (_, commands) = program.get("/cmds");
    assert_eq!(commands["Commands"][0]["Command"]["Name"], "smartmeter_s0.reset_s0", "{commands}");

    for (body, status, code) in [
        (r#"{"name": "set_s0", "args": {"value": -1}}"#, 400, "bad_argument"),
        (r#"{"name": "set_s0", "args": {"value": "x"}}"#, 400, "bad_argument"),
        (r#"{"name": "set_s0"}"#, 400, "bad_argument"),
        (r#"{"name": "nothing"}"#, 404, "unknown_command"),
        ("{", 400, "invalid_json"),
    ] {
        let (got, answer) = program.post("/cmd", body);
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)), "{body}");
    }
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 1}}"#);
    drop(program); // SIGKILL
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/smartmeter_s0", "kept", |json| json["pulses"] == 1000);
}

#[test]
fn a_short_name_that_means_two_commands_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (line(), line());
    let config = format!("{}{}", s0("heat", one.path()), s0("car", two.path()));
    let program = Program::with_config(folder.path(), &config);
    let (status, answer) = program.post("/cmd", r#"{"name": "reset_s0"}"#);
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("ambiguous_command")));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("heat.reset_s0") && message.contains("car.reset_s0"), "{message}");
    assert_eq!(program.post("/cmd", r#"{"name": "car.reset_s0"}"#).0, 200);
}

#[test]
fn a_count_file_that_is_damaged_truncated_empty_or_gone_continues_from_the_journal_until_set_s0_confirms_it()
{
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("heat", adapter.path());
    let file = folder.path().join("state/heat.count");
    let mut pulses = 0;
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 9] = [
        ("gone", |file| fs::remove_file(file).unwrap()),
        ("empty", |file| fs::write(file, "").unwrap()),
        ("10 bytes long", |file| truncate(file, 10)),
        ("one slot long", |file| truncate(file, 36)),
        ("torn in its second slot", |file| truncate(file, 4100)),
        ("zeros", |file| fs::write(file, [0; 4132]).unwrap()),
        ("text", |file| fs::write(file, "13756.57 kWh").unwrap()),
        ("with a wrong bit in its first slot", |file| flip(file, 17)),
        ("with wrong bits in both", |file| [17, 4096 + 17].into_iter().for_each(|at| flip(file, at))),
    ];
    for (what, damage) in damages {
        let program = Program::with_config(folder.path(), &config);
        program.until("/data/heat", "there", |json| json["pulses"] == pulses);
        send(&adapter, &[0; 77]);
        pulses += 77;
        program.until("/data/heat", "counted", |json| json["pulses"] == pulses);
        assert_eq!(problem(&program), None);
        drop(program); // SIGKILL
        damage(&file);
        for start in ["first", "second"] {
            let program = Program::with_config(folder.path(), &config);
            program.until("/data/heat", &format!("there after the file was {what}"), |json| {
                json["pulses"] == pulses
            });
            let (status, health) = program.get("/health");
            assert_eq!((status, &health["status"]), (503, &"degraded".into()), "{what}, {start} start");
            let problem = problem(&program).unwrap();
            assert!(
                problem.ends_with("confirm or correct it with the command `set_s0`"),
                "{what}: {problem}"
            );
        }
        let program = Program::with_config(folder.path(), &config);
        let kwh = f64::from(pulses) / 1000.0;
        let (status, _) =
            program.post("/cmd", &format!(r#"{{"name": "set_s0", "args": {{"value": {kwh}}}}}"#));
        assert_eq!((status, problem(&program)), (200, None));
        program.until("/health", "well", |json| json["status"] == "ok");
    }
}

fn truncate(file: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_state_folder_that_is_deleted_or_replaced_while_running_costs_no_pulse_that_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("heat", adapter.path());
    let (state, file) = (folder.path().join("state"), folder.path().join("state/heat.count"));
    let mut pulses = 0;
    for replaced in [false, true] {
        let program = Program::with_config(folder.path(), &config);
        program.until("/data/heat", "there", |json| json["pulses"] == pulses);
        fs::remove_dir_all(&state).unwrap();
        if replaced {
            fs::create_dir(&state).unwrap();
            fs::write(&file, "somebody else's").unwrap();
        }
        send(&adapter, &[0; 500]);
        pulses += 500;
        program.until("/data/heat", "counted", |json| json["pulses"] == pulses);
        let is_back = || fs::metadata(&file).is_ok_and(|file| file.len() > 4096);
        program.until("/health", "written again", |_| is_back());
        assert!(program.log().contains("was deleted or replaced while it was in use"), "{}", program.log());
        send(&adapter, &[0; 10]);
        pulses += 10;
        program.until("/data/heat", "counted on", |json| json["pulses"] == pulses);
        drop(program); // SIGKILL
    }
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/heat", "kept", |json| json["pulses"] == pulses);
}

#[test]
fn a_count_that_is_in_memory_only_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let state = folder.path().join("state");
    symlink("mounted/later", &state).unwrap();
    let program = Program::with_config(folder.path(), &s0("heat", adapter.path()));
    send(&adapter, &[0; 5]);
    program.until("/data/heat", "counted", |json| json["pulses"] == 5);
    let (status, health) = program.get("/health");
    assert_eq!((status, &health["status"]), (503, &"degraded".into()));
    let problem = problem(&program).unwrap();
    assert!(problem.contains("the count is in memory only, trying again"), "{problem}");
}

#[test]
fn with_a_runtime_folder_a_kill_loses_nothing_and_a_power_cut_at_most_the_sync_interval() {
    let [folder, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let adapter = line();
    let config =
        format!("{}sync_interval = \"1h\"\n[journal]\nenabled = false\n", s0("heat", adapter.path()));
    let disk = folder.path().join("state/heat.count");
    let program = with_runtime(folder.path(), &config, runtime.path());
    send(&adapter, &[0; 100]);
    program.until("/data/heat", "counted", |json| json["pulses"] == 100);
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 2}}"#);
    let committed = fs::read(&disk).unwrap();
    send(&adapter, &[0; 50]);
    program.until("/data/heat", "counted", |json| json["pulses"] == 2050);
    assert_eq!(fs::read(&disk).unwrap(), committed, "the disk is not written for each pulse");
    drop(program); // SIGKILL
    let program = with_runtime(folder.path(), &config, runtime.path());
    program.until("/data/heat", "kept", |json| json["pulses"] == 2050);
    assert_eq!(problem(&program), None);
    drop(program);
    // A power cut: memory is empty, and the disk is as it was at the last sync.
    fs::remove_file(runtime.path().join("heat.count")).unwrap();
    fs::write(&disk, committed).unwrap();
    let program = with_runtime(folder.path(), &config, runtime.path());
    program.until("/data/heat", "committed", |json| json["pulses"] == 2000);
    send(&adapter, &[0; 7]);
    program.until("/data/heat", "counted on", |json| json["pulses"] == 2007);
    assert_eq!(program.terminate().code(), Some(0));
    // An orderly end commits, so that the machine may be switched off.
    fs::remove_file(runtime.path().join("heat.count")).unwrap();
    let program = with_runtime(folder.path(), &config, runtime.path());
    program.until("/data/heat", "kept", |json| json["pulses"] == 2007);
}

/// Copies what a power cut would leave of a state folder.
fn copy_state(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        // A segment may be removed meanwhile.
        let _ = fs::copy(file.path(), to.join(file.file_name()));
    }
}

/// Returns whether a segment of the log has this count.
fn is_in_log(state: &Path, pulses: u64) -> bool {
    let files = fs::read_dir(state).unwrap().map(Result::unwrap);
    let segments = files.filter(|file| file.file_name().to_string_lossy().contains("-tail."));
    let wanted = pulses.to_le_bytes();
    let has = |slot: &[u8]| slot.starts_with(b"s0count\x01") && slot[16..24] == wanted;
    segments.into_iter().any(|file| fs::read(file.path()).is_ok_and(|bytes| bytes.windows(36).any(has)))
}

#[test]
fn the_journal_keeps_the_count_so_that_the_count_file_is_not_written_each_minute_and_a_power_cut_loses_no_more()
 {
    let [folder, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let adapter = line();
    let config =
        format!("{}sync_interval = \"1s\"\n[journal]\nsync_interval = \"1s\"\n", s0("heat", adapter.path()));
    let state = folder.path().join("state");
    let program = with_runtime(folder.path(), &config, runtime.path());
    program.until("/data/heat", "there", |json| json["pulses"] == 0);
    program.until("/health", "open", |json| json["journal"]["state"] == "recording");
    let at_start = fs::read(state.join("heat.count")).unwrap();
    let mut cuts = Vec::new();
    for pulses in [100, 200, 300] {
        send(&adapter, &[0; 100]);
        program.until("/data/heat", "in the log on the disk", |_| is_in_log(&state, pulses));
        let copy = folder.path().join(format!("cut-{pulses}"));
        copy_state(&state, &copy);
        assert_eq!(fs::read(copy.join("heat.count")).unwrap(), at_start, "the file is not written");
        cuts.push((pulses, copy));
    }
    // A lower count, which the file has at once.
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 0.05}}"#);
    let copy = folder.path().join("cut-set");
    copy_state(&state, &copy);
    cuts.push((50, copy));
    send(&adapter, &[0; 1]);
    program.until("/data/heat", "in the log on the disk", |_| is_in_log(&state, 51));
    let copy = folder.path().join("cut-after");
    copy_state(&state, &copy);
    cuts.push((51, copy));
    drop(program);
    for (pulses, copy) in cuts {
        fs::remove_dir_all(&state).unwrap();
        fs::rename(copy, &state).unwrap();
        let empty = tempfile::tempdir().unwrap();
        let program = with_runtime(folder.path(), &config, empty.path());
        program.until("/data/heat", "kept", |json| json["pulses"] == pulses);
        assert_eq!(problem(&program), None);
        assert_eq!(program.terminate().code(), Some(0));
    }
}

#[test]
fn after_a_power_cut_the_count_is_no_less_than_the_journal_has() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("heat", adapter.path());
    let disk = folder.path().join("state/heat.count");
    let program = Program::with_config(folder.path(), &config);
    send(&adapter, &[0; 10]);
    program.until("/data/heat", "counted", |json| json["pulses"] == 10);
    let (committed, written) = (fs::read(&disk).unwrap(), fs::metadata(&disk).unwrap().modified().unwrap());
    send(&adapter, &[0; 5]);
    program.until("/data/heat", "counted", |json| json["pulses"] == 15);
    drop(program); // SIGKILL
    // The journal was synced after the count.
    fs::write(&disk, &committed).unwrap();
    fs::File::options().write(true).open(&disk).unwrap().set_modified(written).unwrap();
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/heat", "as in the journal", |json| json["pulses"] == 15);
    // The other way round: a command was synced at once, and the journal was not.
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 1}}"#);
    program.until("/data/heat", "set", |json| json["pulses"] == 1000);
    drop(program);
    fs::write(&disk, &committed).unwrap();
    // File systems keep the time of a coarse clock, which may be that of before the last reading.
    let later = SystemTime::now() + Duration::from_secs(1);
    fs::File::options().write(true).open(&disk).unwrap().set_modified(later).unwrap();
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/heat", "as in the file", |json| json["pulses"] == 10);
    assert_eq!(problem(&program), None);
}

#[test]
fn pulses_on_a_serial_line_are_all_counted_though_the_process_is_stalled_again_and_again() {
    for pulse in [&b"\0"[..], b"S0\n"] {
        let folder = tempfile::tempdir().unwrap();
        let adapter = line();
        let program = Program::with_config(folder.path(), &serial(adapter.path()));
        program.until("/data/heat", "there", |json| json["pulses"] == 0);
        let mut sent = 0;
        let mut pulse_after = |pause| {
            thread::sleep(Duration::from_millis(pause)); // pulses have distances
            send(&adapter, pulse);
            sent += 1;
            sent
        };
        // Pulses that stand alone teach it the adapter.
        for _ in 0..8 {
            let sent = pulse_after(60);
            program.until("/data/heat", "counted", |json| json["pulses"] == sent);
        }
        let learned = program.get("/health").1["sources"]["heat"]["facts"]["bytes_per_pulse"].clone();
        assert_eq!(learned, pulse.len().to_string());
        for stall in 0..8 {
            for _ in 0..3 {
                pulse_after(60);
            }
            program.signal(Signal::STOP);
            for _ in 0..3 + stall {
                pulse_after(60);
            }
            program.signal(Signal::CONT);
        }
        let sent = pulse_after(60);
        program.until("/data/heat", "all counted", |json| json["pulses"] == sent);
    }
}

#[test]
fn many_commands_in_a_row_are_few_lines_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let program = Program::with_config(folder.path(), &s0("heat", adapter.path()));
    let before = program.log().lines().count();
    for n in 1..=300 {
        assert_eq!(
            program.post("/cmd", &format!(r#"{{"name": "set_s0", "args": {{"value": {n}}}}}"#)).0,
            200
        );
    }
    program.until("/data/heat", "set", |json| json["pulses"] == 300_000);
    let log = program.log();
    assert!(log.contains("count set to 1.0 kWh"), "{log}");
    assert!(log.lines().count() < before + 10, "{log}");
}
