//! Roll-ups of the numbers in a span of time.

use jiff::tz::TimeZone;
use rusqlite::Row;

use crate::{
    series::Sample,
    time::{QUARTER_HOUR, Span},
};

/// Roll-up of the numbers of one series within one span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// First number.
    pub first: f64,
    /// Last number.
    pub last: f64,
    /// Smallest number.
    pub min: f64,
    /// Largest number.
    pub max: f64,
    /// Mean in which each number counts the same.
    pub mean: f64,
    /// Count of the numbers.
    pub count: u64,
}

impl Rollup {
    /// Returns the roll-up of numbers in order of time; `None` if there are none.
    pub(crate) fn of_samples(samples: &[Sample]) -> Option<Self> {
        let values = || samples.iter().map(|sample| sample.value.to_f64());
        let (first, last) = (values().next()?, values().next_back()?);
        let (min, max) = values().fold((first, first), |(min, max), value| (min.min(value), max.max(value)));
        // Relative to the first one: the nine digits of a counter would swallow those of its differences.
        let mean = first + values().map(|value| value - first).sum::<f64>() / samples.len() as f64;
        Some(Self { first, last, min, max, mean: mean.max(min).min(max), count: samples.len() as u64 })
    }

    /// Reads the columns of a row, of which `first` is at `at`.
    pub(crate) fn from_row(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            first: row.get(at)?,
            last: row.get(at + 1)?,
            min: row.get(at + 2)?,
            max: row.get(at + 3)?,
            mean: row.get(at + 4)?,
            count: row.get::<_, i64>(at + 5)?.try_into().unwrap_or(0),
        })
    }

    /// Adds the roll-up of a later span.
    pub fn append(&mut self, later: &Self) {
        let count = self.count.saturating_add(later.count);
        if later.count > 0 {
            self.last = later.last;
            self.min = self.min.min(later.min);
            self.max = self.max.max(later.max);
            // Only the difference is weighted, so that no large number is multiplied and divided again.
            let mean = self.mean + (later.mean - self.mean) * (later.count as f64 / count as f64);
            self.mean = mean.max(self.min).min(self.max);
            self.count = count;
        }
    }
}

/// Spans of which roll-ups are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A minute of UTC.
    Minute,
    /// A quarter of an hour of UTC.
    Quarter,
    /// An hour of UTC.
    Hour,
    /// A local day: 23, 24 or 25 hours.
    Day,
}

impl Level {
    /// Returns the name of the table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Quarter => "quarter",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Minute => Span::Fixed(60),
            Self::Quarter => Span::Fixed(QUARTER_HOUR),
            Self::Hour => Span::Fixed(3600),
            Self::Day => Span::Day,
        }
    }

    /// Returns the start of the span in which `second` lies, in seconds since 1970. Days are those of `zone`, the rest
    /// UTC.
    pub(crate) fn start(self, second: i64, zone: &TimeZone) -> i64 {
        self.span().start(second, zone)
    }

    /// Returns the start of the next span.
    pub(crate) fn next(self, start: i64, zone: &TimeZone) -> i64 {
        self.span().next(start, zone)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use reading::Decimal;

    impl Rollup {
        /// Returns the roll-up of one number.
        pub(crate) fn of(value: f64) -> Self {
            Self { first: value, last: value, min: value, max: value, mean: value, count: 1 }
        }
    }

    impl Level {
        pub(crate) const ALL: [Self; 4] = [Self::Minute, Self::Quarter, Self::Hour, Self::Day];
    }

    fn samples(mantissas: &[i64]) -> Vec<Sample> {
        let sample = |(i, m): (usize, &i64)| Sample { time: i as i64, value: Decimal::new(*m, 2).unwrap() };
        mantissas.iter().enumerate().map(sample).collect()
    }

    fn close(a: &Rollup, b: &Rollup) -> bool {
        let ends = |r: &Rollup| (r.first, r.last, r.min, r.max, r.count);
        ends(a) == ends(b) && (a.mean - b.mean).abs() <= 1e-9 * a.min.abs().max(a.max.abs())
    }

    #[test]
    fn numbers_become_a_rollup() {
        let found = Rollup::of_samples(&samples(&[100, -300, 500, 200])).unwrap();
        let expected = Rollup { first: 1.0, last: 2.0, min: -3.0, max: 5.0, mean: 1.25, count: 4 };
        assert_eq!(found, expected);
        assert_eq!(Rollup::of_samples(&[]), None);
        assert_eq!(Rollup::of_samples(&samples(&[211])), Some(Rollup::of(2.11)));
    }

    #[test]
    fn the_mean_is_weighted() {
        let mut rollup = Rollup::of_samples(&samples(&[100, 100, 100])).unwrap();
        rollup.append(&Rollup::of(5.0));
        assert_eq!((rollup.mean, rollup.count, rollup.last), (2.0, 4, 5.0));
    }

    /// Central Europe: clocks go forward on 2024-03-31 and back on 2024-10-27.
    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_day_has_23_24_or_25_hours() {
        let zone = zone();
        for (moment, start, next) in [
            ("2024-03-30T23:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"),
            ("2024-03-31T21:59:59Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"),
            ("2024-07-01T12:00:00Z", "2024-06-30T22:00:00Z", "2024-07-01T22:00:00Z"),
            ("2024-10-27T00:30:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"),
            ("2024-10-27T22:59:59Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"),
            ("1969-12-31T23:30:00Z", "1969-12-31T23:00:00Z", "1970-01-01T23:00:00Z"),
        ] {
            assert_eq!(Level::Day.start(second(moment), &zone), second(start), "{moment}");
            assert_eq!(Level::Day.next(second(start), &zone), second(next), "{moment}");
        }
    }

    #[test]
    fn a_moment_beyond_all_calendars_has_a_day_too() {
        for second in [i64::MIN, i64::MIN + 1, -377_705_116_800, 253_402_207_200, i64::MAX - 1, i64::MAX] {
            for level in Level::ALL {
                let start = level.start(second, &zone());
                level.next(start, &zone());
            }
        }
    }

    proptest! {
        #[test]
        fn parts_make_the_whole(
            mantissas in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 3..60), cut: (u8, u8)
        ) {
            let all = samples(&mantissas);
            let a = 1 + usize::from(cut.0) % (all.len() - 2);
            let b = a + 1 + usize::from(cut.1) % (all.len() - a - 1);
            let part = |range: &[Sample]| Rollup::of_samples(range).unwrap();
            let (first, mut second, third) = (part(&all[..a]), part(&all[a..b]), part(&all[b..]));
            let mut left = first;
            left.append(&second);
            left.append(&third);
            second.append(&third);
            let mut right = first;
            right.append(&second);
            prop_assert!(close(&left, &right), "{left:?} {right:?}");
            prop_assert!(close(&left, &part(&all)), "{left:?} {:?}", part(&all));
        }

        #[test]
        fn spans_follow_each_other(second in -10_000_000_000i64..100_000_000_000) {
            let zone = zone();
            for level in Level::ALL {
                let start = level.start(second, &zone);
                let next = level.next(start, &zone);
                prop_assert!(start <= second && second < next, "{level:?}");
                prop_assert_eq!(level.start(start, &zone), start);
                prop_assert_eq!(level.start(next - 1, &zone), start);
                prop_assert_eq!(level.start(next, &zone), next);
            }
        }
    }
}
