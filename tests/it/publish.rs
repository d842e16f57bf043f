//! `smartmeter publish`: history that is sent again.

use std::{fs, path::Path, process::Output};

use crate::program::*;

fn publish(folder: &Path, args: &[&str]) -> Output {
    let config = folder.join("config.toml");
    output(&[&["publish", "--config", config.to_str().unwrap()], args].concat())
}

fn error(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn publish_says_what_a_publisher_of_records_does_instead_and_which_ones_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let table = format!("[publishers.table]\nplugin = \"csv\"\nfolder = {files:?}\n");
    let program = Program::with_config(folder.path(), &table);
    program.until("/health", "running", |health| health["publishers"]["table"]["state"].is_string());

    let (status, text) = error(&publish(folder.path(), &["home", "--from", "2024-01-01"]));
    assert_eq!(status, Some(1));
    assert!(text.starts_with("no publisher `home` runs, expected one of `table`"), "{text}");
    let (status, text) = error(&publish(folder.path(), &["table"]));
    assert_eq!(status, Some(1));
    assert!(
        text.starts_with("`table` (plugin `csv`) gets each record once, in order, and no history"),
        "{text}"
    );

    for (args, expected) in [
        (&["table", "--from", "yesterday"][..], "yesterday"),
        (&["table", "--from", "2026-02-01", "--to", "2026-01-01"], "`--from` must be before `--to`"),
    ] {
        let (status, text) = error(&publish(folder.path(), args));
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(program.terminate().code(), Some(0));
    let (status, text) = error(&publish(folder.path(), &["table"]));
    assert_eq!(status, Some(1));
    assert!(text.starts_with("no smartmeter that runs could be reached"), "{text}");
}
