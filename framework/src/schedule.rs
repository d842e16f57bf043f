//! When batches are taken and handed on.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use jiff::{Zoned, civil};
use serde::{Deserialize, Deserializer, de};
use tokio::time::Instant;

/// When an instance hands on a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Every batch, as it comes.
    Continuous,
    /// At most one batch in each such period (raspend: a worker).
    Every(Duration),
    /// Once a day at this local time (raspend: a scheduled worker).
    Daily(civil::Time),
}

/// The wall clock may be set back a little in a day: the same turn must not come twice.
const SLIP: Duration = Duration::from_secs(60);

impl Schedule {
    /// After how long without a batch something is wrong, where the configuration does not say it.
    pub fn default_stale_after(self) -> Duration {
        match self {
            Self::Continuous => Duration::from_secs(30),
            Self::Every(period) => Duration::from_secs(30).max(period * 3),
            Self::Daily(_) => Duration::from_secs(26 * 3600), // the 25 hours of a long day, and some
        }
    }

    /// How long to wait from `now` on, the last turn having been due at `last`.
    ///
    /// Turns keep their grid, so that small delays do not add up; turns that were missed are not made up for.
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

/// From `now` to the next local `time`; a time that a clock change skips is taken as the moment after it.
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

/// A duration in the configuration: `"5s"`, `"15m"`, `"1h30m"`, `"250ms"`, `"30d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Deref for Period {
    type Target = Duration;
    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no duration: expected one such as `5s`, `15m`, `1h30m` or `250ms`");
        let mut total = Duration::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(letters);
            let milliseconds = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            let number: u32 = number.parse().map_err(|_| wrong())?;
            total += Duration::from_millis(u64::from(number) * milliseconds);
            rest = tail;
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(total)) }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"5s\", \"15m\" or \"1h30m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, milliseconds) in
            [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
        {
            if rest >= milliseconds {
                write!(f, "{}{unit}", rest / milliseconds)?;
                rest %= milliseconds;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.as_millis(), milliseconds);
            assert_eq!(period.to_string(), text);
        }
        for text in ["", "5", "s", "5 s", "-5s", "5.5s", "5x", "99999999999s", "1h30"] {
            assert!(text.parse::<Period>().unwrap_err().starts_with(&format!("`{text}` is no duration")));
        }
    }

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
