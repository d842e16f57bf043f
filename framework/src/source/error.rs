//! Reasons for a missing batch.

use std::{error::Error, io, time::Duration};

use crate::FaultCode;

/// Reason for a missing batch. The variant decides what happens next.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The device is missing or went away: close, wait, reopen.
    #[error("{device} {}", if *is_program { "failed" } else { "is not available" })]
    Unavailable {
        /// Its name in the configuration: `/dev/ttyUSB0`.
        device: String,
        /// Whether it is a program that the source runs.
        is_program: bool,
        /// The cause.
        source: io::Error,
        /// Time that the device asks to be left alone, as an HTTP server does with status 429.
        retry_after: Option<Duration>,
        /// Longest pause before the next attempt, where that costs nothing.
        retry_within: Option<Duration>,
    },
    /// The device is there and sends nothing: close, wait, reopen. A polled one stays open until its next turn.
    #[error("nothing arrived from {device} for {:?}", rounded(*waited))]
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

/// Returns a duration without digits that tell a person nothing.
fn rounded(duration: Duration) -> Duration {
    let step = if duration >= Duration::from_secs(10) { 1000 } else { 100 };
    let millis = (duration.as_millis() + step / 2) / step * step;
    u64::try_from(millis).ok().filter(|millis| *millis > 0).map_or(duration, Duration::from_millis)
}

/// `?` in a plugin: the device is unavailable. The scheduler adds the device's name.
impl From<io::Error> for AcquireError {
    fn from(source: io::Error) -> Self {
        let device = String::new();
        Self::Unavailable { device, is_program: false, source, retry_after: None, retry_within: None }
    }
}

impl AcquireError {
    /// Returns its kind, for clients that say it in their own words.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::Unavailable { source, .. } => source.into(),
            Self::Silent { .. } => FaultCode::Silent,
            Self::Malformed { .. } => FaultCode::Unreadable,
            Self::Misconfigured { .. } => FaultCode::WrongConfiguration,
            Self::Fatal(_) => FaultCode::Stopped,
        }
    }

    /// The device is missing or went away. `cause` is an error or a text; the scheduler adds the name of an
    /// [exclusive](crate::Source::exclusive) device.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        io::Error::other(cause).into()
    }

    /// The data cannot be trusted; `reason` says what is wrong with it.
    pub fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }

    /// The device is there, and sent nothing for this time.
    pub fn silent(waited: Duration) -> Self {
        Self::Silent { device: String::new(), waited }
    }

    /// The configuration does not fit the device; `reason` says what to write instead.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured { reason: reason.into() }
    }

    /// The source can never work.
    pub fn fatal(reason: impl Into<String>) -> Self {
        Self::Fatal(reason.into())
    }

    /// Leaves an unavailable device alone for at least this time (at most a day): an HTTP server may ask for it with
    /// status 429 or 503 and `Retry-After`.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        if let Self::Unavailable { retry_after, .. } = &mut self {
            *retry_after = Some(pause);
        }
        self
    }

    /// Looks for an unavailable device again within this time, however long its interval is: a port that was unplugged is
    /// a file that is missing, and costs nothing to look for.
    pub fn retry_within(mut self, pause: Duration) -> Self {
        if let Self::Unavailable { retry_within, .. } = &mut self {
            *retry_within = Some(pause);
        }
        self
    }

    /// Adds the name of the program that the source runs.
    pub fn of_program(mut self, name: impl AsRef<str>) -> Self {
        if let Self::Unavailable { is_program, .. } = &mut self {
            *is_program = true;
        }
        self.of_device(name)
    }

    /// Adds the device's name to an error that lacks it.
    pub fn of_device(mut self, name: impl AsRef<str>) -> Self {
        if let Self::Unavailable { device, .. } | Self::Silent { device, .. } = &mut self
            && device.is_empty()
        {
            name.as_ref().clone_into(device);
        }
        self
    }
}
