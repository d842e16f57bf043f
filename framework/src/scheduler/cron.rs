//! Cron expressions: minute, hour, day of month, month, day of week.

use std::{fmt, str::FromStr, time::Duration};

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::{civil, tz::TimeZone};

/// Cron expression of five fields: `*/15 6-22 * * Mon-Fri`.
#[derive(Clone)]
pub struct Cron {
    text: String,
    /// It knows no time zone: local times are passed to it as if they were UTC, so that the clock changes of a year are
    /// in one place, `local_time`.
    table: Crontab,
    /// It matches in each hour.
    pub(super) is_hourly: bool,
    /// Longest time between two turns.
    pub(super) longest_gap: Duration,
}

/// Turns that are looked at for the longest gap between two of them.
const LOOKED_AT: usize = 2000;

impl Cron {
    /// Returns the next turn after a local time.
    pub(super) fn after(&self, local: civil::DateTime) -> Option<civil::DateTime> {
        let local = TimeZone::UTC.to_timestamp(local).ok()?;
        self.table.find_next(MakeTimestamp(local)).ok().map(|next| next.datetime())
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a valid cron expression: expected minute, hour, day of month, month and day of week, such \
                 as `*/15 6-22 * * Mon-Fri`"
            )
        };
        let fields: Vec<_> = text.split_ascii_whitespace().collect();
        let is_plain =
            |field: &&str| field.bytes().all(|b| b.is_ascii_alphanumeric() || b"*,-/".contains(&b));
        if fields.len() != 5 || !fields.iter().all(is_plain) {
            return Err(wrong());
        }
        // `L` and `W` for days are an extension that few know, and the crate misses the end of December.
        let is_extended = |field: &str| {
            field.split([',', '-']).any(|day| {
                let number = day.strip_suffix(['L', 'l', 'W', 'w']);
                number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
            })
        };
        if is_extended(fields[2]) || is_extended(fields[4]) {
            return Err(wrong());
        }
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let table = cronexpr::parse_crontab_with(&fields.join(" "), options).map_err(|_| wrong())?;
        let mut cron =
            Self { text: text.to_owned(), table, is_hourly: fields[1] == "*", longest_gap: Duration::ZERO };
        // A leap year begins, so that each day of a year comes.
        let mut last = cron
            .after(civil::date(2028, 1, 1).at(0, 0, 0, 0))
            .ok_or_else(|| format!("`{text}` names a day that never comes"))?;
        for _ in 0..LOOKED_AT {
            let Some(next) = cron.after(last) else { break };
            let gap = Duration::try_from(next.duration_since(last)).unwrap_or_default();
            cron.longest_gap = cron.longest_gap.max(gap);
            last = next;
        }
        Ok(cron)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_between_two_turns_is_known() {
        for (text, hours) in [
            ("0 * * * *", 1),
            ("*/15 6-22 * * *", 7),
            ("30 5 * * *", 24),
            ("0 8 * * Mon-Fri", 72),
            ("0 0 * * 7", 7 * 24),
            ("0 12 1 * *", 31 * 24),
            ("0 0 29 2 *", (4 * 365 + 1) * 24),
        ] {
            let cron: Cron = text.parse().unwrap();
            let shown = cron.longest_gap.as_secs_f64() / 3600.0;
            assert!((shown - f64::from(hours)).abs() < 1.0, "{text}: {shown}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "@daily",
            "0 0 L * *",
            "0 0 15W * *",
            "0 0 * * 5L",
            "0 0 * * 5#2",
            "H * * * *",
            "* * * * * UTC",
            "0 0 * * Moon",
            "5-1 * * * *",
            "*/0 * * * *",
            "0 0 ? * *",
        ] {
            let error = text.parse::<Cron>().unwrap_err();
            assert!(error.contains("is not a valid cron expression: expected minute,"), "{text}: {error}");
        }
        let never = "0 0 31 2 *".parse::<Cron>().unwrap_err();
        assert_eq!(never, "`0 0 31 2 *` names a day that never comes");
    }
}
