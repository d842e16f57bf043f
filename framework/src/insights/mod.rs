//! Figures worth knowing: standby power, peaks of power, the greatest day, the heat pump and the outside temperature,
//! and the quality of the voltage.
//!
//! All are made of quarter-hours of the balance, of daily means and of means over ten minutes, read month by month, so
//! that a request takes bounded time and memory. Where data is thin, a figure is `unsure` and says why.

mod heat;
mod months;
mod peaks;
#[cfg(test)]
mod tests;
mod voltage;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _, civil::Date};
use serde::Serialize;

use self::{
    heat::HeatPump,
    months::{Day, Month, Standby},
    peaks::Peak,
    voltage::Phase,
};
pub(crate) use self::{
    heat::check,
    peaks::{Rule, Rules},
};
use crate::{
    Text,
    balance::{Balance, Part, balance, metered, parts},
    journal::{Listed, ReadError, SECOND, View, quarter_hours, quarter_start},
    store::Section,
    unsure::Reason,
};

/// Months of a trend, and of the Belgian rule.
const MONTHS: usize = 12;
/// Months of quarter-hours that are in memory at once.
const AT_ONCE: usize = 3;
/// Share of the quarter-hours that must be known.
const COVERAGE: f64 = 0.9;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// First day of the month.
    pub(crate) month: Date,
    /// Rules of the peaks.
    pub(crate) rules: Rules,
    /// Source of the heat pump.
    pub(crate) heat_pump: Option<Text>,
    /// Source and name of the outside temperature.
    pub(crate) temperature: Option<(Text, Text)>,
}

/// The figures.
#[derive(Debug, Serialize)]
pub(crate) struct Insights {
    month: String,
    from: i64,
    to: i64,
    standby: Standby,
    peaks: Vec<Peak>,
    greatest_day: Option<Day>,
    heat_pump: HeatPump,
    voltage: Vec<Phase>,
}

/// Returns the figures of a month, and of the year up to its end.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn insights(
    view: &View<'_>,
    sections: &[Arc<Section>],
    listed: &[Listed],
    question: &Question,
    now: Timestamp,
) -> Result<Insights, ReadError> {
    let parts = parts(sections, listed);
    let months = months(view, &parts, listed, question.month, now)?;
    let (from, to) = bounds(view, question.month);
    let end = to.min(now.as_second()).max(from + 1);
    Ok(Insights {
        month: word(question.month),
        from: ms(from),
        to: ms(to),
        standby: Standby::of(&months),
        peaks: question.rules.peaks(&months),
        greatest_day: Day::greatest(&months),
        heat_pump: heat::pump(view, &parts, listed, question, end)?,
        voltage: voltage::phases(view, &parts, listed, (from, end))?,
    })
}

/// Returns what is known of each month up to the one that is asked for.
fn months(
    view: &View<'_>,
    parts: &[Part],
    listed: &[Listed],
    last: Date,
    now: Timestamp,
) -> Result<Vec<Month>, ReadError> {
    // Consumers are read one after the other: only their sum matters.
    let all = parts;
    let parts: Vec<_> = all.iter().filter(|part| !part.is_consumer()).cloned().collect();
    let firsts = (0..MONTHS as i64).rev().filter_map(|n| last.checked_sub(n.months()).ok());
    let mut months: Vec<_> =
        firsts.map(|first| Month::new(first, bounds(view, first), now.as_second())).collect();
    for months in months.chunks_mut(AT_ONCE) {
        let (Some(first), Some(last)) = (months.first(), months.last()) else { continue };
        let (from, to) = (first.start, last.end.min(quarter_start(now.as_second())));
        if from >= to {
            continue;
        }
        let edges = quarter_hours(from * SECOND, to * SECOND, view.zone)?;
        let Balance { rows, reason, .. } = balance(view, &parts, &edges)?;
        let metered = metered(view, all, &edges)?;
        for month in months {
            let within = |second: i64| rows.partition_point(|row| row.start < second);
            let range = within(month.start)..within(month.end);
            month.take(&rows[range.clone()], &metered[range], view.zone);
            month.reason = reason;
        }
    }
    for month in &mut months {
        month.is_sparse = is_sparse(view, &parts, listed, month)?;
    }
    Ok(months)
}

/// Returns whether the meter of the grid is read less often than each quarter of an hour.
fn is_sparse(view: &View<'_>, parts: &[Part], listed: &[Listed], month: &Month) -> Result<bool, ReadError> {
    let grid = parts.iter().filter(|part| part.role == crate::SourceRole::Grid);
    let Some(recorded) = grid.flat_map(|part| &part.import).flat_map(|register| &register.series).next()
    else {
        return Ok(false);
    };
    if !listed.iter().any(|of| of.name == recorded.name) || month.known == 0 {
        return Ok(false);
    }
    let name = &recorded.name;
    let series = view.find(&name.section, &name.name, Some(&*name.unit))?;
    let mut count = 0;
    let step = crate::journal::Step::named("1d");
    series.history(month.start * SECOND, month.end * SECOND, step)?.spans(|(_, rollup)| {
        count += rollup.map_or(0, |of| of.count);
        true
    })?;
    Ok((count as f64) < month.known as f64 * COVERAGE)
}

/// Returns the start and the end of a month, in seconds since 1970.
fn bounds(view: &View<'_>, first: Date) -> (i64, i64) {
    let next = first.checked_add(1.month()).unwrap_or(Date::MAX);
    (view.day_start(first), view.day_start(next))
}

/// Returns a month as people write it: `2026-11`.
fn word(first: Date) -> String {
    first.strftime("%Y-%m").to_string()
}

fn ms(second: i64) -> i64 {
    second.saturating_mul(1000)
}

/// Rounds to three decimals.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3 + 0.0
}
