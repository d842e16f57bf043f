//! Publisher of CSV files: one a day for each source, with a column for each of its series.

mod file;
mod table;

use std::{
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use framework::{
    Batching, ConfigError, Context, Period, PublishError, Publisher, PublisherPlugin, Record, async_trait,
};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::table::{Format, Table};

/// Plugin `csv`.
pub struct Csv;

/// Keys of a `[publishers.<name>]` with `plugin = "csv"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    folder: PathBuf,
    #[serde(default)]
    decimal_comma: bool,
    #[serde(default = "ten_seconds")]
    flush_interval: Period,
}

fn ten_seconds() -> Period {
    Period(Duration::from_secs(10))
}

impl PublisherPlugin for Csv {
    const KIND: &'static str = "csv";
    const ABOUT: &'static str = "readings in CSV files, one a day for each source";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn Publisher;

    fn build(config: Config, _: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        let Config { folder, decimal_comma, flush_interval } = config;
        if !folder.is_absolute() {
            let message = format!("`{}` must begin with `/`", folder.display());
            return Err(ConfigError::key("folder", message));
        }
        if *flush_interval > Duration::from_secs(3600) {
            let message = format!("`flush_interval` must be at most 1h, not {flush_interval}");
            return Err(ConfigError::key("flush_interval", message));
        }
        let format = Format { decimal_comma, zone: TimeZone::system() };
        Ok(Box::new(Files { folder, format, linger: *flush_interval }))
    }
}

framework::register_publisher!(Csv);

/// Publisher into one folder.
struct Files {
    folder: PathBuf,
    format: Format,
    linger: Duration,
}

#[async_trait]
impl Publisher for Files {
    fn batching(&self) -> Batching {
        Batching { records: 1000, linger: self.linger }
    }

    fn exclusive(&self) -> Vec<String> {
        vec![format!("folder `{}`", resolved(&self.folder).display())]
    }

    async fn test(&mut self) -> Result<String, PublishError> {
        let draft = self.folder.join(format!(".smartmeter-{}.tmp", std::process::id()));
        let written = self.checked_folder().and_then(|()| {
            let written = File::options().write(true).create_new(true).open(&draft);
            written.map_err(|error| fault("write into", &self.folder, &error))
        });
        if written.is_ok() {
            let _ = fs::remove_file(&draft);
        }
        written.map(|_| format!("files can be written into `{}`", self.folder.display()))
    }

    /// Blocks its thread, which nobody else uses: a call that is cancelled on another one would go on writing.
    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        self.checked_folder()?;
        let mut written = Vec::new();
        for table in Table::all(records, &self.format) {
            match file::append(&self.folder, &table, &self.format) {
                Ok(rows) => written.push(rows),
                Err(error) => {
                    // All records come again.
                    written.into_iter().for_each(file::Appended::remove);
                    return Err(error);
                }
            }
        }
        Ok(records.len())
    }
}

impl Files {
    fn checked_folder(&self) -> Result<(), PublishError> {
        if self.folder.is_dir() {
            return Ok(());
        }
        let advice = "create it, or mount its disk; this user must be able to write there";
        let message = format!("there is no folder `{}`: {advice}", self.folder.display());
        Err(PublishError::misconfigured(message))
    }
}

/// Returns the one name of a folder that can be written in several ways: without links, `..` and double slashes. What
/// does not exist yet is taken as it is written.
fn resolved(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find_map(|parent| Some((parent, parent.canonicalize().ok()?)));
    let Some((parent, mut resolved)) = existing else { return folder.to_owned() };
    for part in folder.strip_prefix(parent).unwrap_or(folder).components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    resolved
}

/// Returns the error of a file or folder.
fn fault(what: &str, path: &Path, error: &io::Error) -> PublishError {
    let message = format!("could not {what} `{}`: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            PublishError::unavailable(format!("{message}; free some space there"))
        }
        io::ErrorKind::PermissionDenied => {
            PublishError::misconfigured(format!("{message}; let this user write there, with `chown`"))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            PublishError::misconfigured(format!("{message}; choose another `folder`"))
        }
        _ => PublishError::unavailable(message),
    }
}
