//! Counters of a source that are billed.

use tariff::{KwhPrice, Number, Tariff, number};

use super::Tariffs;
use crate::{
    Decimal, Direction, Kind, Meaning, Medium, Quantity, Unit,
    journal::{Listed, ReadError, Series, SeriesName, View},
};

/// Counter whose energy has a price.
#[derive(Debug)]
pub(super) struct Billed<'v> {
    pub(super) series: Series<'v>,
    /// Register: T1, T2, …
    pub(super) register: Option<u8>,
    /// Fed into the grid, and not drawn.
    pub(super) is_export: bool,
    unit: Conversion,
}

/// Way from the unit of a counter to kWh.
#[derive(Debug, Clone, Copy)]
enum Conversion {
    /// Energy, times a factor.
    Energy { factor: Number, divisor: Number },
    /// Gas, times a factor in m³.
    Volume { factor: Number, divisor: Number },
}

impl<'v> Billed<'v> {
    /// Returns a series as a counter with a price; `None` if it counts neither energy nor volume, or runs both ways.
    pub(super) fn new(series: Series<'v>, meaning: &Meaning) -> Option<Self> {
        let conversion = |to: Unit| {
            let from = meaning.unit?;
            let one = |factor: Option<crate::Factor>| {
                factor.and_then(|of| of.apply(Decimal::from(1)).decimal()).map(number)
            };
            match (one(from.factor_to(to)), one(to.factor_to(from))) {
                (Some(factor), _) => Some((factor, Number::ONE)),
                (None, Some(divisor)) => Some((Number::ONE, divisor)),
                (None, None) => None,
            }
        };
        let unit = match meaning.quantity {
            Quantity::Energy => conversion(Unit::KilowattHour)
                .map(|(factor, divisor)| Conversion::Energy { factor, divisor })?,
            Quantity::Volume => conversion(Unit::CubicMetre)
                .map(|(factor, divisor)| Conversion::Volume { factor, divisor })?,
            _ => return None,
        };
        let is_export = meaning.direction == Some(Direction::Export);
        (meaning.kind == Kind::Counter && is_of_tariffs(meaning)).then_some(Self {
            series,
            register: meaning.tariff,
            is_export,
            unit,
        })
    }

    /// Returns an amount of the counter in kWh; `None` where a tariff has no factor for it.
    pub(super) fn energy(&self, amount: Decimal, tariff: &Tariff) -> Option<Number> {
        let convert =
            |factor: Number, divisor: Number| number(amount).checked_mul(factor)?.checked_div(divisor);
        match self.unit {
            Conversion::Energy { factor, divisor } => convert(factor, divisor),
            Conversion::Volume { factor, divisor } => tariff.gas_energy(convert(factor, divisor)?),
        }
    }

    /// Returns whether a tariff has a price for this counter as it is: one by register needs a register.
    pub(super) fn fits(&self, tariff: &Tariff) -> bool {
        self.register.is_some() || !is_by_register(tariff, self.is_export)
    }
}

/// Returns whether a counter of a source counts under a tariff: where the price is one by register, the registers stand
/// for the total, else the total stands for them.
pub(super) fn counts(counters: &[Billed<'_>], counter: &Billed<'_>, tariff: Option<&Tariff>) -> bool {
    let others = || counters.iter().filter(|other| other.is_export == counter.is_export);
    let has_registers = others().any(|other| other.register.is_some());
    let has_total = others().any(|other| other.register.is_none());
    let by_register = tariff.map_or(!has_total, |tariff| is_by_register(tariff, counter.is_export));
    match counter.register {
        Some(_) => by_register || !has_total,
        None => !by_register || !has_registers,
    }
}

/// Returns whether the price of what is drawn, or of what is fed in, is one by register.
pub(super) fn is_by_register(tariff: &Tariff, is_export: bool) -> bool {
    tariff.kwh_price(is_export).is_some_and(KwhPrice::is_by_register)
}

/// Returns whether a counter counts what tariffs are for: electricity as energy, gas as volume. Heat has kWh, too, and
/// water m³.
fn is_of_tariffs(meaning: &Meaning) -> bool {
    let medium = if meaning.quantity == Quantity::Volume { Medium::Gas } else { Medium::Electricity };
    meaning.medium.is_none_or(|of| of == medium)
}

/// Returns whether a series counts what a household pays or is paid for.
fn is_billed(listed: &Listed, source: &str, quantity: Quantity) -> bool {
    let Meaning { kind, phase, live, .. } = listed.meaning;
    &*listed.name.section == source
        && listed.meaning.quantity == quantity
        && kind == Kind::Counter
        && phase.is_none()
        && live
        && is_of_tariffs(&listed.meaning)
}

/// Returns a listed series as a counter.
fn found<'v>(view: &View<'v>, listed: &Listed) -> Result<Option<Billed<'v>>, ReadError> {
    let name = &listed.name;
    let series = view.find(&name.section, &name.name, Some(&name.unit))?;
    Ok(Billed::new(series, &listed.meaning))
}

/// Returns the registers T1, T2, … beside a counter, which count the same.
pub(super) fn registers_of<'v>(view: &View<'v>, counter: &Series<'_>) -> Result<Vec<Billed<'v>>, ReadError> {
    let meaning = counter.meaning();
    let is_part = |listed: &&Listed| {
        is_billed(listed, &counter.name.section, meaning.quantity)
            && listed.meaning.direction == meaning.direction
            && listed.meaning.tariff.is_some()
    };
    let all = view.series()?;
    let parts = all.iter().filter(is_part).map(|listed| found(view, listed));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Returns the counters of a source that are billed: those that its tariffs have prices for.
///
/// # Errors
/// Returns an error if the source has none, or several of which none is the one of the grid.
pub(super) fn billed<'v>(
    view: &View<'v>,
    source: &str,
    tariffs: &[&Tariff],
) -> Result<Vec<Billed<'v>>, ReadError> {
    let is_gas = tariffs.iter().any(|tariff| tariff.gas_factor.is_some());
    let quantity = if is_gas { Quantity::Volume } else { Quantity::Energy };
    let all = view.series()?;
    let listed: Vec<_> = all.iter().filter(|listed| is_billed(listed, source, quantity)).collect();
    if listed.is_empty() {
        let what = if is_gas { "gas" } else { "energy" };
        return Err(ReadError::NotFound(format!(
            "`{source}` has no counter of {what} in the journal: see /series"
        )));
    }
    let of = |direction: Option<Direction>, by_register: bool| {
        let has = |listed: &&&Listed| {
            listed.meaning.direction == direction && listed.meaning.tariff.is_some() == by_register
        };
        listed.iter().filter(has).copied().collect::<Vec<_>>()
    };
    let choose = |direction: Option<Direction>, is_export: bool, which: &str| {
        let (totals, registers) = (of(direction, false), of(direction, true));
        at_most_one(source, &totals, which)?;
        let wants = |by_register| tariffs.iter().any(|of| is_by_register(of, is_export) == by_register);
        let mut chosen = Vec::new();
        if wants(true) || totals.is_empty() {
            chosen.extend(registers);
        }
        if wants(false) || chosen.is_empty() {
            chosen.extend(totals);
        }
        Ok::<_, ReadError>(chosen)
    };
    let mut chosen = Vec::new();
    // A meter counts what is drawn, or both directions, or does not say.
    let drawn = [Some(Direction::Import), None, Some(Direction::Absolute)];
    for direction in drawn
        .into_iter()
        .filter(|direction| is_gas || *direction != Some(Direction::Absolute) || listed.len() == 1)
    {
        chosen = choose(direction, false, "to pay for")?;
        if !chosen.is_empty() {
            break;
        }
    }
    chosen.extend(choose(Some(Direction::Export), true, "that is paid for")?);
    let counters = chosen.into_iter().map(|listed| found(view, listed));
    Ok(counters.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Returns the counters of a source whose costs are its costs, each once: where a total is billed, its registers are parts
/// of it. None without tariffs, and where nothing tells which counter is on the bill.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn billed_counters(
    view: &View<'_>,
    tariffs: &Tariffs,
    source: &str,
) -> Result<Vec<SeriesName>, ReadError> {
    let of_source = tariffs.of(source);
    if of_source.is_empty() {
        return Ok(Vec::new());
    }
    let counters = match billed(view, source, &of_source) {
        Ok(counters) => counters,
        Err(ReadError::NotFound(_) | ReadError::BadRequest(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let has_total = |is_export| {
        counters.iter().any(|counter| counter.is_export == is_export && counter.register.is_none())
    };
    let is_priced = |is_export| of_source.iter().any(|tariff| tariff.kwh_price(is_export).is_some());
    let [total, export_total] = [false, true].map(has_total);
    let counts = |counter: &&Billed<'_>| {
        let has_total = if counter.is_export { export_total } else { total };
        (counter.register.is_none() || !has_total) && is_priced(counter.is_export)
    };
    Ok(counters.iter().filter(counts).map(|counter| counter.series.name.clone()).collect())
}

/// Refuses several totals: which one is on the bill?
fn at_most_one(source: &str, totals: &[&Listed], which: &str) -> Result<(), ReadError> {
    if totals.len() <= 1 {
        return Ok(());
    }
    let names: Vec<_> = totals.iter().map(|listed| format!("`{}`", listed.name.name)).collect();
    let names = names.join(", ");
    let message =
        format!("`{source}` has several counters, and none says that it is the one {which}: {names}");
    Err(ReadError::BadRequest(message))
}
