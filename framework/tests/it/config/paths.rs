//! Paths that cannot be right.

use std::fs;

use framework::ConfigFiles;

use super::{mistakes, parse};

#[test]
fn a_state_directory_in_which_nothing_can_be_kept_is_refused() {
    let file = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    for (path, expected) in [
        ("", "`state_dir` is empty"),
        ("/proc/x", "`/proc/x` is in a file system of the kernel, which keeps no files"),
        ("/proc/self/x/y", "`/proc/self/x/y` is in a file system of the kernel"),
        ("/sys", "`/sys` is in a file system of the kernel"),
        ("/dev/x", "`/dev/x` is among the devices, which are lost"),
        (&*file, "Cargo.toml` is a file, expected a folder"),
        (&*format!("{file}/x"), "Cargo.toml` is a file, expected a folder"),
    ] {
        let shown = mistakes(&format!("[server]\nstate_dir = \"{path}\"\n"));
        let place = "config.toml:2:13: ";
        assert!(shown.contains(expected) && shown.contains(place), "{path}:\n{shown}");
        assert!(shown.contains("hint: write a folder on a disk: `/var/lib/smartmeter`"), "{shown}");
    }
    for path in ["state", "/nonexistent/state", "/tmp", "/tmp/new/folder", "/dev/shm/x"] {
        assert!(parse(&format!("[server]\nstate_dir = \"{path}\"\n")).is_ok(), "{path}");
    }
}

#[test]
fn a_journal_in_the_place_of_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let (state, token) = (folder.path().join("state"), folder.path().join("token"));
    fs::write(&token, "a long secret").unwrap();
    std::os::unix::fs::symlink(&token, folder.path().join("link")).unwrap();
    for (path, expected) in [
        ("heat.count", "heat.count` is the name of a file with a count of pulses"),
        ("sources/m/x.db", "is in the folder of the sources' own files"),
        ("publishers/p.db", "is in the folder of the publishers' own files"),
        ("../config.toml", "config.toml` has another use in this configuration"),
        ("../token", "token` has another use in this configuration"),
        ("../link", "link` has another use in this configuration"),
        ("/nonexistent/port", "`/nonexistent/port` has another use in this configuration"),
        ("/proc/journal.db", "`/proc` is in a file system of the kernel"),
        ("../token/journal.db", "token` is a file, expected a folder"),
    ] {
        let text = |journal: &str| {
            format!(
                "[journal]\n{journal}path = \"{path}\"\n[server]\nstate_dir = \"{}\"\ntoken_file = \"{}\"\n\
                 [sources.heat]\nplugin = \"fake\"\nport = \"/nonexistent/port\"\n",
                state.display(),
                token.display()
            )
        };
        fs::create_dir_all(&state).unwrap();
        fs::write(&config, text("")).unwrap();
        let shown = ConfigFiles::new(Some(config.clone())).load().err().expect(path).to_string();
        assert!(shown.contains(expected) && shown.contains("config.toml:2:8: "), "{path}:\n{shown}");
        // One that is off writes nothing.
        fs::write(&config, text("enabled = false\n")).unwrap();
        assert!(ConfigFiles::new(Some(config.clone())).load().is_ok(), "{path}");
    }
    let text = format!("[server]\nstate_dir = \"{}\"\n[journal]\npath = \"counts.db\"\n", state.display());
    fs::write(&config, text).unwrap();
    assert!(ConfigFiles::new(Some(config.clone())).load().is_ok());
}

#[test]
fn a_journal_at_the_path_of_a_file_that_is_none_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = |enabled| format!("[journal]\npath = \"{}\"\nenabled = {enabled}\n", path.display());
    assert!(parse(&text(true)).is_ok());
    fs::write(&path, "milk\nbread\n").unwrap();
    let shown = mistakes(&text(true));
    assert!(shown.contains("config.toml:2:8: "), "{shown}");
    assert!(shown.contains("notes.txt` is there, and is not a journal"), "{shown}");
    assert!(shown.contains("hint: name another path, or move that file away"), "{shown}");
    assert!(parse(&text(false)).is_ok());
    // An empty file becomes a journal, and one with a log beside it was one.
    fs::write(folder.path().join("notes.txt-wal"), "log").unwrap();
    assert!(parse(&text(true)).is_ok());
    fs::remove_file(folder.path().join("notes.txt-wal")).unwrap();
    fs::write(&path, "").unwrap();
    assert!(parse(&text(true)).is_ok());
}
