//! The unit for systemd, as systemd's own tools judge it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Failed, Trial};

use crate::program::root;

pub(crate) fn trials() -> Vec<Trial> {
    let is_missing = !test_servers::is_installed("systemd-analyze");
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("{name} (needs systemd-analyze)"), test).with_ignored_flag(is_missing)
    };
    vec![
        trial("systemd_understands_the_unit", understood),
        trial("systemd_finds_the_service_well_confined", confined),
    ]
}

/// The unit as systemd's tools can check it here: with the program of this test.
fn checked_unit(folder: &Path) -> PathBuf {
    let path = folder.join("smartmeter.service");
    let unit = fs::read_to_string(root().join("packaging/systemd/smartmeter.service")).unwrap();
    // No manual of this machine has the page yet.
    let unit = unit.replace("/usr/bin/smartmeter", env!("CARGO_BIN_EXE_smartmeter"));
    fs::write(&path, unit.replace("man:smartmeter(1) ", "")).unwrap();
    path
}

fn understood() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let said = Command::new("systemd-analyze").arg("--version").output()?.stdout;
    let version =
        String::from_utf8(said)?.split_whitespace().nth(1).and_then(|word| word.parse::<u32>().ok());
    let unit = checked_unit(folder.path());
    // The package lays it there where systemd knows its keys.
    if version.unwrap() >= 254 {
        let drop_ins = folder.path().join("smartmeter.service.d");
        fs::create_dir(&drop_ins)?;
        fs::copy(root().join("packaging/systemd/back-off.conf"), drop_ins.join("back-off.conf"))?;
    }
    let checked = Command::new("systemd-analyze").arg("verify").arg(unit).output()?;
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!said.contains("smartmeter.service"), "{said}");
    Ok(())
}

fn confined() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let unit = checked_unit(folder.path());
    // 15 is an exposure of 1.5 of 10.
    let security = ["security", "--offline=true", "--threshold=15", "--no-pager"];
    let rated = Command::new("systemd-analyze").args(security).arg(unit).output()?;
    assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
    Ok(())
}
