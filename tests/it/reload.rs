//! Reload of the configuration while the program runs.

use std::{fs, path::Path, thread, time::Instant};

use rustix::process::Signal;
use serde_json::{Value as Json, json};

use crate::program::*;

/// A source whose program prints a number once a second.
fn printing(name: &str, number: u32) -> String {
    format!(
        "[sources.{name}]\nplugin = \"exec\"\ninterval = \"1s\"\n\
         command = [\"echo\", '{{\"n\": {number}}}']\n"
    )
}

/// Writes the sources into the file of a running program.
fn write(folder: &Path, sources: &str) {
    let config = folder.join("config.toml");
    let old = fs::read_to_string(&config).unwrap();
    let server: Vec<_> = old.lines().take(3).collect();
    fs::write(config, format!("{}\n{sources}", server.join("\n"))).unwrap();
}

/// Number of reloads that have ended, whatever their result.
fn reloads(program: &Program) -> usize {
    let log = program.log();
    log.matches("reloaded the configuration").count() + log.matches("could not reload").count()
}

/// Reloads, and waits for the end of it. Returns what the log says.
fn reload(program: &Program) -> String {
    let (before, log) = (reloads(program), program.log().len());
    program.signal(Signal::HUP);
    let start = Instant::now();
    while reloads(program) == before {
        assert!(start.elapsed() < DEADLINE, "no reload:\n{}", program.log());
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks
    }
    // The lines of one message come one after the other.
    thread::sleep(std::time::Duration::from_millis(50));
    program.log()[log..].to_owned()
}

fn names(json: &Json) -> Vec<&str> {
    json.as_object().map(|members| members.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn a_reload_starts_new_sources_restarts_changed_ones_removes_others_and_leaves_the_rest_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, three) = (printing("one", 1), printing("two", 2), printing("three", 3));
    let program = Program::with_config(folder.path(), &format!("{one}{two}"));
    program.until("/data", "both", |data| data["one"]["n"] == 1 && data["two"]["n"] == 2);
    let batches = program.count("one", "batches");

    // Comments and order are no change.
    write(folder.path(), &format!("# two first\n{two}{one}"));
    assert!(reload(&program).contains("nothing to do; 2 unchanged"), "{}", program.log());

    write(folder.path(), &format!("{one}{}{three}", two.replace("\"n\": 2", "\"n\": 22")));
    let said = reload(&program);
    assert!(said.contains("started sources.three; restarted sources.two; 1 unchanged"), "{said}");
    program.until("/data", "changed", |data| data["two"]["n"] == 22 && data["three"]["n"] == 3);
    assert!(program.count("one", "batches") >= batches, "it was started again");

    write(folder.path(), &one);
    let said = reload(&program);
    assert!(said.contains("stopped sources.two, sources.three; 1 unchanged"), "{said}");
    assert_eq!(names(&program.get("/data").1), ["one"]);
    assert_eq!(names(&program.get("/health").1["sources"]), ["one"]);
    assert!(!program.text("/metrics").contains("\"two\""));
    assert_eq!(program.terminate().code(), Some(0));
}

#[test]
fn a_wrong_configuration_changes_nothing_and_every_mistake_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let one = printing("one", 1);
    let program = Program::with_config(folder.path(), &one);
    program.until("/data", "there", |data| data["one"]["n"] == 1);
    let wrong = "[sources.two]\nplugin = \"exce\"\n[publishers.far]\nplugin = \"mqtt\"\nurl = 5\n";
    write(folder.path(), &format!("{}{wrong}", one.replace("\"n\": 1", "\"n\": 11")));
    let said = reload(&program);
    for mistake in
        ["nothing was changed", "config.toml:9:10: unknown source plugin `exce`", "config.toml:12:"]
    {
        assert!(said.contains(mistake), "{mistake}: {said}");
    }
    let batches = program.count("one", "batches");
    program.until("/health", "going on", |health| {
        health["sources"]["one"]["counts"]["batches"].as_u64() > Some(batches)
    });
    assert_eq!(program.get("/data").1["one"]["n"], 1);
    assert_eq!(names(&program.get("/data").1), ["one"]);
}

#[test]
fn keys_that_need_a_restart_are_named_and_the_rest_is_applied_unless_everything_depends_on_them() {
    let folder = tempfile::tempdir().unwrap();
    let one = printing("one", 1);
    let program = Program::with_config(folder.path(), &one);
    write(folder.path(), &format!("{one}{}[journal]\nsync_interval = \"2s\"\n", printing("two", 2)));
    let said = reload(&program);
    assert!(said.contains("started sources.two"), "{said}");
    assert!(said.contains("`[journal] sync_interval` takes effect when the program starts again"), "{said}");
    write(folder.path(), &format!("{}[journal]\nenabled = false\n", printing("two", 22)));
    let said = reload(&program);
    assert!(said.contains("`[journal] enabled` cannot be changed while the program runs"), "{said}");
    assert_eq!(names(&program.get("/health").1["sources"]), ["one", "two"]);
}

#[test]
fn the_rules_of_the_server_are_in_force_at_once_and_a_token_is_read_from_its_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), &printing("one", 1));
    let token = folder.path().join("token");
    fs::write(&token, "first\n").unwrap();
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replacen("[server]\n", &format!("[server]\ntoken_file = {token:?}\n"), 1);
    fs::write(&config, text).unwrap();
    assert!(reload(&program).contains("applied `[server]`"), "{}", program.log());
    let status = |token: &str| {
        let request = ureq::post(program.url("/cmd")).config().http_status_as_error(false).build();
        let request = request.header("Content-Type", "application/json");
        let request = request.header("Authorization", format!("Bearer {token}"));
        request.send(json!({"name": "nothing"}).to_string()).unwrap().status().as_u16()
    };
    assert_eq!((status("first"), status("second")), (404, 401));
    fs::write(&token, "second\n").unwrap();
    assert!(reload(&program).contains("applied `[server]`"), "{}", program.log());
    assert_eq!(status("second"), 404);
}

#[test]
fn threads_and_files_do_not_grow_over_100_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let one = printing("one", 1);
    let program = Program::with_config(folder.path(), &format!("{one}{}", printing("two", 0)));
    program.until("/data", "both", |data| data["one"]["n"] == 1 && data["two"]["n"] == 0);
    let held = |what: &str| fs::read_dir(format!("/proc/{}/{what}", program.pid())).unwrap().count();
    let few = || (held("task"), held("fd"));
    let before = few();
    for n in 1..=100 {
        write(folder.path(), &format!("{one}{}", printing("two", n)));
        assert!(reload(&program).contains("restarted sources.two; 1 unchanged"), "{}", program.log());
    }
    program.until("/data", "the last one", |data| data["two"]["n"] == 100);
    let start = Instant::now();
    // A connection and a blocking thread may be left for a moment.
    while few().0 > before.0 + 2 || few().1 > before.1 + 3 {
        assert!(start.elapsed() < DEADLINE, "{before:?} have become {:?}", few());
        thread::sleep(std::time::Duration::from_millis(50)); // between two looks
    }
}

#[test]
fn a_pulse_counter_that_is_changed_goes_on_from_its_count() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let config = s0("heat", adapter.path());
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/heat", "there", |json| json["pulses"] == 0);
    for round in 1..=5 {
        send(&adapter, &[0; 100]);
        program.until("/data/heat", "counted", |json| json["pulses"] == 100 * round);
        write(folder.path(), &format!("{config}stale_after = \"{}m\"\n", 10 + round));
        assert!(reload(&program).contains("restarted sources.heat"), "{}", program.log());
        program.until("/data/heat", "kept", |json| json["pulses"] == 100 * round);
    }
    assert_eq!(program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 3}}"#).0, 200);
    program.until("/data/heat", "set", |json| json["pulses"] == 3000);
}

#[test]
fn the_command_reload_waits_for_the_result_and_returns_it_with_its_status_wherever_http_listens() {
    let folder = tempfile::tempdir().unwrap();
    let one = printing("one", 1);
    let program = Program::with_config(folder.path(), &one);
    let path = folder.path().join("config.toml");
    let reload = || {
        let output = output(&["--config", path.to_str().unwrap(), "reload"]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let done = |changes: &str| (Some(0), format!("reloaded the configuration: {changes}\n"), String::new());
    assert_eq!(reload(), done("nothing to do; 1 unchanged"));
    write(folder.path(), &format!("{one}{}", printing("two", 2)));
    assert_eq!(reload(), done("started sources.two; 1 unchanged"));
    assert!(program.get("/health").1["sources"]["two"].is_object(), "it has not waited");
    // A mistake is told with its place, and changes nothing.
    write(folder.path(), &format!("{one}{}intervall = \"1s\"\n", printing("two", 2)));
    let (status, out, errors) = reload();
    assert_eq!((status, &*out), (Some(1), ""));
    assert!(errors.starts_with("the configuration has mistakes, so nothing was changed:"), "{errors}");
    assert!(errors.contains("unknown key `intervall`") && errors.contains("config.toml:"), "{errors}");
    assert!(program.get("/health").1["sources"]["two"].is_object());
    // The address at which the program listens may be what has changed.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    write(folder.path(), &one);
    let text = fs::read_to_string(&path).unwrap();
    let listen = text.lines().find(|line| line.starts_with("listen")).unwrap();
    fs::write(&path, text.replace(listen, &format!("listen = \"{free}\""))).unwrap();
    assert_eq!(reload(), done("stopped sources.two; applied `[server]`; 1 unchanged"));
    assert!(std::net::TcpStream::connect(free).is_ok());
    assert!(program.terminate().success());
    let (status, _, errors) = reload();
    assert_eq!(status, Some(1));
    assert!(errors.starts_with("no smartmeter that runs could be reached"), "{errors}");
}

#[test]
fn the_command_reload_asks_the_program_of_the_named_configuration_before_the_service() {
    let (of_service, of_mine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = of_service.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let (one, two) = (printing("one", 1), printing("two", 2));
    let config = of_service.path().join("config.toml");
    let state = of_service.path().join("state");
    fs::write(&config, format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = {state:?}\n{one}")).unwrap();
    let mut command = smartmeter();
    command.arg("--config").arg(&config).env("RUNTIME_DIRECTORY", &runtime);
    let _service = Program::run(command);
    let mine = Program::with_config(of_mine.path(), &one);
    let reload = |config: &Path| {
        let mut command = smartmeter();
        command.arg("--config").arg(config).arg("reload").env("RUNTIME_DIRECTORY", &runtime);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    write(of_mine.path(), &format!("{one}{two}"));
    let said = reload(&of_mine.path().join("config.toml"));
    assert_eq!(said, "reloaded the configuration: started sources.two; 1 unchanged\n");
    assert!(mine.get("/health").1["sources"]["two"].is_object());
    assert_eq!(reload(&config), "reloaded the configuration: nothing to do; 1 unchanged\n");
}
