//! The linked plugins.

use crate::{PluginInfo, endpoint::endpoint_plugins, publisher::publisher_plugins, source::source_plugins};

/// Returns all linked plugins: sources, publishers, endpoints, each by name.
///
/// # Panics
/// If two linked plugins have the same name.
pub fn plugins() -> Vec<&'static PluginInfo> {
    let sources = source_plugins().into_iter().map(|plugin| &**plugin);
    let publishers = publisher_plugins().into_iter().map(|plugin| &**plugin);
    let endpoints = endpoint_plugins().into_iter().map(|plugin| &**plugin);
    let all: Vec<&PluginInfo> = sources.chain(publishers).chain(endpoints).collect();
    for (n, plugin) in all.iter().enumerate() {
        let twice = all[..n].iter().any(|other| other.kind == plugin.kind);
        assert!(!twice, "two linked plugins are called `{}`", plugin.kind);
    }
    all
}
