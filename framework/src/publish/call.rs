//! Calls into a publisher's plugin, which may fail, panic or hang.

use std::{fmt, pin::pin, slice, time::Duration};

use tokio::time::{timeout, timeout_at};

use super::Delivery;
use crate::{FaultCode, PublishError, Publisher, Record, panic::caught};

/// Limit of one call into a plugin. Plugins have shorter ones; this one is for those that forgot.
pub(super) const PUBLISH_LIMIT: Duration = Duration::from_secs(120);

/// Cause of a failed attempt.
pub(super) enum Fault {
    Error(PublishError),
    /// The records that wait are refused; they are tried again after this pause at least.
    Stuck(String, Duration),
    Journal(String),
    Panic(String),
}

impl Fault {
    /// Returns its kind.
    pub(super) fn code(&self) -> FaultCode {
        match self {
            Self::Error(error) => error.code(),
            Self::Stuck(..) => FaultCode::Refused,
            Self::Journal(_) => FaultCode::Unreadable,
            Self::Panic(_) => FaultCode::Bug,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Stuck(reason, _) | Self::Journal(reason) => f.write_str(reason),
            Self::Panic(panic) => write!(f, "panicked, which is a bug of its plugin: {panic}"),
        }
    }
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        Self::Error(error)
    }
}

/// Calls into the plugin, which may fail, panic or hang. One that blocks its thread shows in [`Delivery::state`].
pub(super) async fn limited<T>(
    delivery: &Delivery,
    work: impl Future<Output = Result<T, PublishError>>,
) -> Result<T, Fault> {
    delivery.enter_plugin();
    let result = timeout(PUBLISH_LIMIT, caught(work)).await;
    delivery.leave_plugin();
    match result {
        Ok(Ok(result)) => result.map_err(Fault::Error),
        Ok(Err(panic)) => Err(Fault::Panic(panic)),
        Err(_) => Err(PublishError::unavailable(format!("no response within {PUBLISH_LIMIT:?}")).into()),
    }
}

/// Calls into the plugin for work that may take long, as long as it shows signs of life.
pub(super) async fn limited_since_life<T>(
    delivery: &Delivery,
    work: impl Future<Output = Result<T, PublishError>>,
) -> Result<T, Fault> {
    delivery.enter_plugin();
    let mut work = pin!(caught(work));
    let result = loop {
        let Some(deadline) = delivery.entered().map(|entered| entered + PUBLISH_LIMIT) else { break None };
        match timeout_at(deadline, &mut work).await {
            Ok(result) => break Some(result),
            Err(_) if delivery.entered().is_some_and(|entered| entered + PUBLISH_LIMIT > deadline) => {}
            Err(_) => break None,
        }
    };
    delivery.leave_plugin();
    match result {
        Some(Ok(result)) => result.map_err(Fault::Error),
        Some(Err(panic)) => Err(Fault::Panic(panic)),
        None => Err(PublishError::unavailable(format!("no progress within {PUBLISH_LIMIT:?}")).into()),
    }
}

/// Returns whether the server accepts this record.
pub(super) async fn accepts(
    delivery: &Delivery,
    publisher: &mut dyn Publisher,
    record: &Record,
) -> Result<bool, Fault> {
    match limited(delivery, publisher.publish(slice::from_ref(record))).await {
        Ok(0) | Err(Fault::Error(PublishError::Refused { .. })) => Ok(false),
        Ok(_) => Ok(true),
        Err(fault) => Err(fault),
    }
}
