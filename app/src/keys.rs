//! Keys of meters on the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use telegram::{Key, Keys};

use crate::failure::Failure;

/// Keys of the meter whose telegrams are read.
#[derive(Args)]
pub(crate) struct KeyArgs {
    /// Encryption key of the meter (GUEK): 32 hexadecimal digits
    #[arg(long, value_name = "HEX", conflicts_with = "key_file")]
    key: Option<Key>,
    /// File with the encryption key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Authentication key of the meter, where the telegrams have an authentication tag
    #[arg(long, value_name = "HEX", conflicts_with = "auth_key_file")]
    auth_key: Option<Key>,
    /// File with the authentication key
    #[arg(long, value_name = "FILE")]
    auth_key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Returns the keys.
    pub(crate) fn keys(&self) -> Result<Keys, Failure> {
        Ok(Keys {
            key: given(self.key, self.key_file.as_deref())?,
            authentication_key: given(self.auth_key, self.auth_key_file.as_deref())?,
        })
    }
}

fn given(key: Option<Key>, file: Option<&Path>) -> Result<Option<Key>, Failure> {
    let Some(path) = file else { return Ok(key) };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("could not read `{shown}`: {error}\n")))?;
    let key =
        text.parse().map_err(|error| Failure::usage(format!("`{shown}` is not a key file: {error}\n")))?;
    Ok(Some(key))
}
