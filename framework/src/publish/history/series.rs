//! Series of hours that a publisher of history delivers.

use std::ops::Range;

use super::HOUR;
use crate::{
    Kind, Labels, Meaning, Quantity, Route, Store, Tariffs, Text,
    costs::billed_counters,
    journal::{Micros, ReadError, SECOND, SeriesName, View},
    listed::listed,
};

/// Series of hours: those of a counter, of a gauge, or of the cost of what a counter counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourSeries {
    /// Name of the source.
    pub source: Text,
    /// Name of the reading.
    pub name: Text,
    /// Unit of the reading; empty where it has none. A name whose unit has changed is two series.
    pub unit: Text,
    /// What people call the source.
    pub source_label: Option<Text>,
    /// What people call the reading.
    pub label: Option<Text>,
    /// Meaning of the reading.
    pub meaning: Meaning,
    /// What its hours tell.
    pub figure: Figure,
    /// Hours that are complete: start of the first and end of the last, in seconds since 1970. The end lies before the
    /// newest reading.
    pub complete: Range<i64>,
}

/// What the hours of a series tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// What a counter counted, as [`Figures::Counted`](super::Figures::Counted).
    Counted,
    /// Mean and extremes of a gauge, as [`Figures::Measured`](super::Figures::Measured).
    Measured,
    /// Cost of what a counter counted by the tariffs, or the income, as [`Figures::Counted`](super::Figures::Counted).
    Cost {
        /// Code of the currency, such as `EUR`.
        currency: Text,
    },
}

impl HourSeries {
    /// Returns whether it is about the same as another, whatever hours are complete.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.source, &self.name, &self.unit, &self.figure)
            == (&other.source, &other.name, &other.unit, &other.figure)
    }
}

/// Returns the selected series that have complete hours, each counter followed by its cost.
///
/// Values of the past, maxima, states and angles are left out: a sum or a mean of them says nothing.
pub(super) fn selected(
    view: &View<'_>,
    tariffs: &Tariffs,
    store: &Store,
    route: &Route,
) -> Result<Vec<HourSeries>, ReadError> {
    let (stored, shown) = (view.series()?, listed(view, store)?);
    let mut selected = Vec::new();
    let mut costs: Option<(Text, Vec<SeriesName>)> = None;
    for (listed, shown) in stored.iter().zip(&shown) {
        let name = &listed.name;
        if !route.has_source(&name.section) || !route.has_series(&name.name) {
            continue;
        }
        let Some(figure) = figure(&listed.meaning) else { continue };
        let complete = complete(listed.from, listed.to);
        if complete.is_empty() {
            continue;
        }
        let labels = store.section(&name.section).map(|section| section.labels());
        let label = |of: fn(&Labels, &str) -> Option<Text>| of(labels.as_deref()?, &name.name);
        let series = HourSeries {
            source: name.section.clone(),
            name: name.name.clone(),
            unit: name.unit.clone(),
            source_label: label(|labels, _| labels.source.label.clone()),
            label: label(|labels, name| labels.reading(name).label),
            meaning: shown.meaning,
            figure,
            complete,
        };
        if costs.as_ref().is_none_or(|(source, _)| *source != series.source) {
            costs = Some((series.source.clone(), billed_counters(view, tariffs, &series.source)?));
        }
        let is_billed = costs.as_ref().is_some_and(|(_, of)| of.contains(name));
        let cost = is_billed.then(|| {
            let currency = tariffs.of(&series.source).first().map(|tariff| Text::from(&*tariff.currency));
            HourSeries {
                figure: Figure::Cost { currency: currency.unwrap_or_else(|| tariffs.currency().into()) },
                ..series.clone()
            }
        });
        selected.push(series);
        selected.extend(cost);
    }
    Ok(selected)
}

fn figure(meaning: &Meaning) -> Option<Figure> {
    if !meaning.live {
        return None;
    }
    match meaning.kind {
        Kind::Counter | Kind::Net => Some(Figure::Counted),
        Kind::Gauge if meaning.quantity != Quantity::Angle => Some(Figure::Measured),
        Kind::Gauge | Kind::Maximum | Kind::State => None,
    }
}

/// Returns the complete hours of a series with readings from one moment to another.
pub(super) fn complete(first: Micros, last: Micros) -> Range<i64> {
    let hour = |time: Micros| {
        let second = time.div_euclid(SECOND);
        second - second.rem_euclid(HOUR)
    };
    // The end of checkpointed readings is that of a minute, in which more may come.
    hour(first)..hour(last.saturating_sub(1))
}
