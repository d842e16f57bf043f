//! Power from the distance of pulses.
//!
//! Energy per pulse over the time between pulses: `P = 3.6e6 / (pulses_per_kwh · Δt)` W. It has no clock of its own:
//! all times are those of the pulses.

use std::{collections::VecDeque, time::Duration};

use crate::counter::Pulses;

/// Pulses within this time before the last one are averaged.
const WINDOW: Duration = Duration::from_secs(2);
/// At most one pulse within this time is remembered.
const SPACING: Duration = Duration::from_millis(100);
/// Least change that is worth a batch, as a part of the value; it is at least [`DIGIT`].
const NOTICEABLE: f64 = 0.01;
const DIGIT: f64 = 0.1;

/// Power that follows from pulses.
#[derive(Debug)]
pub(crate) struct Power {
    joules_per_pulse: f64,
    timeout: Duration,
    /// Times of pulses, with the number of pulses up to then; the average begins with the oldest.
    seen: VecDeque<(Duration, u64)>,
    total: u64,
    /// The last pulse, or the start.
    last: Duration,
    /// Mean of the last pulses, in W.
    average: Option<f64>,
}

impl Power {
    /// Returns an unknown power, as of `now`. Without a pulse for `timeout` it becomes zero.
    pub(crate) fn new(joules_per_pulse: f64, timeout: Duration, now: Duration) -> Self {
        Self { joules_per_pulse, timeout, seen: VecDeque::new(), total: 0, last: now, average: None }
    }

    /// Takes the next pulses.
    pub(crate) fn pulses(&mut self, pulses: Pulses) {
        let at = pulses.at.max(self.last);
        if self.total > 0 && at - self.last > WINDOW {
            self.seen.clear();
            self.seen.push_back((self.last, self.total));
        }
        while self.seen.front().is_some_and(|(oldest, _)| at - *oldest > WINDOW) && self.seen.len() > 1 {
            self.seen.pop_front();
        }
        self.total += pulses.count;
        if let Some((oldest, total)) = self.seen.front()
            && at > *oldest
        {
            let joules = (self.total - total) as f64 * self.joules_per_pulse;
            self.average = Some(joules / (at - *oldest).as_secs_f64());
        }
        match self.seen.back_mut() {
            Some((newest, total)) if *newest == at => *total = self.total,
            Some((newest, _)) if at - *newest < SPACING => {}
            _ => self.seen.push_back((at, self.total)),
        }
        self.last = at;
    }

    /// Returns the power in W; `None` until two pulses came, or `timeout` passed.
    ///
    /// Without a further pulse it cannot be more than one pulse in the time since the last: it falls as 1/t.
    pub(crate) fn watts(&self, now: Duration) -> Option<f64> {
        let waited = now.saturating_sub(self.last);
        if waited >= self.timeout {
            return Some(0.0);
        }
        self.average.map(|average| average.min(self.joules_per_pulse / waited.as_secs_f64()))
    }

    /// Returns the time at which the power will differ noticeably from `shown` without another pulse; `None` if never.
    pub(crate) fn changes_at(&self, shown: Option<f64>) -> Option<Duration> {
        let end = self.last + self.timeout;
        let Some(shown) = shown else { return Some(end) };
        let target = shown - (shown * NOTICEABLE).max(DIGIT);
        if shown <= 0.0 {
            None
        } else if target <= 0.0 {
            Some(end)
        } else {
            let waited = Duration::try_from_secs_f64(self.joules_per_pulse / target).unwrap_or(Duration::MAX);
            Some(self.last.saturating_add(waited).min(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    const TIMEOUT: Duration = ms(300_000);

    /// 1000 pulses per kWh.
    fn power() -> Power {
        Power::new(3600.0, TIMEOUT, ms(0))
    }

    fn after(pulses: impl IntoIterator<Item = u64>) -> Power {
        let mut power = power();
        pulses.into_iter().for_each(|at| power.pulses(Pulses { count: 1, at: ms(at) }));
        power
    }

    #[test]
    fn it_is_unknown_until_two_pulses_or_the_timeout() {
        assert_eq!(power().watts(ms(1000)), None);
        assert_eq!(power().watts(TIMEOUT), Some(0.0));
        assert_eq!(after([1000]).watts(ms(5000)), None);
        assert_eq!(after([1000]).watts(ms(301_000)), Some(0.0));
        assert_eq!(after([1000, 11_000]).watts(ms(11_000)), Some(360.0));
    }

    #[test]
    fn it_follows_the_distance_of_the_pulses() {
        assert_eq!(after([0, 1000, 2000, 3000]).watts(ms(3000)), Some(3600.0));
        // After a pause the first distance is an average over the pause, the second one the truth.
        assert_eq!(after([0, 600_000]).watts(ms(600_000)), Some(6.0));
        assert_eq!(after([0, 600_000, 600_060]).watts(ms(600_060)), Some(60_000.0));
        assert_eq!(after([0, 50, 600_000]).watts(ms(600_000)).unwrap().round(), 6.0);
    }

    #[test]
    fn fast_pulses_are_averaged() {
        // 60 ms on average, but every second one is late.
        let power = after((0..200).map(|n| 60 * n + (n % 2) * 20));
        let watts = power.watts(power.last).unwrap();
        assert!((59_000.0..61_000.0).contains(&watts), "{watts}");
        // Many at the same moment, as a serial line delivers them.
        let mut power = super::Power::new(3600.0, TIMEOUT, ms(0));
        (1..=50).for_each(|n| power.pulses(Pulses { count: 10, at: ms(100 * n) }));
        assert_eq!(power.watts(ms(5000)).unwrap().round(), 360_000.0);
        // And a thousand a second take no more memory.
        let power = after(0..100_000);
        assert_eq!(power.watts(power.last).unwrap().round(), 3_600_000.0);
        assert!(power.seen.len() <= 22, "{}", power.seen.len());
    }

    #[test]
    fn without_a_pulse_it_falls_as_one_over_t_and_then_to_zero() {
        let power = after([0, 1000]);
        assert_eq!(power.watts(ms(1900)), Some(3600.0));
        assert_eq!(power.watts(ms(3000)), Some(1800.0));
        assert_eq!(power.watts(ms(11_000)), Some(360.0));
        assert_eq!(power.watts(ms(300_999)).map(f64::round), Some(12.0));
        assert_eq!(power.watts(ms(301_000)), Some(0.0));
    }

    #[test]
    fn it_says_when_it_will_be_another() {
        let power = after([0, 1000]);
        let mut now = ms(1000);
        let mut looks = 0;
        let mut shown = power.watts(now);
        while let Some(next) = power.changes_at(shown) {
            assert!(next > now);
            let watts = power.watts(next).unwrap();
            assert!(watts <= shown.unwrap() * (1.0 - 0.9 * NOTICEABLE), "{watts} after {shown:?}");
            (now, shown) = (next, Some(watts));
            looks += 1;
        }
        assert_eq!((now, shown), (ms(301_000), Some(0.0)));
        assert!(looks < 600, "{looks}");
        assert_eq!(after([1000]).changes_at(None), Some(ms(301_000)));
    }

    #[test]
    fn the_same_moment_says_nothing() {
        assert_eq!(after([1000, 1000, 1000]).watts(ms(1000)), None);
        assert_eq!(after([1000, 1000, 1000, 2000]).watts(ms(2000)), Some(3600.0));
    }
}
