//! Times at which a source emits batches.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan as _, Zoned, civil};

use super::{Cron, local_time};

/// Times at which a source emits a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Every batch, as it arrives.
    Continuous,
    /// At most one batch in each interval (raspend: a worker).
    Every(Duration),
    /// A batch at each of these local times (raspend: a scheduled worker).
    Daily(Arc<[civil::Time]>),
    /// A batch at each local time that a cron expression matches.
    Cron(Arc<Cron>),
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Intervals that divide it are the same in all time zones: their offsets from UTC are multiples of it.
const QUARTER: Duration = Duration::from_secs(900);
/// Time without a batch that no source is blamed for, and that any may take for one.
const USUAL: Duration = Duration::from_secs(30);
/// Longest time that a device may take for one batch by default.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

impl Schedule {
    /// Returns the time without a batch after which a source counts as stale by default.
    pub fn default_stale_after(&self) -> Duration {
        match self {
            Self::Continuous => USUAL,
            Self::Every(period) => USUAL.max(*period * 3),
            // An hour for the 25 hours of a long day, and some.
            Self::Daily(_) => self.period().unwrap_or(DAY) + 2 * HOUR,
            Self::Cron(cron) if cron.longest_gap <= HOUR => cron.longest_gap * 3,
            Self::Cron(cron) => cron.longest_gap + 2 * HOUR,
        }
    }

    /// Returns the longest time that `open` or `acquire` may take by default: three intervals, but 30 s at least and
    /// five minutes at most.
    pub(crate) fn default_timeout(&self) -> Duration {
        match self {
            Self::Every(period) => (*period * 3).clamp(USUAL, LONGEST_TIMEOUT),
            _ => USUAL,
        }
    }

    /// Returns the longest time between two batches, if there is one.
    pub(crate) fn period(&self) -> Option<Duration> {
        match self {
            Self::Continuous => None,
            Self::Every(period) => Some(*period),
            Self::Daily(times) => Some(longest_gap(times)),
            Self::Cron(cron) => Some(cron.longest_gap),
        }
    }

    /// Returns whether its turns are so rare that one which failed is repeated before the next.
    pub(super) fn is_rare(&self) -> bool {
        matches!(self, Self::Daily(_) | Self::Cron(_))
    }

    /// Returns whether its turns are those of a local clock: `daily`, `cron`, and an interval that divides a day.
    pub(super) fn has_clock(&self) -> bool {
        match self {
            Self::Continuous => false,
            Self::Every(period) => !period.is_zero() && DAY.as_nanos().is_multiple_of(period.as_nanos()),
            Self::Daily(_) | Self::Cron(_) => true,
        }
    }

    /// Returns the first turn after a moment; `None` if it has no clock, or the calendar ends.
    pub(crate) fn next_after(&self, now: &Zoned) -> Option<Timestamp> {
        match self {
            Self::Continuous => None,
            Self::Every(period) if QUARTER.as_nanos().is_multiple_of(period.as_nanos()) => {
                let period = i128::try_from(period.as_nanos()).ok()?;
                let over = now.timestamp().as_nanosecond().rem_euclid(period);
                Timestamp::from_nanosecond(now.timestamp().as_nanosecond() + period - over).ok()
            }
            Self::Every(period) => {
                // An hour that comes twice has turns twice, but a longer interval is never cut short by it.
                local_time::next(now, *period <= HOUR, |local| next_multiple(local, *period))
            }
            Self::Daily(times) => local_time::next(now, false, |local| next_of(local, times)),
            Self::Cron(cron) => local_time::next(now, cron.is_hourly, |local| cron.after(local)),
        }
    }
}

/// Returns the next multiple of a time since midnight.
fn next_multiple(local: civil::DateTime, period: Duration) -> Option<civil::DateTime> {
    let midnight = local.date().to_datetime(civil::Time::midnight());
    let since = Duration::try_from(local.duration_since(midnight)).ok()?;
    let turn = since.as_nanos() / period.as_nanos() + 1;
    midnight.checked_add(period.checked_mul(u32::try_from(turn).ok()?)?).ok()
}

/// Returns the next of some times of day.
fn next_of(local: civil::DateTime, times: &[civil::Time]) -> Option<civil::DateTime> {
    let of_day = |date: civil::Date| times.iter().map(move |time| date.to_datetime(*time));
    let today = of_day(local.date()).filter(|time| *time > local).min();
    today.or_else(|| of_day(local.date().checked_add(1.day()).ok()?).min())
}

/// Returns the longest time from one of some times of day to the next.
fn longest_gap(times: &[civil::Time]) -> Duration {
    let gap = |time: &civil::Time| {
        let local = civil::date(2026, 1, 1).to_datetime(*time);
        Duration::try_from(next_of(local, times)?.duration_since(local)).ok()
    };
    times.iter().filter_map(gap).max().unwrap_or(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staleness_and_timeouts_follow_the_turns() {
        let daily =
            |times: &[&str]| Schedule::Daily(times.iter().map(|time| time.parse().unwrap()).collect());
        let cron = |text: &str| Schedule::Cron(Arc::new(text.parse().unwrap()));
        let every = |seconds| Schedule::Every(Duration::from_secs(seconds));
        for (schedule, stale_after, timeout) in [
            (Schedule::Continuous, 30, 30),
            (every(5), 30, 30),
            (every(60), 180, 180),
            (every(900), 2700, 300),
            (daily(&["03:00"]), 26 * 3600, 30),
            (daily(&["06:30", "18:00"]), 14 * 3600 + 1800, 30),
            (cron("*/15 * * * *"), 2700, 30),
            (cron("0 8 * * Mon-Fri"), 74 * 3600, 30),
        ] {
            let shown = (schedule.default_stale_after().as_secs(), schedule.default_timeout().as_secs());
            assert_eq!(shown, (stale_after, timeout), "{schedule:?}");
        }
    }
}
