//! `/readings`: meaning of the newest readings, for clients that show them or add them up.
//!
//! Clients need no table of units or OBIS codes of their own: `kind`, `quantity` and the other members are those of
//! [`Meaning`].

use std::{future::ready, sync::Arc, time::Instant};

use serde::Serialize;
use warp::{filters::BoxedFilter, http::StatusCode, reply::Response};

use super::{Members, reply};
use crate::{
    Direction, Kind, Meaning, Medium, Phase, Quantity, Reading, SourceRole, Store, Text, store::Section,
};

/// Meaning of a reading, as clients see it.
#[derive(Serialize)]
pub(super) struct Described<'a> {
    kind: Kind,
    quantity: Quantity,
    /// The canonical unit, or the device's own text where that is not known.
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    /// The factor to the base unit of the quantity: J, W, m³, V, …
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff: Option<u8>,
    live: bool,
    #[serde(flatten)]
    source: Source,
}

/// What a person has said about the source of a reading.
#[derive(Clone, Default, Serialize)]
pub(super) struct Source {
    #[serde(rename = "source_label", skip_serializing_if = "Option::is_none")]
    label: Option<Text>,
    #[serde(rename = "source_role", skip_serializing_if = "Option::is_none")]
    role: Option<SourceRole>,
}

impl Source {
    pub(super) fn of(section: &Section) -> Self {
        Self { label: section.label.clone(), role: section.role }
    }
}

impl<'a> Described<'a> {
    pub(super) fn new(meaning: Meaning, own_unit: &'a str, source: Source) -> Self {
        let Meaning { quantity, kind, unit, medium, phase, direction, tariff, live } = meaning;
        Self {
            kind,
            quantity,
            unit: unit.map_or(own_unit, |unit| unit.symbol()),
            factor: unit.map(|unit| unit.factor().to_f64()),
            medium,
            phase,
            direction,
            tariff,
            live,
            source,
        }
    }

    fn of(reading: &'a Reading, source: Source) -> Self {
        Self::new(reading.meaning(), reading.unit.as_deref().unwrap_or_default(), source)
    }
}

/// `/readings`.
pub(super) fn routes(store: &Arc<Store>) -> BoxedFilter<(Response,)> {
    let store = Arc::clone(store);
    reply::read_only("readings", move |_| ready(answer(&store)))
}

fn answer(store: &Store) -> Response {
    let sections = store.sections();
    let views = sections.iter().filter_map(|section| Some((section, section.view(Instant::now())?)));
    let views: Vec<_> = views.collect();
    let sections = views.iter().map(|(section, view)| {
        let readings = view.snapshot.batch.readings.iter();
        let source = Source::of(section);
        let described =
            readings.map(|reading| (reading.name.as_str(), Described::of(reading, source.clone())));
        (section.name.as_str(), Members(described.collect()))
    });
    reply::serialized(StatusCode::OK, &Members(sections.collect()))
}
