//! The unit for systemd, and the program as it runs there.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::*;

fn unit() -> String {
    fs::read_to_string(root().join("packaging/systemd/smartmeter.service")).unwrap()
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
    let unit = unit();
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

/// The unit as systemd's tools can check it here: with the program of this test.
fn checked_unit(folder: &Path) -> PathBuf {
    let path = folder.join("smartmeter.service");
    // No manual of this machine has the page yet.
    let unit = unit().replace("/usr/bin/smartmeter", env!("CARGO_BIN_EXE_smartmeter"));
    fs::write(&path, unit.replace("man:smartmeter(1) ", "")).unwrap();
    path
}

/// Returns the version of systemd, where it is installed.
fn systemd() -> Option<u32> {
    let said = Command::new("systemd-analyze").arg("--version").output().ok()?.stdout;
    String::from_utf8(said).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn systemd_understands_the_unit_where_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(version) = systemd() else { return };
    let unit = checked_unit(folder.path());
    let checked = Command::new("systemd-analyze").arg("verify").arg(unit).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    // The only keys that an old one need not know.
    let is_new = |line: &str| line.contains("'RestartSteps'") || line.contains("'RestartMaxDelaySec'");
    let mut faults = said.lines().filter(|line| line.contains("smartmeter.service"));
    assert!(faults.all(|line| version < 254 && is_new(line)), "{said}");
}

#[test]
fn systemd_finds_the_service_well_confined_where_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    if systemd().is_none() {
        return;
    }
    let unit = checked_unit(folder.path());
    // 15 is an exposure of 1.5 of 10.
    let security = ["security", "--offline=true", "--threshold=15", "--no-pager"];
    let rated = Command::new("systemd-analyze").args(security).arg(unit).output().unwrap();
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
}
