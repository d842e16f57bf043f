//! Publisher plugins: each delivers readings to one remote server, in that server's format.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::{
    Commands, ConfigError, Context, FaultCode, Record, Store, any_publisher::PublisherKind, publish::Route,
};

/// Kind of publisher. One crate implements it once and registers it with
/// [`register_publisher!`](crate::register_publisher).
pub trait PublisherPlugin: 'static {
    /// Name in `plugin = "…"`.
    const KIND: &'static str;
    /// One-line description for `smartmeter plugins`.
    const ABOUT: &'static str;
    /// Commented configuration that works: `include_str!("../sample.toml")`.
    const SAMPLE: &'static str;
    /// Its own configuration: a struct that derives `Deserialize`. Unknown keys are refused.
    type Config: DeserializeOwned + Debug;
    /// What it delivers: `dyn Publisher` records, `dyn HistoryPublisher` whole hours of the journal.
    type Publisher: PublisherKind + ?Sized;

    /// Builds the publisher of one `[publishers.<name>]`.
    ///
    /// It must not use the network: the whole configuration is checked before anything is opened. It may read files
    /// that the configuration names, such as certificates.
    ///
    /// # Errors
    /// Returns every mistake in the configuration, with its key.
    fn build(config: Self::Config, cx: &Context) -> Result<Box<Self::Publisher>, ConfigError>;
}

/// Delivers records to a remote server, at least once.
///
/// The framework passes the records that the user selected in the order in which they were recorded, averaged over
/// `interval` if that is configured. Its cursor in the journal moves on when they are delivered; all others are passed
/// again, also after a restart. Queueing, order, retries and rate are the framework's work.
#[async_trait]
pub trait Publisher: Send + 'static {
    /// Returns the preferred number of records in one call, and the time that they may wait for each other.
    fn batching(&self) -> Batching {
        Batching::default()
    }

    /// Returns what two publishers cannot share, in words, such as ``client id `x` at `broker` ``: the configuration
    /// refuses two that return the same.
    fn exclusive(&self) -> Vec<String> {
        Vec::new()
    }

    /// Prepares for the first record. Called again after a panic.
    ///
    /// A server that cannot be reached need not be an error yet. Work beside [`publish`](Self::publish), such as
    /// keeping a connection open, belongs in a task of its own that ends when this value is dropped.
    ///
    /// # Errors
    /// Returns the reason for which nothing can be delivered; the framework retries.
    async fn open(&mut self, _cx: &PublisherContext) -> Result<(), PublishError> {
        Ok(())
    }

    /// Delivers one or more records in their order.
    ///
    /// Returns the number of leading records that the server has acknowledged. The others are passed again.
    ///
    /// # Errors
    /// Returns the reason for which none was delivered; its variant decides what the framework does next.
    ///
    /// # Cancel safety
    /// The future is dropped when the program ends or after two minutes. Its records are passed again.
    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError>;

    /// Connects to the remote server, logs in, and finds out whether it would take records: for a person who sets the
    /// publisher up. Returns what was found, such as `logged in at broker:1883`. Called instead of
    /// [`open`](Self::open), while another publisher of the same configuration may run.
    ///
    /// # Errors
    /// Returns the reason for which nothing could be delivered, and what the person can do.
    async fn test(&mut self) -> Result<String, PublishError> {
        Ok("this plugin has no test without sending: the first record will show it".to_owned())
    }

    /// Closes the connection, within half a second.
    async fn close(&mut self) {}
}

/// Preferred size and delay of a publisher's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Maximum number of records in one call.
    pub records: usize,
    /// Maximum time that a record waits for more of them. Zero: it is passed at once.
    pub linger: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { records: 1000, linger: Duration::ZERO }
    }
}

/// Reason for which records were not delivered. The variant decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The server is unreachable or overloaded. Retried with back-off, at the earliest after `retry_after`.
    #[error("{reason}")]
    Unavailable {
        /// Cause, for the log and `/health`.
        reason: String,
        /// Pause that the server asked for, as in HTTP's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The server will never accept these records. The framework halves the batch until it has found the rejected
    /// record, and skips that one if the server accepts another. Otherwise nothing is skipped, and it retries each
    /// minute.
    #[error("{reason}")]
    Refused {
        /// Cause, for the log and `/health`.
        reason: String,
    },
    /// The server accepts nothing with this configuration: wrong password, missing database. Nothing is lost; the
    /// framework retries each minute.
    #[error("{reason}")]
    Misconfigured {
        /// Cause, and what the user can do.
        reason: String,
    },
    /// The journal could not be read. Retried with back-off.
    #[error("could not read the journal: {reason}")]
    Journal {
        /// Cause, for the log and `/health`.
        reason: String,
    },
}

impl PublishError {
    /// Returns its kind, for clients that say it in their own words.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::Unavailable { .. } => FaultCode::Unreachable,
            Self::Refused { .. } => FaultCode::Refused,
            Self::Misconfigured { .. } => FaultCode::WrongConfiguration,
            Self::Journal { .. } => FaultCode::Unreadable,
        }
    }

    /// Builds an [`Unavailable`](Self::Unavailable) without a pause of the server's.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: None }
    }

    /// Builds a [`Refused`](Self::Refused).
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// Builds a [`Misconfigured`](Self::Misconfigured).
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured { reason: reason.into() }
    }
}

/// Parts of the program that a publisher may use beside its records.
#[derive(Debug, Clone)]
pub struct PublisherContext {
    /// Newest batch of each source, including texts, and its staleness.
    pub store: Arc<Store>,
    /// Commands of the sources.
    pub commands: Commands,
    /// The user's selection for this publisher. Nothing else may leave the LAN through it.
    pub route: Arc<Route>,
}
