//! Secrets: passwords and tokens.

use std::{fmt, fs, path::Path};

use serde::Deserialize;

use crate::ConfigError;

/// Text that is never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret in the configuration, `written`, or in a `file`, without white space around it. `keys` are
    /// the names of both.
    ///
    /// # Errors
    /// Fails if both are set, the file cannot be read, or the text is empty or has control characters.
    pub fn given(
        keys: [&'static str; 2],
        written: Option<Self>,
        file: Option<&Path>,
    ) -> Result<Option<Self>, ConfigError> {
        let [key, file_key] = keys;
        let both = (written.is_some() && file.is_some())
            .then(|| ConfigError::key(file_key, format!("`{key}` and `{file_key}` exclude each other")));
        let written = written.map(|secret| checked(key, secret.0)).transpose();
        let read = file.map(|path| {
            let text = fs::read_to_string(path).map_err(|error| {
                ConfigError::key(file_key, format!("could not read `{}`: {error}", path.display()))
            });
            text.and_then(|text| checked(file_key, text.trim().to_owned()))
        });
        let read = read.transpose();
        let wrong = [both.as_ref(), written.as_ref().err(), read.as_ref().err()];
        ConfigError::all(wrong.into_iter().flatten().cloned())?;
        Ok(written?.or(read?))
    }

    /// Returns the text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns whether `given` is the secret, in a time that does not depend on where they differ.
    pub fn matches(&self, given: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(given).into()
    }
}

/// Returns a text as a secret, if it can be one.
fn checked(key: &'static str, text: String) -> Result<Secret, ConfigError> {
    match &*text {
        blank if blank.trim().is_empty() => Err(ConfigError::key(key, format!("`{key}` is empty"))),
        text if text.contains(char::is_control) => {
            Err(ConfigError::key(key, format!("`{key}` has a line break or another control character")))
        }
        _ => Ok(Secret(text)),
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
