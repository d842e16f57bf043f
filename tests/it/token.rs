//! `smartmeter token`, and the drop-in that it writes.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use crate::{
    program::*,
    setup::{configured, drop_in, save},
};

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
