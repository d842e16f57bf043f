//! What a publisher is: one wire format, spoken to one far end.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::{
    Commands, ConfigError, Context, Record, Store, config::Section, error::quoted, plugin::sole_names,
    publish::Route,
};

/// A kind of publisher. One crate implements it once and says
/// [`register_publisher!`](crate::register_publisher) with it.
pub trait PublisherPlugin: 'static {
    /// Its name in `plugin = "…"`.
    const KIND: &'static str;
    /// One line for `smartmeter plugins`.
    const ABOUT: &'static str;
    /// A commented configuration that works: `include_str!("../sample.toml")`.
    const SAMPLE: &'static str;
    /// The plugin's own keys. Derive `Deserialize` with `#[serde(deny_unknown_fields)]`.
    type Config: DeserializeOwned + Debug;

    /// Makes one instance. No network here: everything in the file is checked before anything is opened. Files that
    /// the configuration names, such as certificates, may be read.
    ///
    /// # Errors
    /// What is wrong with the configuration, and with which key.
    fn build(config: Self::Config, cx: &Context) -> Result<Box<dyn Publisher>, ConfigError>;
}

/// Brings records to a far end.
///
/// The framework gives it the records of its selection in the order in which they came, thinned or averaged as the
/// user wants, and keeps in the journal how far it got. What is not delivered is given again, after a restart too: so
/// each record arrives at least once. Queueing, order, retry and pace are the framework's.
#[async_trait]
pub trait Publisher: Send + 'static {
    /// How many records it wants at once, and how long they may wait for each other.
    fn batching(&self) -> Batching {
        Batching::default()
    }

    /// Said once before the first record, and again after a panic. A far end that is not there need not be an
    /// error here. Work that goes on beside [`publish`](Self::publish), such as keeping a connection open, is a task
    /// of its own, which ends when this value is dropped.
    async fn open(&mut self, _house: &House) -> Result<(), PublishError> {
        Ok(())
    }

    /// Delivers records, at least one, in their order. Gives how many of them, from the first on, the far end has: it
    /// said so itself. The others are given again.
    ///
    /// # Cancel safety
    /// It is dropped when the program ends, and when it takes longer than two minutes; the records come again then.
    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError>;

    /// Says goodbye; at most half a second.
    async fn close(&mut self) {}
}

/// How a publisher wants its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// At most so many at once.
    pub records: usize,
    /// A record may wait so long for more of them. Zero: it is handed on at once.
    pub linger: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { records: 1000, linger: Duration::ZERO }
    }
}

/// Why records were not delivered. The variant says what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The far end is not there, or has no time: tried again, at the earliest after what it asked for.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: String,
        /// What the far end asked for: HTTP's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The far end will never take these records: they are halved until the one that is refused is found, which is
    /// set aside.
    #[error("{reason}")]
    Refused {
        /// What the far end said.
        reason: String,
    },
    /// The far end takes nothing from this configuration: wrong password, no such database. Nothing is lost; it is
    /// tried again each minute.
    #[error("{reason}")]
    Misconfigured {
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl PublishError {
    /// The far end is not there, or did not answer.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: None }
    }

    /// The far end refuses these records for good.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// The far end takes nothing from this configuration.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured { reason: reason.into() }
    }
}

/// What a publisher may see of the program beside its records.
#[derive(Debug, Clone)]
pub struct House {
    /// The newest batch of each source, with its texts, and whether it is stale.
    pub store: Arc<Store>,
    /// What may be asked of the sources.
    pub commands: Commands,
    /// What the user wants this publisher to have: nothing else may leave the house by it.
    pub route: Arc<Route>,
}

/// Reads a section and makes its publisher.
type BuildFn = fn(&mut Section<'_>, &Context) -> Option<Box<dyn Publisher>>;

/// A linked publisher, its types erased. [`register_publisher!`](crate::register_publisher) makes it.
#[derive(Clone, Copy)]
pub struct PublisherRegistration {
    /// [`PublisherPlugin::KIND`].
    pub kind: &'static str,
    /// [`PublisherPlugin::ABOUT`].
    pub about: &'static str,
    /// [`PublisherPlugin::SAMPLE`].
    pub sample: &'static str,
    pub(crate) build: BuildFn,
}

impl PublisherRegistration {
    /// The registration of `P`.
    pub const fn of<P: PublisherPlugin>() -> Self {
        Self {
            kind: P::KIND,
            about: P::ABOUT,
            sample: P::SAMPLE,
            build: |section, cx| {
                let config = section.parse::<P::Config>()?;
                P::build(config, cx).map_err(|error| section.refuse(&error)).ok()
            },
        }
    }
}

impl Debug for PublisherRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublisherRegistration").field("kind", &self.kind).finish_non_exhaustive()
    }
}

inventory::collect!(PublisherRegistration);

/// All linked publishers, by name.
///
/// # Panics
/// Where two of them have the same name: a mistake of the build, not of the user.
pub fn publishers() -> Vec<&'static PublisherRegistration> {
    sole_names(inventory::iter::<PublisherRegistration>().collect(), |publisher| publisher.kind)
}

/// The linked publisher called `kind`.
///
/// # Errors
/// A sentence that names those that there are.
pub fn publisher(kind: &str) -> Result<&'static PublisherRegistration, String> {
    let publishers = publishers();
    let found = publishers.iter().copied().find(|publisher| publisher.kind == kind);
    let list = || quoted(publishers.iter().map(|publisher| publisher.kind));
    found.ok_or_else(|| format!("unknown publisher `{kind}`, expected one of {}", list()))
}
