//! The household now, for sources that are made of it: powers of the newest readings, and shares of today.

use std::sync::Arc;

use crate::{
    AcquireError, ConfigError, Decimal, Direction, Input, Kind, Medium, Quantity, Reading, SourceContext,
    SourceRole, Timestamp, Unit, Value,
    balance::{balance, parts},
    journal::{Per, ReadError},
    store::{Section, View},
};

/// Roles without which there is no balance.
const ROLES: [SourceRole; 3] = [SourceRole::Grid, SourceRole::Production, SourceRole::Storage];

/// Sources that make up the household's balance.
#[derive(Debug)]
pub struct Household {
    inputs: Vec<(SourceRole, Input)>,
    context: SourceContext,
}

/// Powers of the household now, in W; `None` where a source has no power.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Powers {
    /// What it consumes.
    pub consumption: Option<Decimal>,
    /// Into the battery; negative out of it. `None` without a battery.
    pub storage: Option<Decimal>,
}

/// Shares of today, from 0 to 1; `None` where they are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SharesToday {
    /// Share of the production that was used in the household.
    pub self_consumption: Option<f64>,
    /// Share of the consumption that did not come from the grid.
    pub self_sufficiency: Option<f64>,
}

impl Household {
    /// Returns the sources with the roles of a balance as inputs of a source.
    ///
    /// # Errors
    /// Returns an error if a source cannot be an input.
    pub fn new(cx: &SourceContext) -> Result<Self, ConfigError> {
        let of_role = |wanted: SourceRole| {
            let named = cx.roles().iter().filter(move |(name, role)| *role == wanted && name != cx.name());
            named.map(move |(name, role)| Ok((*role, cx.input("plugin", name)?)))
        };
        let inputs: Vec<_> = ROLES.into_iter().flat_map(of_role).collect::<Result<_, ConfigError>>()?;
        Ok(Self { inputs, context: cx.clone() })
    }

    /// Returns the powers of the newest readings.
    ///
    /// # Errors
    /// Returns an error that names a source that is stale, or has no readings yet, or says that none is the grid's.
    pub fn powers(&mut self) -> Result<Powers, AcquireError> {
        if !self.inputs.iter().any(|(role, _)| *role == SourceRole::Grid) {
            return Err(AcquireError::misconfigured(
                "a balance needs the meter of the grid: write `role = \"grid\"` in the section of that source",
            ));
        }
        let waited = self.context.stale_after();
        let (mut consumption, mut storage) = (Some(Decimal::from(0)), None);
        for (role, input) in &mut self.inputs {
            let view = input.latest().filter(|view| !view.stale);
            let Some(view) = view else {
                return Err(AcquireError::Silent { device: format!("source `{}`", input.source()), waited });
            };
            let power = power(*role, &view);
            if *role == SourceRole::Storage {
                storage = sum(storage.or(Some(Decimal::from(0))), power, false);
            }
            consumption = sum(consumption, power, *role == SourceRole::Storage);
        }
        // Meters are not read at the same moment.
        let consumption =
            consumption.map(|watts| if watts.mantissa() < 0 { Decimal::from(0) } else { watts });
        Ok(Powers { consumption, storage })
    }

    /// Returns the shares of the local day. It may block.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn shares(&self, now: Timestamp) -> Result<SharesToday, ReadError> {
        let sections: Vec<Arc<Section>> =
            self.inputs.iter().filter_map(|(_, input)| input.section()).collect();
        self.context.read_journal(|view| {
            let micros = now.as_microsecond();
            let edges = Per::Day.edges(micros, micros + 1, view.zone)?;
            let rows = balance(view, &parts(&sections, &view.series()?), &edges)?.rows;
            let today = rows.last().filter(|row| !row.gap);
            Ok(SharesToday {
                self_consumption: today.and_then(|row| row.self_consumption()),
                self_sufficiency: today.and_then(|row| row.self_sufficiency()),
            })
        })
    }
}

/// Returns a sum, or a difference; `None` where one of them is not known.
fn sum(sum: Option<Decimal>, power: Option<Decimal>, negative: bool) -> Option<Decimal> {
    let (sum, power) = (sum?, power?);
    if negative { sum.checked_sub(power) } else { sum.checked_add(power) }
}

fn number(reading: &Reading) -> Option<Decimal> {
    match reading.value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// Returns the power of a source in W: drawn from the grid, produced, or into the battery.
fn power(role: SourceRole, view: &View) -> Option<Decimal> {
    let readings = &view.snapshot.batch.readings;
    let find = |direction: Option<Direction>| {
        let watts = |reading: &Reading| {
            let meaning = reading.meaning();
            let is_power = meaning.quantity == Quantity::Power
                && meaning.kind == Kind::Gauge
                && meaning.live
                && meaning.phase.is_none()
                && meaning.tariff.is_none()
                && matches!(meaning.medium, None | Some(Medium::Electricity));
            let number = number(reading).filter(|_| is_power && meaning.direction == direction)?;
            meaning.unit?.convert(number, Unit::Watt)?.decimal()
        };
        readings.iter().find_map(watts)
    };
    let [net, import, export] =
        [Direction::Net, Direction::Import, Direction::Export].map(|direction| find(Some(direction)));
    let zero = Decimal::from(0);
    let net = net.or_else(|| import.unwrap_or(zero).checked_sub(export?)).or(import);
    match role {
        // As its counters: the export, or what has no direction, or the import of one that is connected the other way.
        SourceRole::Production => match (export.or(find(None)), net) {
            (None, Some(net)) if import.is_none() => zero.checked_sub(net),
            (made, _) => made.or(import),
        },
        _ => net.or_else(|| find(None)),
    }
}
