//! Keys of the plugin.

use std::{collections::BTreeMap, net::SocketAddr};

use framework::{ConfigError, Text, listen_address};
use serde::Deserialize;
use uuid::Uuid;

use crate::channels::Channels;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    listen: String,
    #[serde(default = "default_index")]
    index: bool,
    /// Written for series, `source/READING`.
    #[serde(default)]
    uuids: BTreeMap<String, String>,
}

fn default_index() -> bool {
    true
}

impl Config {
    /// Returns the address and the channels. `sources` are the names of all sources.
    pub(crate) fn check(self, sources: &[Text]) -> Result<(SocketAddr, Channels), ConfigError> {
        let listen = listen_address(&self.listen);
        let mut uuids = BTreeMap::new();
        let mut wrong = Vec::new();
        for (series, written) in self.uuids {
            wrong.extend(check_series(&series, sources));
            match uuid(&series, &written, &uuids) {
                Ok(uuid) => {
                    uuids.insert(series, uuid);
                }
                Err(error) => wrong.push(error),
            }
        }
        ConfigError::all(listen.as_ref().err().cloned().into_iter().chain(wrong))?;
        Ok((listen?, Channels { index: self.index, uuids }))
    }
}

/// Returns the mistake in the name of a series, if there is one.
fn check_series(series: &str, sources: &[Text]) -> Option<ConfigError> {
    let Some((source, _)) = series.split_once('/').filter(|(_, name)| !name.is_empty()) else {
        let message = format!("`{series}` is not a series: write a source and a reading, `source/READING`");
        return Some(ConfigError::key("uuids", message));
    };
    let is_known = sources.iter().any(|known| known == source);
    (!is_known).then(|| ConfigError::unknown("uuids", "source", source, sources.iter().map(Text::as_str)))
}

/// Returns the UUID that was written for a series.
fn uuid(series: &str, written: &str, others: &BTreeMap<String, Uuid>) -> Result<Uuid, ConfigError> {
    let refused = |message: String| ConfigError::key("uuids", message);
    // The usual form only: a client compares text.
    let uuid = Uuid::try_parse(written).ok().filter(|_| written.len() == 36).ok_or_else(|| {
        let hint = "one looks like `7ccc2b59-f55b-5d1d-a200-dcde964734ba`";
        refused(format!("`{written}` is not a valid UUID")).hint(hint)
    })?;
    match others.iter().find(|(_, other)| **other == uuid) {
        Some((other, _)) => Err(refused(format!("`{other}` and `{series}` have the same UUID"))),
        None => Ok(uuid),
    }
}
