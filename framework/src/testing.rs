//! Contract checks and fixtures for the tests of plugins.
//!
//! ```text
//! #[test]
//! fn keeps_the_contract() {
//!     framework::testing::check::<Thermal>();
//! }
//! ```

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    AcquireError, Batch, Commands, Config, ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource,
    EndpointContext, EndpointPlugin, JournalConfig, Mode, PluginInfo, PublisherContext, PublisherPlugin,
    ServerConfig, Setting, SourcePlugin, Stats, Store, http::Visitors, plugins,
};

/// Checks the contract of a source plugin:
///
/// - it is registered, its name is a word, and it describes itself in one line;
/// - its sample is a whole configuration that works, and shows every key;
/// - an unknown key is refused by name;
/// - its commands are described, and their names are words that do not repeat;
/// - it is not polled without a pause.
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check<P: SourcePlugin>() {
    check_info(P::KIND, "register_source");
    let source = source::<P>(P::SAMPLE, Path::new("/nonexistent"));
    if let Mode::Poll(period) = source.mode {
        assert!(period >= Duration::from_millis(1), "`{}` would be polled without a pause", P::KIND);
    }
    let mut names = BTreeSet::new();
    for command in &source.commands {
        let spec = command.spec();
        assert_eq!(spec.mistake(), None);
        assert!(names.insert(spec.name.clone()), "two commands are called `{}`", spec.name);
        assert!(!spec.about.is_empty(), "command `{}` has no description", spec.name);
        for arg in &spec.args {
            assert!(!arg.about.is_empty(), "argument `{}` of `{}` has no description", arg.name, spec.name);
        }
    }
}

/// Checks the contract of a publisher plugin, as [`check`].
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check_publisher<P: PublisherPlugin>() {
    check_info(P::KIND, "register_publisher");
    publisher::<P>(P::SAMPLE);
}

/// Checks the contract of an endpoint plugin, as [`check`].
///
/// # Panics
/// Panics with the breach of the contract, as tests do.
pub fn check_endpoint<P: EndpointPlugin>() {
    check_info(P::KIND, "register_endpoint");
    endpoint::<P>(P::SAMPLE);
}

fn check_info(kind: &str, register: &str) {
    assert!(is_word(kind), "KIND `{kind}` must be lower case letters, digits and `_`");
    let Some(PluginInfo { about, sample, keys, .. }) = plugins().into_iter().find(|info| info.kind == kind)
    else {
        panic!("`{kind}` is not registered: write framework::{register}!(…) beside its plugin")
    };
    assert!(!about.is_empty() && !about.contains('\n'), "ABOUT of `{kind}` must be one line");
    assert!(!keys().is_empty(), "Config of `{kind}` must be a struct that derives Deserialize");
    for key in keys() {
        let shown = sample.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        assert!(shown, "sample.toml of `{kind}` does not show `{key}`, not even in a comment");
    }
    let wrong = format!("{}\nno_such_key = 1\n", sample.trim_end());
    let mistakes = Config::parse("sample.toml", &wrong, &[]).err().map(|mistakes| mistakes.to_string());
    let mistakes = mistakes.unwrap_or_else(|| panic!("`{kind}` accepts an unknown key"));
    assert!(
        mistakes.contains("unknown key `no_such_key`"),
        "`{kind}` refuses an unknown key thus:\n{mistakes}"
    );
}

/// Returns the only source of a configuration.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one source, of this plugin.
pub fn source<P: SourcePlugin>(config: &str, state_dir: &Path) -> ConfiguredSource {
    let state_dir = Setting::set("state_dir", &["server", "state_dir"], state_dir.display().to_string());
    only(parse(config, &[state_dir]).sources, P::KIND, |source| source.plugin.kind)
}

/// Returns the only publisher of a configuration.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one publisher, of this plugin.
pub fn publisher<P: PublisherPlugin>(config: &str) -> ConfiguredPublisher {
    only(parse(config, &[]).publishers, P::KIND, |publisher| publisher.plugin.kind)
}

/// Returns the only endpoint of a configuration.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one endpoint, of this plugin.
pub fn endpoint<P: EndpointPlugin>(config: &str) -> ConfiguredEndpoint {
    only(parse(config, &[]).endpoints, P::KIND, |endpoint| endpoint.plugin.kind)
}

fn parse(config: &str, settings: &[Setting]) -> Config {
    Config::parse("sample.toml", config, settings)
        .unwrap_or_else(|mistakes| panic!("the configuration is refused:\n{mistakes}"))
}

fn only<T>(mut all: Vec<T>, kind: &str, of: impl Fn(&T) -> &'static str) -> T {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) if of(&one) == kind => one,
        _ => panic!("the configuration must have exactly one section, with plugin = \"{kind}\""),
    }
}

/// Opens the only source of a configuration, takes its first batch, and closes it.
///
/// # Errors
/// Returns the source's error.
///
/// # Panics
/// Panics as [`source`] does, if it has nothing new, and if two readings of the batch have the same name.
pub async fn first_batch<P: SourcePlugin>(config: &str, state_dir: &Path) -> Result<Batch, AcquireError> {
    let mut source = source::<P>(config, state_dir).acquisition;
    source.open().await?;
    let batch = source.acquire().await;
    source.close().await;
    let batch = batch?.expect("the source has nothing new");
    let mut names = BTreeSet::from(["timestampUTC", "stale"]);
    for reading in &batch.readings {
        assert!(names.insert(&reading.name), "the name `{}` is taken", reading.name);
    }
    Ok(batch)
}

/// Returns the context of a publisher in a program that has these batches, by source, and no commands.
pub fn publisher_context(batches: &[(&str, Batch)]) -> PublisherContext {
    publisher_context_stale_after(batches, Duration::from_secs(30))
}

/// Returns a [`publisher_context`] whose sources turn stale after such a time.
pub fn publisher_context_stale_after(batches: &[(&str, Batch)], stale_after: Duration) -> PublisherContext {
    let section = |name: &str| crate::store::Section::new(name, "test", stale_after, Stats::default());
    let store = Store::new(batches.iter().map(|(name, _)| section(name)));
    let context = PublisherContext { store, commands: Commands::default(), route: Arc::default() };
    batches.iter().for_each(|(name, batch)| update_source(&context, name, batch.clone()));
    context
}

/// Returns the context of an endpoint in the same program.
pub fn endpoint_context(context: &PublisherContext) -> EndpointContext {
    let visitors = Arc::new(Visitors::new(&parse("", &[]).server));
    EndpointContext::new(Arc::clone(&context.store), visitors, CancellationToken::new())
}

/// Publishes a batch as from its source.
///
/// # Panics
/// Panics if there is no such source.
pub fn update_source(context: &PublisherContext, source: &str, batch: Batch) {
    match context.store.section(source) {
        Some(section) => context.store.publish(section, batch),
        None => panic!("there is no source `{source}`"),
    }
}

/// Connects the inputs of a source with the program of a context, as the running program does. If that has a section of
/// the source itself, it turns stale with its inputs.
pub fn connect_inputs(source: &ConfiguredSource, context: &PublisherContext) {
    let unread = Arc::new(crate::store::Section::new("", "test", source.stale_after, Stats::default()));
    let section = context.store.section(&source.name).unwrap_or(&unread);
    crate::inputs::connect([(source.context.inputs(), section)], &context.store);
}

/// Returns the keys of `[server]` or `[journal]`.
///
/// # Panics
/// Panics if `table` is another one.
pub fn table_keys(table: &str) -> &'static [&'static str] {
    match table {
        "server" => ServerConfig::keys(),
        "journal" => JournalConfig::keys(),
        _ => panic!("`{table}` has no keys of its own"),
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
