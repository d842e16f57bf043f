//! The household now, for sources that are made of it: powers of the newest readings, and shares of today.

use std::sync::Arc;

use crate::{
    AcquireError, ConfigError, Decimal, Direction, Kind, KnownRole, Medium, Quantity, Reading, SourceContext,
    SourceRole, Timestamp, Unit, Value,
    balance::{balance, parts},
    journal::{Per, ReadError},
    listed::listed,
    store::{Section, View},
};

/// Roles without which there is no balance.
const ROLES: [SourceRole; 3] = [SourceRole::Grid, SourceRole::Production, SourceRole::Storage];

/// Sources that make up the household's balance.
#[derive(Debug)]
pub struct Household {
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
    /// Returns the household for a source, whose batches turn stale with those of the sources that a person has given
    /// a role. Sources with a guessed role are found when they were read.
    ///
    /// # Errors
    /// Returns an error if a source cannot be an input.
    pub fn new(cx: &SourceContext) -> Result<Self, ConfigError> {
        for (name, _) in cx.roles().iter().filter(|(name, role)| ROLES.contains(role) && name != cx.name()) {
            cx.input("plugin", name)?;
        }
        Ok(Self { context: cx.clone() })
    }

    /// Returns the powers of the newest readings.
    ///
    /// # Errors
    /// Returns an error that names a source that is stale, or has no readings yet, or says that none is the grid's.
    pub fn powers(&self) -> Result<Powers, AcquireError> {
        let mut sources = self.context.store().map(|store| store.roles()).unwrap_or_default();
        sources.retain(|(section, _)| *section.name != *self.context.name());
        let waited = self.context.stale_after();
        let silent =
            |section: &Section| AcquireError::Silent { device: format!("source `{}`", section.name), waited };
        if !sources.iter().any(|(_, role)| role.is_some_and(|known| known.role == SourceRole::Grid)) {
            // What it counts may tell that it is that of the grid.
            let is_unread = |(section, role): &&(Arc<Section>, Option<KnownRole>)| {
                role.is_none() && !section.is_computed() && !section.has_batch()
            };
            return Err(match sources.iter().find(is_unread) {
                Some((unread, _)) => silent(unread),
                None => AcquireError::misconfigured(
                    "a balance needs the meter of the grid: write `role = \"grid\"` in the section of that source",
                ),
            });
        }
        let now = tokio::time::Instant::now().into_std();
        let (mut consumption, mut storage) = (Some(Decimal::from(0)), None);
        for (section, role) in &sources {
            let Some(role) = role.map(|known| known.role).filter(|role| ROLES.contains(role)) else {
                continue;
            };
            let Some(view) = section.view(now).filter(|view| !view.stale) else {
                return Err(silent(section));
            };
            let power = power(role, &view);
            if role == SourceRole::Storage {
                storage = sum(storage.or(Some(Decimal::from(0))), power, false);
            }
            consumption = sum(consumption, power, role == SourceRole::Storage);
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
        let Some(store) = self.context.store() else { return Ok(SharesToday::default()) };
        let all = store.sections();
        let others = all.iter().filter(|section| *section.name != *self.context.name());
        let sections: Vec<_> = others.cloned().collect();
        self.context.read_journal(|view| {
            let micros = now.as_microsecond();
            let edges = Per::Day.edges(micros, micros + 1, view.zone)?;
            let rows = balance(view, &parts(&sections, &listed(view, store)?), &edges)?.rows;
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
    let undirected = || find(None).or_else(|| find(Some(Direction::Absolute)));
    let zero = Decimal::from(0);
    match role {
        SourceRole::Production => {
            let net = || zero.checked_sub(net?);
            let made = export.or_else(net).or_else(undirected).or(import)?;
            // At night an inverter draws a little, which is the household's.
            Some(if made.mantissa() < 0 { zero } else { made })
        }
        _ => {
            let both = || import.unwrap_or(zero).checked_sub(export?);
            net.or_else(both).or(import).or_else(undirected)
        }
    }
}
