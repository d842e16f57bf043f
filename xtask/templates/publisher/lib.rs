//! Readings in a file, a line each. Put your server here instead: what it is, and where its format is described.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
};

use framework::{
    Batching, ConfigError, Context, PublishError, Publisher, PublisherPlugin, Record, async_trait,
};
use serde::Deserialize;

/// Plugin `NAME`.
pub struct Plugin;

/// Its keys. Each has a line in sample.toml, and a row in README.md and docs/configuration.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    path: PathBuf,
}

impl PublisherPlugin for Plugin {
    const KIND: &'static str = "NAME";
    const ABOUT: &'static str = "readings in a file, a line each";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn Publisher;

    fn build(Config { path }: Config, _: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        Ok(Box::new(Lines { path }))
    }
}

framework::register_publisher!(Plugin);

struct Lines {
    path: PathBuf,
}

impl Lines {
    fn write(&self, lines: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(lines.as_bytes())?;
        // Delivered is what is on the disk.
        file.sync_data()
    }
}

#[async_trait]
impl Publisher for Lines {
    fn batching(&self) -> Batching {
        Batching { records: 100, ..Batching::default() }
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        let mut lines = String::new();
        for Record { section, batch } in records {
            for reading in &batch.readings {
                lines += &format!("{} {section}/{} {:?}\n", batch.taken_at, reading.name, reading.value);
            }
        }
        self.write(&lines).map_err(|error| {
            PublishError::unavailable(format!("could not write `{}`: {error}", self.path.display()))
        })?;
        Ok(records.len())
    }
}
