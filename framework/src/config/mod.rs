//! `config.toml` and its drop-ins: checked completely before any device is opened. The program writes drop-ins only.

mod backup;
mod endpoints;
mod exposure;
mod file;
mod files;
mod fingerprint;
mod journal;
mod labels;
mod outline;
mod paths;
mod publishers;
mod secret;
mod server;
mod setting;
mod sources;
mod tariffs;

use std::{
    borrow::Cow,
    cell::RefCell,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(crate) use self::{
    backup::BACKUP_KEYS,
    endpoints::clash,
    exposure::{is_secret, is_secret_key},
    files::{Examined, drop_ins},
    fingerprint::Fingerprint,
    outline::{OutlinedSecret, RECEIVER},
    tariffs::tariff_keys,
};
pub use self::{
    backup::BackupConfig,
    endpoints::{ConfiguredEndpoint, ENDPOINT_KEYS},
    files::{ConfigFiles, DropIn},
    journal::JournalConfig,
    outline::{Outline, Outlined},
    publishers::{ConfiguredPublisher, PUBLISHER_KEYS},
    secret::Secret,
    server::{Network, NotANetwork, ServerConfig, TlsFiles, listen_address},
    setting::Setting,
    sources::{ConfiguredSource, SOURCE_KEYS, SourceRole},
};
use self::{exposure::Secrets, files::Texts, tariffs::doubts};
use crate::{
    AnyPublisher, Context, Diagnostics, PluginInfo, Role, Tariffs, Text, plugins,
    table::{ConfigText, Diagnostic, MistakeCode, Table, did_you_mean, quoted},
};

/// The tables of the file.
const TABLES: [&str; 7] = ["server", "journal", "backup", "sources", "publishers", "endpoints", "tariffs"];

/// Longest name of a source, publisher or endpoint.
const MAX_NAME: usize = 64;

/// Returns whether a source, publisher or endpoint may have this name.
pub fn is_name(name: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_word)
}

/// A configuration without mistakes.
pub struct Config {
    /// `[server]`.
    pub server: ServerConfig,
    /// Fingerprint of `[server]`.
    pub(crate) server_fingerprint: Fingerprint,
    /// `[journal]`.
    pub journal: JournalConfig,
    /// `[backup]`, if it is there.
    pub backup: Option<BackupConfig>,
    /// The enabled `[sources.<name>]`, in the order of the file.
    pub sources: Vec<ConfiguredSource>,
    /// The enabled `[publishers.<name>]`, in the order of the file.
    pub publishers: Vec<ConfiguredPublisher<AnyPublisher>>,
    /// The enabled `[endpoints.<name>]`, in the order of the file.
    pub endpoints: Vec<ConfiguredEndpoint>,
    /// The `[[tariffs]]`, in the order of the file.
    pub tariffs: Arc<Tariffs>,
    /// What is no mistake, but should be changed: a secret that everybody can read.
    pub warnings: Vec<String>,
    /// The main file, and the drop-ins in the order in which they were read.
    pub files: Vec<String>,
    /// Folder of the drop-ins, if they were looked for. It need not exist.
    pub drop_in_dir: Option<PathBuf>,
}

impl Config {
    /// Checks a configuration completely. `name` is the file's name for messages; `settings` replace keys of it.
    ///
    /// # Errors
    /// Returns every mistake, each with its place.
    pub fn parse(name: &str, text: &str, settings: &[Setting]) -> Result<Self, Diagnostics> {
        Self::checked(&Texts::single(name, text, settings), settings).map(|(config, _)| config)
    }

    /// Returns the places of what a backup has; `main` is the main file, if there is one.
    pub fn backup_places(&self, main: Option<&Path>) -> ::backup::Places {
        ::backup::Places {
            journal: self.journal.enabled.then(|| self.journal.path.clone()),
            state_dir: self.server.state_dir.clone(),
            runtime_dir: self.server.runtime_dir.clone(),
            config: main.map(Path::to_owned),
        }
    }

    /// Checks what was read. Returns the secrets of each file, too.
    fn checked(texts: &Texts, settings: &[Setting]) -> Result<(Self, Vec<Secrets>), Diagnostics> {
        let (mut root, secrets) = texts.table().map_err(Diagnostics::new)?;
        for (n, setting) in settings.iter().enumerate() {
            setting.apply(&mut root, texts.whole.option_span(n));
        }
        let (config, mistakes) = Self::examined(texts, root, Vec::new());
        config.map(|config| (config, secrets)).ok_or(mistakes)
    }

    /// Checks a table. Returns the mistakes with those that are known already, and the configuration if there is none.
    fn examined(texts: &Texts, root: DeTable<'_>, known: Vec<Diagnostic>) -> (Option<Self>, Diagnostics) {
        let mistakes = RefCell::new(known);
        let config = Reader { text: &texts.whole, mistakes: &mistakes }.config(root);
        let mistakes = mistakes.into_inner();
        (config.filter(|_| mistakes.is_empty()), Diagnostics::new(mistakes))
    }
}

/// Returns the problems that sources have before they run.
fn problems(sources: &[ConfiguredSource]) -> Vec<String> {
    let problem = |source: &ConfiguredSource| {
        let problem = source.context.stats().problem()?;
        Some(format!("source `{}`: {problem}", source.name))
    };
    sources.iter().filter_map(problem).collect()
}

/// An entry of a table: its key and its value.
type Entry<'a> = (Spanned<Cow<'a, str>>, Spanned<DeValue<'a>>);

/// Check of all files.
struct Reader<'a> {
    text: &'a ConfigText,
    mistakes: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Reader<'a> {
    fn section(&self, span: Range<usize>, table: DeTable<'a>) -> Table<'a> {
        Table { text: self.text, span, table, known: &[], sample: "", mistakes: self.mistakes }
    }

    /// Reads a value that must be a table; `hint` says how to write one.
    fn table(&self, (key, value): Entry<'a>, hint: Option<String>) -> Option<Table<'a>> {
        let at = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(self.section(key.span(), table)),
            other => {
                let kind = other.type_str();
                let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                let message = format!("`{}` must be a table, not {article} {kind}", key.get_ref());
                self.section(at.clone(), DeTable::new()).note(at, message, hint);
                None
            }
        }
    }

    fn config(&self, mut root: DeTable<'a>) -> Option<Config> {
        let named_paths = paths::named(&root);
        let [server, journal, backup, sources, publishers, endpoints, tariffs] =
            TABLES.map(|key| root.remove_entry(key));
        for key in root.keys() {
            let section = self.section(key.span(), DeTable::new());
            match &**key.get_ref() {
                "vzlogger" => {
                    let hint =
                        "it is an endpoint now: write `[endpoints.vzlogger]` with `plugin = \"vzlogger\"`";
                    section.note_as(
                        MistakeCode::UnknownKey,
                        key.span(),
                        "unknown key `vzlogger`",
                        Some(hint.to_owned()),
                    );
                }
                unknown => section.unknown_key(key.span(), unknown, TABLES.into_iter()),
            }
        }
        // Whatever is wrong: the other tables are checked, too.
        let or_empty = |entry: Option<_>| {
            entry
                .and_then(|entry| self.table(entry, None))
                .unwrap_or_else(|| self.section(0..0, DeTable::new()))
        };
        let server = or_empty(server);
        self.check_state_dir(&server);
        let server_fingerprint = Fingerprint::of(&server.table);
        let (server, server_is_right) = ServerConfig::read(&server).known();
        // A plugin is checked whatever else is wrong: then against a folder that is there in any case.
        let state_dir = server.as_ref().map_or_else(PathBuf::new, |server| server.state_dir.clone());
        let journal_section = or_empty(journal);
        let journal = JournalConfig::read(&journal_section, &state_dir).right();
        let own = journal.as_ref().filter(|journal| journal.enabled).map(|journal| &journal.path);
        if let Some(path) = own {
            let others = named_paths.iter().map(PathBuf::as_path).chain(self.text.names().map(Path::new));
            if others.into_iter().any(|other| paths::are_same(path, other)) {
                let message = format!("`{}` has another use in this configuration", path.display());
                let hint = "write a file of the journal's own: `/var/lib/smartmeter/journal.db`".to_owned();
                journal_section.note(journal_section.place("path"), message, Some(hint));
            } else if ::journal::is_other_file(path) {
                let message = format!("`{}` is there, and is not a journal", path.display());
                let hint = "name another path, or move that file away: it is never overwritten".to_owned();
                journal_section.note(journal_section.place("path"), message, Some(hint));
            }
        }
        let sources = self.named(Role::Source, sources);
        let publishers = self.named(Role::Publisher, publishers);
        let endpoints = self.named(Role::Endpoint, endpoints);
        let names: Arc<[Text]> = sources.iter().map(|(name, _)| Text::from(name)).collect();
        let tariffs = self.tariffs(tariffs, &names);
        let runtime_dir = server.as_ref().and_then(|server| server.runtime_dir.as_deref());
        let role = |(name, section): &(String, Table<'_>)| {
            let word = section.table.get("role")?.get_ref().as_str()?;
            Some((Text::from(name), SourceRole::parse(word)?))
        };
        let roles: Arc<[_]> = sources.iter().filter_map(role).collect();
        let of = |role| {
            let (state_dir, names, roles) = (&state_dir, &names, &roles);
            move |name: &str| {
                let context = Context::new(name, state_dir).with_role(role);
                context
                    .with_runtime_dir(runtime_dir)
                    .with_sources(Arc::clone(names))
                    .with_roles(Arc::clone(roles))
            }
        };

        let sources = self.sources(sources, of(Role::Source));
        let is_recorded = journal.as_ref().is_none_or(|journal| journal.enabled);
        let publishers = self.publishers(publishers, of(Role::Publisher), is_recorded);
        let backup = backup.and_then(|entry| self.table(entry, None));
        let backup = backup.and_then(|section| BackupConfig::read(section, &state_dir, is_recorded).right());
        let endpoints = self.endpoints(endpoints, server.as_ref(), of(Role::Endpoint));
        let server = server.filter(|_| server_is_right)?;
        let warnings = [problems(&sources), server.warnings(&endpoints), doubts(&tariffs)].concat();
        Some(Config {
            server,
            server_fingerprint,
            journal: journal?,
            backup,
            warnings,
            files: self.text.names().map(str::to_owned).collect(),
            drop_in_dir: None,
            sources,
            publishers,
            endpoints,
            tariffs: Arc::new(Tariffs::new(tariffs)),
        })
    }

    /// Checks that no drop-in chooses the folder in which it is found.
    fn check_state_dir(&self, server: &Table<'a>) {
        let Some(at) = server.table.get("state_dir").map(Spanned::span) else { return };
        if at.start < self.text.text.len() && self.text.file_of(at.start) > 0 {
            let main = self.text.names().next().unwrap_or_default();
            let message = "a drop-in cannot choose the `state_dir` in which it is";
            server.note(at, message, Some(format!("write it into {main}")));
        }
    }

    /// Returns the sections in a table, in the order of the file.
    fn named(&self, role: Role, entry: Option<Entry<'a>>) -> Vec<(String, Table<'a>)> {
        let hint =
            || Some(format!("give {} a name: `[{role}s.home]`, and its keys below", role.with_article()));
        let Some(table) = entry.and_then(|entry| self.table(entry, hint())) else { return Vec::new() };
        let mut all: Vec<_> = table.table.into_iter().collect();
        all.sort_by_key(|(key, _)| key.span().start);
        let named = all.into_iter().filter_map(|(key, value)| {
            let name = key.get_ref().to_string();
            let section = self.table((key, value), hint())?;
            if !is_name(&name) {
                let message = format!(
                    "`{name}` cannot be the name of {}: use at most {MAX_NAME} letters, digits, `_` and `-`",
                    role.with_article()
                );
                section.note(section.span.clone(), message, None);
            }
            Some((name, section))
        });
        named.collect()
    }

    /// Takes the key `plugin` out of a section, and returns the plugin.
    fn plugin(&self, section: &mut Table<'a>, role: Role) -> Option<&'static PluginInfo> {
        let all = plugins();
        let kinds = || all.iter().filter(|plugin| plugin.role == role).map(|plugin| plugin.kind);
        let at = section.place("plugin");
        if !section.table.contains_key("plugin") {
            let message = format!("missing key `plugin`, expected one of {}", quoted(kinds()));
            section.note_as(MistakeCode::MissingKey, at, message, None);
            return None;
        }
        let kind = section.take::<String>("plugin")?;
        let hint = match all.iter().find(|plugin| plugin.kind == kind) {
            Some(plugin) if plugin.role == role => {
                section.sample = plugin.sample;
                return Some(plugin);
            }
            Some(PluginInfo { role, .. }) => {
                Some(format!("`{kind}` is {}: write it below `[{role}s.…]`", role.with_article()))
            }
            None => did_you_mean(&kind, kinds()),
        };
        let message = format!("unknown {role} plugin `{kind}`, expected one of {}", quoted(kinds()));
        section.note_as(MistakeCode::UnknownWord, at, message, hint);
        None
    }
}
