//! `/history` of the real program through restarts, kills and a journal that cannot be written.

use std::{fs, os::unix::fs::symlink};

use crate::program::*;

const IMPORT: &str = "/history/smartmeter_d0/POWER_IMPORT?step=raw&from=-1h";
const HOURS: &str = "/history/smartmeter_s0/count?per=hour&from=-1h";

#[test]
fn readings_that_were_served_are_in_the_history_after_a_kill_and_after_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let config = d0("smartmeter_d0", meter.path());
    let mut seen = Vec::new();
    for run in 0..3 {
        let program = Program::with_config(folder.path(), &config);
        for n in 0..5 {
            let import = format!("002714.000000{:02}", run * 5 + n);
            send(&meter, &seven_e_one(telegram(&import, "000458.90")));
            let wanted: f64 = import.parse().unwrap();
            let there = |json: &serde_json::Value| json["POWER_IMPORT"]["value"].as_f64() == Some(wanted);
            let data = program.until("/data/smartmeter_d0", "there", there);
            seen.push(data["POWER_IMPORT"]["value"].clone());
        }
        if run == 1 {
            assert_eq!(program.terminate().code(), Some(0));
        } // otherwise dropping it kills it
    }
    let program = Program::with_config(folder.path(), &config);
    let history = program.get(IMPORT).1;
    assert_eq!(history["value"].as_array().unwrap(), &seen, "{}", program.log());
    assert_eq!((&history["unit"], &history["obis"]), (&"kWh".into(), &"1.8.0".into()));
    let times: Vec<_> =
        history["time"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap()).collect();
    assert!(times.is_sorted());
    assert_eq!(program.get("/health").1["journal"]["state"], "recording");
}

#[test]
fn setting_a_counter_is_not_consumption() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let program = Program::with_config(folder.path(), &s0("smartmeter_s0", adapter.path()));
    let counted = |pulses: u64| {
        program.until("/data/smartmeter_s0", "counted", |json| json["pulses"] == pulses);
    };
    send(&adapter, &[0; 5]);
    counted(5);
    program.post("/cmd", r#"{"name": "set_s0", "args": {"value": 13756.57}}"#);
    counted(13_756_570);
    send(&adapter, &[0; 3]);
    counted(13_756_573);
    program.post("/cmd", r#"{"name": "reset_s0", "args": {}}"#);
    counted(0);
    send(&adapter, &[0; 2]);
    counted(2);
    let hours = program.get(HOURS).1;
    let total: f64 = hours["amount"].as_array().unwrap().iter().filter_map(|amount| amount.as_f64()).sum();
    // The first five pulses may have been counted before the first reading.
    assert!((0.005 - 1e-9..0.010 + 1e-9).contains(&total), "{hours}");
    assert!(hours["swap"].as_array().unwrap().contains(&true.into()), "{hours}");
}

#[test]
fn a_journal_that_cannot_be_written_is_one_error_and_readings_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let place = folder.path().join("no-folder");
    symlink("nowhere/at-all", &place).unwrap();
    let journal = format!("[journal]\npath = \"{}/journal.db\"\n", place.display());
    let program = Program::with_config(folder.path(), &(journal + &d0("smartmeter_d0", meter.path())));
    send(&meter, &seven_e_one(telegram("002714.12830185", "000458.90")));
    program.until("/data/smartmeter_d0", "there", |json| json["POWER_IMPORT"].is_object());
    let health = program.get("/health");
    assert_eq!((health.0, &health.1["journal"]["state"]), (503, &"degraded".into()));
    let trouble = health.1["journal"]["problem"].as_str().unwrap();
    assert!(trouble.contains("no-folder") && trouble.contains("`[journal] path`"), "{trouble}");
    assert_eq!(program.log().matches("ERROR").count(), 1, "{}", program.log());
    // Readings in memory are in the answer.
    assert_eq!(program.get(IMPORT).1["value"][0], 2_714.128_301_85);
}

#[test]
fn a_state_folder_that_is_deleted_while_it_records_is_said_in_health_and_nothing_in_memory_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let config = "[journal]\nsync_interval = \"1s\"\n".to_owned() + &d0("smartmeter_d0", meter.path());
    let program = Program::with_config(folder.path(), &config);
    let readings = |program: &Program| program.get(IMPORT).1["value"].as_array().map_or(0, Vec::len);
    let send_one = |program: &Program, energy: &str| {
        send(&meter, &seven_e_one(telegram(energy, "000458.90")));
        let expected: f64 = energy.parse().unwrap();
        program.until("/data/smartmeter_d0", "there", |json| json["POWER_IMPORT"]["value"] == expected);
    };
    send_one(&program, "002714.12830185");
    let state = folder.path().join("state");
    fs::remove_dir_all(&state).unwrap();
    send_one(&program, "002714.12830186");
    program.until("/health", "said", |health| {
        health["journal"]["notice"].as_str().is_some_and(|notice| notice.contains("removed or replaced"))
    });
    program.until("/health", "recording", |health| health["journal"]["state"] == "recording");
    assert!(program.log().contains("ERROR"), "{}", program.log());
    send_one(&program, "002714.12830187");
    assert_eq!(readings(&program), 3, "{:?}", program.get(IMPORT));
    drop(program); // SIGKILL
    let program = Program::with_config(folder.path(), &config);
    program.until("/health", "recording", |health| health["journal"]["state"] == "recording");
    assert_eq!(readings(&program), 3);
}

#[test]
fn a_second_program_leaves_the_journal_to_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let journal = format!("[journal]\npath = \"{}/journal.db\"\n", folder.path().display());
    let (one, two) = (line(), line());
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |home: &tempfile::TempDir, line: &simulator::Pty| {
        Program::with_config(home.path(), &(journal.clone() + &d0("smartmeter_d0", line.path())))
    };
    let first = start(&homes[0], &one);
    first.until("/health", "recording", |health| health["journal"]["state"] == "recording");
    let second = start(&homes[1], &two);
    second.until("/health", "refused", |health| health["journal"]["state"] == "degraded");
    assert!(second.log().contains("another program uses the journal"), "{}", second.log());
    send(&two, &seven_e_one(telegram("002714.12830185", "000458.90")));
    second.until("/data/smartmeter_d0", "there", |json| json["POWER_IMPORT"].is_object());
    assert_eq!(first.get("/series").1["series"].as_array().unwrap().len(), 0);
}

#[test]
fn without_a_journal_there_is_no_history_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "[journal]\nenabled = false\n");
    let (status, error) = program.get("/series");
    assert_eq!((status, error["error"]["code"].as_str()), (503, Some("journal_unavailable")));
    assert!(program.get("/health").1["journal"].is_null());
    assert!(!folder.path().join("state/journal.db").exists());
}

#[test]
fn an_export_beside_the_running_program_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.path()));
    send(&meter, &seven_e_one(telegram("002714.12830185", "000458.90")));
    program.until("/data/smartmeter_d0", "there", |json| json["POWER_IMPORT"].is_object());
    let config = folder.path().join("config.toml");
    let output = output(&["export", "--config", config.to_str().unwrap(), "--series", "*/POWER_IMPORT"]);
    let csv = String::from_utf8(output.stdout).unwrap();
    assert!(csv.ends_with("smartmeter_d0,POWER_IMPORT,2714.12830185,kWh,1.8.0,\n"), "{csv}");
}
