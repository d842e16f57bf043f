//! Load of this machine. Put your device here instead: what it is, and where its format is described.

use std::{fs, path::PathBuf};

use framework::{AcquireError, Batch, ConfigError, Decimal, Reading, Source, SourceContext, SourcePlugin};
use serde::Deserialize;

/// Plugin `NAME`.
pub struct Plugin;

/// Its keys. Each has a line in sample.toml, and a row in README.md and docs/configuration.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default = "load")]
    path: PathBuf,
}

fn load() -> PathBuf {
    "/proc/loadavg".into()
}

impl SourcePlugin for Plugin {
    const KIND: &'static str = "NAME";
    const ABOUT: &'static str = "load of this machine";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(Config { path }: Config, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::blocking(move || {
            let text = fs::read_to_string(&path)?;
            let number = text.split_whitespace().next().and_then(|word| Decimal::parse(word.as_bytes()));
            let number = number.ok_or_else(|| AcquireError::malformed("there is no number"))?;
            Ok(Some(Batch::now(vec![Reading::gauge("load", number)])))
        }))
    }
}

framework::register_source!(Plugin);
