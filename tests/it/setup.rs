//! First start of the real binary: meters are found, saved, labelled and taken away while it runs.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::Instant,
};

use rustix::termios::LocalModes;
use serde_json::{Value as Json, json};
use simulator::{
    Pty, PushingMeter,
    ebz::{self, DataSet},
};
use test_meters::foreign;

use crate::{
    probe::{pushing, seven_even},
    program::*,
};

fn meter() -> PushingMeter {
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
fn configured(folder: &Path, ip: &str, server: &str) -> PathBuf {
    let (config, port) = (folder.join("config.toml"), test_servers::free_port());
    let state = folder.join("state");
    let text = format!("[server]\nlisten = \"{ip}:{port}\"\nstate_dir = \"{}\"\n{server}", state.display());
    fs::write(&config, text).unwrap();
    config
}

fn drop_in(folder: &Path, file: &str) -> PathBuf {
    folder.join("state/config.d").join(file)
}

fn save(program: &Program, file: &str, toml: &str) -> (u16, Json) {
    program.post("/setup/save", &json!({"file": file, "toml": toml}).to_string())
}

fn listed(folder: &Path) -> Vec<String> {
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
    let foreign = pushing(9600, 1, |_| foreign::hdlc());
    let events = probed(
        &program,
        &[silent.path(), known.port(), foreign.port(), Path::new("/etc/passwd"), Path::new("/dev/nowhere")],
    );
    let of = |port: &Path| {
        let at =
            |(name, data): &&(String, Json)| name != "progress" && data["port"] == port.to_str().unwrap();
        events.iter().find(at).unwrap_or_else(|| panic!("{events:#?}"))
    };
    assert_eq!(of(known.port()).0, "found");
    let (name, data) = of(foreign.port());
    assert!(name == "problem" && data["text"] == "the meter sends DLMS/COSEM in HDLC frames", "{data}");
    assert!(data["hint"].as_str().unwrap().contains("no plugin reads it yet"), "{data}");
    let (name, data) = of(silent.path());
    assert!(name == "problem" && data["text"] == "nothing arrives" && data["code"] == "silent", "{data}");
    assert_eq!(of(Path::new("/etc/passwd")).1["text"], "this is not a serial port");
    assert_eq!(of(Path::new("/dev/nowhere")).0, "problem");
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
fn a_secret_that_was_saved_is_never_shown_and_stays_when_the_text_is_saved_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let toml = "[publishers.broker]\nplugin = \"mqtt\"\nurl = \"mqtt://127.0.0.1:9\"\nusername = \"me\"\npassword = \"geheim & more\"\n";
    assert_eq!(save(&program, "30-mqtt.toml", toml).0, 200);
    let setup = program.get("/setup").1;
    assert!(!setup.to_string().contains("geheim"), "{setup:#}");
    let shown = format!("# mine\n{}", setup["drop_ins"][0]["text"].as_str().unwrap());
    assert!(shown.contains("password = \"********\""), "{shown}");
    assert_eq!(save(&program, "30-mqtt.toml", &shown).0, 200);
    let written = fs::read_to_string(drop_in(folder.path(), "30-mqtt.toml")).unwrap();
    assert_eq!(written, format!("# mine\n{toml}"));
    for action in ["save", "check", "test"] {
        let moved = json!({"file": "30-mqtt.toml", "toml": shown.replace("127.0.0.1:9", "127.0.0.2:9")});
        let (status, answer) = program.post(&format!("/setup/{action}"), &moved.to_string());
        assert_eq!(status, 422, "{answer}");
        let message = "write `publishers.broker.password` again, because `url` was changed";
        assert_eq!(answer["error"]["message"], message);
        assert_eq!(answer["error"]["cause"], "secret_needed");
    }
    let (status, answer) = save(&program, "31-mqtt.toml", &shown.replace("broker", "other"));
    assert_eq!(status, 422, "{answer}");
    // Nothing listens there.
    let (status, answer) =
        program.post("/setup/test", &json!({"file": "30-mqtt.toml", "toml": shown}).to_string());
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("not_connected")), "{answer}");
    assert_eq!(answer["error"]["cause"], "unreachable");
    assert!(!answer.to_string().contains("geheim"), "{answer}");
}

#[test]
fn a_secret_and_its_address_in_two_files_are_not_sent_elsewhere() {
    let secret = "[publishers.broker]\nplugin = \"mqtt\"\nusername = \"me\"\npassword = \"geheim\"\n";
    let address = "[publishers.broker]\nurl = \"mqtt://127.0.0.1:9\"\n";
    for (main, drop_in_text) in [("", secret), (secret, "# nothing\n")] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(drop_in(folder.path(), "")).unwrap();
        fs::write(drop_in(folder.path(), "10-secret.toml"), drop_in_text).unwrap();
        fs::write(drop_in(folder.path(), "20-address.toml"), address).unwrap();
        let program = Program::with_config(folder.path(), main);
        for action in ["save", "check", "test"] {
            let evil = json!({"file": "20-address.toml", "toml": address.replace("127.0.0.1", "127.0.0.2")});
            let (status, answer) = program.post(&format!("/setup/{action}"), &evil.to_string());
            assert_eq!((status, &answer["error"]["code"]), (422, &json!("bad_drop_in")), "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("`url` decides where `publishers.broker.password` in "), "{answer}");
        }
        assert_eq!(fs::read_to_string(drop_in(folder.path(), "20-address.toml")).unwrap(), address);
        let more = format!("{address}topic = \"other\"\n");
        let (status, answer) = save(&program, "20-address.toml", &more);
        assert_eq!(status, 200, "{answer}");
    }
}

#[test]
fn files_that_are_wrong_do_not_keep_each_other_from_being_removed_or_corrected() {
    let (no_toml, wrong) =
        ("[sources.a\n", "[sources.b]\nplugin = \"s0\"\nport = \"/dev/nowhere\"\nprot = 5\n");
    let delete =
        |program: &Program, file: &str| program.post("/setup/delete", &json!({"file": file}).to_string());
    let count = |answer: &Json| answer["mistakes"].as_array().map_or(0, Vec::len);
    for order in [["10-a.toml", "20-b.toml"], ["20-b.toml", "10-a.toml"]] {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::with_config(folder.path(), "");
        fs::create_dir_all(drop_in(folder.path(), "")).unwrap();
        fs::write(drop_in(folder.path(), "10-a.toml"), no_toml).unwrap();
        fs::write(drop_in(folder.path(), "20-b.toml"), wrong).unwrap();
        let setup = program.get("/setup").1;
        assert_eq!((setup["drop_ins"].as_array().unwrap().len(), count(&setup)), (2, 2), "{setup:#}");
        // What makes it worse is refused, and so is what cannot be judged while a file is no TOML.
        for (file, toml) in [
            ("20-b.toml", wrong.replace("prot", "port")),
            ("20-b.toml", wrong.replace("prot", "plugin_")),
            ("20-b.toml", "[sources.b]\nplugin = \"exec\"\ncommand = [\"/bin/true\"]\n".to_owned()),
            ("30-c.toml", "[sources.c]\nplugin = \"s0\"\nport = \"/dev/nowhere2\"\n".to_owned()),
            ("30-c.toml", "[sources.a]\npulses_per_kwh = 5\n".to_owned()),
        ] {
            let (status, answer) = save(&program, file, &toml);
            assert_eq!(status, 422, "{file} {toml}: {answer}");
        }
        let right = wrong.replace("prot = 5\n", "");
        let (status, answer) = save(&program, "20-b.toml", &right);
        assert_eq!((status, count(&answer)), (200, 1), "{answer}");
        fs::write(drop_in(folder.path(), "20-b.toml"), wrong).unwrap();
        let (status, answer) = delete(&program, order[0]);
        assert_eq!((status, count(&answer)), (200, 1), "{answer}");
        let (status, answer) = delete(&program, order[1]);
        assert_eq!((status, answer.get("mistakes")), (200, None), "{answer}");
        assert_eq!(listed(folder.path()), [""; 0]);
        assert!(program.get("/setup").1.get("mistakes").is_none());
    }
}

#[test]
fn the_file_of_the_token_is_saved_without_one_only_if_it_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let state = folder.path().join("state");
    let text = format!("[server]\ntoken = \"a-b\"\nstate_dir = \"{}\"\n", state.display());
    fs::write(&config, text).unwrap();
    let port = test_servers::free_port().to_string();
    let program = Program::start(&["--config", config.to_str().unwrap(), "--port", &port]);
    // As `smartmeter token --listen` writes it where the token is in `config.toml`.
    let listen = "[server]\nlisten = \"0.0.0.0:8080\"\n";
    let (status, answer) = save(&program, "90-token.toml", listen);
    assert_eq!(status, 200, "{answer}");

    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let token = "[server]\ntoken = \"a-b\"\n";
    assert_eq!(save(&program, "90-token.toml", token).0, 200);
    let (status, answer) = save(&program, "90-token.toml", "[server]\nread_token = \"c-d\"\n");
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("bad_drop_in")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("which this text lacks"), "{answer}");
    assert_eq!(fs::read_to_string(drop_in(folder.path(), "90-token.toml")).unwrap(), token);
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

#[test]
fn a_token_is_made_for_the_running_program_and_before_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let config = config.to_str().unwrap();
    let token = |args: &[&str]| {
        let done = output(&[&["--config", config, "token"], args].concat());
        let shown = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(0), "{shown}{}", String::from_utf8_lossy(&done.stderr));
        shown.lines().next().unwrap().strip_prefix("token: ").unwrap().to_owned()
    };
    let none = output(&["--config", config, "token", "--show"]);
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("there is no token yet\nhint: `smartmeter token`")
    );
    let first = token(&[]);
    assert_eq!(token(&["--show"]), first);
    let path = drop_in(folder.path(), "90-token.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

    let program = Program::start(&["--config", config]);
    let as_another_machine = |token: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let bearer = format!("Bearer {token}");
        let request = agent.post(program.url("/setup/check")).header("Authorization", bearer);
        let request = request.header("Content-Type", "application/json");
        request.send(json!({"toml": ""}).to_string()).unwrap().status().as_u16()
    };
    assert_eq!(as_another_machine(&first), 200);
    assert_eq!((token(&[]), as_another_machine(&first)), (first.clone(), 200), "the token is kept");
    let second = token(&["--new"]);
    assert_ne!(first, second);
    assert_eq!((as_another_machine(&second), as_another_machine(&first)), (200, 401));
}

#[test]
fn a_token_for_a_program_on_the_lan_is_shown_with_a_qr_code() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, format!("[server]\nstate_dir = \"{}\"\n", folder.path().join("state").display()))
        .unwrap();
    let done = output(&["--port", "1", "token"]);
    assert_eq!(done.status.code(), Some(2), "options of a run have no place here");
    let done = output(&["--config", config.to_str().unwrap(), "check"]);
    assert_eq!(done.status.code(), Some(0));
    let text = fs::read_to_string(&config).unwrap() + "listen = \"192.0.2.7:1\"\ntoken = \"a-b\"\n";
    fs::write(&config, text).unwrap();
    let done = output(&["--config", config.to_str().unwrap(), "token", "--show"]);
    let shown = String::from_utf8(done.stdout).unwrap();
    assert!(shown.contains("link:  http://192.0.2.7:1/#token=a-b\n") && shown.contains("▀"), "{shown}");
    // The program would have the token twice.
    let done = output(&["--config", config.to_str().unwrap(), "token", "--new"]);
    let shown = String::from_utf8(done.stderr).unwrap();
    assert!(
        shown.contains("`token` is set in ") && shown.contains("config.toml:4: change it there"),
        "{shown}"
    );
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("192.0.2.7", "127.0.0.1")).unwrap();
    let done = output(&["--config", config.to_str().unwrap(), "token", "--listen"]);
    let shown = String::from_utf8(done.stderr).unwrap();
    assert!(
        shown.contains("`listen` is set in ") && shown.contains("config.toml:3: change it there"),
        "{shown}"
    );
}

/// `smartmeter setup` at a pseudo terminal.
struct Person {
    terminal: Pty,
    child: Child,
    /// What is on the terminal since the last question.
    seen: String,
    /// All that was on the terminal before.
    past: String,
}

impl Person {
    fn new(config: &Path, ports: &[&Path]) -> Self {
        let terminal = Pty::open().unwrap();
        // As a person's terminal is: it shows what is typed.
        let line = File::open(terminal.path()).unwrap();
        let mut modes = rustix::termios::tcgetattr(&line).unwrap();
        modes.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        rustix::termios::tcsetattr(&line, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let side = || File::options().read(true).write(true).open(terminal.path()).unwrap();
        let mut command = smartmeter();
        command.arg("--config").arg(config).arg("setup").args(ports);
        command.stdin(side()).stdout(side()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { terminal, child, seen: String::new(), past: String::new() }
    }

    /// Waits for a question, and answers it.
    fn answers(&mut self, question: &str, answer: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen.contains(question) {
            let mut buffer = [0; 4096];
            let count = self.terminal.read(&mut buffer, deadline).unwrap();
            assert!(count > 0 && Instant::now() < deadline, "no `{question}` in:\n{}", self.seen);
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
        // What comes before the answer is not an answer to it.
        let rest = self.seen.split_off(self.seen.find(question).unwrap() + question.len());
        println!("{}{question}", self.seen);
        self.past += &std::mem::replace(&mut self.seen, rest);
        self.terminal.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
}

impl Person {
    /// Returns whether the terminal shows what is typed.
    fn is_shown(&self) -> bool {
        let terminal = File::open(self.terminal.path()).unwrap();
        let modes = rustix::termios::tcgetattr(&terminal).unwrap();
        modes.local_modes.contains(LocalModes::ECHO)
    }

    fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_dialogue_in_a_terminal_finds_a_meter_and_adds_pulses_and_mqtt() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let none = output(&["--config", config.to_str().unwrap(), "setup"]);
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("`setup` is a dialogue, and this is not a terminal")
    );

    let program = Program::start(&["--config", config.to_str().unwrap()]);
    let meter = meter();
    let mut person = Person::new(&config, &[meter.port()]);
    person.answers("find the meters at the serial ports? (y/n)", "");
    person.answers("save this? (y/n)", "y");
    person.answers("label, a name for people", "Haus");
    person.answers("saved: 10-smartmeter_d0.toml", "2");
    person.answers("pin (BCM number)", "x");
    person.answers("`x` is not a whole number", "23");
    person.answers("pulses per kWh", "2000");
    // A name that cannot be is refused at once, and not after the last question.
    person.answers("name of the source", "my heat");
    person.answers("`my heat` cannot be a name", "smartmeter_d0");
    person.answers("there is a source `smartmeter_d0` already", "heat");
    person.answers("saved: 20-heat.toml", "3");
    person.answers("broker", "mqtt://127.0.0.1:9");
    person.answers("user", "me");
    person.answers("password (not shown)", "geheim");
    person.answers("save it all the same? (y/n)", "n");
    person.answers("your choice", "5");
    person.answers("source [smartmeter_d0]", "cellar");
    person.answers("`cellar` is none of these: write a number from 1 to 2", "2");
    person.answers("label, a name for people", "Wärmepumpe");
    person.answers("role [none]", "4");
    person.answers("saved: 50-heat.toml", "6");
    person.answers("file to remove [none]", "0");
    person.answers("`0` is none of these", "3");
    person.answers("removed: 50-heat.toml", "6");
    person.answers("file to remove [none]", "20-heat.toml");
    person.answers("removed: 20-heat.toml", "q");
    assert!(person.child.wait().unwrap().success());
    assert!(person.past.contains("Wärmepumpe") && !person.past.contains("geheim"), "{}", person.past);
    assert_eq!(listed(folder.path()), ["10-smartmeter_d0.toml"]);
    program.until("/health?code=200", "its label", |health| {
        health["sources"]["smartmeter_d0"]["label"] == "Haus"
    });
}

#[test]
fn a_dialogue_that_is_interrupted_leaves_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let _program = Program::start(&["--config", config.to_str().unwrap()]);
    let meter = meter();
    let mut person = Person::new(&config, &[meter.port()]);
    person.answers("find the meters at the serial ports? (y/n)", "y");
    person.answers("save this? (y/n)", "y");
    person.answers("label, a name for people", "");
    person.interrupt();
    person.child.wait().unwrap();
    let checked = output(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", String::from_utf8_lossy(&checked.stderr));
    // The program may just be writing what was sent before.
    let deadline = Instant::now() + DEADLINE;
    while listed(folder.path()).iter().any(|file| file.starts_with('.')) {
        assert!(Instant::now() < deadline, "{:?}", listed(folder.path()));
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
}

#[test]
fn a_password_is_not_shown_and_an_interrupted_question_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let _program = Program::start(&["--config", config.to_str().unwrap()]);
    let mut person = Person::new(&config, &[]);
    person.answers("find the meters at the serial ports? (y/n)", "n");
    person.answers("your choice", "3");
    person.answers("broker", "mqtt://127.0.0.1:9");
    person.answers("user", "me");
    let deadline = Instant::now() + DEADLINE;
    while person.is_shown() {
        assert!(Instant::now() < deadline, "the terminal shows what is typed");
        thread::sleep(std::time::Duration::from_millis(5)); // between two looks, not for timing
    }
    person.interrupt();
    assert_eq!(person.child.wait().unwrap().code(), Some(130));
    assert!(person.is_shown());
}

#[test]
fn the_dialogue_removes_a_file_that_makes_the_configuration_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "127.0.0.1", "");
    let program = Program::start(&["--config", config.to_str().unwrap()]);
    fs::create_dir_all(drop_in(folder.path(), "")).unwrap();
    fs::write(drop_in(folder.path(), "10-a.toml"), "[sources.a\n").unwrap();
    fs::write(drop_in(folder.path(), "20-b.toml"), "[server]\nprot = 5\n").unwrap();
    let mut person = Person::new(&config, &[]);
    person.answers("the configuration has mistakes", "n");
    person.answers("your choice", "6");
    person.answers("file to remove [none]", "1");
    person.answers("nothing is applied until these mistakes are corrected", "6");
    person.answers("file to remove [none]", "1");
    person.answers("removed: 20-b.toml", "q");
    assert!(person.child.wait().unwrap().success());
    assert_eq!(listed(folder.path()), [""; 0]);
    assert!(program.get("/setup").1.get("mistakes").is_none());
}
