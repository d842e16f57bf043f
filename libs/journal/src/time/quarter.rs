//! Quarter-hours: the finest periods with an amount. They begin at whole multiples of 900 seconds, in all time zones.

use std::ops::Range;

/// Length in seconds.
pub const QUARTER_HOUR: i64 = 900;

/// Returns the start of the quarter-hour in which a second since 1970 lies.
pub fn quarter_start(second: i64) -> i64 {
    second.saturating_sub(second.rem_euclid(QUARTER_HOUR))
}

/// Returns the quarter-hours of a range of seconds since 1970, the first and the last of which may be cut short by it.
pub fn quarters(range: Range<i64>) -> impl Iterator<Item = Range<i64>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let end = quarter_start(start).saturating_add(QUARTER_HOUR).min(range.end);
        let quarter = start..end;
        start = end;
        (!quarter.is_empty()).then_some(quarter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_whole_quarters_of_an_hour() {
        let cut = |range| quarters(range).collect::<Vec<_>>();
        assert_eq!(cut(0..1800), [0..900, 900..1800]);
        assert_eq!(cut(-100..1000), [-100..0, 0..900, 900..1000]);
        assert_eq!(cut(890..910), [890..900, 900..910]);
        assert_eq!(cut(900..900), []);
        assert_eq!((quarter_start(-1), quarter_start(0), quarter_start(1799)), (-900, 0, 900));
        assert_eq!(quarter_start(i64::MIN), i64::MIN, "no moment is too far");
    }
}
