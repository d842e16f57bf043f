//! `[publishers.<name>]`: the servers that readings go to.

use std::time::Duration;

use toml::de::DeTable;
use wildmatch::WildMatch;

use super::{Fingerprint, Reader};
use crate::{
    AnyPublisher, Context, Period, PluginInfo, Publisher, Role, Text,
    plugin::Build,
    publish::Route,
    table::{Table, did_you_mean, expected},
};

/// The framework's own keys in each `[publishers.<name>]`.
pub const PUBLISHER_KEYS: &[&str] =
    &["plugin", "enabled", "sources", "series", "interval", "max_backlog_age", "max_rate"];

/// One `[publishers.<name>]`, built and ready to be run. That of a configuration is of either kind.
pub struct ConfiguredPublisher<P = Box<dyn Publisher>> {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: &'static PluginInfo,
    /// The publisher that the plugin built.
    pub publisher: P,
    /// Its selection of readings, and their rate.
    pub route: Route,
    /// Its context, which holds its statistics.
    pub context: Context,
    /// Fingerprint of its section.
    pub(crate) fingerprint: Fingerprint,
}

/// Keys that mean nothing for a publisher of history, and why.
const OF_RECORDS: [(&str, &str); 3] = [
    ("interval", "there is nothing to average"),
    ("max_backlog_age", "no hour is ever too old"),
    ("max_rate", "the remote server sets the pace"),
];

const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// While a window is open, the queue's cursor stays at its beginning: more would come again after a restart.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

impl<'a> Reader<'a> {
    /// Checks all publishers, and that no two of them need one thing of a server.
    pub(super) fn publishers(
        &self,
        publishers: Vec<(String, Table<'a>)>,
        context: impl Fn(&str) -> Context,
        is_recorded: bool,
    ) -> Vec<ConfiguredPublisher<AnyPublisher>> {
        let mut taken = Vec::<(String, String)>::new();
        let mut built = Vec::new();
        for (name, section) in publishers {
            let at = section.span.clone();
            let notes = self.section(at.clone(), DeTable::new());
            let (publisher, is_right) = self.publisher(context(&name), section, is_recorded);
            let Some(publisher) = publisher else { continue };
            for need in publisher.publisher.exclusive() {
                if let Some((_, other)) = taken.iter().find(|(taken, _)| *taken == need) {
                    notes.note(at.clone(), format!("`{name}` and `{other}` both use the {need}"), None);
                }
                taken.push((need, name.clone()));
            }
            built.extend(is_right.then_some(publisher));
        }
        built
    }

    /// Checks one `[publishers.<name>]`. Returns it if it is enabled and known, and whether it is right.
    fn publisher(
        &self,
        context: Context,
        mut section: Table<'a>,
        is_recorded: bool,
    ) -> (Option<ConfiguredPublisher<AnyPublisher>>, bool) {
        section.known = PUBLISHER_KEYS;
        let fingerprint = Fingerprint::of(&section.table);
        let enabled = section.take("enabled").unwrap_or(true);
        let of_records: Vec<_> = OF_RECORDS
            .iter()
            .filter(|(key, _)| section.table.contains_key(*key))
            .map(|(key, why)| (section.place(key), *key, *why))
            .collect();
        let defaults = Route::default();
        let interval_at = section.place("interval");
        let interval = section.take_period("interval");
        if let Some(interval) = interval.filter(|interval| !(MIN_INTERVAL..=MAX_INTERVAL).contains(interval))
        {
            let (least, most) = (Period(MIN_INTERVAL), Period(MAX_INTERVAL));
            let message = format!("`interval` must be {least} to {most}, not {}", Period(interval));
            section.note(interval_at.clone(), message, None);
        }
        let max_backlog_age = section.take_period("max_backlog_age").unwrap_or(defaults.max_backlog_age);
        if interval.is_some_and(|interval| interval >= max_backlog_age) {
            section.note(interval_at, "`interval` must be shorter than `max_backlog_age`", None);
        }
        let rate_at = section.place("max_rate");
        let max_rate = section.take("max_rate").unwrap_or(defaults.max_rate);
        if max_rate == 0 {
            section.note(rate_at, "`max_rate` must be at least 1 record a second", None);
        }
        let sources = patterns(&mut section, "sources", Some(context.sources()));
        let series = patterns(&mut section, "series", None);
        let Some(plugin) = self.plugin(&mut section, Role::Publisher) else { return (None, false) };
        let Build::Publisher(build) = plugin.build else { return (None, false) };
        for (at, key, why) in of_records.into_iter().filter(|_| plugin.is_of_history) {
            let message =
                format!("`{}` delivers whole hours of the journal, and no records: {why}", plugin.kind);
            section.note(at, message, Some(format!("remove `{key}`")));
        }
        let (publisher, is_right) = build(&section, &context).known();
        let Some(publisher) = publisher.filter(|_| enabled) else { return (None, false) };
        let name = context.name().to_owned();
        if !is_recorded {
            let what = if plugin.is_of_history {
                "whose history it delivers"
            } else {
                "in which readings wait for it"
            };
            let message = format!("`{name}` needs the journal, {what}");
            let hint = "write `enabled = true` in `[journal]`".to_owned();
            section.note(section.span.clone(), message, Some(hint));
        }
        let route = Route { sources, series, interval, max_backlog_age, max_rate };
        (Some(ConfiguredPublisher { name, plugin, publisher, route, context, fingerprint }), is_right)
    }
}

/// Takes a list of patterns; each must match one of `names`, if they are known.
fn patterns(section: &mut Table<'_>, key: &str, names: Option<&[Text]>) -> Vec<WildMatch> {
    let at = section.place(key);
    let patterns = section.take::<Vec<String>>(key).unwrap_or_default();
    for pattern in patterns.iter().filter(|_| names.is_some()) {
        let names = names.unwrap_or_default().iter().map(Text::as_str);
        if !names.clone().any(|name| WildMatch::new(pattern).matches(name)) {
            let hint = did_you_mean(pattern, names.clone());
            section.note(at.clone(), format!("`{pattern}` matches no source, {}", expected(names)), hint);
        }
    }
    patterns.iter().map(|pattern| WildMatch::new(pattern)).collect()
}
