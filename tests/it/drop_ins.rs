//! Drop-ins that are saved and removed over HTTP: secrets stay where they are, and mistakes block nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use serde_json::{Value as Json, json};

use crate::{
    program::*,
    setup::{drop_in, listed, save},
};

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
fn drop_ins_in_systemds_state_folder_are_read_also_when_it_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let (config, state) = (folder.path().join("config.toml"), folder.path().join("state"));
    fs::write(&config, "").unwrap();
    fs::create_dir_all(state.join("config.d")).unwrap();
    fs::write(
        state.join("config.d/10-house.toml"),
        "[sources.house]\nplugin = \"d0\"\nport = \"/dev/null\"\n",
    )
    .unwrap();
    // root may write all the same.
    fs::set_permissions(&state, Permissions::from_mode(0o555)).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_smartmeter"));
    check.arg("check").arg("--config").arg(&config).env("STATE_DIRECTORY", &state);
    let output = check.env("XDG_STATE_HOME", folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("house: plugin d0"), "{text}");
    fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
}
