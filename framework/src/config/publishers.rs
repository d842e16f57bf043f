//! `[publishers.<name>]`: destinations of readings.

use std::{path::Path, time::Duration};

use toml::Spanned;
use wildmatch::WildMatch;

use super::{Reader, Section, section::did_you_mean};
use crate::{
    Context, Period, Publisher, PublisherRegistration,
    error::quoted,
    publish::Route,
    publisher::{publisher, publishers},
    source_plugins,
};

/// The framework's own keys in each `[publishers.<name>]`.
pub const PUBLISHER_KEYS: &[&str] =
    &["plugin", "enabled", "sources", "series", "interval", "max_backlog_age", "max_rate"];

/// One `[publishers.<name>]`, built and ready to be run.
pub struct ConfiguredPublisher {
    /// The instance's name.
    pub name: String,
    /// Its plugin.
    pub plugin: &'static PublisherRegistration,
    /// What the plugin made of it.
    pub publisher: Box<dyn Publisher>,
    /// Which readings it gets, and how often.
    pub route: Route,
    /// What it was told, and where it reports.
    pub context: Context,
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// While a window is open, the queue's cursor stays at its beginning: more would come again after a restart.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

impl<'a> Reader<'a> {
    /// Checks one `[publishers.<name>]`; `None` where it is wrong or not enabled.
    pub(super) fn publisher(
        &self,
        name: &str,
        mut section: Section<'a>,
        state_dir: &Path,
        names: &[&str],
    ) -> Option<ConfiguredPublisher> {
        section.known = PUBLISHER_KEYS;
        self.instance_name("publisher", name, &section);
        let enabled = section.take_as::<bool>("enabled").unwrap_or(true);
        let defaults = Route::default();
        let interval_at = section.table.get("interval").map_or_else(|| section.span.clone(), Spanned::span);
        let interval = self.period(&mut section, "interval");
        if let Some(interval) = interval.filter(|interval| !(MIN_INTERVAL..=MAX_INTERVAL).contains(interval))
        {
            let (least, most) = (Period(MIN_INTERVAL), Period(MAX_INTERVAL));
            let message = format!("`interval` must be {least} to {most}, not {}", Period(interval));
            self.note(interval_at.clone(), message, None);
        }
        let max_backlog_age =
            self.period(&mut section, "max_backlog_age").unwrap_or(defaults.max_backlog_age);
        if interval.is_some_and(|interval| interval >= max_backlog_age) {
            self.note(interval_at, "`interval` must be shorter than `max_backlog_age`", None);
        }
        let rate_at = section.table.get("max_rate").map(Spanned::span);
        let max_rate = section.take_as::<u32>("max_rate").unwrap_or(defaults.max_rate);
        if let (0, Some(at)) = (max_rate, rate_at) {
            self.note(at, "`max_rate` must be at least 1 record a second", None);
        }
        let sources = self.patterns(&mut section, "sources", Some(names));
        let series = self.patterns(&mut section, "series", None);
        let plugin = self.publisher_plugin(&mut section)?;
        let context = Context::new(name, state_dir);
        let publisher = (plugin.build)(&mut section, &context)?;
        let route = Route { sources, series, interval, max_backlog_age, max_rate };
        enabled.then(|| ConfiguredPublisher { name: name.to_owned(), plugin, publisher, route, context })
    }

    /// A list of patterns; each must fit one of `names`, where they are known.
    fn patterns(&self, section: &mut Section<'a>, key: &str, names: Option<&[&str]>) -> Vec<WildMatch> {
        let at = section.table.get(key).map(Spanned::span);
        let patterns = section.take_as::<Vec<String>>(key).unwrap_or_default();
        let at = || at.clone().unwrap_or_else(|| section.span.clone());
        for pattern in &patterns {
            let fits =
                names.is_none_or(|names| names.iter().any(|name| WildMatch::new(pattern).matches(name)));
            if !fits {
                let names = names.unwrap_or_default().iter().copied();
                let hint = did_you_mean(pattern, names.clone());
                let there = if names.len() == 0 {
                    "there is none".to_owned()
                } else {
                    format!("expected one of {}", quoted(names))
                };
                self.note(at(), format!("`{pattern}` fits no source, {there}"), hint);
            }
        }
        patterns.iter().map(|pattern| WildMatch::new(pattern)).collect()
    }

    fn publisher_plugin(&self, section: &mut Section<'a>) -> Option<&'static PublisherRegistration> {
        let kinds = || publishers().into_iter().map(|publisher| publisher.kind);
        let Some(at) = section.table.get("plugin").map(Spanned::span) else {
            let message = format!("missing field `plugin`, expected one of {}", quoted(kinds()));
            self.note(section.span.clone(), message, None);
            return None;
        };
        let kind = section.take_as::<String>("plugin")?;
        let hint = || match source_plugins().iter().any(|plugin| plugin.kind == kind) {
            true => Some(format!("`{kind}` is a source: write it below `[sources.…]`")),
            false => did_you_mean(&kind, kinds()),
        };
        publisher(&kind).map_err(|message| self.note(at, message, hint())).ok()
    }
}
