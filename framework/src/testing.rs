//! What every plugin's own tests start from.
//!
//! ```text
//! #[test]
//! fn keeps_the_contract() {
//!     framework::testing::check::<Thermal>();
//! }
//! ```

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    AcquireError, Batch, Commands, Config, ConfiguredPublisher, ConfiguredSource, Mode, PublisherContext,
    PublisherPlugin, SourcePlugin, Stats, Store, config::expected, publishers, source_plugins,
};

/// Checks what the framework and its users expect of any plugin:
///
/// - it is registered, its name is a word, and it says in one line what it is;
/// - its sample is a whole configuration that works, and shows every key;
/// - an unknown key is refused by name, and nothing else is needed than what the sample has;
/// - its commands are described, and their names are words that do not repeat;
/// - its schedule is one that can be kept.
///
/// # Panics
/// With a sentence that says what is wrong, as tests do.
pub fn check<P: SourcePlugin>() {
    let kind = P::KIND;
    assert!(is_word(kind), "KIND `{kind}` must be lower case letters, digits and `_`");
    assert!(
        source_plugins().iter().any(|plugin| plugin.kind == kind),
        "`{kind}` is not registered: write framework::register_source!(…) beside its SourcePlugin"
    );
    let source = source::<P>(P::SAMPLE, Path::new("/nonexistent"));
    if let Mode::Poll(period) = source.mode {
        assert!(period >= Duration::from_millis(1), "`{kind}` would be polled without a pause");
    }
    check_texts(kind, P::ABOUT, P::SAMPLE, &config_keys::<P>());

    let mut names = BTreeSet::new();
    for command in &source.commands {
        let spec = command.spec();
        assert!(is_word(spec.name), "command `{}` must be lower case letters, digits and `_`", spec.name);
        assert!(names.insert(spec.name), "two commands are called `{}`", spec.name);
        assert!(!spec.about.is_empty(), "command `{}` says nothing about itself", spec.name);
        let mut args = BTreeSet::new();
        for arg in spec.args {
            assert!(is_word(arg.name) && args.insert(arg.name), "argument `{}` of `{}`", arg.name, spec.name);
            assert!(
                !arg.about.is_empty(),
                "argument `{}` of `{}` says nothing about itself",
                arg.name,
                spec.name
            );
        }
    }
}

/// Checks of any publisher what [`check`] does of a source: it is registered, says what it is, its sample works and shows
/// every key, and an unknown key is refused.
///
/// # Panics
/// With a sentence that says what is wrong, as tests do.
pub fn check_publisher<P: PublisherPlugin>() {
    let kind = P::KIND;
    assert!(is_word(kind), "KIND `{kind}` must be lower case letters, digits and `_`");
    assert!(
        publishers().iter().any(|publisher| publisher.kind == kind),
        "`{kind}` is not registered: write framework::register_publisher!(…) beside its PublisherPlugin"
    );
    check_texts(kind, P::ABOUT, P::SAMPLE, &publisher_keys::<P>());
    publisher::<P>(P::SAMPLE);
}

/// The publisher that a configuration with one publisher makes.
///
/// # Panics
/// Where the configuration is wrong, with its mistakes, or has not exactly one publisher, of this plugin.
pub fn publisher<P: PublisherPlugin>(config: &str) -> ConfiguredPublisher {
    let config = match Config::parse("sample.toml", config, &[]) {
        Ok(config) => config,
        Err(mistakes) => panic!("the configuration is refused:\n{mistakes}"),
    };
    let mut publishers = config.publishers;
    match (publishers.pop(), publishers.is_empty()) {
        (Some(publisher), true) if publisher.plugin.kind == P::KIND => publisher,
        _ => panic!("the configuration must have one publisher, with plugin = \"{}\"", P::KIND),
    }
}

/// What a publisher sees of a program that has these batches, by section, and no commands.
pub fn publisher_context(batches: &[(&str, Batch)]) -> PublisherContext {
    publisher_context_stale_after(batches, Duration::from_secs(30))
}

/// A [`house`] whose sections turn stale after such a time.
pub fn publisher_context_stale_after(batches: &[(&str, Batch)], stale_after: Duration) -> PublisherContext {
    let section = |name: &str| crate::store::Section::new(name, "test", stale_after, Stats::default());
    let store = Store::new(batches.iter().map(|(name, _)| section(name)));
    let house = PublisherContext { store, commands: Commands::default(), route: Arc::default() };
    batches.iter().for_each(|(name, batch)| update_source(&house, name, batch.clone()));
    house
}

/// A section of the house gets a batch, as from its source.
///
/// # Panics
/// Where the house has no such section.
pub fn update_source(context: &PublisherContext, section: &str, batch: Batch) {
    match context.store.section(section) {
        Some(section) => context.store.publish(section, batch),
        None => panic!("the house has no section `{section}`"),
    }
}

/// The keys of a publisher's own configuration, in the order of its type.
///
/// # Panics
/// As [`config_keys`].
pub fn publisher_keys<P: PublisherPlugin>() -> Vec<String> {
    keys_of::<P::Config>(P::KIND)
}

fn check_texts(kind: &str, about: &str, sample: &str, keys: &[String]) {
    assert!(!about.is_empty() && !about.contains('\n'), "ABOUT of `{kind}` must be one line");
    for key in keys {
        let shown = sample.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            line.strip_prefix(key.as_str()).is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        assert!(shown, "sample.toml of `{kind}` does not show `{key}`, not even in a comment");
    }
    let wrong = format!("{}\nno_such_key = 1\n", sample.trim_end());
    match Config::parse("sample.toml", &wrong, &[]) {
        Ok(_) => panic!("`{kind}` takes an unknown key: its Config needs #[serde(deny_unknown_fields)]"),
        Err(mistakes) => {
            let text = mistakes.to_string();
            assert!(
                text.contains("unknown field `no_such_key`"),
                "`{kind}` refuses an unknown key so:\n{text}"
            );
        }
    }
}

/// The instance that a configuration with one source makes.
///
/// # Panics
/// Where the configuration is wrong, with its mistakes, or has not exactly one source, of this plugin.
pub fn source<P: SourcePlugin>(config: &str, state_dir: &Path) -> ConfiguredSource {
    let state_dir = crate::Override::Server {
        option: "state_dir".to_owned(),
        key: "state_dir",
        value: state_dir.display().to_string(),
    };
    let config = match Config::parse("sample.toml", config, &[state_dir]) {
        Ok(config) => config,
        Err(mistakes) => panic!("the configuration is refused:\n{mistakes}"),
    };
    let mut sources = config.sources;
    match (sources.pop(), sources.is_empty()) {
        (Some(source), true) if source.plugin.kind == P::KIND => source,
        _ => panic!("the configuration must have one source, with plugin = \"{}\"", P::KIND),
    }
}

/// Opens the one source of a configuration, takes its first batch, and closes it.
///
/// # Errors
/// What the source says.
///
/// # Panics
/// As [`source`], and where two readings of the batch have the same name.
pub async fn first_batch<P: SourcePlugin>(config: &str, state_dir: &Path) -> Result<Batch, AcquireError> {
    let mut source = source::<P>(config, state_dir).acquisition;
    source.open().await?;
    let batch = source.acquire().await;
    source.close().await;
    let batch = batch?;
    let mut names = BTreeSet::from(["timestampUTC", "stale"]);
    for reading in &batch.readings {
        assert!(names.insert(&reading.name), "the name `{}` is taken", reading.name);
    }
    Ok(batch)
}

/// The keys of a plugin's own configuration, in the order of its type.
///
/// # Panics
/// Where its `Config` takes unknown keys, so that nothing names the known ones.
pub fn config_keys<P: SourcePlugin>() -> Vec<String> {
    keys_of::<P::Config>(P::KIND)
}

fn keys_of<C: DeserializeOwned>(kind: &str) -> Vec<String> {
    // serde names them when it refuses another.
    let table = toml::de::ValueDeserializer::parse("{ '?' = 0 }").unwrap_or_else(|error| panic!("{error}"));
    match C::deserialize(table) {
        Ok(_) => panic!("`{kind}` takes an unknown key: its Config needs #[serde(deny_unknown_fields)]"),
        Err(error) => expected(error.message()).map(str::to_owned).collect(),
    }
}

/// The keys of `[server]` or `[journal]`.
pub fn table_keys(table: &str) -> Vec<String> {
    let text = format!("[{table}]\n'?' = 0");
    let mistakes = Config::parse("", &text, &[]).err().map(|mistakes| mistakes.to_string());
    let mistakes = mistakes.unwrap_or_default();
    expected(mistakes.lines().next().unwrap_or_default()).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
