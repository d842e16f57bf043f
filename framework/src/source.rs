//! Sources: the traits that a plugin implements to read a kind of device.

use std::{fmt::Debug, io, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{Batch, Command, ConfigError, SourceContext};

/// A kind of source. One crate implements it once and registers it with
/// [`register_source!`](crate::register_source).
pub trait SourcePlugin: 'static {
    /// Its name in `plugin = "…"`.
    const KIND: &'static str;
    /// One line for `smartmeter plugins`.
    const ABOUT: &'static str;
    /// A commented configuration that works: `include_str!("../sample.toml")`.
    const SAMPLE: &'static str;
    /// Its own configuration: a struct that derives `Deserialize`. Unknown keys are refused.
    type Config: DeserializeOwned + Debug;

    /// Returns whether the device pushes batches or is polled.
    fn mode(config: &Self::Config) -> Mode;

    /// Builds one source. No I/O here: the whole file is checked before any device is opened.
    ///
    /// # Errors
    /// Returns every mistake in the configuration, each with its key.
    fn build(config: Self::Config, cx: &SourceContext) -> Result<Source, ConfigError>;
}

/// Origin of batches: the device, or the framework's polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The device sends of its own accord: it is read without a pause, and `interval` thins the batches.
    Push,
    /// The device is read at each interval; this one is the default.
    Poll(Duration),
}

/// A device that is read, as raspend's `DataAcquisitionHandler`.
///
/// The scheduler calls `open`, then `acquire` again and again, then `close`; never two of them at once.
/// An implementation needs no lock, store or clock of its own, and it must not block its thread.
#[async_trait::async_trait]
pub trait DataAcquisition: Send + 'static {
    /// Makes the device ready (raspend: `prepare`). It is called again after every fault, also after a
    /// panic, and starts from the beginning each time.
    ///
    /// # Errors
    /// The variant decides what the scheduler does next.
    async fn open(&mut self) -> Result<(), AcquireError> {
        Ok(())
    }

    /// Returns the next batch (raspend: `invoke`). A pushed source waits for its device; a polled one reads it now.
    ///
    /// # Errors
    /// The variant decides what the scheduler does next.
    ///
    /// # Cancel safety
    /// The future is dropped at an await only when the program ends, or after a fault that reopens the device.
    async fn acquire(&mut self) -> Result<Batch, AcquireError>;

    /// Releases the device. It is called at the end and before each reopening.
    async fn close(&mut self) {}
}

/// Reason for a missing batch. The variant decides what happens next.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The device is missing or went away: close, wait, reopen.
    #[error("{device} is not available")]
    Unavailable {
        /// Its name in the configuration: `/dev/ttyUSB0`.
        device: String,
        /// The cause.
        source: io::Error,
    },
    /// The device is there and sends nothing: close, wait, reopen. A polled one stays open until its next turn.
    #[error("nothing arrived from {device} for {waited:?}")]
    Silent {
        /// Its name in the configuration.
        device: String,
        /// Time in which nothing came.
        waited: Duration,
    },
    /// The data cannot be trusted: it is counted, the device stays open, the next batch is awaited.
    #[error("{reason}")]
    Malformed {
        /// The defect.
        reason: String,
    },
    /// The data cannot be read with this configuration, which a person must change. The device stays open, in
    /// case that the device changes instead.
    #[error("{reason}")]
    Misconfigured {
        /// The mistake, and what to write instead.
        reason: String,
    },
    /// The source can never work: it stops, the others go on.
    #[error("{0}")]
    Fatal(String),
}

/// `?` in a plugin: the device is unavailable. The scheduler adds the device's name.
impl From<io::Error> for AcquireError {
    fn from(source: io::Error) -> Self {
        Self::Unavailable { device: String::new(), source }
    }
}

impl AcquireError {
    /// Adds the device's name to an error that was made of an [`io::Error`].
    pub(crate) fn of_device(mut self, name: Option<&str>) -> Self {
        if let Self::Unavailable { device, .. } = &mut self
            && device.is_empty()
        {
            name.unwrap_or("the device").clone_into(device);
        }
        self
    }
}

/// A source that a plugin has built: its acquisition, its commands and the device that it needs for itself.
pub struct Source {
    pub(crate) acquisition: Box<dyn DataAcquisition>,
    pub(crate) commands: Vec<Arc<dyn Command>>,
    pub(crate) device: Option<String>,
}

impl Source {
    /// A source without commands.
    pub fn new(acquisition: impl DataAcquisition) -> Self {
        Self { acquisition: Box::new(acquisition), commands: Vec::new(), device: None }
    }

    /// Adds a command.
    pub fn command(mut self, command: impl Command) -> Self {
        self.commands.push(Arc::new(command));
        self
    }

    /// Makes this source the only one that may use `device`: `/dev/ttyUSB0`, `gpio 21`.
    pub fn exclusive(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }
}
