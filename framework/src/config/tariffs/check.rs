//! Check of one tariff.

use tariff::{
    Country, Holidays, KwhPrice, Levy, LevyPrice, Number, Per, PriceBasis, Standing, Tariff, TimedPrice,
};

use super::{
    keys::{Keys, LevyKeys, Prices, Words, day},
    mistakes::Mistakes,
    per_kwh::PriceKeys,
};
use crate::{ConfigError, Decimal, Text};

/// Checks a tariff. `sources` are the names of all sources.
///
/// # Errors
/// Returns every mistake.
pub(super) fn check(keys: Keys, sources: &[Text]) -> Result<Tariff, ConfigError> {
    let mut mistakes = Mistakes::default();
    let known = || sources.iter().map(Text::as_str);
    let mut check_source = |place: crate::Place, name: &str| {
        if !known().any(|known| known == name) {
            mistakes.0.push(ConfigError::unknown("", "source", name, known()).at(place));
        }
    };
    check_source("source".into(), &keys.source);
    for (n, name) in keys.submeters.iter().enumerate() {
        check_source(format!("submeters[{n}]").into(), name);
    }
    for (key, spot) in [("spot", &keys.spot), ("feed_in_spot", &keys.feed_in_spot)] {
        if let Some(spot) = spot {
            check_source(format!("{key}.source").into(), &spot.source);
        }
    }
    if let Some(n) = keys.submeters.iter().position(|name| *name == keys.source) {
        mistakes.add(
            format!("submeters[{n}]"),
            format!("`{}` cannot be behind itself", keys.source),
            "name the other meters behind it: those whose energy it counts, too",
        );
    }
    let holidays = holidays(&keys.holidays, &mut mistakes);
    let levies = levies(keys.levies, &holidays, &mut mistakes);
    let base = [
        ("base_price_per_day", keys.base_price_per_day, Per::Day),
        ("base_price_per_month", keys.base_price_per_month, Per::Month),
        ("base_price_per_year", keys.base_price_per_year, Per::Year),
    ];
    let mut given = base.into_iter().filter(|(_, price, _)| price.is_some());
    let base = given.next();
    if let (Some((first, ..)), Some((second, ..))) = (base, given.next()) {
        mistakes.add(second, format!("`{first}` and `{second}` exclude each other"), "keep one of them");
    }
    let base = base.and_then(|(key, price, per)| {
        let price = mistakes.not_negative(key, price)?;
        Some(Standing { price, per })
    });
    let vat = mistakes.not_negative("vat", keys.vat).unwrap_or_default();
    if vat > Number::from(100) {
        mistakes.add("vat", "`vat` must be at most 100", "write it in percent: `vat = 19`");
    } else if vat > Number::ZERO && vat < Number::ONE {
        mistakes.add(
            "vat",
            format!("`vat` is {vat} %: expected a percentage such as 19"),
            "write `vat = 19` for 19 %",
        );
    }
    let currency = keys.currency.unwrap_or_else(|| "EUR".to_owned());
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        mistakes.add(
            "currency",
            format!("`{currency}` is not a currency: expected its code of three letters"),
            "such as `EUR`, `CHF` or `SEK`",
        );
    }
    let gas_factor = mistakes.not_negative("gas_factor", keys.gas_factor);
    if gas_factor.is_some_and(|factor| factor.is_zero()) {
        mistakes.add(
            "gas_factor",
            "`gas_factor` must be greater than 0",
            "it is the calorific value times the volume correction number, both on the bill: about 10",
        );
    }
    let work = PriceKeys {
        names: ["work_price", "registers", "windows", "spot"],
        single: keys.work_price,
        registers: keys.registers,
        windows: keys.windows,
        spot: keys.spot,
    };
    let feed_in = PriceKeys {
        names: ["feed_in_price", "feed_in_registers", "feed_in_windows", "feed_in_spot"],
        single: keys.feed_in_price,
        registers: keys.feed_in_registers,
        windows: keys.feed_in_windows,
        spot: keys.feed_in_spot,
    };
    let feed_in = feed_in.read(&holidays, &mut mistakes);
    let work = work.read(&holidays, &mut mistakes);
    if work.is_none() {
        let hint = "write `work_price`, `registers`, `windows` or `spot`: `work_price = 0.3190`";
        mistakes.0.push(ConfigError::section("the tariff has no work price").hint(hint));
    }
    let name = keys.name.unwrap_or_else(|| keys.source.clone());
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(crate::one_line::is_special) {
        mistakes.add(
            "name",
            "`name` must have 1 to 64 characters on one line",
            "write the supplier's name of the tariff",
        );
    }
    let tariff = Tariff {
        name,
        source: keys.source,
        submeters: keys.submeters,
        from: keys.from.0,
        to: None,
        currency,
        vat: vat / Number::ONE_HUNDRED,
        prices: match keys.prices {
            Prices::Gross => PriceBasis::Gross,
            Prices::Net => PriceBasis::Net,
        },
        // One that lacks is a mistake.
        work: work.unwrap_or(KwhPrice::Registers(Vec::new())),
        levies,
        base,
        feed_in,
        gas_factor,
        instalment: mistakes.not_negative("instalment_per_month", keys.instalment_per_month),
        holidays,
    };
    ConfigError::all(mistakes.0)?;
    Ok(tariff)
}

fn holidays(words: &Words, mistakes: &mut Mistakes) -> Holidays {
    let mut holidays = Holidays::default();
    for (n, word) in words.0.iter().enumerate() {
        let place = if words.0.len() == 1 { "holidays".to_owned() } else { format!("holidays[{n}]") };
        match (Country::parse(word), day(word)) {
            (Some(country), _) => drop(holidays.countries.insert(country)),
            (None, Some(day)) => drop(holidays.days.insert(day)),
            (None, None) => {
                let codes = Country::codes().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
                mistakes.add(
                    place,
                    format!("`{word}` is neither a date nor a country with known holidays ({codes})"),
                    "write the days themselves: `holidays = [\"2026-01-01\", \"2026-04-03\"]`",
                );
            }
        }
    }
    holidays
}

fn levies(keys: Vec<LevyKeys>, holidays: &Holidays, mistakes: &mut Mistakes) -> Vec<Levy> {
    let mut levies = Vec::new();
    for (n, keys) in keys.into_iter().enumerate() {
        let path = format!("levies[{n}]");
        let windows = mistakes.windows(&format!("{path}.windows"), keys.windows);
        let standing = |price: Decimal, key: &str, per, mistakes: &mut Mistakes| {
            LevyPrice::Standing(Standing { price: mistakes.price(format!("{path}.{key}"), price), per })
        };
        let standing_prices = [
            (keys.per_day, "per_day", Per::Day),
            (keys.per_month, "per_month", Per::Month),
            (keys.per_year, "per_year", Per::Year),
        ];
        let given: Vec<_> =
            standing_prices.into_iter().filter_map(|(price, key, per)| Some((price?, key, per))).collect();
        let price = match (keys.per_kwh, &given[..]) {
            (otherwise, []) if otherwise.is_some() || !windows.is_empty() => {
                let otherwise = otherwise.map(|price| mistakes.price(format!("{path}.per_kwh"), price));
                let price = TimedPrice { otherwise, windows };
                mistakes.coverage(
                    &format!("{path}.windows"),
                    &price,
                    holidays,
                    "add a window for it, or `per_kwh`, the price outside of all windows",
                );
                LevyPrice::PerKwh(price)
            }
            (None, [(price, key, per)]) if windows.is_empty() => standing(*price, key, *per, mistakes),
            _ => {
                let message = format!(
                    "the levy `{}` needs exactly one price: `per_kwh` (perhaps with `windows`), `per_day`, \
                     `per_month` or `per_year`",
                    keys.name
                );
                mistakes.add(path, message, "write several levies, each with its own price");
                continue;
            }
        };
        levies.push(Levy { name: keys.name, price });
    }
    levies
}
