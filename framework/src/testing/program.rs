//! Program around a publisher or an endpoint: readings of sources.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::section::parse;
use crate::{
    Batch, Commands, ConfiguredSource, EndpointContext, JournalConfig, PublisherContext, ServerConfig, Stats,
    Store,
    config::{BACKUP_KEYS, tariff_keys},
    http::Access,
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

/// Returns the context of a program that has these sources, without batches, which turn stale after such a time.
pub fn program_of(sources: &[impl AsRef<str>], stale_after: Duration) -> PublisherContext {
    let section = |name: &str| crate::store::Section::new(name, "test", stale_after, Stats::default());
    let store = Store::new(sources.iter().map(|name| section(name.as_ref())));
    PublisherContext { store, commands: Commands::default(), route: Arc::default() }
}

/// Returns the context of an endpoint in the same program.
pub fn endpoint_context(context: &PublisherContext) -> EndpointContext {
    let access = Arc::new(Access::new(&parse("", None).server));
    EndpointContext::new(Arc::clone(&context.store), access, CancellationToken::new())
}

/// Publishes a batch as from its source.
///
/// # Panics
/// Panics if there is no such source.
pub fn update_source(context: &PublisherContext, source: &str, batch: Batch) {
    match context.store.section(source) {
        Some(section) => context.store.publish(&section, batch),
        None => panic!("there is no source `{source}`"),
    }
}

/// Replaces what people call a source and its readings, as a reload does.
///
/// # Panics
/// Panics if there is no such source.
pub fn relabel_source(context: &PublisherContext, source: &str, labels: crate::Labels) {
    let Some(section) = context.store.section(source) else { panic!("there is no source `{source}`") };
    section.relabel(labels);
}

/// Has a source say that it is well and has nothing new, as one that has commands only.
///
/// # Panics
/// Panics if there is no such source.
pub fn source_has_nothing_new(context: &PublisherContext, source: &str) {
    let Some(section) = context.store.section(source) else { panic!("there is no source `{source}`") };
    section.confirm(std::time::Instant::now());
}

/// Connects the inputs of sources with the program of a context, as the running program does. Those that have a section
/// there turn stale with their inputs.
pub fn connect_inputs(sources: &[ConfiguredSource], context: &PublisherContext) {
    let section = |source: &ConfiguredSource| match context.store.section(&source.name) {
        Some(section) => section,
        None => {
            let stats = source.context.stats().clone();
            Arc::new(crate::store::Section::new(&*source.name, "test", source.stale_after, stats))
        }
    };
    let sections: Vec<_> = sources.iter().map(section).collect();
    for (source, section) in sources.iter().zip(&sections) {
        section.relabel(source.labels.clone());
    }
    crate::inputs::connect(sources.iter().map(|source| &source.context).zip(&sections), &context.store);
}

/// Returns the keys of `[server]`, `[journal]`, `[backup]` or `[[tariffs]]`.
///
/// # Panics
/// Panics if `table` is another one.
pub fn table_keys(table: &str) -> &'static [&'static str] {
    match table {
        "server" => ServerConfig::keys(),
        "journal" => JournalConfig::keys(),
        "backup" => BACKUP_KEYS,
        "tariffs" => tariff_keys(),
        _ => panic!("`{table}` has no keys of its own"),
    }
}
