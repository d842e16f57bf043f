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
    let config = format!(
        r#"
        [sources.NAME]
        plugin = "NAME"
        path = "{}"
        "#,
        path.display()
    );
    let mut run = testing::run(&config);
    let seen = run.for_(Duration::from_secs(60));
    assert_eq!(seen.batches.len(), 6);
    assert_eq!(seen.data["NAME"]["load"], 0.42);
    assert_eq!(seen.health["status"], "ok");

    fs::write(&path, "none\n").unwrap();
    let seen = run.for_(Duration::from_secs(60));
    let source = &seen.health["sources"]["NAME"];
    assert_eq!(source["last_error"]["message"], "there is no number");
}
