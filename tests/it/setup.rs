//! First start of the real binary: meters are found, saved, labelled and taken away while it runs.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use serde_json::{Value as Json, json};
use simulator::{
    Pty, PushingMeter,
    dlms::{DlmsMeter, Framing},
    ebz::{self, DataSet},
};
use test_meters::foreign;

use crate::{
    probe::{pushing, seven_even},
    program::*,
};

pub(crate) fn meter() -> PushingMeter {
    pushing(9600, 1, |moment| seven_even(ebz::telegram(moment, DataSet::Full)))
}

/// Returns the events of a search at these ports, each with its name.
fn probed(program: &Program, ports: &[&Path]) -> Vec<(String, Json)> {
    let mut answer = ureq::post(program.url("/setup/probe"))
        .header("Content-Type", "application/json")
        .send(json!({"ports": ports}).to_string())
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut events, mut name) = (Vec::new(), String::new());
    for line in BufReader::new(answer.body_mut().as_reader()).lines().map_while(Result::ok) {
        if let Some(word) = line.strip_prefix("event:") {
            name = word.trim().to_owned();
        } else if let Some(data) = line.strip_prefix("data:") {
            events.push((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

fn only<'e>(events: &'e [(String, Json)], wanted: &str) -> Vec<&'e Json> {
    events.iter().filter(|(name, _)| name == wanted).map(|(_, data)| data).collect()
}

/// Writes a configuration for a free port of this address, and returns its path.
pub(crate) fn configured(folder: &Path, ip: &str, server: &str) -> PathBuf {
    let (config, port) = (folder.join("config.toml"), test_servers::free_port());
    let state = folder.join("state");
    let text = format!("[server]\nlisten = \"{ip}:{port}\"\nstate_dir = \"{}\"\n{server}", state.display());
    fs::write(&config, text).unwrap();
    config
}

pub(crate) fn drop_in(folder: &Path, file: &str) -> PathBuf {
    folder.join("state/config.d").join(file)
}

pub(crate) fn save(program: &Program, file: &str, toml: &str) -> (u16, Json) {
    program.post("/setup/save", &json!({"file": file, "toml": toml}).to_string())
}

pub(crate) fn listed(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(drop_in(folder, "")).into_iter().flatten().flatten();
    let mut names: Vec<_> = files.map(|file| file.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_meter_is_found_saved_read_and_taken_away_without_an_editor() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let config = fs::read(folder.path().join("config.toml")).unwrap();
    let meter = meter();
    let setup = program.get("/setup").1;
    assert_eq!((&setup["needed"], &setup["allowed"]), (&json!(true), &json!(true)), "{setup:#}");
    assert!(setup["plugins"].as_array().unwrap().iter().any(|plugin| plugin["kind"] == "s0"));

    let start = Instant::now();
    let events = probed(&program, &[meter.port()]);
    assert_eq!(events.last().unwrap().0, "end");
    assert!(!only(&events, "progress").is_empty());
    let [found] = only(&events, "found")[..] else { panic!("{events:#?}") };
    assert_eq!((&found["plugin"], &found["name"]), (&json!("d0"), &json!("smartmeter_d0")));
    assert!(
        found["readings"].as_array().unwrap().iter().any(|reading| reading["unit"] == "kWh"),
        "{found:#}"
    );
    let toml = found["toml"].as_str().unwrap();
    let check = program.post("/setup/check", &json!({"toml": toml}).to_string());
    assert_eq!(check, (200, json!({})));
    assert_eq!(listed(folder.path()), [""; 0], "a check writes nothing");

    let (status, saved) = save(&program, "10-smartmeter_d0.toml", toml);
    assert_eq!(status, 200, "{saved:#}");
    let path = drop_in(folder.path(), "10-smartmeter_d0.toml");
    assert_eq!(fs::read_to_string(&path).unwrap(), toml);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(saved["started"], json!(["sources.smartmeter_d0"]), "{saved:#}");
    program.until("/data", "a value", |data| data["smartmeter_d0"].is_object());
    println!("from the search to the first value: {:.1?} (the goal is 10 s)", start.elapsed());

    // The port is the source's now.
    let events = probed(&program, &[meter.port()]);
    let [problem, ..] = only(&events, "problem")[..] else { panic!("{events:#?}") };
    assert_eq!(problem["text"], "the source `smartmeter_d0` reads this port");

    let label = "[sources.smartmeter_d0]\nlabel = \"Strom im Haus\"\nrole = \"grid\"\n";
    assert_eq!(save(&program, "50-label.toml", label).0, 200);
    let health = program.until("/health?code=200", "a label", |health| {
        health["sources"]["smartmeter_d0"]["label"] == "Strom im Haus"
    });
    assert_eq!(health["sources"]["smartmeter_d0"]["role"], "grid");
    let setup = program.get("/setup").1;
    assert_eq!(setup["needed"], false);
    let source = &setup["sources"][0];
    assert_eq!(
        (&source["label"], &source["where"]),
        (&json!("Strom im Haus"), &json!("10-smartmeter_d0.toml"))
    );

    for file in ["50-label.toml", "10-smartmeter_d0.toml"] {
        let (status, deleted) = program.post("/setup/delete", &json!({"file": file}).to_string());
        assert_eq!(status, 200, "{deleted:#}");
    }
    program.until("/data", "empty", |data| data.get("smartmeter_d0").is_none());
    assert_eq!(listed(folder.path()), [""; 0]);
    assert_eq!(fs::read(folder.path().join("config.toml")).unwrap(), config, "config.toml is never written");
}

#[test]
fn a_search_explains_what_is_at_each_port_and_answers_for_a_fast_one_first() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let silent = Pty::open().unwrap();
    let known = meter();
    let foreign = pushing(115_200, 1, |_| foreign::inverted_p1());
    let mut meter_with_key = DlmsMeter::new(Framing::Hdlc).encrypted([7; 16], None);
    let encrypted = pushing(9600, 1, move |moment| meter_with_key.telegram(moment));
    let events = probed(
        &program,
        &[
            silent.path(),
            known.port(),
            foreign.port(),
            encrypted.port(),
            Path::new("/etc/passwd"),
            Path::new("/dev/nowhere"),
        ],
    );
    let of = |port: &Path| {
        let at =
            |(name, data): &&(String, Json)| name != "progress" && data["port"] == port.to_str().unwrap();
        events.iter().find(at).unwrap_or_else(|| panic!("{events:#?}"))
    };
    assert_eq!(of(known.port()).0, "found");
    let (name, data) = of(foreign.port());
    assert!(
        name == "problem" && data["text"] == "the meter sends D0 text (IEC 62056-21) with an inverted signal",
        "{data}"
    );
    assert!(data["hint"].as_str().unwrap().contains("inverts the signal"), "{data}");
    let (name, data) = of(silent.path());
    assert!(name == "problem" && data["text"] == "nothing arrives" && data["code"] == "silent", "{data}");
    assert_eq!(of(Path::new("/etc/passwd")).1["text"], "this is not a serial port");
    assert_eq!(of(Path::new("/dev/nowhere")).0, "problem");
    let (name, data) = of(encrypted.port());
    assert!(name == "found" && data["keys"] == json!(["key"]) && data["readings"] == json!([]), "{data}");
    assert!(!data["toml"].as_str().unwrap().contains("\n# key"), "{data}");
    let place = |port: &Path| events.iter().position(|event| event == of(port)).unwrap();
    assert!(place(known.port()) < place(silent.path()), "{events:#?}");
}

#[test]
fn a_second_search_is_refused_and_one_ends_when_its_client_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let silent = Pty::open().unwrap();
    let body = json!({"ports": [silent.path()]}).to_string();
    let first = ureq::post(program.url("/setup/probe"))
        .header("Content-Type", "application/json")
        .send(&body)
        .unwrap();
    let (status, refused) = program.post("/setup/probe", &body);
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("search_running")), "{refused}");
    drop(first);
    let start = Instant::now();
    while silent.has_reader().unwrap() {
        assert!(start.elapsed() < DEADLINE, "the port is still open");
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
    let end = |events: Vec<(String, Json)>| events.last().unwrap().0.clone();
    assert_eq!(end(probed(&program, &[Path::new("/dev/nowhere")])), "end");
}

#[test]
fn a_change_that_is_wrong_or_unsafe_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "[sources.old]\nplugin = \"s0\"\npin = 17\n");
    for file in [
        "../10-x.toml",
        "/etc/10-x.toml",
        "10-../../x.toml",
        "10-a/b.toml",
        ".10-x.toml",
        "10-x.toml~",
        "x.toml",
        "10-x\u{0}.toml",
        "",
    ] {
        let (status, answer) = save(&program, file, "");
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("bad_drop_in")), "{file}: {answer}");
        let (status, _) = program.post("/setup/delete", &json!({"file": file}).to_string());
        assert_eq!(status, 404, "{file}");
    }
    for (toml, line, column, message, code) in [
        ("[server]\nlisten = \"0.0.0.0:1\"\n", 2, 1, "`server.listen` is set twice", "set_twice"),
        (
            "[sources.x]\nplugin = \"d0\"\nport = \"/dev/x\"\nprot = 5\n",
            4,
            1,
            "unknown key `prot`",
            "unknown_key",
        ),
        ("[sources.old]\npin = 18\n", 2, 1, "`sources.old.pin` is set twice", "set_twice"),
        ("[sources.x]\nplugin = \"d1\"\n", 2, 10, "unknown source plugin `d1`", "unknown_word"),
        ("[sources.x\n", 1, 11, "", "not_toml"),
    ] {
        for action in ["check", "save"] {
            let body = json!({"file": "10-x.toml", "toml": toml}).to_string();
            let (status, answer) = program.post(&format!("/setup/{action}"), &body);
            assert_eq!(status, 422, "{answer}");
            let mistake = &answer["mistakes"][0];
            assert_eq!((&mistake["line"], &mistake["column"]), (&json!(line), &json!(column)), "{answer}");
            assert!(mistake["message"].as_str().unwrap().starts_with(message), "{answer}");
            assert_eq!(mistake["code"], code, "{answer}");
        }
    }
    // The token is for commands of devices, not for those of a shell.
    for toml in [
        "[sources.x]\nplugin = \"exec\"\ncommand = [\"/bin/true\"]\n",
        "[sources.x]\nplugin = \"exec\"\ncommand = [\"/bin/true\"]\nenabled = false\n",
    ] {
        let (status, answer) = save(&program, "10-x.toml", toml);
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("bad_drop_in")), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().starts_with("`x` runs a program"), "{answer}");
    }
    let body = json!({"file": "10-x.toml", "toml": "# ".repeat(40_000)}).to_string();
    assert_eq!(program.post("/setup/save", &body).0, 413);
    let post = |headers: &[(&str, &str)]| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent.post(program.url("/setup/save"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(json!({"file": "10-x.toml", "toml": ""}).to_string()).unwrap().status().as_u16()
    };
    let json_type = ("Content-Type", "application/json");
    // A page of another site, a name that was made to point here, and a proxy without trust.
    assert_eq!(post(&[json_type, ("Origin", "http://evil.example")]), 403);
    assert_eq!(post(&[json_type, ("Host", "evil.example")]), 403);
    assert_eq!(post(&[json_type, ("X-Forwarded-For", "192.0.2.7")]), 403);
    assert_eq!(post(&[("Content-Type", "text/plain")]), 415);
    assert_eq!(listed(folder.path()), [""; 0]);
}

#[test]
fn a_foreign_page_sees_nothing_of_the_setup_but_whether_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "[sources.old]\nplugin = \"s0\"\npin = 17\n");
    let mut answer = ureq::get(program.url("/setup")).header("Origin", "http://evil.example").call().unwrap();
    let setup: Json = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(setup["allowed"], false);
    let members: Vec<_> = setup.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["allowed", "code", "needed", "reason"]);
}

#[test]
fn the_setup_says_where_a_phone_reaches_the_page_and_whether_it_may_read() {
    for (ip, server, is_reachable, may_read) in [
        ("127.0.0.1", "", false, false),
        ("0.0.0.0", "", true, true),
        ("0.0.0.0", "read_token = \"s3cret\"\n", true, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = configured(folder.path(), ip, server);
        let program = Program::start(&["--config", config.to_str().unwrap()]);
        let (_, port) = program.address().rsplit_once(':').unwrap();
        let lan = &program.get("/setup").1["lan"];
        let addresses = lan["addresses"].as_array().unwrap();
        let reason = match (addresses.is_empty(), is_reachable, may_read) {
            (_, false, _) => json!("this_machine_only"),
            // A machine for tests may have no network.
            (true, ..) => json!("no_network"),
            (false, _, true) => Json::Null,
            (false, _, false) => json!("token_needed"),
        };
        assert_eq!((&lan["reason"], &lan["may_read"]), (&reason, &json!(reason.is_null())), "{lan:#}");
        let Some(address) = addresses.first().and_then(Json::as_str) else { continue };
        assert!(is_reachable && address.ends_with(&format!(":{port}/")), "{address}");
        let status = ureq::get(format!("{address}health?code=200")).call().unwrap().status();
        assert_eq!(status, 200, "the address works");
    }
}

#[test]
fn saves_at_the_same_time_leave_a_configuration_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let text = |n: usize| format!("[sources.p{n}]\nplugin = \"s0\"\nport = \"/dev/nowhere{n}\"\n");
    thread::scope(|scope| {
        for n in 0..8 {
            let program = &program;
            scope.spawn(move || assert_eq!(save(program, &format!("10-p{n}.toml"), &text(n)).0, 200));
            // All of these have one source: one of them wins.
            let same = text(100).replace("nowhere", &format!("same{n}"));
            scope.spawn(move || {
                let status = save(program, &format!("20-same{n}.toml"), &same).0;
                assert!(status == 200 || status == 422, "{status}");
            });
        }
    });
    assert_eq!(listed(folder.path()).len(), 9);
    let config = folder.path().join("config.toml");
    let checked = output(&["check", "--config", config.to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(shown.matches("\n  and ").count(), 9, "{shown}");
}
