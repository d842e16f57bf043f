//! Sources, publishers and endpoints as a configuration builds them.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value as Json;

use crate::{
    AcquireError, Args, Batch, Command, CommandError, Config, ConfiguredEndpoint, ConfiguredPublisher,
    ConfiguredSource, EndpointPlugin, PublisherKind as _, PublisherPlugin, Setting, SourcePlugin,
};

/// Returns the only source of a configuration that uses this plugin.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one source of this plugin.
pub fn source<P: SourcePlugin>(config: &str, state_dir: &Path) -> ConfiguredSource {
    only(parse(config, Some(state_dir)).sources, P::KIND, |source| source.plugin.kind)
}

/// Returns the only publisher of a configuration that uses this plugin.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one publisher of this plugin.
pub fn publisher<P: PublisherPlugin>(config: &str) -> ConfiguredPublisher<Box<P::Publisher>> {
    let built = only(parse(config, None).publishers, P::KIND, |publisher| publisher.plugin.kind);
    let ConfiguredPublisher { name, plugin, publisher, route, context, fingerprint } = built;
    let Some(publisher) = P::Publisher::of(publisher) else {
        panic!("`{}` builds another kind of publisher", P::KIND)
    };
    ConfiguredPublisher { name, plugin, publisher, route, context, fingerprint }
}

/// Returns the only endpoint of a configuration that uses this plugin.
///
/// # Panics
/// Panics if the configuration is wrong, or does not have exactly one endpoint of this plugin.
pub fn endpoint<P: EndpointPlugin>(config: &str) -> ConfiguredEndpoint {
    only(parse(config, None).endpoints, P::KIND, |endpoint| endpoint.plugin.kind)
}

/// Returns a configuration.
///
/// # Panics
/// Panics with its mistakes.
pub(super) fn parse(config: &str, state_dir: Option<&Path>) -> Config {
    let state_dir = state_dir
        .map(|folder| Setting::set("state_dir", &["server", "state_dir"], folder.display().to_string()));
    Config::parse("sample.toml", config, state_dir.as_slice())
        .unwrap_or_else(|mistakes| panic!("the configuration is refused:\n{mistakes}"))
}

fn only<T>(all: Vec<T>, kind: &str, of: impl Fn(&T) -> &'static str) -> T {
    let mut all = all.into_iter().filter(|section| of(section) == kind);
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => panic!("the configuration must have exactly one section with plugin = \"{kind}\""),
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

/// Calls a command as a client does: checks the arguments, a JSON object such as `{"level": 3}`, and runs it.
///
/// # Errors
/// Returns the mistake in the arguments, or the error of the command.
///
/// # Panics
/// Panics if `arguments` is not a JSON object.
pub async fn call(command: &dyn Command, arguments: &str) -> Result<Json, CommandError> {
    let Ok(Json::Object(arguments)) = serde_json::from_str(arguments) else {
        panic!("the arguments must be a JSON object, such as {{\"level\": 3}}: {arguments}")
    };
    command.run(Args::check(arguments, command.spec())?).await
}
