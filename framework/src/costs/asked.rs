//! Source that a question is about, and the tariff of prices in a question.

use jiff::civil::Date;
use serde::Serialize;
use tariff::{KwhPrice, Number, Per, PriceBasis, Standing, Tariff};

use super::{MONEY_DECIMALS, Tariffs};
use crate::{Decimal, journal::ReadError};

/// Returns the source that is meant, and its tariffs. `or` is what else can be done where there are none.
///
/// # Errors
/// Returns an error if no source is meant.
pub(super) fn tariffs_of<'t>(
    tariffs: &'t Tariffs,
    source: Option<&str>,
    or: &str,
) -> Result<(String, Vec<&'t Tariff>), ReadError> {
    let first = tariffs.first().map(|tariff| tariff.source.as_str());
    let Some(source) = source.or(first) else {
        let message = format!("there are no tariffs: add `[[tariffs]]` to the configuration{or}");
        return Err(ReadError::BadRequest(message));
    };
    Ok((source.to_owned(), tariffs.of(source)))
}

/// Returns the error that a source has no tariffs.
pub(super) fn no_tariffs(source: &str, or: &str) -> ReadError {
    ReadError::BadRequest(format!(
        "`{source}` has no tariffs: add `[[tariffs]]` with `source = \"{source}\"`{or}"
    ))
}

/// What a bill with the prices of a question takes from the tariffs: a question has neither tax nor gas factor.
#[derive(Debug, Serialize)]
pub(super) struct Assumed {
    /// In percent.
    vat: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_factor: Option<Decimal>,
    /// Name of the tariff that they are from, and its first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff_from: Option<String>,
}

/// Returns a tariff of gross prices per kWh and per month, and what it takes from the tariff that holds on the first day
/// of the bill, or else from the first one.
pub(super) fn asked(
    source: &str,
    tariffs: &Tariffs,
    configured: &[&Tariff],
    first_day: Date,
    (price, base): (Decimal, Option<Decimal>),
) -> (Tariff, Assumed) {
    let valid = configured.iter().rev().find(|tariff| tariff.holds(first_day)).or(configured.first());
    let tariff = Tariff {
        name: source.to_owned(),
        source: source.to_owned(),
        submeters: Vec::new(),
        from: Date::MIN,
        to: None,
        currency: tariffs.currency().to_owned(),
        vat: valid.map_or(Number::ZERO, |valid| valid.vat),
        prices: PriceBasis::Gross,
        work: KwhPrice::single(tariff::number(price)),
        levies: Vec::new(),
        base: base.map(|price| Standing { price: tariff::number(price), per: Per::Month }),
        feed_in: None,
        gas_factor: valid.and_then(|valid| valid.gas_factor),
        instalment: None,
        holidays: tariff::Holidays::default(),
    };
    let shown = |number: Number| tariff::decimal(number, MONEY_DECIMALS);
    let assumed = Assumed {
        vat: shown(tariff.vat * Number::ONE_HUNDRED),
        gas_factor: tariff.gas_factor.and_then(shown),
        tariff: valid.map(|valid| valid.name.clone()),
        tariff_from: valid.map(|valid| valid.from.to_string()),
    };
    (tariff, assumed)
}
