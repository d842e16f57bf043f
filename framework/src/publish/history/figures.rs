//! Figures of hours: those of `/history` with `step=1h`, `per=hour` and `cost=true`, by the same code.

use std::ops::Range;

use tariff::{Number, decimal, number};

use super::{Figure, HOUR, HourSeries};
use crate::{
    Decimal, Tariffs,
    costs::costs,
    journal::{Amount, ReadError, SECOND, Series, Step, View},
};

/// Hours that are read at once: those of a third of a year.
pub(super) const AT_ONCE: i64 = 122 * 24;
/// Digits after the point of a sum.
const DECIMALS: u32 = 9;

/// Hour of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// Start in seconds since 1970.
    pub start: i64,
    /// Its figures.
    pub figures: Figures,
}

/// Figures of an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figures {
    /// Of a counter, or of its cost.
    Counted {
        /// What was counted, without resets and swaps. Over a gap in the readings it is spread evenly.
        amount: Decimal,
        /// What was counted from the first hour of the series to the end of this one.
        sum: Decimal,
        /// Last number of the counter in it; `None` where it was not read, and for a cost.
        state: Option<Decimal>,
    },
    /// Of a gauge.
    Measured {
        /// Mean of all readings.
        mean: f64,
        /// Least reading.
        min: f64,
        /// Greatest reading.
        max: f64,
    },
}

/// Place in the hours of a series.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) series: HourSeries,
    /// Hours that are still to be read.
    pub(super) rest: Range<i64>,
    /// What was counted before; `None` until it is known.
    sum: Option<Number>,
    /// What was counted before an earlier hour, from where on the sum is made.
    known: Counted,
}

/// End of some hours of a series, and what was counted from the first hour of the series to there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) end: i64,
    pub(super) sum: Number,
}

impl Walk {
    /// A walk along the complete hours of a range. What an earlier walk has counted up to there need not be counted again.
    pub(super) fn new(series: HourSeries, range: Range<i64>, earlier: Option<Counted>) -> Self {
        let rest = range.start.max(series.complete.start)..range.end.min(series.complete.end);
        let known = earlier.filter(|known| (series.complete.start..=rest.start).contains(&known.end));
        let known = known.unwrap_or(Counted { end: series.complete.start, sum: Number::ZERO });
        Self { series, rest, sum: None, known }
    }

    /// Returns what was counted, if all was read.
    pub(super) fn counted_to(&self) -> Option<Counted> {
        let sum = self.sum.filter(|_| self.rest.is_empty())?;
        Some(Counted { end: self.rest.start, sum })
    }

    /// Reads the next hours; none if there are no more.
    pub(super) fn next(&mut self, view: &View<'_>, tariffs: &Tariffs) -> Result<Vec<Hour>, ReadError> {
        while !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + AT_ONCE * HOUR);
            let found = self.series.find(view)?;
            let hours = match self.series.figure {
                Figure::Measured => measured(&found, self.rest.start..end)?,
                Figure::Counted | Figure::Cost { .. } => self.counted(view, tariffs, &found, end)?,
            };
            self.rest.start = end;
            if !hours.is_empty() {
                return Ok(hours);
            }
        }
        Ok(Vec::new())
    }

    fn counted(
        &mut self,
        view: &View<'_>,
        tariffs: &Tariffs,
        found: &Series<'_>,
        end: i64,
    ) -> Result<Vec<Hour>, ReadError> {
        let start = self.rest.start;
        let mut sum = match self.sum {
            Some(sum) => sum,
            None => self.series.sum_before(view, tariffs, found, self.known, start)?,
        };
        let edges: Vec<_> = (0..=(end - start) / HOUR).map(|hour| start + hour * HOUR).collect();
        let amounts = found.consumption_between(&edges, true)?;
        let numbers = self.series.amounts(view, tariffs, found, &amounts)?;
        let mut states = match self.series.figure {
            Figure::Counted => states(found, start..end)?,
            _ => Vec::new(),
        }
        .into_iter()
        .peekable();
        let mut hours = Vec::new();
        for (amount, counted) in amounts.iter().zip(numbers) {
            let Some(counted) = counted else { continue };
            sum = sum.saturating_add(counted);
            while states.next_if(|(start, _)| *start < amount.start).is_some() {}
            let state = states.next_if(|(start, _)| *start == amount.start).map(|(_, state)| state);
            hours.extend(figures(counted, sum, state).map(|figures| Hour { start: amount.start, figures }));
        }
        self.sum = Some(sum);
        Ok(hours)
    }
}

impl HourSeries {
    fn find<'v>(&self, view: &View<'v>) -> Result<Series<'v>, ReadError> {
        view.find(&self.source, &self.name, Some(&self.unit))
    }

    /// Returns what was counted, or what it cost, in each period; `None` where nothing is known.
    fn amounts(
        &self,
        view: &View<'_>,
        tariffs: &Tariffs,
        found: &Series<'_>,
        amounts: &[Amount],
    ) -> Result<Vec<Option<Number>>, ReadError> {
        if let Figure::Cost { .. } = self.figure {
            let costs = costs(view, tariffs, found, amounts)?;
            return Ok(costs.into_iter().map(|cost| cost.cost).collect());
        }
        let exact = |amount: &Amount| amount.exact.or_else(|| Decimal::from_f64(amount.amount?)).map(number);
        Ok(amounts.iter().map(exact).collect())
    }

    /// Returns what was counted from the first hour to a moment.
    fn sum_before(
        &self,
        view: &View<'_>,
        tariffs: &Tariffs,
        found: &Series<'_>,
        known: Counted,
        end: i64,
    ) -> Result<Number, ReadError> {
        if end <= known.end {
            return Ok(known.sum);
        }
        let amounts = found.consumption_between(&[known.end, end], false)?;
        let numbers = self.amounts(view, tariffs, found, &amounts)?;
        Ok(numbers.into_iter().flatten().fold(known.sum, Number::saturating_add))
    }
}

fn figures(amount: Number, sum: Number, state: Option<Decimal>) -> Option<Figures> {
    Some(Figures::Counted { amount: decimal(amount, DECIMALS)?, sum: decimal(sum, DECIMALS)?, state })
}

/// Visits the roll-ups of the hours of a range that have readings.
fn each_hour(
    found: &Series<'_>,
    range: Range<i64>,
    mut visit: impl FnMut(i64, &crate::journal::Rollup),
) -> Result<(), ReadError> {
    let mut from = range.start;
    while from < range.end {
        let to = range.end.min(from + AT_ONCE * HOUR);
        let history =
            found.history(from.saturating_mul(SECOND), to.saturating_mul(SECOND), Step::named("1h"))?;
        history.spans(|(start, rollup)| {
            rollup.iter().for_each(|rollup| visit(*start, rollup));
            true
        })?;
        from = to;
    }
    Ok(())
}

/// Returns the last number of each hour of a range.
fn states(found: &Series<'_>, range: Range<i64>) -> Result<Vec<(i64, Decimal)>, ReadError> {
    let mut states = Vec::new();
    each_hour(found, range, |start, rollup| {
        states.extend(Decimal::from_f64(rollup.last).map(|last| (start, last)));
    })?;
    Ok(states)
}

fn measured(found: &Series<'_>, range: Range<i64>) -> Result<Vec<Hour>, ReadError> {
    let mut hours = Vec::new();
    each_hour(found, range, |start, rollup| {
        let figures = Figures::Measured { mean: rollup.mean, min: rollup.min, max: rollup.max };
        hours.push(Hour { start, figures });
    })?;
    Ok(hours)
}
