//! Programs that fail: each gets a clear error.

use std::{fs, os::unix::fs::PermissionsExt as _};

use framework::{Config, Setting};

use super::*;

#[tokio::test]
async fn a_program_that_does_not_start_is_an_error_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let rows = [
        ("/nonexistent/program".to_owned(), "check the path in `command`"),
        ("no-such-program-here".to_owned(), "it is in no folder of `PATH`: write its whole path"),
        (
            file("no_mode.sh", "#!/bin/sh\n", 0o644),
            "the user of this service must be allowed to run it: `chmod a+rx ",
        ),
        (
            file("no_python", "#!/nonexistent/python\n", 0o755),
            "the program in its first line (`#!…`) does not exist",
        ),
        (
            file("no_first_line", "print(1)\n", 0o755),
            "a script needs a first line such as `#!/usr/bin/env python3`",
        ),
    ];
    for mode in ["poll", "stream"] {
        for (program, remedy) in &rows {
            let mut source = source(&format!("command = [\"{program}\"]\nmode = \"{mode}\""));
            let error = with_causes(&first(&mut source).await.unwrap_err());
            assert!(error.starts_with(&format!("{program} failed: ")), "{error}");
            assert!(error.contains(remedy), "{program}: {error}");
        }
    }
    let mut source = source("command = [\"/bin/true\"]\nworking_dir = \"/nonexistent\"");
    let error = with_causes(&first(&mut source).await.unwrap_err());
    assert!(error.ends_with("`working_dir` is not a folder that this user may enter"), "{error}");
}

#[tokio::test]
async fn a_missing_working_dir_is_a_problem_before_the_first_turn_until_it_is_there() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("usb");
    let mut source = source(&format!("command = [\"/bin/pwd\"]\nworking_dir = \"{}\"", folder.display()));
    let problem = source.context.stats().problem().unwrap();
    let expected = format!("its `working_dir` `{}` is not a folder", folder.display());
    assert!(problem.contains(&expected), "{problem}");
    fs::create_dir(&folder).unwrap();
    let _ = first(&mut source).await;
    assert_eq!(source.context.stats().problem(), None);
}

#[tokio::test]
async fn a_run_that_fails_says_its_exit_status_and_its_last_words() {
    for (script, expected) in [
        ("echo '{\"a\": 1}'; exit 3", "it ended with exit status 3"),
        (
            "printf 'one\\ntwo\\n\\033[31mthree\\033[0m\\nfour' >&2; exit 1",
            "it ended with exit status 1; standard error: two | three | four",
        ),
        ("kill -KILL $$", "it ended with signal 9 (SIGKILL)"),
    ] {
        let mut source = shell(script, "");
        let error = with_causes(&first(&mut source).await.unwrap_err());
        assert_eq!(error, format!("/bin/sh failed: {expected}"));
    }
}

#[tokio::test]
async fn output_that_is_wrong_or_endless_is_refused() {
    for (script, expected) in [
        ("echo hello", "not valid JSON: expected value at line 1 column 1: `hello`"),
        ("cat /dev/zero", "wrote more than 1048576 bytes in one run, and was ended"),
        ("while :; do echo '{\"a\": 1}'; done", "wrote more than 1048576 bytes in one run, and was ended"),
    ] {
        let mut source = shell(script, "");
        let error = first(&mut source).await.unwrap_err();
        assert!(matches!(error, AcquireError::Malformed { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
        assert!(!Path::new(&format!("/proc/{}", fact(&source, "pid"))).exists());
    }
}

#[tokio::test]
async fn a_flood_on_standard_error_neither_blocks_nor_fills_memory() {
    let script = "dd if=/dev/zero bs=1024 count=600 2>/dev/null | tr '\\0' x >&2; echo >&2; echo last >&2; echo '{\"a\": 1}'";
    let mut source = shell(script, "");
    assert_eq!(shown(&first(&mut source).await.unwrap().unwrap()), "a=1");
    assert_eq!(fact(&source, "stderr"), "last");
}

#[test]
fn mistakes_in_the_configuration_are_reported_at_once() {
    let refused = |keys: &str| {
        let config = format!("[sources.program]\nplugin = \"exec\"\n{keys}");
        let state_dir = Setting::set("state_dir", &["server", "state_dir"], "/nonexistent".to_owned());
        Config::parse("config.toml", &config, &[state_dir])
            .err()
            .map(|mistakes| mistakes.to_string())
            .unwrap()
    };
    for (keys, expected) in [
        ("", "missing key `command`"),
        ("mode = \"stream\"", "missing key `command`"),
        ("command = []", "the program is missing"),
        ("command = [\"\"]", "the program is missing"),
        ("command = \"/bin/true\"", "expected a list in brackets, not the text `/bin/true`"),
        ("command = [\"x\"]\nmode = \"pull\"", "`pull`"),
        ("command = [\"x\"]\nformat = \"xml\"", "`xml`"),
        ("command = [\"x\"]\ntags = [\"a\"]", "`format = \"json\"` has no tags"),
        ("command = [\"x\"]\nexpire_after = \"5s\"", "`expire_after` is for `mode = \"stream\"`"),
        (
            "command = [\"x\"]\nmode = \"stream\"\nexpire_after = \"0s\"",
            "`expire_after` must be greater than 0",
        ),
        (
            "command = [\"x\"]\nreadings = { a = { kind = \"gage\" } }",
            "unknown kind `gage`, expected one of `counter`",
        ),
        ("command = [\"x\"]\nreadings = { a = { units = \"W\" } }", "unknown key `units`"),
        ("command = [\"x\"]\nenvironment = { \"A=B\" = \"c\" }", "`A=B` is not a valid name of a variable"),
    ] {
        let mistakes = refused(keys);
        assert!(mistakes.contains(expected), "{keys}:\n{mistakes}");
    }
    let all = refused("command = []\ntags = []\nexpire_after = \"5s\"\n");
    assert!(
        ["the program is missing", "has no tags", "is for `mode"].iter().all(|text| all.contains(text)),
        "{all}"
    );
}
