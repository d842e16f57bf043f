//! What must not change at a restart: the id of each series, and which Home Assistant was found in the LAN.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use framework::{HourSeries, PublishError};
use serde::{Deserialize, Serialize};

use crate::statistics::{Ids, Statistic};

const FILE: &str = "homeassistant.json";
/// Longest file that is read.
const MAX_LENGTH: u64 = 16 << 20;

/// Memory of one publisher, in a file of its state folder.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    /// `None`: not read yet.
    kept: Option<Kept>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    ids: Ids,
    /// `uuid` that the Home Assistant announces.
    #[serde(default)]
    uuid: Option<String>,
}

impl Memory {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: None }
    }

    /// Returns the statistic of each series. Their ids are on the disk before anything is sent.
    pub(crate) fn statistics(
        &mut self,
        series: &[HourSeries],
        prefix: &str,
    ) -> Result<Vec<Statistic>, PublishError> {
        let mut kept = self.kept()?.clone();
        let statistics = kept.ids.statistics(series, prefix);
        self.keep(kept)?;
        Ok(statistics)
    }

    /// Returns the `uuid` of the Home Assistant that was found in the LAN.
    pub(crate) fn uuid(&mut self) -> Result<Option<&str>, PublishError> {
        Ok(self.kept()?.uuid.as_deref())
    }

    /// Remembers the `uuid` of the Home Assistant that was found in the LAN and took the token.
    pub(crate) fn set_uuid(&mut self, uuid: String) -> Result<(), PublishError> {
        let kept = Kept { uuid: Some(uuid), ..self.kept()?.clone() };
        self.keep(kept)
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn kept(&mut self) -> Result<&Kept, PublishError> {
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => read(&self.path())?,
        };
        Ok(self.kept.insert(kept))
    }

    fn keep(&mut self, kept: Kept) -> Result<(), PublishError> {
        if self.kept.as_ref() != Some(&kept) {
            write(&self.folder, &kept).map_err(|error| {
                let shown = self.path();
                PublishError::unavailable(format!("could not write `{}`: {error}", shown.display()))
            })?;
            self.kept = Some(kept);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Kept, PublishError> {
    let shown = path.display();
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_LENGTH).read_to_end(&mut text)) {
        Ok(_) => serde_json::from_slice(&text).map_err(|error| {
            PublishError::misconfigured(format!(
                "`{shown}` is damaged ({error}): restore it from a backup, or remove it, and the oldest of two series \
                 with similar names gets the plain id"
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(PublishError::unavailable(format!("could not read `{shown}`: {error}"))),
    }
}

fn write(folder: &Path, kept: &Kept) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (path, new) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_outlives_a_restart_and_a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("publishers/home");
        let mut memory = Memory::new(folder.clone());
        assert_eq!(memory.uuid().unwrap(), None);
        memory.set_uuid("1".into()).unwrap();
        assert_eq!(Memory::new(folder.clone()).uuid().unwrap(), Some("1"));
        fs::write(memory.path(), "{").unwrap();
        let error = Memory::new(folder).uuid().unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}
