//! Forecast: cost of this month and this year, as it is expected.
//!
//! For each quarter-hour to come, the amount of the same one 52 weeks ago stands, where the journal has that year; it is
//! paid by the tariff that will hold then. Otherwise the newest whole weeks are repeated, at most four, and the answer
//! says that it is unsure.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use tariff::{Number, Tariff, decimal, settle};

use super::{
    Tariffs,
    accounts::Accounts,
    asked::{no_tariffs, tariffs_of},
    counters::{Billed, billed},
};
use crate::{
    Decimal,
    journal::{Amount, QUARTER_HOUR, ReadError, SECOND, View, quarter_start},
    unsure::Reason,
};

const DAY: i64 = 86_400;
/// A year in whole weeks.
const YEAR: i64 = 364 * DAY;
/// Most days that are repeated.
const MAX_REPEATED: i64 = 28;

/// Forecast, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct Forecast {
    currency: String,
    source: String,
    month: Period,
    year: Period,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

#[derive(Debug, Serialize)]
struct Period {
    so_far: Option<Decimal>,
    expected: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instalment: Option<Decimal>,
}

/// Earlier time that stands for the time to come.
#[derive(Debug, Clone, Copy)]
enum Reference {
    /// The same time of last year.
    LastYear,
    /// The newest days, again and again.
    Days(i64),
}

/// Returns the forecast.
///
/// # Errors
/// Returns an error if there are no tariffs, or the journal cannot be read.
pub(crate) fn forecast(
    view: &View<'_>,
    tariffs: &Tariffs,
    source: Option<&str>,
    now: Timestamp,
) -> Result<Forecast, ReadError> {
    let (source, of_source) = tariffs_of(tariffs, source, "")?;
    if of_source.is_empty() {
        return Err(no_tariffs(&source, ""));
    }
    let counters = billed(view, &source, &of_source)?;
    let today = now.to_zoned(view.zone.clone()).date();
    let first = first_reading(&counters)?;
    let now = quarter_start(now.as_second());
    let past = first.map_or(0, |first| (now - first) / DAY);
    let reference = match past {
        // The first reading may lie after a clock that is not set yet.
        ..=0 => None,
        1..7 => Some(Reference::Days(past)),
        _ if first.is_some_and(|first| first <= now - YEAR) => Some(Reference::LastYear),
        _ => Some(Reference::Days((past / 7 * 7).min(MAX_REPEATED))),
    };
    let year_start = view.day_start(today.first_of_year());
    let year_end = view.day_start(next(today.last_of_year()));
    let lacks_readings = match reference {
        None => false,
        Some(reference) => {
            let begin = year_start.max(first.unwrap_or(now));
            lacks_readings(&counters, (begin, now))?
                || lacks_readings(&counters, reference.range(now, year_end))?
        }
    };
    let reason = match reference {
        None => Some(Reason::NoReadings),
        Some(Reference::Days(..7)) => Some(Reason::ShortHistory),
        _ if lacks_readings => Some(Reason::MissingReadings),
        _ if of_source.iter().any(|tariff| tariff.work.spot().is_some()) => Some(Reason::SpotPrice),
        Some(Reference::Days(_)) => Some(Reason::NoLastYear),
        Some(Reference::LastYear) => first.filter(|first| *first > year_start).map(|_| Reason::ShortHistory),
    };
    let period = |from: Date, to: Date| {
        let bounds = (view.day_start(from), view.day_start(to));
        let soon = bounds.0.max(now.saturating_add(QUARTER_HOUR)).min(bounds.1);
        let mut accounts = Accounts::new(view, &source, &of_source, bounds.0, soon);
        accounts.add(view, &of_source, &counters, (bounds.0, now.max(bounds.0)), 0)?;
        let so_far = decimal(settle(&accounts.accounts).total, 2);
        let expected = match reference {
            Some(reference) => {
                Some(expected(view, (&source, &of_source), &counters, bounds, now, reference)?)
            }
            None => None,
        };
        let instalment = instalment(&of_source, from, to);
        Ok::<_, ReadError>(Period { so_far, expected: expected.and_then(|sum| decimal(sum, 2)), instalment })
    };
    Ok(Forecast {
        currency: tariffs.currency().to_owned(),
        month: period(today.first_of_month(), next(today.last_of_month()))?,
        year: period(today.first_of_year(), next(today.last_of_year()))?,
        unsure: reason.is_some(),
        reason,
        source,
    })
}

impl Reference {
    /// Returns the seconds that stand for those from `now` on, until the end of the year.
    fn range(self, now: i64, year_end: i64) -> (i64, i64) {
        match self {
            Self::LastYear => (now - YEAR, year_end - YEAR),
            Self::Days(days) => (now - days * DAY, now),
        }
    }
}

fn next(day: Date) -> Date {
    day.tomorrow().unwrap_or(Date::MAX)
}

/// Returns whether more than a day between two seconds lies in gaps of the readings, or after the last one.
fn lacks_readings(counters: &[Billed<'_>], (from, to): (i64, i64)) -> Result<bool, ReadError> {
    let edges = (from..to).step_by(DAY as usize).map(quarter_start);
    let edges: Vec<_> = edges.chain([to]).collect();
    for counter in counters.iter().filter(|counter| !counter.is_export) {
        let amounts = counter.series.consumption_between(&edges, false)?;
        let is_lacking = |amount: &&Amount| amount.exact.is_none() || amount.gap;
        if amounts.iter().filter(is_lacking).count() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the second of the first reading of all counters.
fn first_reading(counters: &[Billed<'_>]) -> Result<Option<i64>, ReadError> {
    let mut first = None;
    for counter in counters.iter().filter(|counter| !counter.is_export) {
        if let Some((from, _)) = counter.series.extent()? {
            let from = from.div_euclid(SECOND);
            first = Some(first.map_or(from, |first: i64| first.min(from)));
        }
    }
    Ok(first)
}

/// Returns the whole cost of a period, a part of which is to come.
fn expected(
    view: &View<'_>,
    (source, tariffs): (&str, &[&Tariff]),
    counters: &[Billed<'_>],
    (from, to): (i64, i64),
    now: i64,
    reference: Reference,
) -> Result<Number, ReadError> {
    let mut accounts = Accounts::new(view, source, tariffs, from, to);
    let now = now.clamp(from, to);
    accounts.add(view, tariffs, counters, (from, now), 0)?;
    match reference {
        Reference::LastYear => accounts.add(view, tariffs, counters, (now, to), YEAR)?,
        Reference::Days(days) => {
            let length = days * DAY;
            let (mut at, mut earlier) = (now, length);
            while at < to {
                let end = (at + length).min(to);
                accounts.add(view, tariffs, counters, (at, end), earlier)?;
                (at, earlier) = (end, earlier + length);
            }
        }
    }
    Ok(settle(&accounts.accounts).total)
}

/// Returns the sum of the instalments of a period; `None` if there are none.
fn instalment(tariffs: &[&Tariff], from: Date, to: Date) -> Option<Decimal> {
    let (mut sum, mut has_any, mut month) = (Number::ZERO, false, from.first_of_month());
    while month < to {
        if let Some(instalment) =
            tariffs.iter().find(|tariff| tariff.holds(month)).and_then(|tariff| tariff.instalment)
        {
            (sum, has_any) = (sum.saturating_add(instalment), true);
        }
        month = month.last_of_month().tomorrow().ok()?;
    }
    decimal(sum, 2).filter(|_| has_any)
}
