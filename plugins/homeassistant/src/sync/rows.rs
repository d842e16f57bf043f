//! Hours of a statistic, as the journal and Home Assistant have them.

use framework::{Figures, Hour};
use serde::{Deserialize, Serialize, Serializer};

/// Hour of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Row {
    /// Start in seconds since 1970.
    #[serde(serialize_with = "rfc3339")]
    pub(super) start: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<f64>,
}

/// Hour as Home Assistant answers it.
#[derive(Debug, Deserialize)]
pub(super) struct StoredRow {
    /// Milliseconds since 1970.
    start: f64,
    sum: Option<f64>,
    state: Option<f64>,
    mean: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

/// Serializes with the signature that serde demands.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn rfc3339<S: Serializer>(start: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&moment(*start))
}

/// Returns a second since 1970 as Home Assistant reads it.
pub(super) fn moment(second: i64) -> framework::Timestamp {
    framework::Timestamp::from_second(second).unwrap_or_default()
}

impl Row {
    const NONE: Self = Self { start: 0, sum: None, state: None, mean: None, min: None, max: None };

    /// Returns an hour of the journal, with its sum on top of a base.
    pub(super) fn of(hour: &Hour, base: f64) -> Self {
        let start = hour.start;
        match hour.figures {
            Figures::Counted { sum, state, .. } => Self {
                start,
                sum: Some(base + sum.to_f64()),
                state: state.map(|state| state.to_f64()),
                ..Self::NONE
            },
            Figures::Measured { mean, min, max } => {
                Self { start, mean: Some(mean), min: Some(min), max: Some(max), ..Self::NONE }
            }
        }
    }

    /// Returns whether all its figures are those of another.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.start == other.start
            && is_near(self.sum, other.sum)
            && is_near(self.state, other.state)
            && is_near(self.mean, other.mean)
            && is_near(self.min, other.min)
            && is_near(self.max, other.max)
    }
}

impl From<StoredRow> for Row {
    fn from(stored: StoredRow) -> Self {
        let StoredRow { start, sum, state, mean, min, max } = stored;
        Self { start: (start / 1000.0).round() as i64, sum, state, mean, min, max }
    }
}

/// Returns whether two numbers are the same but for the last digits of a double, of which a database may keep fewer.
fn is_near(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-9_f64.max(one.abs() * 1e-14),
        (one, other) => one.is_none() == other.is_none(),
    }
}

/// Sum of a counter at the place of a walk along its hours.
#[derive(Debug)]
pub(super) struct Sums {
    base: f64,
    last: Option<f64>,
}

impl Sums {
    pub(super) fn new(base: f64) -> Self {
        Self { base, last: None }
    }
}

/// Returns the rows that Home Assistant lacks, or has with other figures.
///
/// An hour of a counter that it has and the journal does not, such as one of a clock that was wrong, cannot be removed: it
/// gets the sum of the hour before, and counts nothing.
pub(super) fn differing(rows: &[Row], stored: &[Row], sums: &mut Sums, hours: &[Hour]) -> Vec<Row> {
    if let (None, Some(Hour { figures: Figures::Counted { amount, sum, .. }, .. })) =
        (sums.last, hours.first())
    {
        sums.last = Some(sums.base + sum.to_f64() - amount.to_f64());
    }
    let mut differing = Vec::new();
    let (mut rows, mut stored) = (rows.iter().peekable(), stored.iter().peekable());
    loop {
        let (row, known) = (rows.peek().copied(), stored.peek().copied());
        match (row, known) {
            (None, None) => return differing,
            (Some(row), known) if known.is_none_or(|known| row.start <= known.start) => {
                rows.next();
                let is_known = known.is_some_and(|known| row.start == known.start);
                if is_known {
                    stored.next();
                }
                if !(is_known && known.is_some_and(|known| row.is_same(known))) {
                    differing.push(*row);
                }
                sums.last = row.sum.or(sums.last);
            }
            (_, Some(known)) => {
                stored.next();
                let flat = Row { start: known.start, sum: sums.last, ..Row::NONE };
                if known.sum.is_some() && sums.last.is_some() && !is_near(known.sum, flat.sum) {
                    differing.push(flat);
                }
            }
            (Some(_), None) => return differing,
        }
    }
}

#[cfg(test)]
mod tests {
    use framework::Decimal;

    use super::*;

    fn counted(start: i64, amount: i64, sum: i64) -> Hour {
        let figures =
            Figures::Counted { amount: Decimal::from(amount), sum: Decimal::from(sum), state: None };
        Hour { start, figures }
    }

    fn stored(start: i64, sum: f64) -> Row {
        Row { start, sum: Some(sum), ..Row::NONE }
    }

    fn sent(hours: &[Hour], has: &[Row], base: f64) -> Vec<(i64, f64)> {
        let rows: Vec<_> = hours.iter().map(|hour| Row::of(hour, base)).collect();
        let differing = differing(&rows, has, &mut Sums::new(base), hours);
        differing.iter().map(|row| (row.start, row.sum.unwrap())).collect()
    }

    #[test]
    fn only_hours_that_are_missing_or_differ_are_sent() {
        let hours = [counted(0, 1, 1), counted(3600, 2, 3), counted(7200, 4, 7)];
        assert_eq!(sent(&hours, &[], 0.0), [(0, 1.0), (3600, 3.0), (7200, 7.0)]);
        let has = [stored(0, 1.0), stored(3600, 3.0), stored(7200, 7.0)];
        assert_eq!(sent(&hours, &has, 0.0), []);
        assert_eq!(sent(&hours, &[stored(0, 1.0), stored(3600, 3.5), stored(7200, 7.0)], 0.0), [(3600, 3.0)]);
        assert_eq!(sent(&hours, &[stored(0, 1.0), stored(7200, 7.0)], 0.0), [(3600, 3.0)]);
    }

    #[test]
    fn an_hour_that_the_journal_does_not_have_counts_nothing() {
        let hours = [counted(3600, 2, 3), counted(10800, 4, 7)];
        let has = [stored(0, 50.0), stored(3600, 3.0), stored(7200, 60.0), stored(10800, 7.0)];
        assert_eq!(sent(&hours, &has, 0.0), [(0, 1.0), (7200, 3.0)]);
    }

    #[test]
    fn sums_go_on_where_a_journal_was_begun_anew() {
        assert_eq!(sent(&[counted(0, 1, 1)], &[], 1000.0), [(0, 1001.0)]);
    }

    #[test]
    fn figures_of_a_gauge_are_compared_each() {
        let hour = Hour { start: 0, figures: Figures::Measured { mean: 2.0, min: 1.0, max: 3.0 } };
        let row = Row::of(&hour, 0.0);
        for has in [Row { mean: Some(2.1), ..row }, Row { min: None, ..row }, Row { max: Some(3.1), ..row }] {
            assert!(!row.is_same(&has), "{has:?}");
        }
        assert!(row.is_same(&Row { mean: Some(2.0 + 1e-13), ..row }));
    }
}
