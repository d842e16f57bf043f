//! `[journal]`: the recording of readings.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::paths::check_journal;
use crate::{
    ConfigError, Period,
    table::{Built, Table, keys_of},
};

/// `[journal]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Records readings, unless false.
    pub enabled: bool,
    /// The database, in the state directory if the path is relative. Its other files are beside it, and their names
    /// begin with its own.
    pub path: PathBuf,
    /// Interval in which readings are forced onto the disk: the most that a power cut loses.
    pub sync_interval: Duration,
    /// Time that every reading is kept; roll-ups are kept permanently.
    pub raw_retention: Duration,
}

const MIN_SYNC: Period = Period(Duration::from_secs(1));
const MAX_SYNC: Period = Period(Duration::from_secs(3600));
const MIN_RAW: Period = Period(Duration::from_secs(86_400));

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    enabled: bool,
    path: PathBuf,
    sync_interval: Period,
    raw_retention: Period,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "journal.db".into(),
            sync_interval: Period(Duration::from_secs(60)),
            raw_retention: Period(Duration::from_secs(30 * 86_400)),
        }
    }
}

impl JournalConfig {
    pub(super) fn read(section: &Table<'_>, state_dir: &Path) -> Built<Self> {
        section.build(|keys| Self::check(keys, state_dir))
    }

    /// Returns the keys that there are.
    pub(crate) fn keys() -> &'static [&'static str] {
        keys_of::<Keys>()
    }

    fn check(keys: Keys, state_dir: &Path) -> Result<Self, ConfigError> {
        // Not in the working directory: a service and its user's shell have different ones.
        let path = state_dir.join(&keys.path);
        let no_file = keys.path.file_name().is_none().then(|| {
            ConfigError::key("path", format!("`{}` is not a file name", path.display()))
                .hint("write the database's own name, with its folder: `/var/lib/smartmeter/journal.db`")
        });
        let no_file = no_file.or_else(|| check_journal(&path, state_dir).filter(|_| keys.enabled));
        let sync = (!(MIN_SYNC..=MAX_SYNC).contains(&keys.sync_interval)).then(|| {
            let message =
                format!("`sync_interval` must be {MIN_SYNC} to {MAX_SYNC}, not {}", keys.sync_interval);
            ConfigError::key("sync_interval", message)
                .hint("a power cut loses at most the readings of that time; a shorter one wears out a memory card sooner")
        });
        let raw = (keys.raw_retention < MIN_RAW).then(|| {
            let message = format!("`raw_retention` must be at least {MIN_RAW}, not {}", keys.raw_retention);
            ConfigError::key("raw_retention", message).hint("write `enabled = false` to record nothing")
        });
        ConfigError::all([no_file, sync, raw].into_iter().flatten())?;
        Ok(Self {
            enabled: keys.enabled,
            path,
            sync_interval: *keys.sync_interval,
            raw_retention: *keys.raw_retention,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn path(written: &str) -> Result<String, String> {
        let text = format!("[server]\nstate_dir = \"/tmp/x\"\n[journal]\npath = \"{written}\"\n");
        let config = Config::parse("config.toml", &text, &[]).map_err(|mistakes| mistakes.to_string())?;
        Ok(config.journal.path.display().to_string())
    }

    #[test]
    fn a_relative_path_is_taken_from_the_state_directory() {
        assert_eq!(path("energy.db").unwrap(), "/tmp/x/energy.db");
        assert_eq!(path("years/energy.db").unwrap(), "/tmp/x/years/energy.db");
        assert_eq!(path("/data/energy.db").unwrap(), "/data/energy.db");
        for none in ["", ".", "..", "/"] {
            assert!(path(none).unwrap_err().contains("is not a file name"), "{none}");
        }
    }
}
