//! The plugin as the program runs it.

#![allow(clippy::unwrap_used)] // a test's own files

use std::{fs, time::Duration};

use framework::testing;
use plugin_NAME::Plugin;

#[test]
fn keeps_the_contract() {
    testing::check::<Plugin>();
}

#[test]
fn the_number_is_read_at_each_interval() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load");
    fs::write(&path, "0.42 0.30\n").unwrap();
    let config = format!("[sources.NAME]\nplugin = \"NAME\"\npath = \"{}\"\n", path.display());
    let mut run = testing::run(&config);
    let seen = run.for_(Duration::from_secs(60));
    assert!(seen.batches.len() >= 6, "{:?}", seen.batches);
    assert_eq!(seen.data["NAME"]["load"], 0.42);
    assert_eq!(seen.health["status"], "ok");

    fs::write(&path, "none\n").unwrap();
    let seen = run.for_(Duration::from_secs(60));
    let error = &seen.health["sources"]["NAME"]["last_error"]["message"];
    assert_eq!(error, "the file does not begin with a number");
}
