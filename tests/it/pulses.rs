//! Pulses on a serial line, counts and commands over HTTP.

use crate::program::*;

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
