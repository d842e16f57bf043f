//! The command line as a person uses it.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::program::*;
use simulator::{
    Household,
    dlms::{DlmsMeter, Framing},
    ebz::DataSet,
    tic::{self, Contract},
};
use test_meters::{foreign, p1, sml};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_mistake_is_reported_and_nothing_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(
        &config,
        "[sources.m]\nplugin = \"d0\"\nprot = \"/dev/null\"\n[sources.p]\nplugin = \"s0\"\npin = \"x\"\n",
    )
    .unwrap();
    let config = config.to_str().unwrap();
    for args in [&["--config", config][..], &["check", "--config", config], &["--config", config, "check"]] {
        let output = output(args);
        assert_eq!(output.status.code(), Some(2));
        let shown = text(&output.stderr);
        for expected in [
            "config.toml:3:1: unknown key `prot`, expected one of `port`",
            "3 | prot",
            "^^^^",
            "did you mean `port`",
            "config.toml:6:7",
        ] {
            assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
        }
    }
}

#[test]
fn the_example_configuration_is_valid() {
    let example = root().join("config.toml");
    let output = output(&["check", "--config", example.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(
        shown.contains("http://127.0.0.1:8080/data")
            && shown.contains("smartmeter_d0")
            && shown.contains("gpio 21"),
        "{shown}"
    );
}

#[test]
fn a_check_lists_where_readings_go() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let text_of_it = "[endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"127.0.0.1:8081\"\n[publishers.p]\nplugin = \"mqtt\"\nurl = \"mqtt://x\"\n";
    fs::write(&config, text_of_it).unwrap();
    let output = output(&["--config", config.to_str().unwrap(), "check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for expected in ["evcc: endpoint vzlogger, 127.0.0.1:8081", "p: publisher mqtt"] {
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn an_option_before_a_command_is_an_error() {
    for args in [["--demo", "check"], ["--port=1", "plugins"]] {
        let output = output(&args);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains("before a command, only `--config` is possible"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn without_a_configuration_a_hint_shows_how_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = smartmeter().current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("smartmeter --demo"), "{}", text(&output.stderr));
}

#[test]
fn a_port_in_use_ends_the_program_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--port={}", taken.local_addr().unwrap().port());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "").unwrap();
    let output = output(&["--config", config.to_str().unwrap(), &port]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stderr);
    assert!(shown.contains("could not listen on 127.0.0.1:") && shown.contains("hint: "), "{shown}");
}

#[test]
fn plugins_and_their_samples_are_printed() {
    let listed = output(&["plugins"]);
    let listed = text(&listed.stdout);
    for plugin in framework::plugins() {
        let line = listed.lines().find(|line| line.split_whitespace().next() == Some(plugin.kind));
        assert!(line.is_some_and(|line| line.ends_with(plugin.about)), "{}: {listed}", plugin.kind);
        let sample = output(&["sample", plugin.kind]);
        assert_eq!(sample.status.code(), Some(0));
        assert_eq!(text(&sample.stdout), plugin.sample);
        // A sample is a valid configuration.
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, &sample.stdout).unwrap();
        let checked = output(&["check", "--config", config.to_str().unwrap()]);
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    }
    let unknown = output(&["sample", "d1"]);
    assert_eq!(unknown.status.code(), Some(2));
    let kinds: Vec<_> = framework::plugins().iter().map(|plugin| format!("`{}`", plugin.kind)).collect();
    let expected = format!("unknown plugin `d1`, expected one of {}", kinds.join(", "));
    assert!(text(&unknown.stderr).contains(&expected), "{}", text(&unknown.stderr));
}

#[test]
fn the_original_program_s_options_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let serial = format!("--serialPort={}", meter.path().display());
    let state = format!("--state-dir={}", folder.path().display());
    // The folder has no config.toml.
    let program = Program::start(&["--port=0", &serial, "--s0Pin=21", &state]);
    send(&meter, &telegram("000001.00000000", "000010.00"));
    program.until("/data/smartmeter_d0", "delivered", |json| json["POWER_IMPORT"].is_object());
    assert!(program.get("/health").1["sources"]["smartmeter_s0"].is_object());
}

#[test]
fn a_recording_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let good = telegram("000125.25688570", "000259.20");
    let mut bad = good.clone();
    bad.truncate(100);
    fs::write(&file, [&good[..], &bad, &good].concat()).unwrap();
    let decoded = output(&["decode", file.to_str().unwrap()]);
    assert_eq!(decoded.status.code(), Some(0));
    let lines: Vec<_> = text(&decoded.stdout).lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with(r#"{"protocol":"d0","ident":"/EBZ5DD32R06ETA_107","readings":[{"obis":"1-0:0.0.0*255","value":"1EBZ0100000042"}"#), "{}", lines[0]);
    assert!(
        lines[0].contains(r#"{"obis":"1-0:1.8.0*255","value":125.2568857,"unit":"kWh"}"#),
        "{}",
        lines[0]
    );
    let rejected = text(&decoded.stderr);
    assert!(rejected.starts_with(&format!("byte {}: ", good.len())), "{rejected}");

    // Standard input works too, here with parity. Without a good telegram the exit status is 1.
    let mut child =
        smartmeter().args(["decode", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&seven_e_one(good)).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout).lines().next(), Some(lines[0]));
    fs::write(&file, bad).unwrap();
    assert_eq!(output(&["decode", file.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(output(&["decode", "/nonexistent"]).status.code(), Some(1));
    assert_eq!(output(&["decode"]).status.code(), Some(2));
    assert_eq!(output(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn decode_says_why_nothing_was_accepted_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let good = telegram("000125.25688570", "000259.20");
    let cut = &good[..good.len() / 2];
    let p1 =
        p1::telegram(&Household::new(1).advance(), p1::Version::V5).replacen("1.8.1(0005", "1.8.1(0006", 1);
    let sml = sml::telegram(&Household::new(1).advance(), DataSet::Full);
    let mut flipped = sml.clone();
    flipped[sml.len() / 2] ^= 1;
    for (bytes, expected) in [
        (p1.into_bytes(), "the best candidate is D0 text (IEC 62056-21) at byte 0: the CRC is "),
        ([cut, b"1-0:1"].concat(), "the best candidate is D0 text (IEC 62056-21) at byte 0: "),
        ([&sml[200..], &flipped[..]].concat(), "the best candidate is SML at byte "),
        // The longest one is the best, not a beginning or an end.
        ([&flipped[..], &sml[..100]].concat(), "the best candidate is SML at byte 0: the CRC is "),
        (vec![0x55; 1000], "no telegram was recognized; is the baud rate right?"),
        (Vec::new(), "no telegram was recognized: the file is empty"),
        (b"<html><body>1-0:1.8.0</body></html>".to_vec(), "no telegram was recognized: this is an HTML page"),
        (b"time,power\n2026-01-01,5\n".to_vec(), "no telegram was recognized: this is a table (CSV)"),
    ] {
        fs::write(&file, &bytes).unwrap();
        let decoded = output(&["decode", file.to_str().unwrap()]);
        let said = text(&decoded.stderr);
        assert_eq!((decoded.status.code(), text(&decoded.stdout)), (Some(1), ""), "{said}");
        assert!(said.lines().last().unwrap_or_default().contains(expected), "{expected}: {said}");
    }
}

#[test]
fn decode_names_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    for (bytes, expected) in [
        (foreign::hdlc(), "the best candidate is DLMS/COSEM at byte "),
        (foreign::dlms_over_mbus(), "the best candidate is DLMS/COSEM at byte "),
        (
            foreign::encrypted_p1(),
            "(encrypted P1, system title 58595A0102030405): give `--key` and `--auth-key`",
        ),
        (
            foreign::inverted_p1(),
            "with an inverted signal; use a cable or an adapter that inverts the signal",
        ),
    ] {
        // The recording begins and ends in the middle of a message.
        fs::write(&file, [&bytes[20..], &bytes, &bytes[..20]].concat()).unwrap();
        let decoded = output(&["decode", file.to_str().unwrap()]);
        let said = text(&decoded.stderr);
        assert_eq!((decoded.status.code(), text(&decoded.stdout)), (Some(1), ""), "{said}");
        assert!(said.lines().last().unwrap_or_default().contains(expected), "{expected}: {said}");
    }
}

#[test]
fn decode_finds_the_protocol_by_itself_and_takes_keys_as_digits_and_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let [file, key_file, auth_file] = ["recording", "guek", "gak"].map(|name| folder.path().join(name));
    let [file, key_path, auth_path] = [&file, &key_file, &auth_file].map(|path| path.to_str().unwrap());
    let (key, auth) = ("42".repeat(16), "43".repeat(16));
    fs::write(&key_file, format!("{key}\n")).unwrap();
    fs::write(&auth_file, &auth).unwrap();
    let moment = Household::new(1).advance();
    let decoded = |bytes: &[u8], args: &[&str]| {
        fs::write(file, bytes).unwrap();
        let output = output(&[&["decode"], args, &[file]].concat());
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    for framing in [Framing::Hdlc, Framing::Mbus, Framing::Bare] {
        let mut meter = DlmsMeter::new(framing).encrypted([0x42; 16], Some([0x43; 16]));
        let bytes = [meter.telegram(&moment), meter.telegram(&moment)].concat();
        for keys in
            [["--key", &key, "--auth-key", &auth], ["--key-file", key_path, "--auth-key-file", auth_path]]
        {
            let (status, out, err) = decoded(&bytes, &keys);
            assert_eq!((status, out.lines().count()), (Some(0), 2), "{framing:?}: {err}");
            for member in [
                r#""protocol":"dlms""#,
                r#""system_title":"4C475A100000002A""#,
                r#""frame_counter":4097"#,
                r#"{"obis":"1-0:1.8.0*255","value":1204816,"unit":"Wh"}"#,
            ] {
                assert!(out.lines().next().unwrap().contains(member), "{member}: {out}");
            }
        }
        // Nothing comes out without the keys, and the reason names what is there.
        let (status, out, err) = decoded(&bytes, &[]);
        assert_eq!((status, &*out), (Some(1), ""), "{framing:?}");
        assert!(err.contains("2 encrypted telegrams of a Landis+Gyr meter"), "{err}");
        assert!(
            err.contains("system title 4C475A100000002A") && err.ends_with("give `--key` and `--auth-key`\n"),
            "{err}"
        );
        assert!(err.lines().filter(|line| line.starts_with("byte ")).count() >= 2, "{err}");
        let (status, out, err) = decoded(&bytes, &["--key", &auth, "--auth-key", &key]);
        assert_eq!((status, &*out), (Some(1), ""), "{framing:?}");
        assert!(err.contains("the tag does not verify: wrong key?") && !err.contains(&key), "{err}");
        // The key alone is enough to read it, so it is the key that is wrong.
        let (status, _, err) = decoded(&bytes, &["--key", &auth]);
        assert_eq!(status, Some(1));
        assert!(err.lines().last().unwrap().contains("wrong key? check `key = "), "{err}");
    }
    for bytes in [tic::historique(&moment, Contract::Tempo), tic::standard(&moment)] {
        let (status, out, err) = decoded(&seven_e_one(bytes), &[]);
        assert_eq!((status, out.lines().count()), (Some(0), 1), "{err}");
        assert!(
            out.starts_with(r#"{"protocol":"tic","#)
                && out.contains(r#""label":"PREF""#) != out.contains(r#""label":"PAPP""#),
            "{out}"
        );
    }
    for (args, expected) in [
        (&["--key", "42"][..], "a key has 32 hexadecimal digits, and this one has 2"),
        (&["--key", &key, "--key-file", key_path], "cannot be used with"),
        (&["--key-file", "/nonexistent"], "could not read `/nonexistent`"),
        (&["--key-file", file], "is not a key file: a key has 32 hexadecimal digits"),
    ] {
        let (status, _, err) = decoded(b"x", args);
        assert_eq!(status, Some(2), "{err}");
        assert!(err.contains(expected), "{expected}: {err}");
    }
}

#[test]
fn signals_end_the_program_in_order() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let meter = line();
        let program = Program::with_config(folder.path(), &d0("m", meter.path()));
        program.signal(signal);
        assert_eq!(program.ended().code(), Some(0));
    }
}

#[test]
fn the_demo_serves_a_simulated_household() {
    let program = Program::start(&["--demo", "--port=0"]);
    let data = program.until("/data", "complete", |json| {
        json["smartmeter_d0"]["POWER_IMPORT"]["value"].is_number()
            && json["smartmeter_s0"]["power"].is_number()
    });
    let d0 = &data["smartmeter_d0"];
    for (name, code, unit) in [
        ("POWER_IMPORT", "1.8.0", "kWh"),
        ("POWER_EXPORT", "2.8.0", "kWh"),
        ("CURRENT_POWER_SUM", "16.7.0", "W"),
        ("CURRENT_POWER_L1", "36.7.0", "W"),
        ("CURRENT_POWER_L2", "56.7.0", "W"),
        ("CURRENT_POWER_L3", "76.7.0", "W"),
    ] {
        assert_eq!((&d0[name]["OBIS_Code"], &d0[name]["unit"]), (&code.into(), &unit.into()), "{d0:#}");
        assert!(d0[name]["value"].is_number());
    }
    let watts = |name: &str| (d0[name]["value"].as_f64().unwrap() * 100.0).round() as i64;
    let phases = ["CURRENT_POWER_L1", "CURRENT_POWER_L2", "CURRENT_POWER_L3"].map(watts);
    assert_eq!(phases.iter().sum::<i64>(), watts("CURRENT_POWER_SUM"));
    assert!(data["smartmeter_s0"]["count"].is_number() && data["smartmeter_s0"]["timestampUTC"].is_string());
    assert_eq!(program.get("/health").1["simulated"], true);
    assert!(program.log().contains("simulated"), "{}", program.log());
    // The simulated meter's parity was recognised.
    assert_eq!(program.get("/health").1["sources"]["smartmeter_d0"]["facts"]["framing"], "7E1");
    assert_eq!(program.terminate().code(), Some(0));
}

/// Program with forty sources and these limits of open files.
fn limited(folder: &Path, limits: &str) -> Command {
    let config = folder.join("config.toml");
    let sources: String = (0..40).map(|n| format!("[sources.t{n}]\nplugin = \"thermal\"\n")).collect();
    fs::write(&config, format!("[server]\nlisten = \"127.0.0.1:0\"\n[journal]\nenabled = false\n{sources}"))
        .unwrap();
    let program = smartmeter();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]).arg(program.get_program());
    command.arg("--config").arg(config).stdin(Stdio::null());
    command
}

#[test]
fn the_limit_of_open_files_is_raised_to_the_system_s() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::run(limited(folder.path(), "ulimit -Sn 40"));
    let (_, health) = program.get("/health");
    assert_eq!(health["sources"].as_object().unwrap().len(), 40);
}

#[test]
fn too_few_open_files_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let output = limited(folder.path(), "ulimit -n 40").output().unwrap();
    assert!(!output.status.success());
    let shown = text(&output.stderr);
    assert!(shown.contains("could not start a thread for `t") && shown.contains("LimitNOFILE="), "{shown}");
}

#[test]
fn a_selection_without_a_match_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let meter = line();
    let publisher =
        "[publishers.p]\nplugin = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nseries = [\"POWR_*\"]\n";
    let program = Program::with_config(folder.path(), &(d0("grid", meter.path()) + publisher));
    for _ in 0..100 {
        send(&meter, &seven_e_one(telegram("002714.12830185", "000458.90")));
    }
    let deadline = Instant::now() + DEADLINE;
    while !program.log().contains("no reading matched `series` in 100 batches") {
        assert!(Instant::now() < deadline, "{}", program.log());
        std::thread::yield_now();
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_every_command_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "[journal]\n");
    let address = program.address().to_owned();
    let (config, recording) = (folder.path().join("config.toml"), folder.path().join("recording"));
    let state = folder.path().join("state");
    let server =
        format!("[server]\nlisten = \"{address}\"\ntoken = \"a-b\"\nstate_dir = \"{}\"\n", state.display());
    fs::write(&config, server).unwrap();
    fs::write(&recording, simulator::ebz::telegram(&Household::new(1).advance(), DataSet::Full)).unwrap();
    let (config, recording) = (config.to_str().unwrap(), recording.to_str().unwrap());
    for args in [
        &["plugins"][..],
        &["sample", "d0"],
        &["check", "--config", config],
        &["health", "--config", config],
        &["--config", config, "token", "--show"],
        &["decode", recording],
        &["export", "--config", config],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = smartmeter().args(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn the_help_of_what_a_newcomer_needs_says_what_it_does_and_has_an_example() {
    for (command, words) in [
        ("check", &["exit status is 0", "sudo smartmeter check --config"][..]),
        ("health", &["exit status is 0", "smartmeter health --alive"]),
        ("setup", &["`config.toml` is never written", "smartmeter setup /dev/ttyUSB0"]),
        ("token", &["90-token.toml", "sudo smartmeter token --listen"]),
    ] {
        let done = output(&[command, "--help"]);
        let shown = text(&done.stdout);
        assert_eq!(done.status.code(), Some(0));
        for word in words.iter().chain(&["Examples:", "--config <FILE>"]) {
            assert!(shown.contains(word), "`{word}` is missing in:\n{shown}");
        }
    }
}
