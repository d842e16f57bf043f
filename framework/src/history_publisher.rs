//! Publishers of history: each keeps a remote server up to date with the hours of the journal.

use async_trait::async_trait;

use crate::{PublishError, Update};

/// Keeps a remote server up to date with the hours of the journal, each with its own time.
///
/// It has no queue: what the server lacks is found out by a comparison with the journal, so that an outage of a year
/// costs nothing, and the years before the server was installed arrive, too. The framework calls [`update`](Self::update)
/// when an hour is complete, when the server is back, when the past or a price has changed, and when a person asks for it
/// with `smartmeter publish`. Selection, retries and the time limit are the framework's work.
#[async_trait]
pub trait HistoryPublisher: Send + 'static {
    /// Returns what two publishers cannot share, in words: the configuration refuses two that return the same.
    fn exclusive(&self) -> Vec<String> {
        Vec::new()
    }

    /// Connects to the remote server, before the first update and after each error.
    ///
    /// # Errors
    /// Returns the reason for which nothing can be delivered; the framework retries.
    async fn open(&mut self) -> Result<(), PublishError> {
        Ok(())
    }

    /// Brings the remote server up to date: for each of [`Update::series`] the hours that [`Update::wanted`] names. It
    /// returns once the server has them. An hour may be sent again at any time, and its new figures replace the old ones.
    ///
    /// # Errors
    /// Returns the reason why the server is not up to date. The framework closes the connection, and retries with
    /// everything.
    ///
    /// # Cancel safety
    /// The future is dropped when the program ends, when a person cancels `smartmeter publish`, or two minutes after the
    /// last sign of life: an answer of [`Hours`](crate::Hours), [`Update::progress`] or [`Update::delivered`]. The
    /// connection is closed then.
    async fn update(&mut self, update: &Update) -> Result<(), PublishError>;

    /// Waits between updates until the connection is lost, and returns the reason. The framework opens it again. Without
    /// it, a server that is gone is noticed at the next hour.
    ///
    /// # Cancel safety
    /// The future is dropped whenever there is something to do.
    async fn lost(&mut self) -> PublishError {
        std::future::pending().await
    }

    /// Connects to the remote server, logs in, and finds out whether it would take hours: for a person who sets the
    /// publisher up. Returns what was found, such as `logged in at Home Assistant 2026.11`. Called instead of
    /// [`open`](Self::open), while another publisher of the same configuration may run.
    ///
    /// # Errors
    /// Returns the reason for which nothing could be delivered, and what the person can do.
    async fn test(&mut self) -> Result<String, PublishError> {
        Ok("this plugin has no test without sending: the first hour will show it".to_owned())
    }

    /// Closes the connection, within half a second.
    async fn close(&mut self) {}
}
