//! `/registers`: what the counters of all meters showed at a moment, and what they counted between two.

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use warp::{filters::BoxedFilter, reply::Response};

use super::{
    ApiError,
    chunks::Chunks,
    history::{History, Known, Query},
    parameters::{Day, Parameters, moment},
};
use crate::{
    Decimal, Direction, Kind, Label, SourceRole, Text, Value,
    journal::{Listed, Micros, ReadError, Register, Registered, Sample, Swap, View},
    json,
    listed::listed,
    store::Section,
};

const PARAMETERS: [&str; 4] = ["at", "from", "to", "source"];

/// `/registers`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    history.route("registers", Question::parse, Question::answer)
}

/// Question for registers.
#[derive(Debug)]
struct Question {
    at: Option<String>,
    from: Option<String>,
    to: Option<String>,
    source: Option<String>,
}

/// Moments at which registers are wanted.
#[derive(Debug, Clone, Copy)]
enum Moments {
    At(Micros),
    Between(Micros, Micros),
}

impl Question {
    fn parse(query: Query) -> Result<Self, ApiError> {
        let mut given = Parameters::parse(query, &PARAMETERS)?;
        let [at, from, to, source] = PARAMETERS.map(|key| given.take(key));
        if at.is_some() && (from.is_some() || to.is_some()) {
            return Err(ApiError::bad_request("`at` (one moment) and `from` with `to` exclude each other"));
        }
        if to.is_some() && from.is_none() {
            return Err(ApiError::bad_request("`to` needs `from`: for one moment, write `at`"));
        }
        Ok(Self { at, from, to, source })
    }

    fn moments(&self, view: &View<'_>) -> Result<Moments, ReadError> {
        let end = |key, text: &Option<String>| moment(view, key, text.as_deref().unwrap_or("now"), Day::End);
        Ok(match &self.from {
            Some(from) => Moments::Between(moment(view, "from", from, Day::Begin)?, end("to", &self.to)?),
            None => Moments::At(end("at", &self.at)?),
        })
    }

    fn answer(self, view: &View<'_>, out: &mut Chunks, known: &Known) -> Result<(), ReadError> {
        let store = &known.store;
        if let Some(source) = &self.source {
            view.check_section(source)?;
        }
        let moments = self.moments(view)?;
        let zone = view.zone.iana_name().unwrap_or("local");
        let head = match moments {
            Moments::At(at) => Head { at: Some(ms(at)), from: None, to: None, zone },
            Moments::Between(from, to) => Head { at: None, from: Some(ms(from)), to: Some(ms(to)), zone },
        };
        json::write(&mut out.buffer, &head);
        out.buffer.pop();
        out.buffer.extend_from_slice(b",\"registers\":[");
        let mut first = true;
        for listed in listed(view, store)? {
            let is_wanted = self.source.as_deref().is_none_or(|source| listed.name.section == source);
            if !is_wanted || !is_register(&listed) {
                continue;
            }
            let section = store.section(&listed.name.section);
            let labels = section.as_ref().map(|section| section.labels().shown(&listed.name.name));
            let Label { label, role } = labels.unwrap_or_default();
            if role == Some(SourceRole::Hidden) && self.source.is_none() {
                continue;
            }
            let name = &listed.name;
            let series = view.find(&name.section, &name.name, Some(&*name.unit))?;
            let decimals = section.and_then(|section| decimals(&section, &listed));
            let found = match moments {
                Moments::At(at) => {
                    let end = Shown::of(&series.register(at)?);
                    Found { end, begin: None, amount: None, swaps: vec![] }
                }
                Moments::Between(from, to) => Found::of(&series.registered(from, to)?),
            };
            if !std::mem::take(&mut first) {
                out.buffer.push(b',');
            }
            json::write(&mut out.buffer, &Row::new(&listed, label.as_ref(), decimals, &found));
            if !out.goes_on() {
                return Ok(());
            }
        }
        out.buffer.extend_from_slice(b"]}");
        Ok(())
    }
}

/// Returns whether a series is a register that a person reads off: it counts on for ever.
fn is_register(listed: &Listed) -> bool {
    matches!(listed.meaning.kind, Kind::Counter | Kind::Net) && listed.meaning.live
}

/// Returns how many digits after the point the meter sends, zeros too, by its newest reading.
fn decimals(section: &Section, listed: &Listed) -> Option<u8> {
    let newest = section.view(Instant::now())?;
    let reading = newest.snapshot.batch.get(&listed.name.name)?;
    match reading.value {
        Value::Number(number) if reading.unit.as_deref().unwrap_or_default() == listed.name.unit => {
            Some(number.scale())
        }
        _ => None,
    }
}

/// Members before the registers.
#[derive(Serialize)]
struct Head<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i64>,
    zone: &'a str,
}

/// One register.
#[derive(Serialize)]
struct Row<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a Text>,
    name: &'a str,
    obis: &'a str,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decimals: Option<u8>,
    #[serde(flatten)]
    found: &'a Found,
}

impl<'a> Row<'a> {
    fn new(listed: &'a Listed, label: Option<&'a Text>, decimals: Option<u8>, found: &'a Found) -> Self {
        let Listed { name, obis, meaning, .. } = listed;
        Self {
            source: &name.section,
            label,
            name: &name.name,
            obis,
            unit: &name.unit,
            tariff: meaning.tariff,
            direction: meaning.direction,
            decimals,
            found,
        }
    }
}

/// Number of a register at the moment, or at the end of the range.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    end: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    begin: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Option<Decimal>>,
    swaps: Vec<ShownSwap>,
}

impl Found {
    fn of(found: &Registered) -> Self {
        let swap = |swap: &Swap| ShownSwap { time: ms(swap.time), from: swap.from, to: swap.to };
        Self {
            end: Shown::of(&found.end),
            begin: Some(Shown::of(&found.begin)),
            amount: Some(found.amount),
            swaps: found.swaps.iter().map(swap).collect(),
        }
    }
}

/// Number of a register.
#[derive(Serialize)]
struct Shown {
    value: Option<Decimal>,
    at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<ShownReading>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<ShownReading>,
    exact: bool,
    gap: bool,
}

#[derive(Serialize)]
struct ShownReading {
    value: Decimal,
    time: i64,
}

#[derive(Serialize)]
struct ShownSwap {
    time: i64,
    from: f64,
    to: f64,
}

impl Shown {
    fn of(found: &Register) -> Self {
        let reading = |of: Sample| ShownReading { value: of.value, time: ms(of.time) };
        Self {
            value: found.value,
            at: ms(found.at),
            before: found.before.map(reading),
            after: found.after.map(reading),
            exact: found.exact,
            gap: found.gap,
        }
    }
}

/// Returns milliseconds since 1970.
fn ms(time: Micros) -> i64 {
    time.div_euclid(1000)
}
