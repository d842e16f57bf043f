//! Drop-ins on a disk that is full, which is a small file system in memory.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};

use crate::program::*;

pub(crate) fn trials() -> Vec<Trial> {
    let is_missing = Disk::mounted().is_none();
    let name = "a_save_on_a_full_disk_changes_nothing_and_says_so (needs root, and mount)";
    vec![Trial::test(name, full).with_ignored_flag(is_missing)]
}

/// A folder with a file system of its own, of 256 KiB.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Returns a disk, if this user may mount one.
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "smartmeter-test"]).arg(folder.path());
        mount.output().ok()?.status.success().then_some(Self(folder))
    }

    /// Writes a file until there is no room.
    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(self.0.path().join("filling"))?;
        while file.write_all(&[7; 512]).is_ok() {}
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

fn full() -> Result<(), Failed> {
    let disk = Disk::mounted().expect("this user may mount");
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n[journal]\nenabled = false\n",
        disk.0.path().display()
    );
    fs::write(&config, text)?;
    let program = Program::start(&["--config", config.to_str().unwrap()]);
    let text = |pulses: u32, comment: usize| {
        let keys = format!("plugin = \"s0\"\nport = \"/dev/nowhere\"\npulses_per_kwh = {pulses}\n");
        format!("[sources.heat]\n{keys}{}", "# a comment\n".repeat(comment))
    };
    let save =
        |toml: &str| program.post("/setup/save", &json!({"file": "20-heat.toml", "toml": toml}).to_string());
    assert_eq!(save(&text(1000, 0)).0, 200);
    disk.fill()?;
    let (status, answer) = save(&text(2000, 2000));
    let error = &answer["error"];
    assert_eq!(
        (status, &error["code"], &error["cause"]),
        (500, &json!("not_written"), &json!("disk_full")),
        "{answer}"
    );
    assert!(error["hint"].as_str().unwrap().contains("make room"), "{answer}");
    let drop_ins = disk.0.path().join("config.d");
    assert_eq!(listed(&drop_ins), ["20-heat.toml"], "nothing half is left");
    assert_eq!(fs::read_to_string(drop_ins.join("20-heat.toml"))?, text(1000, 0));
    assert_eq!(program.get("/setup").1.get("mistakes"), None::<&Json>);

    fs::remove_file(disk.0.path().join("filling"))?;
    let (status, answer) = save(&text(2000, 2000));
    assert_eq!(status, 200, "{answer}");
    Ok(())
}

fn listed(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name().into_string().unwrap()).collect()
}
