//! Recorded answers of the HTTP contract: `/data`, `/cmds` and `/cmd` must not change by a byte.
//!
//! The recordings are in `tests/it/contract/`. `SMARTMETER_RECORD=1 cargo test -p smartmeter --test it contract`
//! writes them again, for a change of the contract that is meant: the reviewer sees the difference.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use framework::Timestamp;

use crate::program::*;

/// The answers were recorded when every web page could read them.
const CORS: &str = "cors_origins = [\"*\"]\n";

/// Requests and the answers to them, in the form in which they are recorded.
struct Transcript<'a> {
    program: &'a Program,
    text: String,
}

impl<'a> Transcript<'a> {
    fn of(program: &'a Program) -> Self {
        Self { program, text: String::new() }
    }

    fn get(&mut self, path: &str) {
        self.request("GET", path, "", "");
    }

    fn post(&mut self, path: &str, body: &str) {
        self.request("POST", path, "Content-Type: application/json\r\n", body);
    }

    /// Sends a request and appends its answer: status, headers in alphabetical order, body.
    fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let mut stream = TcpStream::connect(self.program.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
             {headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, answer) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        self.text += &format!("> {method} {path}\n");
        for line in headers.lines().chain(body.lines()) {
            self.text += &format!("> {line}\n");
        }
        self.text += &format!("{}\n", lines.next().unwrap());
        let mut headers: Vec<_> = lines.filter_map(header).collect();
        headers.sort();
        headers.iter().for_each(|line| self.text += &format!("{line}\n"));
        self.text += &format!("\n{}\n\n", without_now(answer));
    }

    /// Compares the answers with the recorded ones.
    fn compare(&self, name: &str) {
        let path = root().join("tests/it/contract").join(name);
        if std::env::var_os("SMARTMETER_RECORD").is_some() {
            fs::write(&path, &self.text).unwrap();
        }
        let recorded = fs::read_to_string(&path).unwrap();
        let mut request = "";
        for (line, (now, before)) in self.text.lines().zip(recorded.lines()).enumerate() {
            if before.starts_with("> ") {
                request = before;
            }
            assert_eq!(
                now,
                before,
                "{name}:{}: another answer than the recorded one to `{request}`",
                line + 1
            );
        }
        assert_eq!(self.text.len(), recorded.len(), "{name}: the recording is longer or shorter");
    }
}

/// A header line, without what differs in each run; `None` for one that says nothing about the answer.
fn header(line: &str) -> Option<String> {
    let (name, value) = line.split_once(": ").unwrap();
    match name {
        "date" | "connection" | "content-length" => None,
        "etag" => Some("etag: <version>".to_owned()),
        _ => Some(format!("{name}: {value}")),
    }
}

/// The text with `<now>` in the place of each time stamp of the last day.
fn without_now(text: &str) -> String {
    const LENGTH: usize = "2026-11-23T09:37:51.607046+00:00".len();
    let now = Timestamp::now().as_second();
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\"20") {
        let (before, from) = rest.split_at(at + 1);
        shown += before;
        rest = from;
        let stamp = from.get(..LENGTH).filter(|stamp| stamp.ends_with("+00:00"));
        let moment = stamp.and_then(|stamp| stamp.parse::<Timestamp>().ok());
        if moment.is_some_and(|moment| (0..86_400).contains(&(now - moment.as_second()))) {
            shown += "<now>";
            rest = &from[LENGTH..];
        }
    }
    shown + rest
}

/// Golden telegrams of the plugin `d0` that are part of the recording.
const D0: [&str; 15] = [
    "degrees_utf8",
    "easymeter_q3d",
    "ebz_dd3",
    "ebz_dd3_7e1",
    "ebz_dd3_reduced",
    "elster_tariffs",
    "heat_many_sets",
    "itron_blanks",
    "kamstrup_heat",
    "landisgyr_e350",
    "message_only_7e1",
    "p1_belgium",
    "p1_crc16",
    "p1_dsmr2_gas_7e1",
    "p1_log_and_gas",
];

/// The same of `sml`.
const SML: [&str; 6] =
    ["dzg_dvs74", "ebz_dd3", "emh_ehz", "escapes_doubled", "holley_dtz541", "iskra_mt631_locked"];

#[test]
fn data_of_golden_telegrams_is_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let all = D0.map(|name| ("d0", name, "txt")).into_iter().chain(SML.map(|name| ("sml", name, "bin")));
    let mut meters = Vec::new();
    let mut config = format!("{CORS}[journal]\nenabled = false\n");
    for (plugin, name, extension) in all {
        let file = root().join(format!("plugins/{plugin}/tests/telegrams/{name}"));
        let (section, line) = (format!("{plugin}_{name}"), line());
        config +=
            &format!("[sources.{section}]\nplugin = \"{plugin}\"\nport = \"{}\"\n", line.path().display());
        let decoded = fs::read_to_string(file.with_extension("json")).unwrap().lines().count() as u64;
        meters.push((section, line, fs::read(file.with_extension(extension)).unwrap(), decoded));
    }
    let program = Program::with_config(folder.path(), &config);
    for (section, line, telegrams, decoded) in &meters {
        send(line, telegrams);
        program.until("/health", section, |_| program.count(section, "batches") == *decoded);
    }
    let mut answers = Transcript::of(&program);
    for (section, ..) in &meters {
        answers.get(&format!("/data/{section}"));
    }
    answers.get("/data");
    answers.compare("golden.txt");
}

#[test]
fn data_by_section_and_name_is_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (grid, silent, mute, pulses) = (line(), line(), line(), line());
    let config = format!(
        "{CORS}{}{}stale_after = \"100ms\"\n{}{}",
        d0("grid", grid.path()),
        d0("silent", silent.path()),
        d0("mute", mute.path()),
        s0("heat", pulses.path()),
    );
    let program = Program::with_config(folder.path(), &config);
    send(&grid, &seven_e_one(telegram("002714.12830185", "-000458.90")));
    send(&silent, &telegram("000001.00000000", "000010.00"));
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 13756.57}}"#);
    program.until("/data", "delivered", |json| {
        let is_set = json["heat"]["pulses"] == 13_756_570;
        json["grid"].is_object() && json["silent"]["stale"] == true && is_set
    });
    let mut answers = Transcript::of(&program);
    for path in [
        "/data",
        "/data/grid",
        "/data/grid/POWER_IMPORT",
        "/data/grid/POWER_IMPORT/value",
        "/data/grid/POWER_IMPORT/unit",
        "/data/grid/POWER_IMPORT/OBIS_Code",
        "/data/grid/STATUS",
        "/data/grid/STATUS/value",
        "/data/grid/STATUS/unit",
        "/data/grid/timestampUTC",
        "/data/heat",
        "/data/heat/count",
        "/data/heat/count/value",
        "/data/heat/count/unit",
        "/data/heat/pulses",
        "/data/silent",
        "/data/silent/POWER_IMPORT",
        "/data/silent/POWER_IMPORT/value",
        "/data/silent/stale",
        "/data/mute",
        "/data/mute/POWER_IMPORT",
        "/data/nothing",
        "/data/grid/nothing",
        "/data/grid/POWER_IMPORT/nothing",
        "/data/grid/POWER_IMPORT/value/nothing",
        "/data/",
        "/data/grid/",
        "/data/gr%69d/POWER%5fIMPORT",
        "/data/grid?x=1",
        "/nothing",
    ] {
        answers.get(path);
    }
    for method in ["HEAD", "OPTIONS", "POST", "DELETE"] {
        answers.request(method, "/data/grid", "", "");
    }
    answers.request("GET", "/data/grid", "If-None-Match: *\r\n", "");
    answers.request("GET", "/data/grid", "If-None-Match: \"nothing\"\r\n", "");
    answers.compare("data.txt");
}

#[test]
fn commands_are_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let program = Program::with_config(folder.path(), &(CORS.to_owned() + &s0("heat", adapter.path())));
    program.until("/data/heat", "there", |json| json["pulses"].is_number());
    let mut answers = Transcript::of(&program);
    answers.get("/cmds");
    answers.get("/cmd?name=reset_s0");
    for body in [
        r#"{"name": "set_s0", "args": {"value": 13756.57}}"#,
        r#"{"name": "set_s0", "args": {"value": "2.5"}}"#,
        r#"{"name": "heat.set_s0", "args": {"value": 0}}"#,
        r#"{"name": "setValue", "args": {"value": 1}}"#,
        r#"{"name": "s0Interface.setValue", "args": {"value": 1}}"#,
        r#"{"name": "heat.reset_s0"}"#,
        r#"{"name": "reset_s0", "args": {}}"#,
        // Mistakes, from the outside in.
        "",
        "{",
        "[]",
        "{}",
        r#"{"name": 7}"#,
        r#"{"name": "set_s0", "value": 1}"#,
        r#"{"name": "nothing"}"#,
        r#"{"name": "nothing.set_s0", "args": {"value": 1}}"#,
        r#"{"name": "set_s0"}"#,
        r#"{"name": "set_s0", "args": {"value": -1}}"#,
        r#"{"name": "set_s0", "args": {"value": 1000000001}}"#,
        r#"{"name": "set_s0", "args": {"value": "x"}}"#,
        r#"{"name": "set_s0", "args": {"value": null}}"#,
        r#"{"name": "set_s0", "args": {"value": [1]}}"#,
        r#"{"name": "set_s0", "args": {"value": 1, "other": 2}}"#,
        r#"{"name": "reset_s0", "args": {"value": 1}}"#,
        // raspend's form.
        r#"{"Command": {"Name": "heat.set_s0", "Args": {"value": 2.5}}, "Tag": 7}"#,
        r#"{"Command": {"Name": "reset_s0"}}"#,
        r#"{"Command": {"Name": "nothing", "Args": {}}}"#,
        r#"{"Command": {"Args": {}}}"#,
        r#"{"Command": {"Name": "reset_s0", "Args": []}}"#,
        r#"{"Command": []}"#,
    ] {
        answers.post("/cmd", body);
    }
    answers.post("/", r#"{"Command": {"Name": "reset_s0", "Args": {}}}"#);
    answers.post("/cmds", r#"{"name": "reset_s0"}"#);
    let reset = r#"{"name": "reset_s0"}"#;
    answers.request("POST", "/cmd", "", reset);
    answers.request("POST", "/cmd", "Content-Type: text/plain\r\n", reset);
    for headers in [
        "X-Forwarded-For: 192.0.2.1\r\n",
        "Origin: http://example.org\r\n",
        "Authorization: Bearer nothing\r\n",
    ] {
        answers.request("POST", "/cmd", &format!("{headers}Content-Type: application/json\r\n"), reset);
    }
    for (method, path) in
        [("OPTIONS", "/cmd"), ("HEAD", "/cmds"), ("OPTIONS", "/cmds"), ("DELETE", "/cmd"), ("PUT", "/")]
    {
        answers.request(method, path, "", "");
    }
    answers.compare("commands.txt");
}

#[test]
fn commands_by_get_with_a_token_are_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (heat, car) = (line(), line());
    let config = format!(
        "{CORS}token = \"seven-green-lamps\"\nallow_get_commands = true\ncommand_origins = [\"http://example.org\"]\n{}{}",
        s0("heat", heat.path()),
        s0("car", car.path()),
    );
    let program = Program::with_config(folder.path(), &config);
    program.until("/data", "there", |json| json["heat"].is_object() && json["car"].is_object());
    let mut answers = Transcript::of(&program);
    answers.get("/cmds");
    for query in [
        "name=heat.set_s0&value=13756.57",
        "name=car.reset_s0",
        "name=reset_s0",
        "name=heat.set_s0&value=x",
        "name=heat.set_s0",
        "name=heat.set_s0&value=1&value=2",
        "name=heat.reset_s0&value=1",
        "name=nothing",
        "value=1",
        "",
    ] {
        answers.get(&format!("/cmd?{query}"));
    }
    let reset = r#"{"name": "heat.reset_s0"}"#;
    let call = |headers: &str| format!("{headers}Content-Type: application/json\r\n");
    for headers in [
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer seven-green-lamps\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer six-green-lamps\r\n",
        "Origin: http://example.org\r\n",
        "Origin: http://example.com\r\n",
    ] {
        answers.request("POST", "/cmd", &call(headers), reset);
        answers.request("GET", "/cmd?name=heat.reset_s0", headers, "");
    }
    answers.compare("commands_by_get.txt");
}
