//! Configuration keys of the plugin, and their checked values.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use framework::{ConfigError, Kind, Period, Reading, SourceContext, Text};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use subprocess::{EXAMPLE, Program, check};
use wildmatch::WildMatch;

use crate::{
    command_config::{CommandConfig, Plan},
    format::{Format, Parser},
};

/// Keys of a `[sources.<name>]` with `plugin = "exec"`. The README explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) command: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) mode: RunMode,
    #[serde(default)]
    format: Format,
    tags: Option<Vec<String>>,
    #[serde(default)]
    readings: InOrder<About>,
    working_dir: Option<PathBuf>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    expire_after: Option<Period>,
    #[serde(default)]
    commands: InOrder<CommandConfig>,
}

/// Way in which a program runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunMode {
    /// It is started at each turn, and ends by itself.
    #[default]
    Poll,
    /// It keeps running, and writes a line whenever it has news.
    Stream,
}

/// Unit and kind of the readings whose names fit a pattern.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    unit: Option<Text>,
    kind: Option<KindWord>,
}

#[derive(Debug, Clone, Copy)]
struct KindWord(Kind);

impl<'de> Deserialize<'de> for KindWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let words = Kind::ALL.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        let unknown = || D::Error::custom(format!("unknown kind `{word}`, expected one of {words}"));
        Kind::parse(&word).map(Self).ok_or_else(unknown)
    }
}

/// Table in the order of the file.
#[derive(Debug)]
pub(crate) struct InOrder<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InOrder<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
            type Value = InOrder<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(InOrder(entries))
            }
        }
        deserializer.deserialize_map(Table(std::marker::PhantomData))
    }
}

/// Checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    /// Whether the program is to run; if not, the source has commands only.
    pub(crate) has_program: bool,
    pub(crate) mode: RunMode,
    pub(crate) parser: Parser,
    pub(crate) descriptions: Descriptions,
    pub(crate) expire_after: Option<Duration>,
    pub(crate) plans: Vec<Plan>,
}

impl Config {
    /// Checks what a type cannot.
    pub(crate) fn settings(self, cx: &SourceContext) -> Result<Settings, ConfigError> {
        let Self { command, mode, format, tags, readings, working_dir, environment, expire_after, commands } =
            self;
        let mut mistakes: Vec<_> = command.iter().filter_map(|line| check("command", line).err()).collect();
        if command.is_none() && commands.0.is_empty() {
            let hint = format!("write the program and its arguments, `command = {EXAMPLE}`, or `commands`");
            mistakes.push(ConfigError::section("missing key `command`").hint(hint));
        }
        if tags.is_some() && format == Format::Json {
            let hint = "`format = \"influx\"` and `format = \"flat-json\"` have tags";
            mistakes.push(ConfigError::key("tags", "`format = \"json\"` has no tags").hint(hint));
        }
        match expire_after {
            Some(_) if mode == RunMode::Poll => {
                let message = "`expire_after` is for `mode = \"stream\"`";
                let hint = "leave it out: each run writes all readings";
                mistakes.push(ConfigError::key("expire_after", message).hint(hint));
            }
            Some(time) if time.is_zero() => {
                mistakes.push(ConfigError::key("expire_after", "`expire_after` must be greater than 0"));
            }
            _ => {}
        }
        let is_variable = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        mistakes.extend(environment.keys().filter(is_variable).map(|name| {
            ConfigError::key("environment", format!("`{name}` is not a valid name of a variable"))
        }));
        if environment.values().any(|value| value.contains('\0')) {
            mistakes.push(ConfigError::key("environment", "no value may contain a NUL"));
        }
        let is_stream = command.is_some() && mode == RunMode::Stream;
        let mut plans = Vec::new();
        for (name, command) in commands.0 {
            match command.plan(&name, is_stream) {
                Ok(plan) => plans.push(plan),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        ConfigError::all(mistakes)?;
        Ok(Settings {
            has_program: command.is_some(),
            program: Program::new(command.unwrap_or_default(), working_dir, &environment, cx),
            plans,
            mode,
            parser: Parser { format, tags },
            descriptions: Descriptions::new(readings),
            expire_after: expire_after.map(|time| *time),
        })
    }
}

/// What the configuration says about readings.
#[derive(Debug)]
pub(crate) struct Descriptions(Vec<(WildMatch, About)>);

impl Descriptions {
    fn new(readings: InOrder<About>) -> Self {
        Self(readings.0.into_iter().map(|(pattern, about)| (WildMatch::new(&pattern), about)).collect())
    }

    /// Adds unit and kind, where the program does not state them.
    pub(crate) fn describe(&self, reading: &mut Reading) {
        let Some((_, about)) = self.0.iter().find(|(pattern, _)| pattern.matches(&reading.name)) else {
            return;
        };
        reading.unit = reading.unit.take().or_else(|| about.unit.clone());
        reading.kind = reading.kind.or(about.kind.map(|kind| kind.0));
    }
}
