//! `[sources.<name>]`: the devices that are read.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    sync::Arc,
    time::Duration,
};

use reading::words;
use toml::{Spanned, de::DeValue};

use super::{
    Fingerprint, Reader,
    labels::{labels, refuse_rest},
};
use crate::{
    Command, ConfigError, Context, DataAcquisition, Mode, Period, PluginInfo, Role, Schedule, Source,
    SourceContext, StatedUnits, Text, TimeOfDay,
    inputs::{self, Asked},
    labels::Labels,
    plugin::Build,
    scheduler::Cron,
    source::Part,
    table::Table,
};

/// The framework's own keys in each `[sources.<name>]`.
pub const SOURCE_KEYS: &[&str] =
    &["plugin", "enabled", "label", "role", "interval", "daily", "cron", "timeout", "stale_after"];

words! {
    /// Part of the household that a source measures, for clients that show or add up energy.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    SourceRole {
        /// The connection to the grid.
        Grid = "grid",
        /// What the household makes itself, such as with a photovoltaic system.
        Production = "production",
        /// A device that consumes, measured by a meter of its own beside the others.
        Consumer = "consumer",
        /// A part of what another meter measures, too.
        Submeter = "submeter",
        /// A battery.
        Storage = "storage",
        /// Nothing that people look at.
        Hidden = "hidden",
    }
}

/// One `[sources.<name>]`, built and ready to be run.
pub struct ConfiguredSource {
    /// Its name.
    pub name: String,
    /// What a person has said about it and its readings.
    pub labels: Labels,
    /// Its plugin.
    pub plugin: &'static PluginInfo,
    /// Its mode: the device pushes, or is polled.
    pub mode: Mode,
    /// Times at which it emits batches.
    pub schedule: Schedule,
    /// The time without a batch after which it counts as stale.
    pub stale_after: Duration,
    /// The longest time that its `open` or `acquire` may take.
    pub timeout: Duration,
    /// Its line limits how often it returns.
    pub at_line_speed: bool,
    /// The acquisition that the plugin built.
    pub acquisition: Box<dyn DataAcquisition>,
    /// Its commands.
    pub commands: Vec<Arc<dyn Command>>,
    /// The device that it needs for itself.
    pub device: Option<String>,
    /// The program that it runs instead of reading a device.
    pub program: Option<String>,
    /// Its context, which holds its statistics.
    pub context: SourceContext,
    /// Fingerprint of its section.
    pub(crate) fingerprint: Fingerprint,
}

impl<'a> Reader<'a> {
    /// Checks all sources, and that no two of them need one device.
    pub(super) fn sources(
        &self,
        mut sources: Vec<(String, Table<'a>)>,
        context: impl Fn(&str) -> Context,
    ) -> Vec<ConfiguredSource> {
        let mut devices = Vec::<(DeviceId, Needed)>::new();
        let mut built = Vec::new();
        let mut asked = Vec::new();
        for (name, section) in &mut sources {
            let enabled = section.table.get("enabled").and_then(|enabled| enabled.get_ref().as_bool());
            let (source, needed) = self.source(context(name), section);
            let inputs = source.as_ref().map(|source| source.context.inputs().all());
            asked.push((Text::from(&*name), enabled != Some(false), inputs.unwrap_or_default()));
            built.extend(source);
            let Some(needed) = needed else { continue };
            let id = DeviceId::of(&needed.device);
            let same_device = devices.iter().filter(|(known, _)| *known == id).map(|(_, other)| other);
            needed.compare(same_device, section);
            devices.push((id, needed));
        }
        check_inputs(&sources, &asked);
        let units = StatedUnits::of(built.iter().map(|source| &source.context));
        for source in &built {
            let section = sources.iter().find(|(name, _)| *name == source.name);
            if let (Some((_, section)), Err(mistake)) = (section, source.context.run_check(&units)) {
                section.refuse(&mistake);
            }
        }
        built
    }

    /// Checks one `[sources.<name>]`. Returns it unless it is wrong or not enabled, and the device that it needs, if it
    /// is enabled and that is known.
    fn source(
        &self,
        context: Context,
        section: &mut Table<'a>,
    ) -> (Option<ConfiguredSource>, Option<Needed>) {
        section.known = SOURCE_KEYS;
        let enabled = section.take("enabled").unwrap_or(true);
        // What people call it changes nothing of its work: a reload need not restart it.
        let labels = labels(section);
        let fingerprint = Fingerprint::of(&section.table);
        let stale_at = section.place("stale_after");
        let stale_after = section.take_period("stale_after");
        let timeout = section.take_period("timeout");
        let times = times(section);
        let Some(plugin) = self.plugin(section, Role::Source) else { return (None, None) };
        if !(plugin.keys)().contains(&"readings") {
            refuse_rest(section);
        }
        let Build::Source(build) = plugin.build else { return (None, None) };
        let schedule = |mode| match (&times, mode) {
            (Some(times), _) => times.clone(),
            (None, Mode::Poll(period)) => Schedule::Every(period),
            (None, Mode::Push) => Schedule::Continuous,
        };
        let stale = |mode| stale_after.unwrap_or_else(|| schedule(mode).default_stale_after());
        let of_mode = |mode| SourceContext::new(context.clone(), stale(mode));
        let (built, is_right) = build(section, &of_mode).known();
        let Some((source, mode, context)) = built.filter(|_| enabled) else { return (None, None) };
        let Source { acquisition, commands, device, is_shared, parts, program, at_line_speed, .. } = source;
        let (schedule, stale_after) = (schedule(mode), stale(mode));
        if let Some(period) = schedule.period().filter(|period| stale_after < *period) {
            let period = Period(period);
            let message = format!("`stale_after` must be at least {period}, the time between two readings");
            let hint = "a section turns stale if nothing arrives for that long: leave it out, or write three times the interval";
            section.note(stale_at, message, Some(hint.to_owned()));
        }
        let timeout = timeout.or(source.timeout).unwrap_or_else(|| match mode {
            Mode::Poll(_) => schedule.default_timeout(),
            // It waits for other sources, each of which has a limit.
            Mode::Push if !context.inputs().all().is_empty() => Duration::MAX,
            // Until then, silence is what the section's readers expect of it.
            Mode::Push => schedule.default_timeout().max(stale_after),
        });
        let name = context.name().to_owned();
        let sharing = is_shared.then_some(plugin.kind);
        let needed = device.clone().map(|device| Needed { source: name.clone(), device, sharing, parts });
        let source = ConfiguredSource {
            name,
            labels,
            plugin,
            mode,
            schedule,
            stale_after,
            timeout,
            at_line_speed,
            acquisition,
            commands,
            device,
            program,
            context,
            fingerprint,
        };
        (is_right.then_some(source), needed)
    }
}

/// Checks that each input is enabled, and that no sources read each other in a circle. `asked` has the name of each
/// source, whether it is enabled, and its inputs.
fn check_inputs(sources: &[(String, Table<'_>)], asked: &[(Text, bool, Vec<Asked>)]) {
    let section_of = |name: &str| sources.iter().find(|(known, _)| known == name).map(|(_, section)| section);
    let is_disabled = |name: &Text| asked.iter().any(|(known, enabled, _)| known == name && !enabled);
    for ((name, _, inputs), (_, section)) in asked.iter().zip(sources) {
        for input in inputs.iter().filter(|input| !input.is_optional() && is_disabled(&input.source)) {
            let message = format!("`{name}` reads `{}`, which is not enabled", input.source);
            let hint = "enable it, or write `enabled = false` here too";
            section.refuse(&ConfigError::section(message).at(input.place.clone()).hint(hint));
        }
    }
    for (circle, place) in inputs::circles(asked) {
        let Some(section) = circle.first().and_then(|name| section_of(name)) else { continue };
        let way = circle.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
        let message = match circle.len() {
            2 => format!("a source cannot read itself: {way}"),
            _ => format!("these sources read each other in a circle: {way}"),
        };
        let hint = "a source reads what others have computed before: leave one of them out";
        section.refuse(&ConfigError::section(message).at(place).hint(hint));
    }
}

/// Device that a source needs.
struct Needed {
    source: String,
    device: String,
    /// The plugin whose sources share it.
    sharing: Option<&'static str>,
    /// Parts of it that the source needs for itself.
    parts: Vec<Part>,
}

impl Needed {
    /// Notes in its section which of the earlier sources on the same device must not be beside it.
    fn compare<'n>(&self, earlier: impl Iterator<Item = &'n Self> + Clone, section: &Table<'_>) {
        let Self { source, device, sharing, parts } = self;
        let is_taken = |other: &&Self| sharing.is_none() || other.sharing != *sharing;
        if let Some(Self { source: other, device: same, .. }) = earlier.clone().find(is_taken) {
            let hint = "a device can be read by one source only".to_owned();
            let what = match same == device {
                true => format!("use {device}"),
                false => format!("use one device: {device} is {same}"),
            };
            section.note(section.span.clone(), format!("`{source}` and `{other}` both {what}"), Some(hint));
            return;
        }
        for Part { name, place } in parts {
            let has_it = |other: &&Self| other.parts.iter().any(|part| part.name == *name);
            let Some(Self { source: other, .. }) = earlier.clone().find(has_it) else { continue };
            let message = format!("`{source}` and `{other}` both read {name} of {device}");
            let hint = "its readings would count twice: leave it out of one of the two";
            section.refuse(&ConfigError::key(place.clone(), message).hint(hint));
        }
    }
}

/// Identity of a device, whatever its name: a link and its target are one, and so are two nodes of one device. Nothing
/// is opened to find it.
#[derive(PartialEq, Eq)]
enum DeviceId {
    Node(u64),
    Name(String),
}

impl DeviceId {
    fn of(device: &str) -> Self {
        match fs::metadata(device) {
            Ok(found) if found.file_type().is_char_device() => Self::Node(found.rdev()),
            // Names of hosts have no case.
            _ if device.starts_with("tcp://") => Self::Name(device.to_ascii_lowercase()),
            _ => Self::Name(device.to_owned()),
        }
    }
}

/// Takes a time of day, or a list of them, out of a section.
pub(super) fn take_times(section: &mut Table<'_>, key: &str) -> Option<Schedule> {
    let at = section.place(key);
    let is_list = matches!(section.table.get(key).map(Spanned::get_ref), Some(DeValue::Array(_)));
    let times = match is_list {
        true => section.take::<Vec<TimeOfDay>>(key),
        false => section.take::<TimeOfDay>(key).map(|time| vec![time]),
    }?;
    if times.is_empty() {
        let message = format!("`{key}` names no time: expected one such as `03:00`, or a list of them");
        section.note(at, message, None);
        return None;
    }
    Some(Schedule::Daily(times.into_iter().map(|time| time.0).collect()))
}

/// Takes the times of the turns out of a section: `interval`, `daily` or `cron`.
fn times(section: &mut Table<'_>) -> Option<Schedule> {
    let given: Vec<_> = ["interval", "daily", "cron"]
        .into_iter()
        .filter(|key| section.table.contains_key(*key))
        .map(|key| (key, section.place(key)))
        .collect();
    if let [first, .., (second, at)] = &given[..] {
        let message = format!("`{}` and `{second}` exclude each other", first.0);
        section.note(at.clone(), message, Some("keep one of them".to_owned()));
    }
    let place =
        |key| given.iter().find(|(given, _)| *given == key).map(|(_, at)| at.clone()).unwrap_or_default();
    let interval = section.take_period("interval").map(Schedule::Every);
    let daily = take_times(section, "daily");
    let cron = section.take::<String>("cron").and_then(|text| match text.parse::<Cron>() {
        Ok(cron) => Some(Schedule::Cron(Arc::new(cron))),
        Err(message) => {
            section.note(place("cron"), message, None);
            None
        }
    });
    daily.or(interval).or(cron)
}
