//! Wall clock of schedules.

use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use tokio::time::Instant;

/// Wall clock with its time zone.
#[derive(Debug, Clone, Default)]
pub(crate) struct WallClock {
    /// Time at a moment of tokio's clock, from where it goes on; `None`: the system's clock.
    start: Option<(Instant, Zoned)>,
}

impl WallClock {
    /// A clock that shows `time` now, and goes on with tokio's, which tests pause.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn starting_at(time: Zoned) -> Self {
        Self { start: Some((Instant::now(), time)) }
    }

    pub(crate) fn now(&self) -> Zoned {
        let zone = self.start.as_ref().map_or_else(TimeZone::system, |(_, time)| time.time_zone().clone());
        self.timestamp().to_zoned(zone)
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        let Some((start, time)) = &self.start else { return Timestamp::now() };
        let passed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        time.timestamp().checked_add(passed).unwrap_or(Timestamp::MAX)
    }
}
