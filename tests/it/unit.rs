//! The unit for systemd, and the program as it runs there.

use std::{fs, net::TcpListener};

use crate::program::*;

fn unit() -> String {
    fs::read_to_string(root().join("packaging/systemd/smartmeter.service")).unwrap()
}

/// The keys that only a newer systemd knows.
fn back_off() -> String {
    fs::read_to_string(root().join("packaging/systemd/back-off.conf")).unwrap()
}

#[test]
fn a_mistake_in_the_configuration_is_not_tried_again_but_a_busy_port_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = format!("[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    let prevented: Vec<i32> = unit()
        .lines()
        .filter_map(|line| line.strip_prefix("RestartPreventExitStatus=")?.parse().ok())
        .collect();
    for (text, is_tried) in [("[server]\nlistn = 1\n", false), (&busy, true)] {
        fs::write(&config, text).unwrap();
        let status = output(&["--config", config.to_str().unwrap()]).status.code().unwrap();
        assert_eq!(!prevented.contains(&status), is_tried, "{text} ends with {status}");
    }
}

#[test]
fn what_was_missing_for_an_afternoon_is_found_again_and_the_log_stays_small() {
    let unit = unit() + &back_off();
    let key = |key: &str| {
        let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let value = values.next();
        assert_eq!(values.next(), None, "{key} is there twice");
        value
    };
    assert_eq!(key("Restart"), Some("always"));
    // No limit of starts: one that was reached would need a person.
    assert_eq!((key("StartLimitIntervalSec"), key("StartLimitBurst")), (Some("0"), None));
    let pause = |name: &str| -> framework::Period { key(name).unwrap().replace("min", "m").parse().unwrap() };
    let (first, last) = (pause("RestartSec").as_secs(), pause("RestartMaxDelaySec").as_secs());
    assert!((5..=30).contains(&first) && (60..=600).contains(&last), "{first} to {last} seconds");
    assert!(key("RestartSteps").is_some_and(|steps| steps.parse::<u32>().is_ok_and(|steps| steps > 1)));
    // What is not committed yet must survive each of these starts.
    assert_eq!(key("RuntimeDirectoryPreserve"), Some("yes"));
}

#[test]
fn the_service_may_write_backups_where_disks_are_mounted_and_the_documents_name_each_place() {
    let unit = unit();
    assert!(unit.lines().any(|line| line == "ProtectSystem=strict"));
    let paths = unit.lines().filter_map(|line| line.strip_prefix("ReadWritePaths=")).collect::<String>();
    let document = fs::read_to_string(root().join("docs/service.md")).unwrap();
    for path in paths.split(' ') {
        // The service starts also where a folder is missing.
        let path = path.strip_prefix('-').unwrap();
        assert!(document.contains(&format!("`{path}`")), "docs/service.md lacks {path}");
    }
    // The examples of the documents are among them.
    for example in ["docs/configuration.md", "config.toml", "packaging/debian/config.toml"] {
        let text = fs::read_to_string(root().join(example)).unwrap();
        let to = text.lines().find_map(|line| line.trim_start_matches("# ").strip_prefix("to = \"")).unwrap();
        assert!(
            paths.split(" -").any(|path| to.starts_with(path.trim_start_matches('-'))),
            "{example}: {to}"
        );
    }
}
