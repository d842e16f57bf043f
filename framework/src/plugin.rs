//! Registry of linked plugins, whatever their role.

use reading::words;
use serde::de::DeserializeOwned;

use crate::{
    ConfigError, Context, Endpoint, EndpointPlugin, Mode, PublisherPlugin, Source, SourceContext,
    SourcePlugin,
    any_publisher::{AnyPublisher, PublisherKind as _},
    command::check_commands,
    panic::checked,
    table::{Built, Table, keys_of},
};

words! {
    /// Kind of plugin: the table of the configuration that its sections belong to.
    Role {
        /// `[sources.<name>]`
        Source = "source",
        /// `[publishers.<name>]`
        Publisher = "publisher",
        /// `[endpoints.<name>]`
        Endpoint = "endpoint",
    }
}

impl Role {
    /// Returns its word with the indefinite article.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Self::Source => "a source",
            Self::Publisher => "a publisher",
            Self::Endpoint => "an endpoint",
        }
    }
}

/// Description of a linked plugin.
#[derive(Debug, Clone, Copy)]
pub struct PluginInfo {
    /// Its role.
    pub role: Role,
    /// Its name in `plugin = "…"`.
    pub kind: &'static str,
    /// One line for `smartmeter plugins`.
    pub about: &'static str,
    /// A commented configuration that works.
    pub sample: &'static str,
    /// The keys of its own configuration.
    pub keys: fn() -> &'static [&'static str],
    /// Whether it is a publisher of history, which gets whole hours and no records.
    pub is_of_history: bool,
    pub(crate) build: Build,
}

/// Configuration of a plugin that has no keys of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// A source, with its mode and its context.
type BuiltSource = (Source, Mode, SourceContext);

/// Builder of what a section configures, its type erased.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Build {
    /// The context of a source depends on its mode.
    Source(fn(&Table<'_>, &dyn Fn(Mode) -> SourceContext) -> Built<BuiltSource>),
    Publisher(fn(&Table<'_>, &Context) -> Built<AnyPublisher>),
    Endpoint(fn(&Table<'_>, &Context) -> Built<Box<dyn Endpoint>>),
}

/// The macros `register_source!`, `register_publisher!` and `register_endpoint!` call these.
#[doc(hidden)]
impl PluginInfo {
    pub const fn source<P: SourcePlugin>() -> Self {
        let build = Build::Source(|section, context| {
            build(P::KIND, section, |config| {
                let mode = P::mode(&config);
                let cx = context(mode);
                let source = P::build(config, &cx)?;
                check_commands(&source.commands)?;
                let mode = source.mode.unwrap_or(mode);
                Ok((source, mode, cx))
            })
        });
        let (role, keys) = (Role::Source, keys_of::<P::Config> as fn() -> _);
        Self { role, kind: P::KIND, about: P::ABOUT, sample: P::SAMPLE, keys, is_of_history: false, build }
    }

    pub const fn publisher<P: PublisherPlugin>() -> Self {
        let build = Build::Publisher(|section, cx| {
            build(P::KIND, section, |config| P::build(config, cx).map(P::Publisher::into_any))
        });
        let (role, keys) = (Role::Publisher, keys_of::<P::Config> as fn() -> _);
        let is_of_history = P::Publisher::IS_OF_HISTORY;
        Self { role, kind: P::KIND, about: P::ABOUT, sample: P::SAMPLE, keys, is_of_history, build }
    }

    pub const fn endpoint<P: EndpointPlugin>() -> Self {
        let build = Build::Endpoint(|section, cx| build(P::KIND, section, |config| P::build(config, cx)));
        let (role, keys) = (Role::Endpoint, keys_of::<P::Config> as fn() -> _);
        Self { role, kind: P::KIND, about: P::ABOUT, sample: P::SAMPLE, keys, is_of_history: false, build }
    }
}

/// Builds what a section configures. A panic of its plugin is a mistake like any other: the rest is checked, too.
fn build<C: DeserializeOwned, T>(
    kind: &str,
    section: &Table<'_>,
    build: impl Fn(C) -> Result<T, ConfigError>,
) -> Built<T> {
    checked(|| section.build(build)).unwrap_or_else(|panic| {
        let message = format!("plugin `{kind}` panicked {panic}");
        let hint = "this is a bug of the plugin: please report it; without this section, the program runs";
        section.note(section.span.clone(), message, Some(hint.to_owned()));
        Built::Wrong(None)
    })
}

inventory::collect!(PluginInfo);

/// Returns all linked plugins: sources, publishers, endpoints, each by name.
///
/// # Panics
/// If two linked plugins have the same name.
pub fn plugins() -> Vec<&'static PluginInfo> {
    let mut all: Vec<_> = inventory::iter::<PluginInfo>().collect();
    all.sort_by_key(|plugin| (plugin.role, plugin.kind));
    for (n, plugin) in all.iter().enumerate() {
        let twice = all[..n].iter().any(|other| other.kind == plugin.kind);
        assert!(!twice, "two linked plugins are called `{}`", plugin.kind);
    }
    all
}
