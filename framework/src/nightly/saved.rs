//! What a restart must not forget: the box's identity, its last good backup, and a failure since then.

use std::{
    fs::{self, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Failure, name};

/// Name of the file, in the state folder.
const FILE: &str = "backup.json";
/// Longest file that is read.
const LONGEST: u64 = 1 << 20;

/// A good backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Good {
    /// Time at which it began, in seconds since 1970.
    at: i64,
    /// Name of its file.
    pub(crate) file: String,
    /// Its length, in bytes.
    pub(crate) size: u64,
}

impl Good {
    pub(super) fn new(at: Timestamp, file: String, size: u64) -> Self {
        Self { at: at.as_second(), file, size }
    }

    /// Returns the time at which it began.
    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_second(self.at).unwrap_or_default()
    }
}

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) id: String,
    /// Fingerprint of the machine. A restored state folder on another one is another box: both may go on.
    #[serde(default)]
    machine: String,
    /// The folder that all the rest is about.
    folder: PathBuf,
    /// Mount point of the folder at the last good backup; `/` if it was on the root file system.
    pub(super) mount: Option<PathBuf>,
    pub(super) last: Option<Good>,
    pub(super) failure: Option<Failure>,
    /// Files that could not be read.
    #[serde(default)]
    pub(super) bad: Vec<String>,
}

impl Saved {
    /// Reads the file of a state folder. A new identity is made where there is none.
    pub(super) fn read(state_dir: &Path) -> Self {
        let mut text = String::new();
        let read = fs::File::open(state_dir.join(FILE))
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .ok()
            .and_then(|_| serde_json::from_str::<Self>(&text).ok());
        // The keys of a hasher are random in each process.
        let new = || name::id_of(RandomState::new().hash_one(Timestamp::now()));
        let machine = backup::fingerprint();
        read.filter(|saved| name::is_id(&saved.id) && saved.machine == machine)
            .unwrap_or_else(|| Self::new(new(), machine))
    }

    fn new(id: String, machine: String) -> Self {
        Self { id, machine, folder: PathBuf::new(), mount: None, last: None, failure: None, bad: Vec::new() }
    }

    /// Forgets what is known of another folder.
    pub(super) fn use_folder(&mut self, folder: &Path) {
        if self.folder != folder {
            *self = Self {
                folder: folder.to_owned(),
                ..Self::new(std::mem::take(&mut self.id), std::mem::take(&mut self.machine))
            };
        }
    }

    /// Replaces the file. It blocks.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(super) fn write(&self, state_dir: &Path) -> io::Result<()> {
        fs::create_dir_all(state_dir)?;
        let (file, new) = (state_dir.join(FILE), state_dir.join("backup.json.new"));
        let mut written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        written.write_all(&serde_json::to_vec(self)?)?;
        written.sync_all()?;
        fs::rename(new, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultCode;

    #[test]
    fn a_restart_keeps_the_identity_and_the_state_of_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = Saved::read(folder.path());
        assert!(name::is_id(&saved.id));
        saved.use_folder(Path::new("/mnt/nas"));
        saved.mount = Some("/mnt".into());
        saved.last = Some(Good::new(Timestamp::from_second(5).unwrap(), "a".to_owned(), 7));
        saved.failure = Some(Failure::new(FaultCode::DiskFull, "full"));
        saved.write(folder.path()).unwrap();
        let mut read = Saved::read(folder.path());
        assert_eq!(read, saved);
        read.use_folder(Path::new("/mnt/nas"));
        assert_eq!(read, saved);
        read.use_folder(Path::new("/mnt/other"));
        assert_eq!((&read.id, read.last, read.failure, read.mount), (&saved.id, None, None, None));
        let moved = Saved { machine: "another".to_owned(), ..saved.clone() };
        moved.write(folder.path()).unwrap();
        let read = Saved::read(folder.path());
        assert!(read.id != saved.id && read.last.is_none(), "another machine takes the files for its own");
        for damaged in ["", "{", "{\"id\":\"../../\",\"folder\":\"\"}"] {
            fs::write(folder.path().join(FILE), damaged).unwrap();
            let read = Saved::read(folder.path());
            assert!(name::is_id(&read.id) && read.last.is_none(), "{damaged}");
        }
    }
}
