//! Times at which a source emits batches.

use std::time::Duration;

use jiff::{Zoned, civil};
use tokio::time::Instant;

/// Times at which a source emits a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Every batch, as it arrives.
    Continuous,
    /// At most one batch in each interval (raspend: a worker).
    Every(Duration),
    /// One batch a day at this local time (raspend: a scheduled worker).
    Daily(civil::Time),
}

/// Margin against a wall clock that is set back a little during the day, which must not repeat a turn.
const SLIP: Duration = Duration::from_secs(60);

impl Schedule {
    /// Returns the time without a batch after which a source counts as stale by default.
    pub fn default_stale_after(self) -> Duration {
        match self {
            Self::Continuous => Duration::from_secs(30),
            Self::Every(period) => Duration::from_secs(30).max(period * 3),
            Self::Daily(_) => Duration::from_secs(26 * 3600), // the 25 hours of a long day, and some
        }
    }

    /// Returns the time between two batches, if there is a fixed one.
    pub(crate) fn period(self) -> Option<Duration> {
        match self {
            Self::Continuous => None,
            Self::Every(period) => Some(period),
            Self::Daily(_) => Some(Duration::from_secs(24 * 3600)),
        }
    }

    /// Returns the next turn after `now`. The previous one was due at `last`.
    ///
    /// Turns keep their grid, so that small delays do not add up. Missed turns are dropped.
    pub(crate) fn next(self, last: Instant, now: Instant) -> Instant {
        match self {
            Self::Continuous => now,
            Self::Every(period) => {
                let due = last + period;
                if due >= now { due } else { now + period }
            }
            Self::Daily(time) => now + SLIP + until_daily(&(Zoned::now() + SLIP), time),
        }
    }
}

/// Returns the time from `now` to the next local `time`. A time that a clock change skips is the moment after it.
fn until_daily(now: &Zoned, time: civil::Time) -> Duration {
    let at = |date: civil::Date| date.to_datetime(time).to_zoned(now.time_zone().clone());
    let today = at(now.date());
    let next = match today {
        Ok(today) if today > *now => Ok(today),
        _ => now.date().tomorrow().and_then(at),
    };
    next.ok()
        .and_then(|next| Duration::try_from(now.duration_until(&next)).ok())
        .unwrap_or(Duration::from_secs(24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_their_grid_and_missed_ones_are_dropped() {
        let start = Instant::now();
        let every = Schedule::Every(Duration::from_secs(5));
        let seconds = |s: u64| start + Duration::from_secs(s);
        assert_eq!(every.next(start, seconds(1)), seconds(5));
        assert_eq!(every.next(start, seconds(12)), seconds(17));
        assert_eq!(Schedule::Continuous.next(start, seconds(3)), seconds(3));
    }

    #[test]
    fn a_daily_turn_follows_the_local_clock() {
        // Central Europe's rule, written out: the test needs no time zone database.
        let berlin = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let wait = |now: &str, time: &str| {
            let now = now.parse::<civil::DateTime>().unwrap().to_zoned(berlin.clone()).unwrap();
            until_daily(&now, time.parse().unwrap()).as_secs()
        };
        assert_eq!(wait("2026-11-23T02:00", "03:00"), 3600);
        assert_eq!(wait("2026-11-23T03:00", "03:00"), 86_400);
        // The night that loses an hour, and the one that gains one.
        assert_eq!(wait("2026-03-28T12:00", "12:00"), 23 * 3600);
        assert_eq!(wait("2026-10-24T12:00", "12:00"), 25 * 3600);
        assert_eq!(wait("2026-03-29T01:30", "02:30"), 3600);
    }
}
