//! Configuration keys of the plugin.

use std::collections::BTreeMap;

use framework::{ConfigError, Secret};
use http_client::Method;

use crate::{Hook, headers::Headers};

const BATCH_SIZE: usize = 100;
const MAX_BATCH_SIZE: usize = 10_000;

http_client::config! {
    /// Keys of a `[publishers.<name>]` with `plugin = "webhook"`. The README explains each.
    pub struct Config {
        #[serde(default)]
        method: Method,
        #[serde(default)]
        headers: BTreeMap<String, Secret>,
    }
}

impl Config {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn hook(mut self, publisher: &str) -> Result<Hook, ConfigError> {
        let mut wrong = Vec::new();
        let shown = self.username.is_some() || self.token.is_some() || self.token_file.is_some();
        let headers = Headers::new(std::mem::take(&mut self.headers), publisher);
        match &headers {
            Ok(headers) if shown && headers.has("authorization") => {
                let message = "`Authorization` and `username` or `token` exclude each other";
                wrong.push(ConfigError::key("headers", message));
            }
            Ok(_) => {}
            Err(errors) => wrong.extend(errors.iter().cloned()),
        }
        let http = self.http().build("Bearer", BATCH_SIZE, MAX_BATCH_SIZE);
        ConfigError::all(http.as_ref().err().cloned().into_iter().chain(wrong))?;
        let (client, batching) = http?;
        let headers = headers.map_err(|_| ConfigError::key("headers", "`headers` cannot be sent"))?;
        Ok(Hook { client, method: self.method, headers, batching })
    }
}
