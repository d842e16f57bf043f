//! Files of a program, as it leaves them or while it runs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use backup::{BackupError, Contents, Places, Restored};
use journal::testing::{Household, at, named, sample};
use tempfile::TempDir;

/// Folders of a program.
pub(crate) struct Program {
    pub(crate) folder: TempDir,
    pub(crate) places: Places,
}

impl Program {
    /// A machine without files.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("state");
        let places = Places {
            journal: Some(state_dir.join("journal.db")),
            state_dir,
            runtime_dir: None,
            config: None,
        };
        Self { folder, places }
    }

    /// A program that has recorded `minutes` minutes from a moment on: half of them are checkpointed.
    pub(crate) fn recorded(from: &str, minutes: i64) -> Self {
        let program = Self::empty();
        fs::create_dir_all(&program.places.state_dir).unwrap();
        program.record(from, minutes);
        program
    }

    pub(crate) fn record(&self, from: &str, minutes: i64) {
        let mut household = Household::at(self.journal());
        let samples: Vec<_> = (0..minutes).map(|n| sample(at(from) + n * 60_000_000, 1000 + n)).collect();
        let (old, new) = samples.split_at(samples.len() / 2);
        let series = named("meter", "POWER_IMPORT", "kWh");
        household.store(&series, "1.8.0", old, &[]);
        household.record(&series, "1.8.0", new, &[]);
        drop(household.open(self.journal()));
    }

    pub(crate) fn journal(&self) -> &Path {
        self.places.journal.as_deref().unwrap()
    }

    pub(crate) fn state(&self, path: &str) -> PathBuf {
        self.places.state_dir.join(path)
    }

    /// Writes a file of the state folder.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.state(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.state(path)).unwrap()
    }

    pub(crate) fn backup(&self) -> Vec<u8> {
        let mut out = Vec::new();
        backup::write(&self.places, &mut out, &mut |_, _| {}).unwrap();
        out
    }

    pub(crate) fn restore(&self, backup: &[u8]) -> Result<Restored, BackupError> {
        backup::restore(&self.places, backup, false, &mut |_, _| {})
    }

    pub(crate) fn force(&self, backup: &[u8]) -> Result<Restored, BackupError> {
        backup::restore(&self.places, backup, true, &mut |_, _| {})
    }

    /// Every reading of the journal.
    pub(crate) fn readings(&self) -> Vec<String> {
        let archive = journal::Archive::open(self.journal()).unwrap();
        let mut rows = Vec::new();
        let row = |labels: &journal::Labels, time: i64, value: reading::Decimal, _| {
            rows.push(format!("{time} {}/{} {value} {}", labels.section, labels.name, labels.unit));
            Ok(())
        };
        archive.readings(&journal::Selection::default(), row).unwrap();
        rows
    }

    /// Every file, with its bytes: all that a restore could change. SQLite's own index of the log is none of it.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }
}

pub(crate) fn check(backup: &[u8]) -> Result<Contents, BackupError> {
    backup::check(backup, &mut |_, _| {})
}

/// Returns whether a file only shows that a database was opened.
fn is_of_sqlite(path: &Path, name: &str) -> bool {
    let is_empty = || fs::metadata(path).unwrap().len() == 0;
    name.ends_with("-shm") || name.ends_with("-wal") && is_empty()
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect(&path, files);
        } else if !is_of_sqlite(&path, &name) {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}
