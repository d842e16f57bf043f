//! `config.toml`: read once, checked completely before any device is opened, never written.

mod diagnostic;
mod journal;
mod publishers;
mod secret;
mod section;
mod server;
#[cfg(test)]
mod tests;
mod vzlogger;

use std::{
    borrow::Cow, cell::RefCell, collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration,
};

use jiff::civil;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(crate) use self::section::{Section, expected};
use self::{diagnostic::Text, section::did_you_mean, server::DEFAULT_LISTEN};
pub use self::{
    diagnostic::{Diagnostic, Diagnostics},
    journal::JournalConfig,
    publishers::{ConfiguredPublisher, PUBLISHER_KEYS},
    secret::Secret,
    server::ServerConfig,
    vzlogger::VzloggerConfig,
};
use crate::{
    Command, DataAcquisition, Mode, Period, Schedule, Source, SourceContext, SourceRegistration,
    error::quoted, source_plugin, source_plugins,
};

/// The framework's own keys in each `[sources.<name>]`.
pub const SOURCE_KEYS: &[&str] = &["plugin", "enabled", "interval", "daily", "stale_after"];
/// The tables of the file.
const TABLES: &[&str] = &["server", "journal", "vzlogger", "sources", "publishers"];

/// A configuration without mistakes.
pub struct Config {
    /// `[server]`.
    pub server: ServerConfig,
    /// `[journal]`.
    pub journal: JournalConfig,
    /// `[vzlogger]`, where it stands.
    pub vzlogger: Option<VzloggerConfig>,
    /// The enabled `[sources.<name>]`, in the order of the file.
    pub sources: Vec<ConfiguredSource>,
    /// The enabled `[publishers.<name>]`, in the order of the file.
    pub publishers: Vec<ConfiguredPublisher>,
}

/// One `[sources.<name>]`, built and ready to be run.
pub struct ConfiguredSource {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: &'static SourceRegistration,
    /// Whether its device pushes or is polled.
    pub mode: Mode,
    /// When it emits batches.
    pub schedule: Schedule,
    /// The time without a batch after which it counts as stale.
    pub stale_after: Duration,
    /// The acquisition that the plugin built.
    pub acquisition: Box<dyn DataAcquisition>,
    /// Its commands.
    pub commands: Vec<Arc<dyn Command>>,
    /// The device that it needs for itself.
    pub device: Option<String>,
    /// Its context, which holds its statistics.
    pub context: SourceContext,
}

/// A key that the command line sets, in place of the file.
#[derive(Debug, Clone)]
pub enum Override {
    /// `[server] key = value`.
    Server {
        /// The option's name for messages: `--state-dir`.
        option: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The port number of `[server] listen`; the address stays.
    ListenPort {
        /// The option's name for messages.
        option: String,
        /// The port number.
        port: u16,
    },
    /// A key of the one source that uses `plugin`, which is added where there is none.
    Source {
        /// The option's name for messages.
        option: String,
        /// The plugin.
        plugin: &'static str,
        /// The instance, where several use the plugin or none does.
        name: &'static str,
        /// The key.
        key: &'static str,
        /// Its value: an integer where it looks like one.
        value: String,
        /// Keys that would contradict it, which go.
        instead_of: &'static [&'static str],
    },
}

impl Config {
    /// Checks a configuration completely. `name` is the file's name for messages.
    ///
    /// # Errors
    /// Every mistake that can be found, each with its place.
    pub fn parse(name: &str, text: &str, overrides: &[Override]) -> Result<Self, Diagnostics> {
        let mut source = Text { name: name.to_owned(), text: text.to_owned(), options: Vec::new() };
        let spans: Vec<_> = overrides
            .iter()
            .map(|over| match over {
                Override::Server { option, .. }
                | Override::ListenPort { option, .. }
                | Override::Source { option, .. } => source.option_span(option),
            })
            .collect();
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        if !errors.is_empty() {
            let found =
                errors.iter().map(|e| Diagnostic::quoting(&source, e.span().unwrap_or(0..0), e.message()));
            return Err(Diagnostics::new(found.collect()));
        }
        let mut root = table.into_inner();
        for (over, span) in overrides.iter().zip(spans) {
            apply(&mut root, over, span);
        }
        let mistakes = RefCell::new(Vec::new());
        let config = Reader { source: &source, mistakes: &mistakes }.config(root);
        match (config, mistakes.into_inner()) {
            (Some(config), mistakes) if mistakes.is_empty() => Ok(config),
            (_, mistakes) => Err(Diagnostics::new(mistakes)),
        }
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and where the file cannot be read.
    pub fn load(path: &std::path::Path, overrides: &[Override]) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Diagnostics::new(vec![Diagnostic::file(
                &name,
                format!("could not read this file: {error}"),
                None,
            )])
        })?;
        Self::parse(&name, &text, overrides)
    }
}

struct Reader<'a> {
    source: &'a Text,
    mistakes: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Reader<'a> {
    fn note(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.borrow_mut().push(Diagnostic::new(self.source, span, message, hint));
    }

    /// A value that must be a table, as a section.
    fn section(&self, key: &str, span: Range<usize>, value: Spanned<DeValue<'a>>) -> Option<Section<'a>> {
        let at = value.span();
        match value.into_inner() {
            DeValue::Table(table) => {
                Some(Section { source: self.source, span, table, known: &[], mistakes: self.mistakes })
            }
            other => {
                self.note(at, format!("`{key}` must be a table, not {}", article(other.type_str())), None);
                None
            }
        }
    }

    fn config(&self, mut root: DeTable<'a>) -> Option<Config> {
        let server = root.remove_entry("server");
        let journal = root.remove_entry("journal");
        let vzlogger = root.remove_entry("vzlogger");
        let sources = root.remove_entry("sources");
        let publishers = root.remove_entry("publishers");
        for key in root.keys() {
            let list = quoted(TABLES.iter().copied());
            let message = format!("unknown field `{}`, expected one of {list}", key.get_ref());
            self.note(key.span(), message, did_you_mean(key.get_ref(), TABLES.iter().copied()));
        }
        let or_empty = |key, entry: Option<(Spanned<_>, _)>| match entry {
            None => Some(Section {
                source: self.source,
                span: 0..0,
                table: DeTable::new(),
                known: &[],
                mistakes: self.mistakes,
            }),
            Some((at, value)) => self.section(key, at.span(), value),
        };
        let server = or_empty("server", server)?;
        let server = ServerConfig::read(server);
        // A plugin is checked whatever else is wrong, against a state directory that is there in any case.
        let state_dir = server.as_ref().map_or_else(PathBuf::new, |server| server.state_dir.clone());
        let journal =
            or_empty("journal", journal).and_then(|section| JournalConfig::read(section, &state_dir));
        let sources = self.instances("sources", sources)?;
        let publishers = self.instances("publishers", publishers)?;
        let names: Vec<_> = sources.iter().map(|(name, _)| name.clone()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let vzlogger = vzlogger
            .and_then(|(key, value)| self.section("vzlogger", key.span(), value))
            .and_then(|section| VzloggerConfig::read(section, server.as_ref(), &names));
        let mut built = Vec::new();
        for (name, section) in sources {
            let span = section.span.clone();
            built.extend(self.source(&name, section, &state_dir).map(|source| (span, source)));
        }
        let publishers: Vec<_> = publishers
            .into_iter()
            .filter_map(|(name, section)| {
                let span = section.span.clone();
                let built = self.publisher(&name, section, &state_dir, &names)?;
                if journal.as_ref().is_some_and(|journal| !journal.enabled) {
                    let message =
                        format!("`{name}` cannot work without the journal, in which readings wait for it");
                    self.note(span, message, Some("write `enabled = true` in `[journal]`".to_owned()));
                }
                Some(built)
            })
            .collect();
        let mut devices = BTreeMap::<String, String>::new();
        for (span, source) in &built {
            let Some(device) = &source.device else { continue };
            if let Some(other) = devices.insert(device.clone(), source.name.clone()) {
                let message = format!("`{}` and `{other}` both use {device}", source.name);
                self.note(span.clone(), message, Some("a device can be read by one source only".to_owned()));
            }
        }
        let sources = built.into_iter().map(|(_, source)| source).collect();
        Some(Config { server: server?, journal: journal?, vzlogger, sources, publishers })
    }

    /// The tables in a table, in the order of the file; `None` where it is no table.
    fn instances(
        &self,
        what: &str,
        entry: Option<(Spanned<Cow<'a, str>>, Spanned<DeValue<'a>>)>,
    ) -> Option<Vec<(String, Section<'a>)>> {
        let Some((key, value)) = entry else { return Some(Vec::new()) };
        let mut all: Vec<_> = self.section(what, key.span(), value)?.table.into_iter().collect();
        all.sort_by_key(|(key, _)| key.span().start);
        let named = all.into_iter().filter_map(|(key, value)| {
            let name = key.get_ref().to_string();
            self.section(&name, key.span(), value).map(|section| (name, section))
        });
        Some(named.collect())
    }

    fn instance_name(&self, what: &str, name: &str, section: &Section<'a>) {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            let message =
                format!("`{name}` cannot be the name of a {what}: use letters, digits, `_` and `-`");
            self.note(section.span.clone(), message, None);
        }
    }

    /// Checks one `[sources.<name>]`; `None` where it is wrong or not enabled.
    fn source(
        &self,
        name: &str,
        mut section: Section<'a>,
        state_dir: &std::path::Path,
    ) -> Option<ConfiguredSource> {
        section.known = SOURCE_KEYS;
        let span = section.span.clone();
        self.instance_name("source", name, &section);
        let enabled = section.take_as::<bool>("enabled").unwrap_or(true);
        let interval = self.period(&mut section, "interval");
        let stale_after = self.period(&mut section, "stale_after");
        let daily_at = section.table.get("daily").map(Spanned::span);
        let daily = section.take_as::<String>("daily").and_then(|text| match text.parse::<civil::Time>() {
            Ok(time) => Some(time),
            Err(_) => {
                let at = daily_at.clone().unwrap_or_else(|| span.clone());
                self.note(
                    at,
                    format!("`{text}` is not a valid time of day: expected one such as `03:00`"),
                    None,
                );
                None
            }
        });
        if let (Some(_), Some(at)) = (interval, daily_at) {
            self.note(at, "`interval` and `daily` exclude each other", Some("keep one of them".to_owned()));
        }
        let plugin = self.plugin(&mut section)?;
        let parsed = (plugin.parse)(&mut section)?;
        let schedule = match (daily, interval, parsed.mode) {
            (Some(time), _, _) => Schedule::Daily(time),
            (None, Some(period), _) | (None, None, Mode::Poll(period)) => Schedule::Every(period),
            (None, None, Mode::Push) => Schedule::Continuous,
        };
        let stale_after = stale_after.unwrap_or_else(|| schedule.default_stale_after());
        let context = SourceContext::new(name, state_dir, stale_after);
        let Source { acquisition, commands, device } =
            (parsed.build)(&context).map_err(|error| section.refuse(&error)).ok()?;
        enabled.then(|| ConfiguredSource {
            name: name.to_owned(),
            plugin,
            mode: parsed.mode,
            schedule,
            stale_after,
            acquisition,
            commands,
            device,
            context,
        })
    }

    fn period(&self, section: &mut Section<'a>, key: &str) -> Option<Duration> {
        let at = section.table.get(key)?.span();
        let period = section.take_as::<Period>(key)?;
        if period.is_zero() {
            self.note(at, format!("`{key}` must be greater than 0"), None);
            return None;
        }
        Some(*period)
    }

    fn plugin(&self, section: &mut Section<'a>) -> Option<&'static SourceRegistration> {
        let kinds = || source_plugins().into_iter().map(|plugin| plugin.kind);
        let Some(at) = section.table.get("plugin").map(Spanned::span) else {
            let message = format!("missing field `plugin`, expected one of {}", quoted(kinds()));
            self.note(section.span.clone(), message, None);
            return None;
        };
        let kind = section.take_as::<String>("plugin")?;
        source_plugin(&kind).map_err(|message| self.note(at, message, did_you_mean(&kind, kinds()))).ok()
    }
}

fn article(type_name: &str) -> String {
    let an = type_name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {type_name}", if an { "an" } else { "a" })
}

/// Sets a key from the command line; what stands there is replaced.
fn apply<'a>(root: &mut DeTable<'a>, over: &'a Override, span: Range<usize>) {
    fn table<'t, 'a>(
        parent: &'t mut DeTable<'a>,
        key: &'a str,
        span: &Range<usize>,
    ) -> Option<&'t mut DeTable<'a>> {
        if !parent.contains_key(key) {
            let empty = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
            parent.insert(Spanned::new(span.clone(), key.into()), empty);
        }
        let value = parent.get_mut(key)?;
        match value.get_mut() {
            DeValue::Table(table) => Some(table),
            _ => None, // it will be noted as no table
        }
    }
    let spanned = |value: DeValue<'a>| Spanned::new(span.clone(), value);
    let text = |value: &'a str| spanned(DeValue::String(value.into()));
    match over {
        Override::Server { key, value, .. } => {
            if let Some(server) = table(root, "server", &span) {
                server.remove(*key);
                server.insert(Spanned::new(span.clone(), (*key).into()), text(value));
            }
        }
        Override::ListenPort { port, .. } => {
            if let Some(server) = table(root, "server", &span) {
                let old = server.remove("listen");
                let old = old.as_ref().and_then(|listen| listen.get_ref().as_str()).unwrap_or(DEFAULT_LISTEN);
                let host = old.rsplit_once(':').map_or(old, |(host, _)| host);
                let listen = spanned(DeValue::String(format!("{host}:{port}").into()));
                server.insert(Spanned::new(span.clone(), "listen".into()), listen);
            }
        }
        Override::Source { plugin, name, key, value, instead_of, .. } => {
            let Some(sources) = table(root, "sources", &span) else { return };
            let uses = |source: &Spanned<DeValue<'_>>| {
                source.get_ref().get("plugin").and_then(|p| p.get_ref().as_str()) == Some(plugin)
            };
            let mut users = sources.iter().filter(|(_, source)| uses(source));
            let target = match (users.next(), users.next(), sources.get(*name)) {
                (Some((only, _)), None, _) => only.get_ref().to_string(),
                // The name is taken by another plugin.
                (_, _, Some(source)) if !uses(source) => format!("{name}_{plugin}"),
                _ => (*name).to_owned(),
            };
            if !sources.contains_key(target.as_str()) {
                let mut fresh = DeTable::new();
                fresh.insert(Spanned::new(span.clone(), "plugin".into()), text(plugin));
                sources.insert(
                    Spanned::new(span.clone(), target.clone().into()),
                    spanned(DeValue::Table(fresh)),
                );
            }
            let Some(DeValue::Table(source)) = sources.get_mut(target.as_str()).map(Spanned::get_mut) else {
                return;
            };
            for gone in instead_of.iter().chain([key]) {
                source.remove(*gone);
            }
            let value = match DeValue::parse(value).map(Spanned::into_inner) {
                Ok(number @ DeValue::Integer(_)) => spanned(number),
                _ => text(value),
            };
            source.insert(Spanned::new(span.clone(), (*key).into()), value);
        }
    }
}
