//! `[backup]`: the backups that the running program makes.

use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use serde_json::Value as Json;

use crate::program::*;

/// A source whose program prints a number once a second.
const SOURCE: &str =
    "[sources.one]\nplugin = \"exec\"\ninterval = \"1s\"\ncommand = [\"echo\", '{\"n\": 1}']\n";

/// `[backup]` to a folder, which is made, with a source.
fn backup(to: &Path, keep: u32) -> String {
    let _ = fs::create_dir(to);
    format!("[backup]\nto = \"{}\"\nkeep = {keep}\n{SOURCE}", to.display())
}

/// Names of the files in a folder.
fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

fn is_good(health: &Json) -> bool {
    health["backup"]["state"] == "ok" && health["backup"]["next"].is_string()
}

/// Waits for a good backup, and returns the name of its file.
fn made(program: &Program) -> String {
    let health = program.until("/health", "a good backup", is_good);
    health["backup"]["file"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_is_made_at_the_start_where_one_was_missed_and_health_and_metrics_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("nas");
    let program = Program::with_config(folder.path(), &backup(&to, 3));
    let file = made(&program);
    assert_eq!(files(&to), [&*file]);
    let health = program.get("/health").1["backup"].clone();
    let size = fs::metadata(to.join(&file)).unwrap().len();
    assert_eq!((&health["to"], &health["size_bytes"]), (&to.to_str().unwrap().into(), &size.into()));
    assert!(health["last_success"].is_string() && health.get("problem").is_none(), "{health}");
    let metrics = program.text("/metrics");
    assert!(metrics.contains("smartmeter_backup_up 1\n"), "{metrics}");
    assert!(metrics.contains(&format!("smartmeter_backup_size_bytes {size}\n")), "{metrics}");
    // Anybody can open it, and nobody else on this machine can read it.
    let listed = Command::new("tar").arg("-tzf").arg(to.join(&file)).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("journal.db") && listed.contains("config.toml"), "{listed}");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(to.join(&file)).unwrap().permissions()) & 0o777,
        0o600
    );
    // Today's is there: the next start makes none.
    assert_eq!(program.terminate().code(), Some(0));
    let program = Program::with_config(folder.path(), &backup(&to, 3));
    assert_eq!(made(&program), file);
    assert_eq!(files(&to), [&*file]);
}

#[test]
fn a_newest_backup_that_was_damaged_is_found_at_the_next_start_and_health_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("nas");
    let program = Program::with_config(folder.path(), &backup(&to, 3));
    let file = to.join(made(&program));
    assert_eq!(program.terminate().code(), Some(0));
    let good = fs::read(&file).unwrap();
    for at in [20, good.len() / 2, good.len() - 5] {
        let mut damaged = good.clone();
        damaged[at] ^= 0x55;
        fs::write(&file, damaged).unwrap();
        let program = Program::with_config(folder.path(), &backup(&to, 3));
        let health = program.until("/health", "degraded", |health| health["backup"]["state"] == "degraded");
        let problem = health["backup"]["problem"].as_str().unwrap();
        assert!(problem.contains("the newest backup") && problem.contains("cannot be read"), "{problem}");
        assert_eq!(health["backup"]["problem_code"], "unreadable");
        assert_eq!((program.get("/health").0, &health["status"]), (503, &"degraded".into()));
        assert!(program.text("/metrics").contains("smartmeter_backup_up 0\n"));
        assert_eq!(program.terminate().code(), Some(0));
    }
}

#[test]
fn a_reload_begins_moves_and_ends_the_backups() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let config = folder.path().join("config.toml");
    let program = Program::with_config(folder.path(), SOURCE);
    let server = fs::read_to_string(&config).unwrap().replace(SOURCE, "");
    let reload = |text: &str| {
        fs::write(&config, format!("{server}{text}")).unwrap();
        program.signal(Signal::HUP);
    };
    assert!(program.get("/health").1.get("backup").is_none());
    let batches = program.count("one", "batches");
    for to in [&one, &two] {
        reload(&backup(to, 1));
        program.until("/health", "moved", |health| {
            is_good(health) && health["backup"]["to"] == to.to_str().unwrap()
        });
        assert_eq!(files(to).len(), 1);
    }
    reload(&backup(&folder.path().join("missing/folder"), 1));
    let health = program.until("/health", "missing", |health| health["backup"]["problem"].is_string());
    assert!(
        health["backup"]["problem"].as_str().unwrap().contains("does not exist: mount its disk"),
        "{health}"
    );
    reload(SOURCE);
    program.until("/health", "gone", |health| health.get("backup").is_none());
    assert!(program.log().contains("applied `[backup]`; 1 unchanged"), "{}", program.log());
    assert!(program.count("one", "batches") >= batches, "the source was started again");
}

#[test]
fn a_client_cannot_choose_a_folder_for_backups() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), SOURCE);
    let toml = format!("[backup]\nto = \"{}\"\n", folder.path().display());
    let body = serde_json::json!({"file": "50-backup.toml", "toml": toml}).to_string();
    let (status, answer) = program.post("/setup/save", &body);
    assert!((400..500).contains(&status) && answer.to_string().contains("backup"), "{status} {answer}");
    assert!(program.get("/health").1.get("backup").is_none());
}

#[test]
fn check_warns_of_a_folder_for_backups_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    for (to, warning) in [("missing", "does not exist"), (".", "is on the disk of the journal")] {
        let text =
            format!("[server]\nstate_dir = \"{}\"\n[backup]\nto = \"{to}\"\n", folder.path().display());
        fs::write(&config, text).unwrap();
        let said = output(&["check", "--config", config.to_str().unwrap()]);
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(said.status.success() && text.contains("warning: ") && text.contains(warning), "{text}");
    }
}
