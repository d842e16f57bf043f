//! Folders for backups that misbehave: file systems that are mounted for the test.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
};

use libtest_mimic::{Failed, Trial};
use rustix::{
    fd::{AsFd as _, AsRawFd as _},
    io::{FdFlags, fcntl_setfd},
    process::Signal,
};
use serde_json::Value as Json;

use crate::program::*;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>, is_there: bool| {
        Trial::test(format!("{name} (needs root, and mount)"), test).with_ignored_flag(!is_there)
    };
    let (disk, server) = (Mounted::disk("64k").is_some(), Mounted::hanging().is_some());
    vec![
        trial(
            "a_folder_that_hangs_holds_up_neither_readings_nor_http_nor_reloads_nor_the_end",
            hangs,
            server,
        ),
        trial("check_and_the_start_do_not_wait_for_a_folder_that_hangs", check_hangs, server),
        trial("a_full_disk_costs_no_old_backup_and_keeps_no_half_one", full, disk),
        trial("a_disk_that_is_not_mounted_is_told_from_an_empty_one_and_gets_no_file", unmounted, disk),
    ]
}

/// Folder with a file system of its own.
struct Mounted {
    folder: tempfile::TempDir,
    /// The server's side of a file system, which nobody serves.
    server: Option<File>,
}

impl Mounted {
    /// Returns a disk in memory, if this user may mount one.
    fn disk(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mounted = Self { folder, server: None };
        mounted.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "smartmeter-test"]).then_some(mounted)
    }

    /// Returns a file system whose server never answers, like a NAS that has gone.
    fn hanging() -> Option<Self> {
        let (folder, server) =
            (tempfile::tempdir().ok()?, OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?);
        // `mount` passes it to the kernel.
        fcntl_setfd(server.as_fd(), FdFlags::empty()).ok()?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
        let mut mounted = Self { folder, server: None };
        let is_there = mounted.mount(&["-i", "-t", "fuse", "-o", &options, "smartmeter-test"]);
        fcntl_setfd(server.as_fd(), FdFlags::CLOEXEC).ok()?;
        mounted.server = Some(server);
        is_there.then_some(mounted)
    }

    fn mount(&self, args: &[&str]) -> bool {
        let mounted = Command::new("mount").args(args).arg(self.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn unmount(&self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.path()).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What waits for the server is let go first, as the folder is removed afterwards.
        self.server = None;
        self.unmount();
    }
}

/// `[backup]` to a folder, with a source that prints a number each second.
fn backup(to: &Path, keep: u32) -> String {
    format!(
        "[backup]\nto = \"{}\"\nkeep = {keep}\n[sources.one]\nplugin = \"exec\"\ninterval = \"1s\"\n\
         command = [\"echo\", '{{\"n\": 1}}']\n",
        to.display()
    )
}

fn is_good(health: &Json) -> bool {
    health["backup"]["state"] == "ok" && health["backup"]["next"].is_string()
}

/// Replaces `[backup]` of a running program.
fn reload(folder: &Path, program: &Program, text: &str) -> Result<(), Failed> {
    let config = folder.join("config.toml");
    let old = fs::read_to_string(&config)?;
    let server: Vec<_> = old.lines().take(3).collect();
    fs::write(config, format!("{}\n{text}", server.join("\n")))?;
    program.signal(Signal::HUP);
    Ok(())
}

fn hangs() -> Result<(), Failed> {
    let (folder, server) = (tempfile::tempdir()?, Mounted::hanging().expect("this user may mount"));
    let program = Program::with_config(folder.path(), &backup(server.path(), 3));
    program.until("/health", "running", |health| health["backup"]["state"] == "running");
    let batches = program.count("one", "batches");
    program.until("/health", "reading", |health| {
        health["sources"]["one"]["counts"]["batches"].as_u64() >= Some(batches + 2)
    });
    reload(folder.path(), &program, &backup(server.path(), 4))?;
    program.until("/health", "running again", |health| health["backup"]["state"] == "running");
    let log = "reloaded the configuration: applied `[backup]`";
    program.until("/health", "reloaded", |_| program.log().contains(log));
    assert_eq!(program.terminate().code(), Some(0));
    Ok(())
}

fn check_hangs() -> Result<(), Failed> {
    let (folder, server) = (tempfile::tempdir()?, Mounted::hanging().expect("this user may mount"));
    let config = folder.path().join("config.toml");
    let text = format!("[server]\nstate_dir = \"{}\"\n{}", folder.path().display(), backup(server.path(), 3));
    fs::write(&config, text)?;
    let said = output(&["check", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8(said.stdout)?;
    assert!(said.contains("configuration OK") && said.contains("does not answer"), "{said}");
    Ok(())
}

fn full() -> Result<(), Failed> {
    let (folder, disk) = (tempfile::tempdir()?, Mounted::disk("2m").expect("this user may mount"));
    let program = Program::with_config(folder.path(), &backup(disk.path(), 1));
    let file = program.until("/health", "good", is_good)["backup"]["file"].as_str().unwrap().to_owned();
    assert_eq!(program.terminate().code(), Some(0));
    let mut filling = File::create(disk.path().join("filling"))?;
    while filling.write_all(&[7; 512]).is_ok() {}
    // As if it were of last night.
    let saved = folder.path().join("state/backup.json");
    let mut text: Json = serde_json::from_str(&fs::read_to_string(&saved)?)?;
    text["last"]["at"] = 0.into();
    fs::write(&saved, text.to_string())?;
    let program = Program::with_config(folder.path(), &backup(disk.path(), 1));
    let health = program.until("/health", "failed", |health| health["backup"]["problem_code"].is_string());
    assert_eq!(health["backup"]["problem_code"], "disk_full", "{health}");
    let mut files = disk.files();
    files.sort();
    assert_eq!(files, ["filling", &*file]);
    Ok(())
}

fn unmounted() -> Result<(), Failed> {
    let (folder, disk) = (tempfile::tempdir()?, Mounted::disk("2m").expect("this user may mount"));
    let program = Program::with_config(folder.path(), &backup(disk.path(), 3));
    program.until("/health", "good", is_good);
    disk.unmount();
    reload(folder.path(), &program, &backup(disk.path(), 4))?;
    let health = program.until("/health", "failed", |health| health["backup"]["problem"].is_string());
    let problem = health["backup"]["problem"].as_str().unwrap();
    assert!(problem.contains("nothing is mounted at"), "{problem}");
    assert_eq!(disk.files(), Vec::<String>::new());
    Ok(())
}
