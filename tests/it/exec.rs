//! Programs as sources, in the real binary.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::program::{DEADLINE, Program};

/// Configuration of a source that runs a script of the shell.
fn shell(name: &str, script: &str, keys: &str) -> String {
    let script = serde_json::to_string(script).unwrap(); // as TOML writes it, too
    format!("[sources.{name}]\nplugin = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", {script}]\n{keys}\n")
}

/// State of a process: `S` sleeps, `Z` is a zombie, `None` is gone.
fn state(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "never {what}");
        thread::sleep(Duration::from_millis(5)); // between two looks, not for timing
    }
}

/// Process numbers that scripts have written to files of this folder.
fn pids(folder: &Path, number: usize) -> Vec<String> {
    let files = || -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "pids")).collect()
    };
    until("started", || files().len() == number);
    let text: Vec<_> = files().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
}

#[test]
fn sigterm_ends_every_program_with_its_process_group() {
    let folder = tempfile::tempdir().unwrap();
    let note = |name: &str| {
        format!("echo $$ $! > {0}/{name}.new; mv {0}/{name}.new {0}/{name}.pids", folder.path().display())
    };
    let scripts = [
        shell("polite", &format!("sleep 1000 & {}; wait", note("polite")), "mode = \"stream\""),
        shell(
            "stubborn",
            &format!("trap '' TERM; sleep 1000 & {}; while :; do wait; done", note("stubborn")),
            "mode = \"stream\"",
        ),
        shell("run", &format!("sleep 1000 & {}; wait", note("run")), ""),
    ];
    let program = Program::with_config(folder.path(), &scripts.concat());
    let pids = pids(folder.path(), 3);
    assert_eq!(pids.len(), 6);
    assert!(program.terminate().success());
    // Those that the programs started are orphans now: somebody else waits for them.
    for pid in pids {
        until("ended", || matches!(state(&pid), None | Some('Z')));
    }
}

#[test]
fn after_kill_9_a_stream_ends_with_its_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo '{\"a\": 1}'; exec cat > /dev/null";
    let program = Program::with_config(folder.path(), &shell("reader", script, "mode = \"stream\""));
    let started =
        program.until("/health", "started", |health| health["sources"]["reader"]["state"] == "delivering");
    let pid = started["sources"]["reader"]["facts"]["pid"].as_str().unwrap().to_owned();
    assert!(state(&pid).is_some());
    program.signal(Signal::KILL);
    program.ended();
    until("ended", || matches!(state(&pid), None | Some('Z')));
}

#[test]
fn bad_programs_are_named_in_log_and_health_and_hurt_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("missing", "exec /nonexistent/program", "stream", "exit status 127; standard error: "),
        (
            "dies",
            "echo 'no port' >&2; exit 3",
            "stream",
            "it ended with exit status 3; standard error: no port",
        ),
        ("endless", "exec cat /dev/zero", "stream", "it wrote 1 MiB without the end of a line, and is ended"),
        (
            "closes",
            "exec >&-; exec sleep 1000",
            "stream",
            "closed its standard output, but goes on, and is ended",
        ),
        ("garbage", "while :; do echo garbage; done", "stream", "not valid JSON: "),
        ("chatty", "while :; do echo chat >&2; done", "stream", ""),
        (
            "fails",
            "echo 'no device' >&2; exit 1",
            "poll",
            "it ended with exit status 1; standard error: no device",
        ),
        ("floods", "exec cat /dev/zero", "poll", "wrote more than 1048576 bytes in one run"),
        ("hangs", "exec sleep 1000", "poll", ""),
    ];
    let mut config = shell("good", "while :; do echo '{\"n\": 1}'; sleep 0.05; done", "mode = \"stream\"");
    for (name, script, mode, _) in rows {
        config += &shell(name, script, &format!("mode = \"{mode}\""));
    }
    config += "[sources.not_there]\nplugin = \"exec\"\ncommand = [\"/nonexistent/program\"]\n";
    let program = Program::with_config(folder.path(), &config);
    for (name, .., expected) in rows.into_iter().chain([("not_there", "", "", "check the path in `command`")])
    {
        program.until("/health", expected, |health| {
            let source = &health["sources"][name];
            expected.is_empty()
                || source["last_error"]["message"].as_str().is_some_and(|text| text.contains(expected))
        });
    }
    let batches =
        |json: &serde_json::Value| json["sources"]["good"]["counts"]["batches"].as_u64().unwrap_or_default();
    let before = batches(&program.get("/health").1);
    program.until("/health", "read on", |health| batches(health) >= before + 10);
    // Each kind of fault once a minute, however often it happens.
    let log = program.log();
    assert!(log.lines().filter(|line| line.contains("garbage")).count() <= 3, "{log}");
    assert!(log.lines().filter(|line| line.contains("chat")).count() <= 2, "{log}");
    assert!(program.terminate().success());
}

#[test]
fn a_run_that_takes_longer_than_timeout_is_ended_and_the_next_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "sleep 1000 & echo $$ $! > {0}/$$.new; mv {0}/$$.new {0}/$$.pids; wait",
        folder.path().display()
    );
    let program = Program::with_config(
        folder.path(),
        &shell("run", &script, "interval = \"50ms\"\ntimeout = \"500ms\""),
    );
    let health = program.until("/health", "noticed", |health| {
        let source = &health["sources"]["run"];
        source["last_error"].is_object() && source["counts"]["starts"].as_u64() >= Some(2)
    });
    let message = health["sources"]["run"]["last_error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("500ms"), "{message}");
    let first = || {
        fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .find(|file| file.file_name().to_string_lossy().ends_with(".pids"))
    };
    until("started", || first().is_some());
    assert!(program.terminate().success());
    for file in fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .filter(|file| file.file_name().to_string_lossy().ends_with(".pids"))
    {
        for pid in fs::read_to_string(file.path()).unwrap().split_whitespace() {
            until("ended", || matches!(state(pid), None | Some('Z')));
        }
    }
}

#[test]
fn many_runs_leave_no_process_and_no_open_file() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo '{\"n\": 1}'; echo x >&2";
    let program = Program::with_config(folder.path(), &shell("run", script, "interval = \"10ms\""));
    let proc = PathBuf::from(format!("/proc/{}", program.pid()));
    let files = || fs::read_dir(proc.join("fd")).unwrap().count();
    let children = || -> usize {
        let tasks = fs::read_dir(proc.join("task")).unwrap().flatten();
        let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        lists.map(|list| list.split_whitespace().count()).sum()
    };
    until("ran", || program.count("run", "starts") >= 5);
    let before = files();
    until("ran", || program.count("run", "starts") >= 50);
    // A run has three pipes and the number of its process open.
    assert!(files() <= before + 8, "{} open files, {before} before", files());
    assert!(children() <= 2, "{} processes", children());
}

#[test]
fn each_sensor_of_a_receiver_is_in_data_and_once_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    // Two sensors in turns, as `rtl_433 -M time:unix` writes them.
    let start = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() - 60;
    let line = |second: u64, id: u32, value: &str| {
        let time = start + second;
        format!("{{\"time\":\"{time}\",\"model\":\"T\",\"id\":{id},\"temperature_C\":{value}}}")
    };
    let lines = [line(0, 1, "21.30"), line(10, 2, "-4.5"), line(20, 1, "21.40"), line(30, 1, "21.50")];
    let script = format!("printf '%s\\n' '{}'; exec sleep 1000", lines.join("' '"));
    let keys = "mode = \"stream\"\nformat = \"flat-json\"\ntags = [\"model\", \"id\"]\nexpire_after = \"1h\"\n\
                readings = { \"*_temperature_C\" = { unit = \"°C\" } }";
    let program = Program::with_config(folder.path(), &shell("radio", &script, keys));
    let data = program.until("/data/radio", "heard", |data| data["T_1_temperature_C"] == 21.5);
    assert_eq!(data["T_2_temperature_C"], -4.5);
    let history = "/history/radio/T_2_temperature_C?from=-1h&step=raw";
    let history = program.until(history, "recorded", |history| history.to_string().contains("-4.5"));
    assert_eq!(history.to_string().matches("-4.5").count(), 1, "{history}");
}

#[test]
fn commands_of_a_program_are_listed_checked_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo '{\"flow\": 30}'; while read -r word value; do echo \"{\\\"flow\\\": $value}\"; done";
    let mut config = shell("heatpump", script, "mode = \"stream\"");
    config += "[sources.heatpump.commands.set_flow]\n\
               about = \"sets the flow temperature\"\n\
               write = \"flow {value}\"\n\
               args = [{ name = \"value\", about = \"temperature\", unit = \"°C\", min = 20, max = 55, step = 0.5 }]\n\
               shown_by = \"flow\"\n\
               [sources.heatpump.commands.version]\n\
               about = \"says its version\"\n\
               command = [\"/bin/echo\", \"1.5\"]\n";
    let program = Program::with_config(folder.path(), &config);
    let (_, list) = program.get("/cmds");
    let first = &list["Commands"][0]["Command"];
    assert_eq!(first["Name"], "heatpump.set_flow");
    assert_eq!(first["Args"]["value"], "float");
    program.until("/data/heatpump", "running", |data| data["flow"] == 30);
    let (status, answer) = program.post("/cmd", r#"{"name": "set_flow", "args": {"value": 42.5}}"#);
    assert_eq!((status, &answer["result"]), (200, &true.into()));
    program.until("/data/heatpump", "set", |data| data["flow"] == 42.5);
    let (status, answer) = program.post("/cmd", r#"{"name": "set_flow", "args": {"value": 60}}"#);
    assert_eq!(status, 400);
    assert!(answer.to_string().contains("from 20 to 55"), "{answer}");
    let (status, answer) = program.post("/cmd", r#"{"name": "heatpump.version"}"#);
    assert_eq!((status, &answer["result"]), (200, &1.5.into()));
}

/// Figures of `/proc/<pid>/status`, in kilobytes or as they are.
fn figure(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Times that the threads of a process have slept, by thread name.
fn sleeps(pid: u32, thread: &str) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let name = status.lines().next()?.split_whitespace().nth(1)?.to_owned();
            let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            name.starts_with(thread).then(|| sleeps.trim().parse::<u64>().ok())?
        })
        .sum()
}

/// Processor time of a process, in clock ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn two_hundred_idle_streams_wake_nobody() {
    const STREAMS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let start = |number: usize| {
        let one = |n| {
            shell(
                &format!("idle{n:03}"),
                "echo '{\"n\": 1}'; exec sleep 1000",
                "mode = \"stream\"\nstale_after = \"1h\"",
            )
        };
        let config: String = (0..number).map(one).collect();
        let program = Program::with_config(folder.path(), &config);
        program.until("/health", "all of them", |health| {
            let sources = health["sources"].as_object().unwrap();
            sources.len() == number && sources.values().all(|source| source["state"] == "delivering")
        });
        program
    };
    let alone = figure(start(1).pid(), "VmRSS");
    let program = start(STREAMS);
    let pid = program.pid();
    let memory = figure(pid, "VmRSS");
    let (before, ticks_before, since) = (sleeps(pid, "idle"), ticks(pid), Instant::now());
    thread::sleep(Duration::from_secs(2)); // time in which nothing is to happen
    let (slept, used) = (sleeps(pid, "idle") - before, ticks(pid) - ticks_before);
    println!(
        "{STREAMS} idle streams: {:.2} % of a core, {slept} wake-ups of their threads in {:.1} s, {} kB each, {memory} kB in all",
        used as f64 / since.elapsed().as_secs_f64(),
        since.elapsed().as_secs_f64(),
        (memory - alone) / (STREAMS as u64 - 1),
    );
    assert!(slept < STREAMS as u64, "{slept} wake-ups of {STREAMS} idle streams");
    assert!(program.terminate().success());
}
