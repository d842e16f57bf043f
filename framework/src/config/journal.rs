//! `[journal]`: what is kept of the readings.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::Section;
use crate::{ConfigError, Period};

/// `[journal]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Whether readings are recorded.
    pub enabled: bool,
    /// The database; a relative one was taken from the state directory. Files that belong to it lie beside it, their names beginning with its own.
    pub path: PathBuf,
    /// How often what was written is forced onto the disk: a power cut loses at most so much.
    pub commit_every: Duration,
    /// How long every reading is kept; their roll-ups stay for good.
    pub keep_raw: Duration,
}

const MIN_COMMIT: Period = Period(Duration::from_secs(1));
const MAX_COMMIT: Period = Period(Duration::from_secs(3600));
const MIN_RAW: Period = Period(Duration::from_secs(86_400));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    #[serde(default = "default_enabled")]
    enabled: bool,
    path: Option<PathBuf>,
    #[serde(default = "default_commit")]
    commit_every: Period,
    #[serde(default = "default_raw")]
    keep_raw: Period,
}

fn default_enabled() -> bool {
    true
}

fn default_commit() -> Period {
    Period(Duration::from_secs(60))
}

fn default_raw() -> Period {
    Period(Duration::from_secs(30 * 86_400))
}

impl JournalConfig {
    pub(super) fn read(mut section: Section<'_>, state_dir: &Path) -> Option<Self> {
        let keys: Keys = section.parse()?;
        match Self::check(keys, state_dir) {
            Ok(journal) => Some(journal),
            Err(error) => {
                section.refuse(&error);
                None
            }
        }
    }

    fn check(keys: Keys, state_dir: &Path) -> Result<Self, ConfigError> {
        let name = keys.path.unwrap_or_else(|| "journal.db".into());
        // Not from the working directory: a service and its user's shell have different ones.
        let path = state_dir.join(&name);
        let no_file = (name.file_name().is_none() || path.is_dir()).then(|| {
            ConfigError::key("path", format!("`{}` is no name of a file", path.display()))
                .hint("write the database's own name, with its folder: `/var/lib/smartmeter/journal.db`")
        });
        let commit = (!(MIN_COMMIT..=MAX_COMMIT).contains(&keys.commit_every)).then(|| {
            let message =
                format!("`commit_every` must be {MIN_COMMIT} to {MAX_COMMIT}, not {}", keys.commit_every);
            ConfigError::key("commit_every", message)
                .hint("a power cut loses at most so much; a shorter time wears out a memory card sooner")
        });
        let raw = (keys.keep_raw < MIN_RAW).then(|| {
            let message = format!("`keep_raw` must be at least {MIN_RAW}, not {}", keys.keep_raw);
            ConfigError::key("keep_raw", message)
                .hint("write `enabled = false` where nothing is to be recorded")
        });
        ConfigError::all([no_file, commit, raw].into_iter().flatten())?;
        Ok(Self { enabled: keys.enabled, path, commit_every: *keys.commit_every, keep_raw: *keys.keep_raw })
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
            assert!(path(none).unwrap_err().contains("is no name of a file"), "{none}");
        }
    }
}
