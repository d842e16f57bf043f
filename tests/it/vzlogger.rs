//! vzlogger's JSON on a port of its own, as vzlogger's clients request it.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::program::*;
use serde_json::Value as Json;

const HEAT: &str = "0958752e-8dd1-4b0a-9eed-e6d57bf78e8a";

/// The program with vzlogger's port, and that port's address.
fn start(folder: &std::path::Path, vzlogger: &str, sources: &str) -> (Program, String) {
    let program = Program::with_config(
        folder,
        &format!(
            "[endpoints.vzlogger]\nplugin = \"vzlogger\"\nlisten = \"127.0.0.1:0\"\n{vzlogger}\n{sources}"
        ),
    );
    let start = Instant::now();
    loop {
        let log = program.log();
        if let Some((_, rest)) = log.split_once("listening on ") {
            let address =
                rest.split_whitespace().next().unwrap().trim_end_matches(|c: char| !c.is_ascii_digit());
            return (program, format!("http://{address}/"));
        }
        assert!(start.elapsed() < DEADLINE, "it does not say where:\n{log}");
        thread::sleep(Duration::from_millis(5)); // between two checks, not for timing
    }
}

/// Status and JSON of an answer.
fn get(url: &str) -> (u16, Json) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(url).call().unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
    let json = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&json).unwrap())
}

/// `.data[] | select(.uuid=="U") | (.tuples[0][1]? // 0)`, as evcc does: a number for each channel that matches.
fn evcc(answer: &Json, uuid: &str) -> Vec<f64> {
    let fits = answer["data"].as_array().unwrap().iter().filter(|channel| channel["uuid"] == uuid);
    fits.map(|channel| channel["tuples"][0][1].as_f64().unwrap_or(0.0)).collect()
}

/// UUID of a series, found by its name as a user finds it.
fn uuid(answer: &Json, name: &str) -> String {
    let mut channels = answer["data"].as_array().unwrap().iter();
    let channel =
        channels.find(|channel| channel["name"] == name).unwrap_or_else(|| panic!("no {name}: {answer:#}"));
    channel["uuid"].as_str().unwrap().to_owned()
}

#[test]
fn evcc_finds_power_and_energy() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, adapter) = (line(), line());
    let sources = format!("{}{}", d0("grid", meter.path()), s0("heat", adapter.path()));
    let (program, url) =
        start(folder.path(), &format!("uuids = {{ \"heat/count\" = \"{HEAT}\" }}"), &sources);
    send(&meter, &seven_e_one(telegram("002714.12830185", "-000458.90")));
    send(&adapter, &[0; 1234]);
    program.until("/data", "delivered", |json| json["grid"].is_object() && json["heat"]["pulses"] == 1234);

    let (status, all) = get(&url);
    assert_eq!((status, &all["generator"]), (200, &"vzlogger".into()));
    let power = uuid(&all, "grid/CURRENT_POWER_SUM");
    assert_eq!(evcc(&all, &power), [-458.9]);
    // It is in Wh; evcc converts it to kWh.
    assert_eq!(evcc(&all, &uuid(&all, "grid/POWER_IMPORT")), [2_714_128.301_85]);
    assert_eq!(evcc(&all, HEAT), [1234.0]);

    let (status, one) = get(&format!("{url}{}", power.to_uppercase()));
    assert_eq!((status, one["data"].as_array().unwrap().len()), (200, 1));
    let channel = &one["data"][0];
    assert_eq!((&channel["obis"], &channel["protocol"]), (&"1-0:16.7.0*255".into(), &"d0".into()));
    assert_eq!(channel["tuples"].as_array().unwrap().len(), 1);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let age = now - channel["tuples"][0][0].as_i64().unwrap();
    assert!((0..60_000).contains(&age), "milliseconds since 1970: {channel}");

    // This port serves nothing else: no readings in another shape, and no commands.
    for path in ["data", "cmds", "cmd?name=reset_s0", "health"] {
        assert_eq!(get(&format!("{url}{path}")).0, 404, "{path}");
    }
    let body = r#"{"name": "reset_s0"}"#;
    for path in ["", "cmd"] {
        let answer = ureq::post(format!("{url}{path}")).header("Content-Type", "application/json").send(body);
        assert!(matches!(answer, Err(ureq::Error::StatusCode(405))), "{answer:?}");
    }
    assert_eq!(program.get("/data/heat").1["pulses"], 1234);
    assert_eq!(program.terminate().code(), Some(0));

    // The UUIDs are the same after a restart.
    let (program, url) = start(folder.path(), "index = false", &sources);
    send(&meter, &seven_e_one(telegram("002714.12830186", "000007.00")));
    program.until("/data", "delivered", |json| json["grid"].is_object());
    assert_eq!(evcc(&get(&format!("{url}{power}")).1, &power), [7.0]);
    assert_eq!(get(&url).1["exception"]["message"], "channel index is disabled");
}

#[test]
fn evcc_reads_neither_an_old_number_nor_zero_of_a_silent_meter() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let sources = format!("{}stale_after = \"1s\"\n", d0("grid", meter.path()));
    let (program, url) = start(folder.path(), "", &sources);
    assert_eq!(get(&url).1["data"], serde_json::json!([]), "nothing was read yet");
    let has_power = |all: &Json| {
        all["data"].as_array().unwrap().iter().any(|channel| channel["name"] == "grid/CURRENT_POWER_SUM")
    };
    // It sends for longer than a busy machine needs for one request.
    let speaking = |watts: u32| {
        for n in 0..2000 {
            send(&meter, &telegram(&format!("{watts:06}.{n:08}"), &format!("{watts:06}.00")));
            let (_, all) = get(&url);
            if has_power(&all) {
                return all;
            }
            thread::sleep(Duration::from_millis(10)); // between two telegrams, not for timing
        }
        panic!("nothing was read:\n{}", program.log());
    };
    let uuid = uuid(&speaking(1), "grid/CURRENT_POWER_SUM");
    let start = Instant::now();
    let silent = loop {
        let (_, all) = get(&url);
        if !has_power(&all) {
            break all;
        }
        assert!(start.elapsed() < DEADLINE, "{all:#}");
        thread::sleep(Duration::from_millis(5)); // between two checks, not for timing
    };
    assert_eq!(evcc(&silent, &uuid), [0.0; 0], "no number at all, not even 0");
    let (status, one) = get(&format!("{url}{uuid}"));
    assert_eq!((status, &one["data"]), (404, &serde_json::json!([])));
    assert_eq!(evcc(&speaking(2), &uuid), [2.0]);
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let address = taken.local_addr().unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"{address}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let output = output(&["--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(
        shown.contains(&format!("could not listen on {address}: "))
            && shown.contains("with `[endpoints.evcc] listen`\n"),
        "{shown}"
    );
}
