//! What a plugin is: one kind of source, linked in and found by name.

use std::{fmt::Debug, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{Command, ConfigError, Context, DataAcquisition, Pace, config::Section, error::quoted};

/// A kind of source. One crate implements it once and says [`register!`](crate::register) with it.
pub trait Plugin: 'static {
    /// Its name in `plugin = "…"`.
    const KIND: &'static str;
    /// One line for `smartmeter plugins`.
    const ABOUT: &'static str;
    /// A commented configuration that works: `include_str!("../sample.toml")`.
    const SAMPLE: &'static str;
    /// Whether the device speaks by itself or is asked.
    const PACE: Pace;
    /// The plugin's own keys. Derive `Deserialize` with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned + Debug;

    /// The same for a configuration that chooses it: [`PACE`](Self::PACE) where nothing does.
    fn pace(_config: &Self::Config) -> Pace {
        Self::PACE
    }

    /// Makes one instance. No I/O here: everything in the file is checked before any device is opened.
    ///
    /// # Errors
    /// What is wrong with the configuration, and with which key.
    fn build(config: Self::Config, cx: &Context) -> Result<Instance, ConfigError>;
}

/// One configured use of a plugin.
pub struct Instance {
    /// What reads the device.
    pub acquisition: Box<dyn DataAcquisition>,
    /// What clients may ask of it.
    pub commands: Vec<Arc<dyn Command>>,
    /// The device that must not be used twice: `/dev/ttyUSB0`, `gpio 21`.
    pub device: Option<String>,
}

impl Instance {
    /// An instance without commands.
    pub fn new(acquisition: impl DataAcquisition) -> Self {
        Self { acquisition: Box::new(acquisition), commands: Vec::new(), device: None }
    }

    /// The same instance with one more command.
    pub fn command(mut self, command: impl Command) -> Self {
        self.commands.push(Arc::new(command));
        self
    }

    /// The same instance, the only one that may use `device`.
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }
}

/// Reads a section and makes its instance, in a context that is made when its pace is known.
type BuildFn = fn(&mut Section<'_>, &mut dyn FnMut(Pace) -> Context) -> Option<Instance>;

/// A linked plugin, its types erased. [`register!`](crate::register) makes it.
#[derive(Clone, Copy)]
pub struct Registration {
    /// [`Plugin::KIND`].
    pub kind: &'static str,
    /// [`Plugin::ABOUT`].
    pub about: &'static str,
    /// [`Plugin::SAMPLE`].
    pub sample: &'static str,
    pub(crate) build: BuildFn,
}

impl Registration {
    /// The registration of `P`.
    pub const fn of<P: Plugin>() -> Self {
        Self {
            kind: P::KIND,
            about: P::ABOUT,
            sample: P::SAMPLE,
            build: |section, context| {
                let config = section.parse::<P::Config>()?;
                let cx = context(P::pace(&config));
                P::build(config, &cx).map_err(|error| section.refuse(&error)).ok()
            },
        }
    }
}

impl Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("kind", &self.kind).finish_non_exhaustive()
    }
}

inventory::collect!(Registration);

/// All linked plugins, by name.
///
/// # Panics
/// Where two linked plugins have the same name: a mistake of the build, not of the user.
pub fn plugins() -> Vec<&'static Registration> {
    sole_names(inventory::iter::<Registration>().collect(), |plugin| plugin.kind)
}

/// Sorts registrations, whose order in inventory is that of the linker.
pub(crate) fn sole_names<T>(mut all: Vec<&'static T>, kind: fn(&T) -> &'static str) -> Vec<&'static T> {
    all.sort_by_key(|plugin| kind(plugin));
    if let Some(twice) = all.windows(2).find(|pair| kind(pair[0]) == kind(pair[1])) {
        panic!("two linked plugins are called `{}`", kind(twice[0]));
    }
    all
}

/// The linked plugin called `kind`.
///
/// # Errors
/// A sentence that names those that there are.
pub fn plugin(kind: &str) -> Result<&'static Registration, String> {
    let plugins = plugins();
    let found = plugins.iter().copied().find(|plugin| plugin.kind == kind);
    let list = || quoted(plugins.iter().map(|plugin| plugin.kind));
    found.ok_or_else(|| format!("unknown plugin `{kind}`, expected one of {}", list()))
}
