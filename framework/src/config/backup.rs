//! `[backup]`: a backup of the journal each night.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use jiff::civil;
use rustix::fs::{Access, access};
use serde::Deserialize;

use super::{Config, sources::take_times};
use crate::{
    ConfigError, Schedule,
    table::{Built, Table},
};

/// The keys of `[backup]`.
pub(crate) const BACKUP_KEYS: &[&str] = &["to", "at", "keep"];

/// Time of a backup that the configuration does not name.
const AT: civil::Time = civil::time(3, 30, 0, 0);
const KEEP: u32 = 14;
/// Most files: each is a name in a folder that is read at each backup.
const MOST_KEPT: u32 = 10_000;
/// Folders of the state folder that are in each backup.
const OWN_FOLDERS: [&str; 4] = ["config.d", "sources", "publishers", "endpoints"];
/// Time for a folder to answer `check`.
const ANSWER: Duration = Duration::from_secs(5);

/// `[backup]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupConfig {
    /// Folder for the files.
    pub to: PathBuf,
    /// Local times of day.
    pub at: Schedule,
    /// Number of files to keep.
    pub keep: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    to: PathBuf,
    keep: Option<u32>,
}

impl BackupConfig {
    /// Reads the section. No path is looked at: a folder on a server that does not answer must hold up neither the start
    /// nor a reload.
    pub(super) fn read(mut section: Table<'_>, state_dir: &Path, is_recorded: bool) -> Built<Self> {
        section.known = BACKUP_KEYS;
        let at = take_times(&mut section, "at").unwrap_or_else(|| Schedule::Daily(Arc::new([AT])));
        if !is_recorded {
            let message = "`[backup]` needs the journal, which it copies";
            let hint = "write `enabled = true` in `[journal]`".to_owned();
            section.note(section.span.clone(), message, Some(hint));
        }
        section.build(|keys: Keys| Self::check(keys, state_dir, &at))
    }

    fn check(keys: Keys, state_dir: &Path, at: &Schedule) -> Result<Self, ConfigError> {
        let to = state_dir.join(&keys.to);
        let is_of_kernel = ["/dev", "/proc", "/sys"].iter().any(|folder| to.starts_with(folder));
        let is_copied = OWN_FOLDERS.iter().any(|folder| to.starts_with(state_dir.join(folder)));
        let wrong = if keys.to.as_os_str().is_empty() {
            Some("`to` is empty".to_owned())
        } else if is_copied {
            Some(format!("`{}` is in a folder that each backup has", to.display()))
        } else if is_of_kernel && !to.starts_with("/dev/shm") {
            Some(format!("`{}` is among the files of the kernel, which keeps none", to.display()))
        } else {
            None
        };
        let wrong = wrong.map(|message| {
            ConfigError::key("to", message).hint("write a folder on another disk: `/mnt/nas/smartmeter`")
        });
        let keep = keys.keep.unwrap_or(KEEP);
        let few = (!(1..=MOST_KEPT).contains(&keep)).then(|| {
            ConfigError::key("keep", format!("`keep` must be 1 to {MOST_KEPT}, not {keep}"))
                .hint("it is the number of files; the oldest is removed after a good new one")
        });
        ConfigError::all([wrong, few].into_iter().flatten())?;
        Ok(Self { to, at: at.clone(), keep: keep as usize })
    }

    /// Returns what is wrong with the folder now, for `check`.
    fn doubts(&self, journal: &Path) -> Option<String> {
        let shown = self.to.display();
        let Ok(found) = self.to.metadata() else {
            return Some(format!(
                "the folder of `[backup] to`, `{shown}`, does not exist\nhint: mount its disk, or create it: it is not created, as it may be in a disk that is not mounted"
            ));
        };
        if !found.is_dir() {
            return Some(format!("`[backup] to` must be a folder, and `{shown}` is a file"));
        }
        if access(&self.to, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            return Some(format!(
                "this user cannot write into the folder of `[backup] to`, `{shown}`\nhint: the service's user is `smartmeter`: `sudo chown smartmeter {shown}`, or `uid=smartmeter` among the options of a mount"
            ));
        }
        let beside = journal.ancestors().find_map(|there| there.metadata().ok())?;
        (beside.dev() == found.dev()).then(|| {
            format!(
                "`[backup] to`, `{shown}`, is on the disk of the journal: both are lost with it\nhint: write a folder on another disk or a network share"
            )
        })
    }
}

impl Config {
    /// Returns the warnings about the folder for backups, which is looked at now. A folder that does not answer is one.
    pub fn backup_warnings(&self) -> Vec<String> {
        let Some(backup) = self.backup.clone() else { return Vec::new() };
        let (shown, journal) = (backup.to.display().to_string(), self.journal.path.clone());
        let (sender, answer) = mpsc::channel();
        // The thread of a server that does not answer is left to the end of the program.
        std::thread::spawn(move || sender.send(backup.doubts(&journal)));
        let doubts = answer.recv_timeout(ANSWER).unwrap_or_else(|_| {
            Some(format!("the folder of `[backup] to`, `{shown}`, does not answer within {ANSWER:?}"))
        });
        doubts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &str) -> Result<BackupConfig, String> {
        let text = format!("[server]\nstate_dir = \"/tmp/x\"\n[backup]\n{keys}\n");
        let config = Config::parse("config.toml", &text, &[]).map_err(|mistakes| mistakes.to_string())?;
        Ok(config.backup.unwrap())
    }

    #[test]
    fn a_backup_has_a_folder_times_of_day_and_a_number_of_files() {
        let daily =
            |times: &[&str]| Schedule::Daily(times.iter().map(|time| time.parse().unwrap()).collect());
        for (keys, to, at, keep) in [
            ("to = \"/mnt/nas\"", "/mnt/nas", &["03:30"][..], 14),
            ("to = \"copies\"\nat = \"23:59:30\"\nkeep = 1", "/tmp/x/copies", &["23:59:30"], 1),
            ("to = \"/a\"\nat = [\"01:00\", \"13:00\"]", "/a", &["01:00", "13:00"], 14),
        ] {
            let expected = BackupConfig { to: to.into(), at: daily(at), keep };
            assert_eq!(read(keys), Ok(expected), "{keys}");
        }
    }

    #[test]
    fn each_mistake_of_a_backup_is_said_with_what_to_write() {
        for (keys, message) in [
            ("", "missing key `to`"),
            ("to = \"\"", "`to` is empty"),
            ("to = \"sources/x\"", "is in a folder that each backup has"),
            ("to = \"/proc/x\"", "is among the files of the kernel"),
            ("to = \"/a\"\nkeep = 0", "`keep` must be 1 to 10000, not 0"),
            ("to = \"/a\"\nkeep = -1", "a whole number from 0 to"),
            ("to = \"/a\"\nat = \"25:00\"", "expected one such as `03:00`"),
            ("to = \"/a\"\nat = []", "`at` names no time"),
            ("to = \"/a\"\nkept = 3", "unknown key `kept`"),
            ("to = \"/a\"\n[journal]\nenabled = false", "needs the journal"),
        ] {
            let mistakes = read(keys).unwrap_err();
            assert!(mistakes.contains(message), "{keys}: {mistakes}");
        }
    }

    #[test]
    fn a_doubtful_folder_is_a_warning_of_check_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().display();
        let text = |to: &str| format!("[server]\nstate_dir = \"{shown}\"\n[backup]\nto = \"{to}\"\n");
        std::fs::write(folder.path().join("file"), "").unwrap();
        for (to, warning) in [
            ("missing", "does not exist"),
            ("file", "must be a folder"),
            (".", "is on the disk of the journal"),
        ] {
            let config = Config::parse("config.toml", &text(to), &[]).unwrap();
            assert_eq!(config.warnings, Vec::<String>::new(), "{to}");
            let warnings = config.backup_warnings();
            assert!(warnings.len() == 1 && warnings[0].contains(warning), "{to}: {warnings:?}");
        }
    }
}
