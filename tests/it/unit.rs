//! The unit for systemd, and the program as it runs there.

use std::{fs, net::TcpListener, process::Command};

use crate::program::*;

fn unit() -> String {
    fs::read_to_string(root().join("packaging/smartmeter.service")).unwrap()
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
    let limits =
        ["Restart=always", "StartLimitIntervalSec=", "StartLimitBurst=", "RuntimeDirectoryPreserve=yes"];
    for line in limits {
        assert!(unit().lines().any(|found| found.starts_with(line)), "the unit lacks {line}");
    }
}

#[test]
fn systemd_understands_the_unit_where_it_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smartmeter.service");
    fs::write(&path, unit().replace("/usr/local/bin/smartmeter", env!("CARGO_BIN_EXE_smartmeter"))).unwrap();
    let Ok(checked) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else { return };
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!said.contains("smartmeter.service"), "{said}");
}
