//! `cargo xtask` in a copy of the workspace.

#![allow(clippy::unwrap_used)] // a test's own files

mod guide;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn xtask(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).current_dir(folder).args(args).output().unwrap()
}

/// Runs xtask, which refuses that; returns why.
fn refusal(folder: &Path, args: &[&str]) -> String {
    let output = xtask(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Copies what a build reads, and leaves alone what has not changed: cargo then compiles it once.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let entries = fs::read_dir(from).unwrap().map(Result::unwrap);
    let names: Vec<_> =
        entries.map(|entry| entry.file_name()).filter(|name| name != "target" && name != ".git").collect();
    for gone in
        fs::read_dir(to).unwrap().map(Result::unwrap).filter(|entry| !names.contains(&entry.file_name()))
    {
        let path = gone.path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    for name in names {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            let bytes = fs::read(&from).unwrap();
            if fs::read(&to).ok().as_ref() != Some(&bytes) {
                fs::write(&to, bytes).unwrap();
            }
        }
    }
}

/// A workspace as far as xtask looks at it.
fn sketch() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["app/Cargo.toml", "app/src/plugins.rs", "docs/configuration.md"] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(workspace().join(file), path).unwrap();
    }
    for entry in fs::read_dir(workspace().join("plugins")).unwrap() {
        fs::create_dir_all(folder.path().join("plugins").join(entry.unwrap().file_name())).unwrap();
    }
    folder
}

/// Returns the text of all files that xtask may change.
fn lists(folder: &Path) -> Vec<String> {
    ["app/Cargo.toml", "app/src/plugins.rs", "docs/configuration.md"]
        .iter()
        .map(|file| fs::read_to_string(folder.join(file)).unwrap())
        .collect()
}

#[test]
fn names_that_cannot_be_are_refused_with_a_better_one_and_nothing_is_written() {
    let folder = sketch();
    let before = lists(folder.path());
    for (name, hint) in [
        ("Heat-Pump", "hint: write `heat_pump`\n"),
        ("9lives", "hint: write `lives`\n"),
        ("wärme", ""),
        ("_", ""),
        ("heat__pump_", "hint: write `heat_pump`\n"),
        ("", ""),
        ("../../etc", "hint: write `etc`\n"),
        ("a_very_long_name_that_nobody_can_read_in_a_log", ""),
    ] {
        let refusal = refusal(folder.path(), &["new-plugin", "source", name]);
        assert!(
            refusal.starts_with(&format!("error: `{name}` cannot be the name of a plugin: expected")),
            "{refusal}"
        );
        assert_eq!(refusal.split_once('\n').unwrap().1, hint, "{name}");
    }
    let taken = refusal(folder.path(), &["new-plugin", "publisher", "thermal"]);
    assert_eq!(
        taken,
        "error: plugins/thermal is there already: choose another name, or remove the plugin from all its places:\n\
         - the folder plugins/thermal\n\
         - in app/Cargo.toml, the line \"thermal\",\n\
         - in app/Cargo.toml, the line thermal = [\"dep:plugin-thermal\"]\n\
         - in app/Cargo.toml, the line plugin-thermal = { path = \"../plugins/thermal\", optional = true }\n\
         - in app/src/plugins.rs, the line \"thermal\" => plugin_thermal,\n\
         - in docs/configuration.md, the section ### `plugin = \"thermal\"`\n"
    );
    let role = refusal(folder.path(), &["new-plugin", "sink", "tide"]);
    assert!(
        role.starts_with("error: `sink` is not a kind of plugin: expected `source`, `publisher` or"),
        "{role}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = refusal(elsewhere.path(), &["new-plugin", "source", "tide"]);
    assert!(outside.contains("is not in the workspace"), "{outside}");
    assert!(refusal(folder.path(), &["new-plugin"]).starts_with("usage: "));
    assert_eq!(lists(folder.path()), before);
}

#[test]
fn a_new_plugin_is_in_the_lists_in_their_order_and_the_next_step_is_said() {
    let folder = sketch();
    let below = folder.path().join("plugins");
    for (role, name) in [("source", "tide"), ("publisher", "aaa"), ("endpoint", "zzz")] {
        // Also from a folder below.
        let output = xtask(&below, &["new-plugin", role, name]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(&format!("cargo test -p plugin-{name} ")), "{said}");
        assert!(refusal(&below, &["new-plugin", role, name]).contains("is there already"));
    }
    let [manifest, list, reference] = lists(folder.path()).try_into().unwrap();
    for (text, part) in [
        (&manifest, " = { path = \"../plugins/"),
        (&manifest, " = [\"dep:plugin-"),
        (&manifest, "    \""),
        (&list, "\" => plugin_"),
    ] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(part)).collect();
        assert!(lines.is_sorted() && lines.iter().any(|line| line.contains("tide")), "{lines:?}");
    }
    let place = |heading: &str| reference.find(heading).unwrap_or_else(|| panic!("{heading}"));
    let places = [
        "## `[sources.<name>]`",
        "### `plugin = \"thermal\"`",
        "### `plugin = \"tide\"`",
        "## `[publishers.<name>]`",
        "### `plugin = \"aaa\"`",
        "### `plugin = \"influx\"`",
        "## `[endpoints.<name>]`",
        "### `plugin = \"zzz\"`",
    ];
    assert!(places.map(place).is_sorted());
}

#[test]
fn lines_that_a_removed_plugin_left_are_not_added_twice() {
    let folder = sketch();
    let begin = || xtask(folder.path(), &["new-plugin", "source", "tide"]);
    assert!(begin().status.success());
    let before = lists(folder.path());
    fs::remove_dir_all(folder.path().join("plugins/tide")).unwrap();
    assert!(begin().status.success());
    assert_eq!(lists(folder.path()), before);
}

#[test]
fn new_plugins_and_those_of_the_guide_pass_their_tests() {
    let cargo = env!("CARGO");
    if !Path::new(cargo).exists() {
        eprintln!("skipped: there is no `{cargo}`");
        return;
    }
    // The same folder each time, and the target folder of this workspace: only what changed is compiled.
    let copied = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workspace");
    copy(&workspace(), &copied);
    let begin = |role: &str, name: &str| {
        let output = xtask(&copied, &["new-plugin", role, name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        name.to_owned()
    };
    // With the longest name: what fits with it fits with all.
    let mut names =
        ["source", "publisher", "endpoint"].map(|role| begin(role, &format!("{role:x<32}"))).to_vec();
    for (name, blocks) in guide::plugins("writing-a-plugin.md") {
        names.push(begin("source", &name));
        guide::write(&copied, &blocks);
    }
    assert!(names.len() >= 9, "{names:?}");
    let target = Path::new(env!("CARGO_BIN_EXE_xtask")).ancestors().nth(2).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(cargo);
        command.current_dir(&copied).args(args).env("CARGO_TARGET_DIR", target);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "cargo {args:?}:\n{}", String::from_utf8_lossy(&said));
        String::from_utf8_lossy(&said).into_owned()
    };
    let packages: Vec<_> = names.iter().map(|name| format!("-pplugin-{name}")).collect();
    let packages: Vec<_> = packages.iter().map(String::as_str).collect();
    run(&[&["fmt", "--check"], &packages[..]].concat());
    let said = run(&[&["test", "--offline"], &packages[..]].concat());
    assert!(!said.contains("warning: unused"), "{said}");
    let passed = said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
    assert!(passed >= 2 * names.len(), "{said}");
}
