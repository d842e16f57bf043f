//! Sections of a configuration, as they are written: nothing is built.

use std::path::PathBuf;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Fingerprint, exposure::Secrets, files::Texts};

/// The sections of all files.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// The main file, and the drop-ins in their order.
    pub files: Vec<String>,
    /// Folder of the drop-ins.
    pub folder: PathBuf,
    /// Each `[sources.<name>]`.
    pub sources: Vec<Outlined>,
    /// Each `[publishers.<name>]`.
    pub publishers: Vec<Outlined>,
    /// Each `[endpoints.<name>]`.
    pub endpoints: Vec<Outlined>,
}

/// A section as it is written.
#[derive(Debug, Clone, Default)]
pub struct Outlined {
    /// Its name.
    pub name: String,
    /// `plugin`.
    pub plugin: String,
    /// `label`.
    pub label: Option<String>,
    /// `role`.
    pub role: Option<String>,
    /// `port`.
    pub port: Option<String>,
    /// False if `enabled = false`.
    pub enabled: bool,
    /// The file that begins it.
    pub file: String,
    /// Its secrets, and the files with secrets that it names.
    pub(crate) secrets: Vec<OutlinedSecret>,
    /// Fingerprint of each of [`RECEIVER`] that it has.
    pub(crate) receiver: [Option<Fingerprint>; RECEIVER.len()],
}

/// A secret of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutlinedSecret {
    /// The path of its key: `publishers.broker.password`.
    pub(crate) path: String,
    /// The file that has it.
    pub(crate) file: String,
}

/// Keys of a section that say where its secrets are sent, and as whose.
pub(crate) const RECEIVER: [&str; 7] = ["plugin", "url", "host", "server", "port", "username", "user"];

impl Outline {
    /// Returns the name of the enabled source that reads a port, by any name of the port's.
    pub fn reader_of(&self, port: &str) -> Option<&str> {
        let real = |name: &str| std::fs::canonicalize(name).unwrap_or_else(|_| name.into());
        let device = real(port);
        let is_same = |known: &str| known == port || real(known) == device;
        let reads = |source: &&Outlined| source.enabled && source.port.as_deref().is_some_and(is_same);
        self.sources.iter().find(reads).map(|source| source.name.as_str())
    }

    pub(super) fn of(texts: &Texts, root: &DeTable<'_>, folder: PathBuf) -> Self {
        let sections = |table_name: &str| {
            let Some(DeValue::Table(table)) = root.get(table_name).map(Spanned::get_ref) else {
                return Vec::new();
            };
            let mut all: Vec<_> = table.iter().collect();
            all.sort_by_key(|(key, _)| key.span().start);
            let sections = all.into_iter().filter_map(|(key, value)| {
                let DeValue::Table(section) = value.get_ref() else { return None };
                let text = |key: &str| Some(section.get(key)?.get_ref().as_str()?.to_owned());
                let name = key.get_ref();
                let secrets = Secrets::paths(section, &format!("{table_name}.{name}"));
                let secrets = secrets
                    .into_iter()
                    .map(|(path, at)| OutlinedSecret { path, file: texts.whole.position(at).0 });
                Some(Outlined {
                    secrets: secrets.collect(),
                    receiver: RECEIVER.map(|key| Some(Fingerprint::of_value(section.get(key)?.get_ref()))),
                    name: name.to_string(),
                    plugin: text("plugin").unwrap_or_default(),
                    label: text("label"),
                    role: text("role"),
                    port: text("port"),
                    enabled: section.get("enabled").and_then(|value| value.get_ref().as_bool())
                        != Some(false),
                    file: texts.whole.position(key.span().start).0,
                })
            });
            sections.collect()
        };
        Self {
            files: texts.whole.names().map(str::to_owned).collect(),
            folder,
            sources: sections("sources"),
            publishers: sections("publishers"),
            endpoints: sections("endpoints"),
        }
    }
}
