//! Consumption: what a counter counted in each hour, day, month or year.
//!
//! The *total* of a counter at a moment is its number, as if no reset (a command, another meter) had ever happened. An
//! amount is the difference of the totals at both ends of a period, so amounts of adjoining periods add up, and those
//! of hours to those of days.
//!
//! The total at an edge is that of [`total`](super::total), for which a roll-up of a quarter of an hour keeps the times
//! of its ends. A stretch of quarters without readings is a gap if it is long for this series: many meters are read once
//! an hour, or once a day.

use std::cell::Cell;

use jiff::tz::TimeZone;
use reading::Decimal;

use crate::{
    db::{Counter, Quarter},
    query::{
        ReadError, Series,
        history::check_range,
        total::{Around, MOST_DECIMALS, Resets},
    },
    series::ReadAt,
    time::{Micros, QUARTER_HOUR, SECOND, Span},
};

/// Most periods in one answer.
const MAX_PERIODS: usize = 10_000;
/// Readings in a quarter from which on a counter is read often, so that a quarter without any is a gap. A quarter that
/// has just begun, or is partly checkpointed, has fewer.
pub(crate) const OFTEN: i64 = 10;
/// Quarters on each side of a stretch without readings that tell how often the series is read.
const NEIGHBOURS: usize = 9;

/// Length of a period. All are local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// An hour.
    Hour,
    /// A day of 23, 24 or 25 hours.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// Each length with the word of a request, `per=hour`, and its span.
const PERIODS: [(Per, &str, Span); 4] = [
    (Per::Hour, "hour", Span::Hour),
    (Per::Day, "day", Span::Day),
    (Per::Month, "month", Span::Month),
    (Per::Year, "year", Span::Year),
];

impl Per {
    /// All lengths, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Year];

    /// Returns the word.
    pub fn word(self) -> &'static str {
        PERIODS[self as usize].1
    }

    /// Returns the starts of the periods that a range touches, and the end of the last, in seconds since 1970.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if there are too many.
    pub fn edges(self, from: Micros, to: Micros, zone: &TimeZone) -> Result<Vec<i64>, ReadError> {
        edges(PERIODS[self as usize].2, from, to, zone)
    }
}

/// Returns the quarter-hours that a range touches, and the end of the last, in seconds since 1970.
///
/// # Errors
/// Returns [`ReadError::BadRequest`] if there are too many.
pub fn quarter_hours(from: Micros, to: Micros, zone: &TimeZone) -> Result<Vec<i64>, ReadError> {
    edges(Span::Fixed(QUARTER_HOUR), from, to, zone)
}

fn edges(span: Span, from: Micros, to: Micros, zone: &TimeZone) -> Result<Vec<i64>, ReadError> {
    check_range(from, to)?;
    let fits = |span: Span| span.count(from, to) <= MAX_PERIODS;
    if fits(span) {
        return Ok(span.edges(from, to, zone));
    }
    // Of quarter-hours, `per` is another parameter than the one that asked for them.
    let (what, in_place) = match span {
        Span::Fixed(_) => ("quarter-hours", " in place of `step=15m`"),
        _ => ("periods", ""),
    };
    let longer = PERIODS.into_iter().find(|period| fits(period.2));
    let longer = longer.map_or("a shorter range".into(), |(_, word, _)| format!("`per={word}`{in_place}"));
    let message = format!("the range has more than {MAX_PERIODS} {what}: ask for {longer}");
    Err(ReadError::BadRequest(message))
}

/// Amount that was counted in a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount {
    /// Start of the period in seconds since 1970.
    pub start: i64,
    /// End of the period in seconds since 1970.
    pub end: i64,
    /// Amount in the unit of the counter; `None` where no reading is near.
    pub amount: Option<f64>,
    /// Amount with the digits of the counter, at most nine after the point: those of adjoining periods add up exactly.
    pub exact: Option<Decimal>,
    /// Whether more than a tenth of it lies in a gap that reaches to its ends or beyond. What was counted in a gap is
    /// spread evenly over it.
    pub gap: bool,
    /// Whether the counter was reset in it, which is not counted.
    pub swap: bool,
    /// Whether the readings begin or end in it.
    pub partial: bool,
}

impl Series<'_> {
    /// Returns what was counted in each period that a range touches.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if the series is not a counter or there are too many periods.
    pub fn consumption(&self, from: Micros, to: Micros, per: Per) -> Result<Vec<Amount>, ReadError> {
        let counter = self.counter()?;
        let edges = per.edges(from, to, self.zone)?;
        self.amounts(counter, &edges, per == Per::Hour)
    }

    /// Returns what was counted between each two adjoining ones of these moments, which are whole quarter-hours in
    /// order: seconds since 1970. With `all`, the readings between them are read in one pass, which is faster where the
    /// moments are close to each other.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if the series is not a counter.
    pub fn consumption_between(&self, edges: &[i64], all: bool) -> Result<Vec<Amount>, ReadError> {
        self.amounts(self.counter()?, edges, all)
    }

    fn amounts(&self, counter: Counter, edges: &[i64], all: bool) -> Result<Vec<Amount>, ReadError> {
        self.wanted.check()?;
        // The end of checkpointed readings is that of a minute, at which nothing was read; a recent end is that of a
        // reading.
        let read_at = |end| self.recent.samples.last().is_some_and(|last| last.time == end);
        let extent = self.extent()?.map(|(first, last)| (first, last + Micros::from(read_at(last))));
        let ledger = Ledger::new(self, counter, all, edges)?;
        let ends = ledger.ends(edges)?;
        let periods = ends.iter().zip(ends.iter().skip(1));
        let periods = periods.map(|(start, end)| ledger.amount(start, end, extent));
        Ok(periods.collect())
    }
}

impl Series<'_> {
    /// Returns the counter.
    pub(crate) fn counter(&self) -> Result<Counter, ReadError> {
        Counter::of(&self.meaning()).ok_or_else(|| {
            let (name, unit) = (&self.name.name, &self.name.unit);
            let unit = if unit.is_empty() { "has no unit".into() } else { format!("has the unit `{unit}`") };
            let message =
                format!("`{name}` is not a counter, it {unit}: `per` needs one, such as of energy or volume");
            ReadError::BadRequest(message)
        })
    }

    /// Returns whether nothing was read between two quarters for longer than is usual around there: two and a half
    /// times the median of the distances of quarters with readings.
    pub(crate) fn is_gap(&self, before: i64, after: i64) -> Result<bool, ReadError> {
        let is_long = |usual: i64| (after - before) * 2 > usual * 5;
        if !is_long(QUARTER_HOUR) {
            return Ok(false);
        }
        let (old, new) = self.quarters_around(before, after, NEIGHBOURS)?;
        let pairs = old.windows(2).chain(new.windows(2));
        let mut distances: Vec<_> = pairs.map(|pair| pair[1] - pair[0]).collect();
        distances.sort_unstable();
        Ok(is_long(distances.get(distances.len() / 2).copied().unwrap_or(QUARTER_HOUR)))
    }
}

/// End of a period.
#[derive(Debug, Clone, Copy)]
struct End {
    at: i64,
    total: Option<f64>,
    /// Gap in which it lies, or at the end of which.
    gap: Option<(i64, i64)>,
}

/// Numbers of a counter around the edges of periods, and its resets.
struct Ledger<'s> {
    series: &'s Series<'s>,
    counter: Counter,
    /// In order: those next to each edge, and perhaps others.
    quarters: Vec<Quarter>,
    resets: Resets,
    /// Start of the oldest minute with single readings.
    oldest_raw: Option<i64>,
    /// Quarter whose ends were looked up last, by its start.
    looked_up: Cell<Option<(i64, (ReadAt, ReadAt))>>,
}

impl<'s> Ledger<'s> {
    fn new(series: &'s Series<'s>, counter: Counter, all: bool, edges: &[i64]) -> Result<Self, ReadError> {
        let quarters = series.quarters(edges, all)?;
        let (first, last) = (edges.first().copied().unwrap_or(0), edges.last().copied().unwrap_or(0));
        let (before, after) = (around(&quarters, first).0, around(&quarters, last).1);
        let from = before.map_or(first, |quarter| quarter.start);
        let resets = series.resets(counter, from, after.map_or(last, |quarter| quarter.end()))?;
        let (resets, oldest_raw) = (Resets::new(resets), series.oldest_raw()?);
        Ok(Self { series, counter, quarters, resets, oldest_raw, looked_up: Cell::new(None) })
    }

    /// Returns the first number of a quarter and the last, with their times.
    fn reads(&self, quarter: &Quarter) -> Result<(ReadAt, ReadAt), ReadError> {
        let read = |number, earliest, latest| ReadAt { number, earliest, latest };
        if let Some((first, last)) = quarter.times {
            return Ok((read(quarter.first, first, first), read(quarter.last, last, last)));
        }
        if let Some((start, known)) = self.looked_up.get()
            && start == quarter.start
        {
            return Ok(known);
        }
        let (earliest, latest) = (quarter.start.saturating_mul(SECOND), quarter.end().saturating_mul(SECOND));
        let found = self.series.ends(quarter.start, quarter.end())?;
        let found =
            found.unwrap_or((read(quarter.first, earliest, latest), read(quarter.last, earliest, latest)));
        self.looked_up.set(Some((quarter.start, found)));
        Ok(found)
    }

    /// Returns what the counter had counted at each edge.
    fn ends(&self, edges: &[i64]) -> Result<Vec<End>, ReadError> {
        // Many edges lie in one stretch without readings, so the last answer is kept.
        let mut known = None;
        let end = |&at: &i64| -> Result<End, ReadError> {
            let (before, after) = around(&self.quarters, at);
            if let (Some(before), Some(after)) = (&before, &after)
                && let Some(total) =
                    self.series.untimed_total((before, after), &self.resets, self.oldest_raw)?
            {
                return Ok(End { at, total: Some(total), gap: None });
            }
            let first = after.map(|quarter| self.reads(&quarter)).transpose()?.map(|(first, _)| first);
            let last = before.map(|quarter| self.reads(&quarter)).transpose()?.map(|(_, last)| last);
            let found = Around { at: at.saturating_mul(SECOND), before: last, after: first };
            let total = self.resets.total_at(&found).map(|(total, _)| total);
            let end = End { at, total, gap: None };
            let (Some(before), Some(after)) = (before, after) else { return Ok(end) };
            if before.end() >= at {
                return Ok(end);
            }
            let stretch = (before.end(), after.start);
            let is_gap = match known {
                Some((of, is_gap)) if of == stretch => is_gap,
                _ => {
                    before.count.min(after.count) >= OFTEN || self.series.is_gap(before.start, after.start)?
                }
            };
            known = Some((stretch, is_gap));
            Ok(End { gap: Some(stretch).filter(|_| is_gap), ..end })
        };
        edges.iter().map(end).collect()
    }

    fn amount(&self, start: &End, end: &End, extent: Option<(Micros, Micros)>) -> Amount {
        let (from, to) = (start.at.saturating_mul(SECOND), end.at.saturating_mul(SECOND));
        let touched = extent.filter(|(first, last)| *first < to && *last > from);
        let mut swap = self.resets.before(from) < self.resets.before(to);
        let totals = touched.and(start.total.zip(end.total));
        let amount = totals.map(|(start, end)| {
            // A reset that was not found.
            if self.counter.is_reset((from, start), (to, end)) {
                swap = true;
                return 0.0;
            }
            end - start
        });
        let exact = totals.filter(|_| amount.is_some()).and_then(|(start, end)| {
            if self.counter.is_reset((from, start), (to, end)) {
                return Some(Decimal::from(0));
            }
            with_digits(end)?.checked_sub(with_digits(start)?)
        });
        let within = |gap: (i64, i64)| gap.1.min(end.at) - gap.0.max(start.at);
        let gaps = [start.gap, end.gap.filter(|_| start.gap != end.gap)];
        let gap: i64 = gaps.into_iter().flatten().map(within).sum();
        Amount {
            start: start.at,
            end: end.at,
            amount,
            exact,
            gap: amount.is_some() && gap * 10 > end.at - start.at,
            swap,
            partial: touched.is_none_or(|(first, last)| from < first || last < to),
        }
    }
}

/// Returns the total of a counter with the digits that the meter sent: a sum over resets, or a part of a gap, has a tail
/// in binary that they have not.
fn with_digits(total: f64) -> Option<Decimal> {
    const SCALE: u8 = MOST_DECIMALS;
    // Up to here, each multiple of the last digit has a number of its own.
    const EXACT: f64 = 9_007_199.0;
    if total.abs() < EXACT {
        return Decimal::rounded(total, SCALE);
    }
    let shortest = Decimal::from_f64(total).filter(|number| number.scale() <= SCALE);
    shortest.or_else(|| (0..SCALE).rev().find_map(|scale| Decimal::rounded(total, scale)))
}

/// Returns the last quarter that begins before an edge, and the first one after that.
fn around(quarters: &[Quarter], edge: i64) -> (Option<Quarter>, Option<Quarter>) {
    let at = quarters.partition_point(|quarter| quarter.start < edge);
    (at.checked_sub(1).and_then(|at| quarters.get(at)).copied(), quarters.get(at).copied())
}
