//! Local times as moments, over the changes of the clock in spring and autumn.

use jiff::{Timestamp, ToSpan as _, Zoned, civil};

/// Local times that are tried, of which all but the last lie in an hour that is over.
const MOST_TRIED: usize = 10_000;

/// Returns the next moment after `now` at which a local clock shows one of some times; `after` returns the next of those
/// times after another one.
///
/// A time that a clock change skips is the moment after the change. Of a time that comes twice, the first counts; with
/// `twice`, both do, so that what happens each quarter of an hour goes on.
pub(super) fn next(
    now: &Zoned,
    twice: bool,
    after: impl Fn(civil::DateTime) -> Option<civil::DateTime>,
) -> Option<Timestamp> {
    let (zone, moment) = (now.time_zone(), now.timestamp());
    let mut local = now.datetime();
    let usual = (0..MOST_TRIED).find_map(|_| {
        local = after(local)?;
        let at = zone.to_ambiguous_timestamp(local);
        let later = at.later().ok().filter(|_| twice);
        [at.compatible().ok(), later].into_iter().flatten().find(|at| *at > moment)
    })?;
    let change =
        zone.following(moment).next().map(|change| change.timestamp()).filter(|at| twice && *at < usual);
    let repeated = change.and_then(|change| {
        let begins = zone.to_datetime(change).checked_sub(1.nanosecond()).ok()?;
        let again = zone.to_ambiguous_timestamp(after(begins)?).later().ok()?;
        (again >= change).then_some(again)
    });
    Some(repeated.map_or(usual, |repeated| usual.min(repeated)))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::scheduler::{Cron, Schedule};

    // Central Europe's rule, written out: the test needs no time zone database.
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn schedule(text: &str) -> Schedule {
        match text.parse::<Cron>() {
            Ok(cron) => Schedule::Cron(cron.into()),
            Err(_) if text.contains(':') => {
                Schedule::Daily(text.split(' ').map(|time| time.parse().unwrap()).collect())
            }
            Err(_) => Schedule::Every(*text.parse::<crate::Period>().unwrap()),
        }
    }

    /// Returns the days and local times of the next turns after `now`, those of summer time with an `s`.
    fn turns(now: &str, text: &str, count: usize) -> String {
        let zone = TimeZone::posix(BERLIN).unwrap();
        let mut now = match now.strip_suffix(" again") {
            None => now.parse::<civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap(),
            Some(now) => zone.to_ambiguous_zoned(now.parse().unwrap()).later().unwrap(),
        };
        let mut shown = Vec::new();
        for _ in 0..count {
            let next = schedule(text).next_after(&now).unwrap();
            assert!(next > now.timestamp(), "{text}");
            now = next.to_zoned(zone.clone());
            let summer = if now.offset().seconds() == 7200 { "s" } else { "" };
            shown.push(format!("{}{summer}", now.strftime("%d. %H:%M")));
        }
        shown.join(", ")
    }

    #[test]
    fn turns_keep_the_local_clock_over_its_changes() {
        for (now, text, expected) in [
            // Usual days.
            ("2026-11-23T10:07:30", "15m", "23. 10:15, 23. 10:30, 23. 10:45, 23. 11:00"),
            ("2026-11-23T23:50", "1h", "24. 00:00, 24. 01:00"),
            ("2026-11-23T02:00", "6h", "23. 06:00, 23. 12:00, 23. 18:00, 24. 00:00"),
            ("2026-11-23T02:00", "1d", "24. 00:00, 25. 00:00"),
            ("2026-11-23T06:00", "06:30 18:00", "23. 06:30, 23. 18:00, 24. 06:30"),
            ("2026-11-23T06:30", "06:30", "24. 06:30"),
            ("2026-11-27T22:50", "*/30 6-22 * * Mon-Fri", "30. 06:00, 30. 06:30"),
            ("2026-11-23T00:00", "0 12 1 * *", "01. 12:00, 01. 12:00"),
            // The night that loses the hour from 02:00 to 03:00.
            ("2026-03-29T01:20", "15m", "29. 01:30, 29. 01:45, 29. 03:00s, 29. 03:15s"),
            ("2026-03-28T23:00", "6h", "29. 00:00, 29. 06:00s, 29. 12:00s"),
            ("2026-03-28T12:00", "12:00", "29. 12:00s"),
            ("2026-03-29T01:00", "02:30", "29. 03:30s, 30. 02:30s"),
            ("2026-03-29T01:00", "30 2 * * *", "29. 03:30s, 30. 02:30s"),
            ("2026-03-29T01:20", "*/30 * * * *", "29. 01:30, 29. 03:00s, 29. 03:30s, 29. 04:00s"),
            // The night that has the hour from 02:00 to 03:00 twice.
            ("2026-10-25T01:50", "30m", "25. 02:00s, 25. 02:30s, 25. 02:00, 25. 02:30, 25. 03:00"),
            ("2026-10-25T01:50", "1h", "25. 02:00s, 25. 02:00, 25. 03:00"),
            ("2026-10-25T01:50", "2h", "25. 02:00s, 25. 04:00"),
            ("2026-10-25T01:50", "02:30", "25. 02:30s, 26. 02:30"),
            ("2026-10-25T01:50", "30 2 * * *", "25. 02:30s, 26. 02:30"),
            ("2026-10-25T01:50", "*/30 * * * *", "25. 02:00s, 25. 02:30s, 25. 02:00, 25. 02:30, 25. 03:00"),
            ("2026-10-25T02:10 again", "15m", "25. 02:15, 25. 02:30, 25. 02:45, 25. 03:00"),
            ("2026-10-25T02:10 again", "*/30 * * * *", "25. 02:30, 25. 03:00"),
            ("2026-10-25T02:10 again", "02:30", "26. 02:30"),
            ("2026-10-24T12:00", "12:00", "25. 12:00"),
        ] {
            let count = expected.split(", ").count();
            assert_eq!(turns(now, text, count), expected, "{text} after {now}");
        }
    }
}
