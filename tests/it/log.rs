//! The log, and a standard error that cannot be written.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    process::{Command, Stdio},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::program::*;

/// A meter, a meter that is missing, and a publisher whose server is missing: all of them log.
fn sources(meter: &std::path::Path) -> String {
    let publisher = "[publishers.gone]\nplugin = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n";
    format!("{}{}{publisher}", d0("meter", meter), d0("missing", "/dev/tty-of-nobody".as_ref()))
}

/// A pipe that is full, and that nobody reads.
fn stuck() -> (io::PipeReader, io::PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn nothing_but_the_log_notices_a_standard_error_that_cannot_be_written() {
    let closed = || io::pipe().unwrap().1;
    let (_reader, stuck) = stuck();
    let full = || File::create("/dev/full").unwrap();
    for (what, stderr, is_counted) in [
        ("a full disk", Stdio::from(full()), true),
        ("a closed pipe", closed().into(), true),
        ("a pipe that nobody reads", stuck.into(), false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let line = line();
        let program = Program::with_stderr(folder.path(), &sources(line.path()), stderr, &[]);
        for second in 0..30 {
            send(&line, &telegram(&format!("000125.{second:04}0000"), "000211.00"));
        }
        program.until("/health", what, |health| {
            let counts = |role: &str, name: &str| health[role][name]["counts"].clone();
            health["sources"]["meter"]["state"] == "delivering"
                && counts("sources", "meter")["batches"] == 30
                && counts("sources", "missing")["reopened"].as_u64() >= Some(3)
                && counts("publishers", "gone")["failures"].as_u64() >= Some(3)
                && health["publishers"]["gone"]["state"] == "waiting"
                && (!is_counted || health["log_lines_dropped"].as_u64() >= Some(3))
        });
        assert!(program.terminate().success(), "{what}");
    }
}

#[test]
fn lines_for_systemds_journal_have_its_priorities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let file = File::create(&path).unwrap();
    let found = file.metadata().unwrap();
    for (stream, is_journal) in
        [(format!("{}:{}", found.dev(), found.ino()), true), ("1:2".to_owned(), false)]
    {
        file.set_len(0).unwrap();
        let line = line();
        let stderr = File::options().append(true).open(&path).unwrap();
        let env = [("JOURNAL_STREAM", stream)];
        // A wrong plugin is an error, and a device that is missing a warning.
        let foreign = self::line();
        let wrong = format!("[sources.wrong]\nplugin = \"sml\"\nport = \"{}\"\n", foreign.path().display());
        let config = format!("{}{wrong}", sources(line.path()));
        let program = Program::with_stderr(folder.path(), &config, stderr.into(), &env);
        send(&foreign, &telegram("000125.00000000", "000211.00"));
        program.until("/health", "waiting", |health| {
            let of_wrong = &health["sources"]["wrong"]["last_error"]["message"];
            health["sources"]["missing"]["state"] == "waiting"
                && of_wrong.as_str().is_some_and(|message| message.contains("write `plugin = \"d0\"`"))
        });
        assert!(program.terminate().success());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("ended\n"), "{text}");
        let priorities = [("<3>", "ERROR "), ("<4>", " WARN "), ("<6>", " INFO ")];
        let is_prefixed = |line: &str| {
            priorities.iter().any(|(priority, level)| line.starts_with(&format!("{priority}{level}")))
        };
        assert!(text.lines().all(|line| is_prefixed(line) == is_journal || !is_journal), "{text}");
        for (priority, level) in priorities {
            assert!(
                text.contains(level) && text.contains(&format!("{priority}{level}")) == is_journal,
                "{text}"
            );
        }
    }
}

#[test]
fn mistakes_in_the_configuration_are_errors_in_systemds_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("config.toml"), folder.path().join("log"));
    fs::write(&config, "[sources.meter]\nplugin = \"d0\"\nport = \"/dev/null\"\nnonsense = 1\n").unwrap();
    let file = File::create(&log).unwrap();
    let found = file.metadata().unwrap();
    for command in [&["check"][..], &[]] {
        file.set_len(0).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_smartmeter"));
        program.args(command).arg("--config").arg(&config);
        program.env("JOURNAL_STREAM", format!("{}:{}", found.dev(), found.ino()));
        let status = program.stderr(File::options().append(true).open(&log).unwrap()).status().unwrap();
        assert_eq!(status.code(), Some(2));
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("unknown key `nonsense`"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("<3>")), "{text}");
    }
}
