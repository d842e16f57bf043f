//! `[sources.<name>]`: the devices that are read.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use jiff::civil;

use super::Reader;
use crate::{
    Command, Context, DataAcquisition, Mode, PluginInfo, Role, Schedule, Source, SourceContext,
    plugin::Build, table::Table,
};

/// The framework's own keys in each `[sources.<name>]`.
pub const SOURCE_KEYS: &[&str] = &["plugin", "enabled", "interval", "daily", "stale_after"];

/// One `[sources.<name>]`, built and ready to be run.
pub struct ConfiguredSource {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: &'static PluginInfo,
    /// Its mode: the device pushes, or is polled.
    pub mode: Mode,
    /// Times at which it emits batches.
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

impl<'a> Reader<'a> {
    /// Checks all sources, and that no two of them need one device.
    pub(super) fn sources(
        &self,
        sources: Vec<(String, Table<'a>)>,
        context: impl Fn(&str) -> Context,
    ) -> Vec<ConfiguredSource> {
        let mut devices = BTreeMap::<String, String>::new();
        let mut built = Vec::new();
        for (name, mut section) in sources {
            let Some(source) = self.source(context(&name), &mut section) else { continue };
            let other =
                source.device.as_ref().and_then(|device| devices.insert(device.clone(), name.clone()));
            if let (Some(device), Some(other)) = (&source.device, other) {
                let hint = "a device can be read by one source only".to_owned();
                let message = format!("`{name}` and `{other}` both use {device}");
                section.note(section.span.clone(), message, Some(hint));
            }
            built.push(source);
        }
        built
    }

    /// Checks one `[sources.<name>]`; `None` if it is wrong or not enabled.
    fn source(&self, context: Context, section: &mut Table<'a>) -> Option<ConfiguredSource> {
        section.known = SOURCE_KEYS;
        let enabled = section.take("enabled").unwrap_or(true);
        let interval = section.take_period("interval");
        let stale_after = section.take_period("stale_after");
        let daily_at = section.table.contains_key("daily").then(|| section.place("daily"));
        let daily = section.take::<String>("daily").and_then(|text| time_of_day(section, &text, &daily_at));
        if let (Some(_), Some(at)) = (interval, daily_at) {
            let hint = "keep one of them".to_owned();
            section.note(at, "`interval` and `daily` exclude each other", Some(hint));
        }
        let plugin = self.plugin(section, Role::Source)?;
        let Build::Source(parse) = plugin.build else { return None };
        let parsed = parse(section)?;
        let schedule = match (daily, interval, parsed.mode) {
            (Some(time), _, _) => Schedule::Daily(time),
            (None, Some(period), _) | (None, None, Mode::Poll(period)) => Schedule::Every(period),
            (None, None, Mode::Push) => Schedule::Continuous,
        };
        let stale_after = stale_after.unwrap_or_else(|| schedule.default_stale_after());
        let context = SourceContext::new(context, stale_after);
        let Source { acquisition, commands, device } =
            (parsed.build)(&context).map_err(|error| section.refuse(&error)).ok()?;
        enabled.then(|| ConfiguredSource {
            name: context.name().to_owned(),
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
}

fn time_of_day(section: &Table<'_>, text: &str, at: &Option<Range<usize>>) -> Option<civil::Time> {
    let time = text.parse().ok();
    if time.is_none() {
        let at = at.clone().unwrap_or_else(|| section.span.clone());
        section.note(at, format!("`{text}` is not a valid time of day: expected one such as `03:00`"), None);
    }
    time
}
