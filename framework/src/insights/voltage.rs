//! Quality of the voltage: means over ten minutes of a month, as EN 50160 has them, within 230 V ± 10 %.

use serde::Serialize;

use super::{Reason, ms, rounded};
use crate::{
    Quantity, SourceRole,
    balance::Part,
    journal::{Listed, ReadError, Rollup, SECOND, Step, View},
};

/// Length of a mean, in seconds.
const MEAN: i64 = 600;
/// Voltages that are allowed, in V.
const ALLOWED: std::ops::RangeInclusive<f64> = 207.0..=253.0;
const NOMINAL: f64 = 230.0;
/// Share of the month's means that must be there.
const COVERAGE: f64 = 0.9;
/// Most phases of all meters of the grid.
const MOST: usize = 6;

/// Voltage of one phase in a month.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    source: String,
    name: String,
    phase: Option<crate::Phase>,
    /// Smallest and greatest voltage that was read.
    min: f64,
    max: f64,
    mean: f64,
    /// Minutes of the means outside of what is allowed.
    outside_minutes: i64,
    /// Start of the mean that is farthest from 230 V.
    at: i64,
    from: i64,
    to: i64,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// Returns the phases of the grid's meter in a month, or its part until now, in seconds since 1970.
pub(super) fn phases(
    view: &View<'_>,
    parts: &[Part],
    listed: &[Listed],
    (from, to): (i64, i64),
) -> Result<Vec<Phase>, ReadError> {
    let is_grid = |of: &&Listed| {
        let grid = |part: &Part| part.role == SourceRole::Grid && part.source == of.name.section;
        of.meaning.quantity == Quantity::Voltage && of.meaning.live && parts.iter().any(grid)
    };
    let mut found = Vec::new();
    for of in listed.iter().filter(is_grid).take(MOST) {
        found.extend(phase(view, of, from, to)?);
    }
    found.sort_by_key(|phase: &Phase| phase.phase);
    Ok(found)
}

fn phase(view: &View<'_>, of: &Listed, from: i64, to: i64) -> Result<Option<Phase>, ReadError> {
    let factor = of.meaning.unit.map_or(1.0, |unit| unit.factor().to_f64());
    let series = view.find(&of.name.section, &of.name.name, Some(&*of.name.unit))?;
    let mut sums = Sums::default();
    series.history(from * SECOND, to * SECOND, Step::named("5m"))?.spans(|(start, rollup)| {
        sums.add(*start, rollup.as_ref());
        true
    })?;
    sums.end();
    let Some(whole) = sums.whole else { return Ok(None) };
    let expected = ((to - from) / MEAN) as f64 * COVERAGE;
    // A gap parts few means, however long it is; a meter that is read each quarter of an hour parts every other.
    let thin = if sums.apart * 10 > sums.count { Reason::ReadSeldom } else { Reason::FewReadings };
    let reason = ((sums.count as f64) < expected).then_some(thin);
    let volts = |number: f64| rounded(number * factor);
    Ok(Some(Phase {
        source: of.name.section.to_string(),
        name: of.name.name.to_string(),
        phase: of.meaning.phase,
        min: volts(whole.min),
        max: volts(whole.max),
        mean: volts(whole.mean),
        outside_minutes: sums.outside * MEAN / 60,
        at: ms(sums.farthest.map_or(from, |(_, at)| at)),
        from: ms(from),
        to: ms(to),
        unsure: reason.is_some(),
        reason,
    }))
}

/// Means over ten minutes.
#[derive(Debug, Default)]
struct Sums {
    whole: Option<Rollup>,
    /// Mean that is being made, with its start.
    current: Option<(i64, Rollup)>,
    count: i64,
    /// Means that do not adjoin the one before: more than ten minutes lie between their readings.
    apart: i64,
    /// Start of the last mean.
    last: Option<i64>,
    outside: i64,
    /// Distance from the nominal voltage, and its start.
    farthest: Option<(f64, i64)>,
}

impl Sums {
    fn add(&mut self, start: i64, rollup: Option<&Rollup>) {
        let start = start - start.rem_euclid(MEAN);
        if self.current.is_some_and(|(of, _)| of != start) {
            self.end();
        }
        let Some(rollup) = rollup else { return };
        match &mut self.current {
            Some((_, current)) => current.append(rollup),
            none => *none = Some((start, *rollup)),
        }
    }

    fn end(&mut self) {
        let Some((start, mean)) = self.current.take() else { return };
        match &mut self.whole {
            Some(whole) => whole.append(&mean),
            none => *none = Some(mean),
        }
        self.count += 1;
        self.apart += i64::from(self.last.is_some_and(|last| start - last > MEAN));
        self.last = Some(start);
        self.outside += i64::from(!ALLOWED.contains(&mean.mean));
        let distance = (mean.mean - NOMINAL).abs();
        if self.farthest.is_none_or(|(most, _)| distance > most) {
            self.farthest = Some((distance, start));
        }
    }
}
