//! Spans of a chart or a bill, and their edges.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::time::{Micros, SECOND};

/// Length of a span. All but the fixed ones are local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// Seconds, counted from 1970 UTC.
    Fixed(i64),
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
    Year,
}

impl Span {
    /// Returns the usual length in seconds.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Fixed(seconds) => seconds,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }

    /// Returns how many spans a range touches, or a few more.
    pub(crate) fn count(self, from: Micros, to: Micros) -> usize {
        let seconds = to.saturating_sub(from).max(0) / SECOND;
        usize::try_from(seconds / self.seconds() + 1).unwrap_or(usize::MAX)
    }

    /// Returns the start and the end of each span that a range touches, at least one. In seconds since 1970.
    pub(crate) fn each(self, from: Micros, to: Micros, zone: &TimeZone) -> impl Iterator<Item = (i64, i64)> {
        let end = Self::end(to);
        let mut next = Some(self.start(from.div_euclid(SECOND), zone));
        std::iter::from_fn(move || {
            let start = next?;
            let after = self.next(start, zone);
            next = Some(after).filter(|after| *after < end);
            Some((start, after))
        })
    }

    /// Returns the edges of all spans that a range touches: the start of each, then the end of the last. In seconds
    /// since 1970, strictly ascending, at least two.
    pub(crate) fn edges(self, from: Micros, to: Micros, zone: &TimeZone) -> Vec<i64> {
        let first = self.start(from.div_euclid(SECOND), zone);
        std::iter::once(first).chain(self.each(from, to, zone).map(|(_, end)| end)).collect()
    }

    /// Returns the edge after all spans that a range touches.
    pub(crate) fn last_edge(self, to: Micros, zone: &TimeZone) -> i64 {
        self.next(self.start(Self::end(to) - 1, zone), zone)
    }

    fn end(to: Micros) -> i64 {
        to.div_euclid(SECOND) + i64::from(to.rem_euclid(SECOND) != 0)
    }

    /// Returns the start of the span in which `second` lies.
    pub(crate) fn start(self, second: i64, zone: &TimeZone) -> i64 {
        let floor = |length: i64| second.saturating_sub(second.rem_euclid(length));
        match self {
            Self::Fixed(length) => floor(length),
            Self::Hour => {
                let offset = Timestamp::from_second(second)
                    .map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()));
                (second + offset).div_euclid(3600) * 3600 - offset
            }
            _ => self.first_day(second, zone).map_or_else(|| floor(86_400), |day| day_start(day, zone)),
        }
    }

    /// Returns the start of the next span after one that begins at `start`.
    pub(crate) fn next(self, start: i64, zone: &TimeZone) -> i64 {
        let usual = start.saturating_add(self.seconds());
        match self {
            Self::Fixed(_) | Self::Hour => usual,
            _ => {
                let next = self.first_day(start, zone).and_then(|day| {
                    let step = match self {
                        Self::Week => 7.days(),
                        Self::Month => 1.month(),
                        Self::Year => 1.year(),
                        _ => 1.day(),
                    };
                    Some(day_start(day.checked_add(step).ok()?, zone))
                });
                next.filter(|&next| next > start).unwrap_or(usual)
            }
        }
    }

    /// Returns the first day of the span in which `second` lies.
    fn first_day(self, second: i64, zone: &TimeZone) -> Option<Date> {
        let day = Timestamp::from_second(second).ok()?.to_zoned(zone.clone()).date();
        Some(match self {
            Self::Week => day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).ok()?,
            Self::Month => day.first_of_month(),
            Self::Year => day.first_of_year(),
            _ => day,
        })
    }
}

/// Returns the second since 1970 at which a local day begins; that of the first moment or the last for a day at the end of
/// the calendar, which is beyond all moments.
pub(crate) fn day_start(day: Date, zone: &TimeZone) -> i64 {
    let beyond = if day.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    day.to_zoned(zone.clone()).map_or(beyond, |start| start.timestamp()).as_second()
}

/// Formats a time as clients see it: RFC 3339 in UTC, with as many decimals as it has.
pub fn utc(time: Micros) -> String {
    Timestamp::from_microsecond(time).map_or_else(|_| time.to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn edges(span: Span, from: &str, to: &str) -> Vec<String> {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let edges = span.edges(seconds(from) * SECOND, seconds(to) * SECOND, &zone);
        edges.into_iter().map(|edge| utc(edge * SECOND)).collect()
    }

    #[test]
    fn days_weeks_months_and_years_are_local() {
        assert_eq!(
            edges(Span::Day, "2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z"),
            ["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"]
        );
        assert_eq!(
            edges(Span::Week, "2026-03-29T12:00:00Z", "2026-03-29T22:00:00Z"),
            ["2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"]
        );
        assert_eq!(
            edges(Span::Month, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            ["2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"]
        );
        assert_eq!(
            edges(Span::Year, "2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            ["2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"]
        );
    }

    #[test]
    fn hours_are_local_where_the_zone_is_half_an_hour_off() {
        let zone = TimeZone::posix("IST-5:30").unwrap();
        let from = seconds("2026-10-24T12:00:00Z") * SECOND;
        let edges = Span::Hour.edges(from, from + 1, &zone);
        let edges: Vec<_> = edges.into_iter().map(|edge| utc(edge * SECOND)).collect();
        assert_eq!(edges, ["2026-10-24T11:30:00Z", "2026-10-24T12:30:00Z"]);
    }

    #[test]
    fn no_moment_is_too_far() {
        let zone = TimeZone::UTC;
        for span in [Span::Fixed(900), Span::Hour, Span::Day, Span::Week, Span::Month, Span::Year] {
            for at in
                [i64::MIN / SECOND, -377_705_116_800, 0, 253_402_207_200, i64::MAX / SECOND - 40_000_000]
            {
                assert!(span.start(at, &zone) <= at, "{span:?} {at}");
                assert!(span.next(at, &zone) > at, "{span:?} {at}");
            }
        }
    }
}
