//! Heat pump: what it consumes on a day, over the mean of the outside temperature.

use jiff::Timestamp;
use serde::Serialize;

use super::{Question, Reason, rounded};
use crate::{
    Unit,
    balance::{Part, energies},
    journal::{Listed, Micros, Per, ReadError, Rollup, SECOND, Step, View},
    roles,
};

/// Days that are looked at.
const DAYS: i64 = 365;
/// Fewest days that show how it depends on the temperature.
const FEWEST: usize = 20;

/// Heat pump and the outside temperature.
#[derive(Debug, Serialize)]
pub(super) struct HeatPump {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<String>,
    points: Vec<Point>,
    from: i64,
    to: i64,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// Day of a heat pump.
#[derive(Debug, Serialize)]
struct Point {
    day: String,
    temperature: f64,
    kwh: f64,
}

/// Checks that what a question names exists.
///
/// # Errors
/// Returns an error with the names that exist.
pub(crate) fn check(view: &View<'_>, listed: &[Listed], question: &Question) -> Result<(), ReadError> {
    if let Some(source) = &question.heat_pump {
        view.check_section(source)?;
    }
    let Some((source, name)) = &question.temperature else { return Ok(()) };
    if listed.iter().any(|of| is_outside(of, question)) {
        return Ok(());
    }
    view.find(source, name, None)?;
    let message =
        format!("`temperature` is `{source}/{name}`, which is no temperature: expected a reading in °C");
    Err(ReadError::BadRequest(message))
}

/// Returns the days of the heat pump in the year until a moment.
pub(super) fn pump(
    view: &View<'_>,
    parts: &[Part],
    listed: &[Listed],
    question: &Question,
    to: i64,
) -> Result<HeatPump, ReadError> {
    let from = to - DAYS * 86_400;
    let mut found = HeatPump {
        source: None,
        temperature: None,
        points: Vec::new(),
        from: super::ms(from),
        to: super::ms(to),
        unsure: true,
        reason: None,
    };
    let Some(part) = parts.iter().find(|part| is_pump(part, question)) else {
        return Ok(HeatPump { reason: Some(Reason::NoHeatPump), ..found });
    };
    found.source = Some(part.source.to_string());
    let Some(outside) = listed.iter().find(|of| is_outside(of, question)) else {
        return Ok(HeatPump { reason: Some(Reason::NoTemperature), ..found });
    };
    found.temperature = Some(format!("{}/{}", outside.name.section, outside.name.name));
    let edges = Per::Day.edges(from * SECOND, to * SECOND, view.zone)?;
    let temperatures = temperatures(view, outside, &edges)?;
    let last = part.import.iter().map(|register| register.to()).max().unwrap_or(Micros::MIN);
    let begin = part.import.iter().map(|register| register.from()).min().unwrap_or(Micros::MAX);
    let energies = energies(view, &part.import, &edges)?.into_iter();
    for ((kwh, temperature), edges) in energies.zip(temperatures).zip(edges.windows(2)) {
        // Whole days only.
        let is_whole = begin <= edges[0] * SECOND && edges[1] * SECOND <= last;
        if let (Some(kwh), Some(temperature), true) = (kwh, temperature, is_whole)
            && let Ok(day) = Timestamp::from_second(edges[0])
        {
            let day = day.to_zoned(view.zone.clone()).date().to_string();
            found.points.push(Point { day, temperature: rounded(temperature), kwh: rounded(kwh) });
        }
    }
    found.reason = (found.points.len() < FEWEST).then_some(Reason::FewReadings);
    found.unsure = found.reason.is_some();
    Ok(found)
}

/// Returns the mean of each day between two edges, in °C. Each reading counts the same.
fn temperatures(view: &View<'_>, of: &Listed, edges: &[i64]) -> Result<Vec<Option<f64>>, ReadError> {
    let series = view.find(&of.name.section, &of.name.name, Some(&*of.name.unit))?;
    let mut days = vec![None::<Rollup>; edges.len().saturating_sub(1)];
    let (Some(from), Some(to)) = (edges.first(), edges.last()) else { return Ok(Vec::new()) };
    series.history(from * SECOND, to * SECOND, Step::named("1h"))?.spans(|(start, rollup)| {
        let day =
            edges.partition_point(|edge| edge <= start).checked_sub(1).and_then(|day| days.get_mut(day));
        match (day, rollup) {
            (Some(Some(day)), Some(rollup)) => day.append(rollup),
            (Some(day), Some(rollup)) => *day = Some(*rollup),
            _ => {}
        }
        true
    })?;
    Ok(days.into_iter().map(|day| day.map(|day| day.mean)).collect())
}

fn is_pump(part: &Part, question: &Question) -> bool {
    if let Some(wanted) = &question.heat_pump {
        return part.source == *wanted;
    }
    part.is_consumer()
        && (roles::is_heat_pump(&part.source) || part.label.as_deref().is_some_and(roles::is_heat_pump))
}

fn is_outside(of: &Listed, question: &Question) -> bool {
    if of.meaning.unit != Some(Unit::Celsius) {
        return false;
    }
    if let Some((source, name)) = &question.temperature {
        return of.name.section == *source && of.name.name == *name;
    }
    roles::is_outside(&of.name.section) || roles::is_outside(&of.name.name)
}
