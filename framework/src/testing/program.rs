//! Program around a publisher or an endpoint: readings of sources.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::section::parse;
use crate::{
    Batch, Commands, ConfiguredSource, EndpointContext, JournalConfig, PublisherContext, ServerConfig, Stats,
    Store, http::Visitors,
};

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
    let visitors = Arc::new(Visitors::new(&parse("", None).server));
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

/// Has a source say that it is well and has nothing new, as one that has commands only.
///
/// # Panics
/// Panics if there is no such source.
pub fn source_has_nothing_new(context: &PublisherContext, source: &str) {
    let Some(section) = context.store.section(source) else { panic!("there is no source `{source}`") };
    section.confirm(std::time::Instant::now());
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
