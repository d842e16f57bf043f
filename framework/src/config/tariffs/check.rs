//! Check of one tariff.

use std::collections::BTreeMap;

use tariff::{
    Country, Holidays, Levy, LevyPrice, Number, Per, PriceBasis, Resolution, SpotPrice, Standing, Tariff,
    TimedPrice, WorkPrice,
};

use super::{
    keys::{Keys, LevyKeys, Prices, SpotKeys, Steps, WindowKeys, Words, day},
    mistakes::Mistakes,
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
    if let Some(spot) = &keys.spot {
        check_source("spot.source".to_owned().into(), &spot.source);
    }
    let holidays = holidays(&keys.holidays, &mut mistakes);
    let levies = levies(keys.levies, &holidays, &mut mistakes);
    let base = match (keys.base_price_per_month, keys.base_price_per_year) {
        (Some(_), Some(_)) => {
            let message = "`base_price_per_month` and `base_price_per_year` exclude each other";
            mistakes.add("base_price_per_year", message, "keep one of them");
            None
        }
        (price @ Some(_), None) => mistakes
            .not_negative("base_price_per_month", price)
            .map(|price| Standing { price, per: Per::Month }),
        (None, price) => mistakes
            .not_negative("base_price_per_year", price)
            .map(|price| Standing { price, per: Per::Year }),
    };
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
    let work = WorkKeys {
        single: keys.work_price,
        registers: keys.registers,
        windows: keys.windows,
        spot: keys.spot,
    };
    let work = work.read(&holidays, &mut mistakes);
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
        work,
        levies,
        base,
        feed_in: keys.feed_in_price.map(|price| mistakes.price("feed_in_price".to_owned(), price)),
        gas_factor,
        instalment: mistakes.not_negative("instalment_per_month", keys.instalment_per_month),
        holidays,
    };
    ConfigError::all(mistakes.0)?;
    Ok(tariff)
}

/// Keys of the work price.
struct WorkKeys {
    single: Option<Decimal>,
    registers: Option<BTreeMap<String, Decimal>>,
    windows: Vec<WindowKeys>,
    spot: Option<SpotKeys>,
}

impl WorkKeys {
    fn read(self, holidays: &Holidays, mistakes: &mut Mistakes) -> WorkPrice {
        let given = [
            ("registers", self.registers.is_some()),
            ("spot", self.spot.is_some()),
            ("windows", !self.windows.is_empty()),
            ("work_price", self.single.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
        match given[..] {
            [] => {
                let hint = "write `work_price`, `registers`, `windows` or `spot`: `work_price = 0.3190`";
                mistakes.0.push(ConfigError::section("the tariff has no work price").hint(hint));
            }
            [_] | ["windows", "work_price"] => {}
            [first, second, ..] => {
                let message = format!("`{first}` and `{second}` exclude each other");
                mistakes.add(first, message, "keep one of them: only `windows` may stand beside `work_price`, which is the price outside of them");
            }
        }
        if let Some(registers) = self.registers {
            return WorkPrice::Registers(read_registers(registers, mistakes));
        }
        if let Some(spot) = self.spot {
            let or = |price: Option<Decimal>, key: &str, default, mistakes: &mut Mistakes| {
                price.map_or(default, |price| mistakes.price(format!("spot.{key}"), price))
            };
            return WorkPrice::Spot(SpotPrice {
                source: spot.source,
                reading: spot.reading,
                resolution: match spot.resolution {
                    Steps::QuarterHour => Resolution::QuarterHour,
                    Steps::Hour => Resolution::Hour,
                },
                factor: or(spot.factor, "factor", Number::ONE, mistakes),
                surcharge: or(spot.surcharge, "surcharge", Number::ZERO, mistakes),
            });
        }
        let otherwise = self.single.map(|price| mistakes.price("work_price".to_owned(), price));
        let price = TimedPrice { otherwise, windows: mistakes.windows("windows", self.windows) };
        mistakes.coverage(
            "windows",
            &price,
            holidays,
            "add a window for it, or `work_price`, the price outside of all windows",
        );
        WorkPrice::Timed(price)
    }
}

fn read_registers(registers: BTreeMap<String, Decimal>, mistakes: &mut Mistakes) -> Vec<(u8, Number)> {
    if registers.is_empty() {
        mistakes.add(
            "registers",
            "there are no registers",
            "write `registers = { T1 = 0.3215, T2 = 0.2710 }`",
        );
    }
    let mut prices = Vec::new();
    for (name, price) in registers {
        let register = name
            .strip_prefix(['T', 't'])
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=63).contains(number));
        match register {
            Some(register) => prices.push((register, mistakes.price(format!("registers.{name}"), price))),
            None => mistakes.add(
                format!("registers.{name}"),
                format!("`{name}` is not a register: expected `T1` to `T63`"),
                "the last number of the OBIS code is the register: 1.8.2 is `T2`",
            ),
        }
    }
    prices
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
        let price = match (keys.per_kwh, keys.per_month, keys.per_year) {
            (otherwise, None, None) if otherwise.is_some() || !windows.is_empty() => {
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
            (None, Some(price), None) if windows.is_empty() => {
                standing(price, "per_month", Per::Month, mistakes)
            }
            (None, None, Some(price)) if windows.is_empty() => {
                standing(price, "per_year", Per::Year, mistakes)
            }
            _ => {
                let message = format!(
                    "the levy `{}` needs exactly one price: `per_kwh` (perhaps with `windows`), `per_month` or `per_year`",
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
