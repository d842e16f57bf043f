//! Configuration keys of the plugin.

use std::{collections::BTreeMap, path::PathBuf};

use framework::{Batching, ConfigError, Period, Secret};
use http_client::{ClientConfig, Method, default_flush_interval};
use serde::Deserialize;

use crate::{Hook, headers::Headers};

const MAX_BATCH_SIZE: usize = 10_000;

/// Keys of a `[publishers.<name>]` with `plugin = "webhook"`. The README explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: Secret,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    gzip: bool,
    #[serde(default = "default_flush_interval", deserialize_with = "http_client::flush_interval")]
    flush_interval: Period,
    #[serde(default = "default_batch_size")]
    batch_size: usize,
}

fn default_batch_size() -> usize {
    100
}

impl Config {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn hook(self, publisher: &str) -> Result<Hook, ConfigError> {
        let mut wrong = Vec::new();
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            let message =
                format!("`batch_size` must be 1 to {MAX_BATCH_SIZE} records, not {}", self.batch_size);
            wrong.push(ConfigError::key("batch_size", message));
        }
        let shown = self.username.is_some() || self.token.is_some() || self.token_file.is_some();
        let headers = Headers::new(self.headers, publisher);
        match &headers {
            Ok(headers) if shown && headers.has("authorization") => {
                let message = "`Authorization` and `username` or `token` exclude each other";
                wrong.push(ConfigError::key("headers", message));
            }
            Ok(_) => {}
            Err(errors) => wrong.extend(errors.iter().cloned()),
        }
        let config = ClientConfig {
            url: self.url.reveal().to_owned(),
            username: self.username,
            password: self.password,
            password_file: self.password_file,
            token: self.token,
            token_file: self.token_file,
            ca_file: self.ca_file,
            gzip: self.gzip,
        };
        let client = config.client("Bearer");
        ConfigError::all(client.as_ref().err().cloned().into_iter().chain(wrong))?;
        let batching = Batching { records: self.batch_size, linger: *self.flush_interval };
        let headers = headers.map_err(|_| ConfigError::key("headers", "`headers` cannot be sent"))?;
        Ok(Hook { client: client?, method: self.method, headers, batching })
    }
}
