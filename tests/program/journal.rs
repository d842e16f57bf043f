//! A journal in a folder of its own, and the commands that read and write it.

#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)] // each test uses a part of it

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Output, Stdio},
};

use rusqlite::Connection;

use super::smartmeter;

/// A journal in a folder of its own.
pub struct Journal {
    pub folder: tempfile::TempDir,
}

impl Journal {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn with(text: &str) -> Self {
        let journal = Self::new();
        let output = journal.import(text);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        journal
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    pub fn run(&self, command: &str, args: &[&str], input: &str, zone: Option<&str>) -> Output {
        let mut program = smartmeter();
        program.arg(command).arg("--journal").arg(self.path()).args(args);
        if let Some(zone) = zone {
            program.env("TZ", zone);
        }
        let mut program =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = program.stdin.take().unwrap();
        let input = input.to_owned();
        // The program may end at a mistake before it has read all of its input.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = program.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    pub fn import(&self, text: &str) -> Output {
        self.run("import", &[], text, None)
    }

    pub fn export(&self, args: &[&str]) -> String {
        let output = self.run("export", args, "", None);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Every row of every table, except the program's own state.
    pub fn rows(&self) -> Vec<String> {
        let database = self.database();
        let mut all = Vec::new();
        for table in ["section", "series", "raw", "minute", "quarter", "hour", "day", "event"] {
            let mut statement = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                Ok((0..columns).map(|i| format!("{:?} ", row.get_ref(i).unwrap())).collect::<String>())
            };
            all.extend(statement.query_map([], row).unwrap().map(|row| format!("{table}: {}", row.unwrap())));
        }
        all
    }
}

pub fn errors(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
