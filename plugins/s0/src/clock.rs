//! The kernel's monotonic clock, which stamps the edges too.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns the time since some moment in the past.
pub(crate) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}
