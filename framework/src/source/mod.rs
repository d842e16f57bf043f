//! Sources: the traits that a plugin implements to read a kind of device.
//!
//! | file | topic |
//! |---|---|
//! | `error` | reasons for a missing batch |
//! | `blocking` | sources that are a closure without `async` |
//! | `stream` | sources that are a stream of batches |

mod blocking;
mod error;
mod stream;
#[cfg(test)]
mod tests;

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures_util::Stream;
use serde::de::DeserializeOwned;

pub use self::error::AcquireError;
use self::{blocking::Blocking, stream::Streamed};
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

    /// Returns whether the device pushes batches or is polled: by default, it is polled each ten seconds.
    fn mode(_config: &Self::Config) -> Mode {
        Mode::Poll(Duration::from_secs(10))
    }

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
    /// `Ok(None)` says that the device is well and has nothing new: its last readings are still those of now, and do
    /// not turn stale. A task without readings always returns it.
    ///
    /// # Errors
    /// The variant decides what the scheduler does next.
    ///
    /// # Cancel safety
    /// The future is dropped at an await only when the program ends, when it took longer than `timeout`, or after a
    /// fault that reopens the device.
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError>;

    /// Releases the device. It is called at the end and before each reopening.
    async fn close(&mut self) {}
}

/// A source that a plugin has built: its acquisition, its commands and the device that it needs for itself.
pub struct Source {
    pub(crate) acquisition: Box<dyn DataAcquisition>,
    pub(crate) commands: Vec<Arc<dyn Command>>,
    pub(crate) device: Option<String>,
    /// Sources of the same plugin may use the device too.
    pub(crate) is_shared: bool,
    /// Parts of a shared device that this source needs for itself.
    pub(crate) parts: Vec<Part>,
    /// Program that it runs instead of reading a device.
    pub(crate) program: Option<String>,
    /// Its mode, whatever the plugin's is.
    pub(crate) mode: Option<Mode>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) at_line_speed: bool,
}

impl Source {
    /// A source without commands.
    pub fn new(acquisition: impl DataAcquisition) -> Self {
        Self {
            acquisition: Box::new(acquisition),
            commands: Vec::new(),
            device: None,
            is_shared: false,
            parts: Vec::new(),
            program: None,
            mode: None,
            timeout: None,
            at_line_speed: false,
        }
    }

    /// A source that is one closure, which may block: it runs on a thread for blocking work. It is
    /// [`acquire`](DataAcquisition::acquire); what must stay open between two calls is in its captures.
    pub fn blocking(acquire: impl FnMut() -> Result<Option<Batch>, AcquireError> + Send + 'static) -> Self {
        Self::new(Blocking::new(acquire))
    }

    /// A source that is a stream of batches: its mode is [`Mode::Push`]. `open` makes the stream, and is called again
    /// after every fault; the stream's end is one.
    pub fn stream<S, Opened>(open: impl FnMut() -> Opened + Send + 'static) -> Self
    where
        S: Stream<Item = Result<Batch, AcquireError>> + Send + 'static,
        Opened: Future<Output = Result<S, AcquireError>> + Send + 'static,
    {
        Self { mode: Some(Mode::Push), ..Self::new(Streamed::new(open)) }
    }

    /// A source without a device: it has commands only.
    pub fn commands_only() -> Self {
        Self { mode: Some(Mode::Push), timeout: Some(Duration::MAX), ..Self::new(CommandsOnly::default()) }
    }

    /// Adds a command.
    pub fn command(mut self, command: impl Command) -> Self {
        self.commands.push(Arc::new(command));
        self
    }

    /// Lets `open` and `acquire` take this long, where the configuration does not say otherwise. The usual limit is three
    /// intervals, but 30 s at least and five minutes at most.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Reads the source as fast as it returns: its line limits how much can come, and its batches keep the rules of
    /// [`Batch`] by construction. Any other source that pushes is slowed down to 100 batches a second.
    pub fn at_line_speed(mut self) -> Self {
        self.at_line_speed = true;
        self
    }

    /// Makes this source the only one that may use `device`: `/dev/ttyUSB0`, `gpio 21`.
    pub fn exclusive(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Makes this source and others of its plugin the only ones that may use `device`: a bus with several meters.
    pub fn shared(mut self, device: impl Into<String>) -> Self {
        self.is_shared = true;
        self.exclusive(device)
    }

    /// Makes this source the only one that may use a part of a [shared](Self::shared) device: `address 5`. `place` is the
    /// key that names the part.
    pub fn part(mut self, name: impl Into<String>, place: impl Into<String>) -> Self {
        self.parts.push(Part { name: name.into(), place: place.into() });
        self
    }

    /// Names the program that the source runs, for `smartmeter check`.
    pub fn program(mut self, name: impl Into<String>) -> Self {
        self.program = Some(name.into());
        self
    }
}

/// Part of a shared device.
pub(crate) struct Part {
    pub(crate) name: String,
    /// Key that names it, from the section on.
    pub(crate) place: String,
}

/// Acquisition of a source that has commands only: it is well, and never has readings.
#[derive(Default)]
struct CommandsOnly {
    answered: bool,
}

#[async_trait::async_trait]
impl DataAcquisition for CommandsOnly {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        if std::mem::replace(&mut self.answered, true) {
            std::future::pending::<()>().await;
        }
        Ok(None)
    }
}
