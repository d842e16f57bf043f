//! `/readings`: meaning of the newest readings, for clients that show them or add them up.
//!
//! Clients need no table of units or OBIS codes of their own: `kind`, `quantity` and the other members are those of
//! [`Meaning`].

use std::{future::ready, sync::Arc, time::Instant};

use serde::Serialize;
use warp::{filters::BoxedFilter, http::StatusCode, reply::Response};

use super::{Members, reply};
use crate::{
    Direction, Kind, KnownRole, Label, Labels, Meaning, Medium, Phase, Quantity, Reading, SourceRole, Store,
    Text,
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
    place: Place,
}

/// What is known of a reading and its source, beyond what they measure.
#[derive(Clone, Default, Serialize)]
pub(super) struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<SourceRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_label: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_role: Option<SourceRole>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    role_guessed: bool,
}

impl Place {
    /// Returns that of a reading, by the labels and the role of its source.
    pub(super) fn of(reading: &str, labels: &Labels, role: Option<KnownRole>) -> Self {
        let Label { label, role: own } = labels.reading(reading);
        Self {
            label,
            role: own,
            source_label: labels.source.label.clone(),
            source_role: role.map(|known| known.role),
            role_guessed: role.is_some_and(|known| known.guessed),
        }
    }
}

impl<'a> Described<'a> {
    pub(super) fn new(meaning: Meaning, own_unit: &'a str, place: Place) -> Self {
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
            place,
        }
    }

    fn of(reading: &'a Reading, place: Place) -> Self {
        Self::new(reading.meaning(), reading.unit.as_deref().unwrap_or_default(), place)
    }
}

/// `/readings`.
pub(super) fn routes(store: &Arc<Store>) -> BoxedFilter<(Response,)> {
    let store = Arc::clone(store);
    reply::read_only("readings", move |_| ready(answer(&store)))
}

fn answer(store: &Store) -> Response {
    let sections = store.roles();
    let views = sections.iter().filter_map(|(section, role)| {
        Some((section, section.labels(), *role, section.view(Instant::now())?))
    });
    let views: Vec<_> = views.collect();
    let sections = views.iter().map(|(section, labels, role, view)| {
        let readings = view.snapshot.batch.readings.iter();
        let described = readings.map(|reading| {
            (reading.name.as_str(), Described::of(reading, Place::of(&reading.name, labels, *role)))
        });
        (section.name.as_str(), Members(described.collect()))
    });
    reply::serialized(StatusCode::OK, &Members(sections.collect()))
}
