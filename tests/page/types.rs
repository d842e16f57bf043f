//! Types and rules of the page's scripts, checked by the programs of `tests/page/check` (`npm ci` installs them).

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Test, program::Program};

pub const TESTS: &[Test] = &[
    ("the_page_s_types_are_right", types),
    ("the_linter_finds_nothing_in_the_page", lint),
    ("a_served_script_has_the_syntax_of_its_source", same),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/page/check")
}

/// What is missing for these tests.
pub fn missing() -> Option<&'static str> {
    if !test_servers::is_installed("node") || !test_servers::is_installed("npm") {
        return Some("npm");
    }
    (!folder().join("node_modules/.bin/acorn").exists()).then_some("`npm ci` in tests/page/check")
}

fn run(script: &str) {
    let output =
        Command::new("npm").args(["run", "--silent", script]).current_dir(folder()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "npm run {script}:\n{}", String::from_utf8_lossy(&said));
}

fn types() {
    run("types");
}

fn lint() {
    run("lint");
}

fn same() {
    let folder_of_program = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder_of_program.path(), "");
    let source = folder().join("../../../framework/src/http/page");
    let mut command = Command::new("node");
    command.arg("same.mjs").arg(source).arg(program.url("/page")).current_dir(folder());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
