//! `[journal]`.

use std::time::Duration;

use framework::JournalConfig;

use super::{mistakes, parse};

#[test]
fn the_journal_is_kept_below_the_state_directory() {
    let journal = parse("[server]\nstate_dir = \"/tmp/x\"\n").unwrap().journal;
    let expected = JournalConfig {
        enabled: true,
        path: "/tmp/x/journal.db".into(),
        sync_interval: Duration::from_secs(60),
        raw_retention: Duration::from_secs(30 * 86_400),
    };
    assert_eq!(journal, expected);
    let text = "[journal]\nenabled = false\npath = \"/data/energy.db\"\nsync_interval = \"1h\"\nraw_retention = \"1d\"\n";
    let expected = JournalConfig {
        enabled: false,
        path: "/data/energy.db".into(),
        sync_interval: Duration::from_secs(3600),
        raw_retention: Duration::from_secs(86_400),
    };
    assert_eq!(parse(text).unwrap().journal, expected);
}

#[test]
fn every_mistake_about_the_journal_is_shown() {
    let shown = mistakes(
        "[journal]\npath = \"/\"\nsync_interval = \"500ms\"\nraw_retention = \"23h\"\n[sources.a]\nplugin = \"fak\"\n",
    );
    for expected in [
        "config.toml:2:8: `/` is not a file name",
        "hint: write the database's own name, with its folder",
        "config.toml:3:17: `sync_interval` must be 1s to 1h, not 500ms",
        "config.toml:4:17: `raw_retention` must be at least 1d, not 23h",
        "config.toml:6:10: unknown source plugin `fak`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    let shown = mistakes("[journal]\nraw_retentoin = \"30d\"\nenabled = 1\n");
    for expected in [
        "2:1: unknown key `raw_retentoin`, expected one of `enabled`, `path`, `sync_interval`, `raw_retention`",
        "did you mean `raw_retention`?",
        "config.toml:3:11: expected `true` or `false`, not the number `1`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    let shown = mistakes("journal = 1\n[sources.a]\nplugin = \"fak\"\n");
    assert!(
        shown.contains("`journal` must be a table, not an integer") && shown.contains("`fak`"),
        "{shown}"
    );
}

#[test]
fn a_folder_at_the_journals_path_does_not_stop_the_program() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("journal.db")).unwrap();
    let text = format!("[server]\nstate_dir = \"{}\"\n", folder.path().display());
    assert_eq!(parse(&text).unwrap().journal.path, folder.path().join("journal.db"));
}
