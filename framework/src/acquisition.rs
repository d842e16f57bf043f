//! What a source implements.

use std::{io, time::Duration};

use crate::Batch;

/// A device that is read: raspend's `DataAcquisitionHandler`.
///
/// The supervisor calls `open`, then `acquire` again and again, then `close`; never two of them at once.
/// An implementation needs no lock, no store and no clock of its own, and it must not block its thread.
#[async_trait::async_trait]
pub trait DataAcquisition: Send + 'static {
    /// Makes the device ready (raspend: `prepare`). It is called again after every fault, also after a
    /// panic, and starts afresh each time.
    ///
    /// # Errors
    /// The variant says what the supervisor does next.
    async fn open(&mut self) -> Result<(), AcquireError> {
        Ok(())
    }

    /// The next batch (raspend: `invoke`). A pushed source waits for its device; a polled one reads it now.
    ///
    /// # Errors
    /// The variant says what the supervisor does next.
    ///
    /// # Cancel safety
    /// It is dropped at an await only where the instance ends, or after a fault that reopens it.
    async fn acquire(&mut self) -> Result<Batch, AcquireError>;

    /// Lets go of the device. It is called at the end and before each reopening.
    async fn close(&mut self) {}
}

/// Why there is no batch. The variant says what happens next.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The device is not there, or went away: close, wait, reopen.
    #[error("{device} is not available")]
    Unavailable {
        /// What the configuration calls it: `/dev/ttyUSB0`.
        device: String,
        /// What the system said.
        source: io::Error,
    },
    /// The device is there and says nothing: close, wait, reopen. One that is asked stays open, and is
    /// asked again at its next turn.
    #[error("nothing arrived from {device} for {waited:?}")]
    Silent {
        /// What the configuration calls it.
        device: String,
        /// How long nothing came.
        waited: Duration,
    },
    /// What arrived is not to be trusted: it is counted, the device stays open, the next one is awaited.
    #[error("{reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// What arrives cannot be read with this configuration, and a person must change it: the device stays
    /// open, in case that it is the device that changes.
    #[error("{reason}")]
    Misconfigured {
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// It cannot work, now or later: this instance stops, the others go on.
    #[error("{0}")]
    Fatal(String),
}
