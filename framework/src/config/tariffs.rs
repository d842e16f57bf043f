//! `[[tariffs]]`: what energy costs.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use tariff::{
    Country, DaySet, Holidays, HourSet, Levy, LevyPrice, MonthSet, Number, Per, PriceBasis, Resolution,
    SpotPrice, Standing, Tariff, TimedPrice, Window, WorkPrice, number,
};
use toml::{Spanned, de::DeValue};

use super::{Entry, Reader};
use crate::{
    ConfigError, Decimal, Text,
    table::{Built, Table, keys_of},
};

/// Keys of a tariff with examples, for hints about missing and wrong ones.
const SAMPLE: &str = r#"
source = "grid"
from = "2026-01-01"
name = "Basic 2026"
submeters = ["heat_pump"]
currency = "EUR"
prices = "gross"
vat = 19
work_price = 0.3190
base_price_per_month = 12.90
base_price_per_year = 154.80
feed_in_price = 0.0803
gas_factor = 10.945
instalment_per_month = 95
holidays = "DE"
registers = { T1 = 0.3215, T2 = 0.2710 }
windows = [{ price = 0.2710, hours = "22:00-06:00" }]
levies = [{ name = "network fee", per_kwh = 0.0825 }]
spot = { source = "market", reading = "price" }
price = 0.2710
days = "Mon-Fri"
hours = "22:00-06:00"
months = "Jan-Mar"
per_kwh = 0.0825
per_month = 2.50
per_year = 20.00
reading = "price"
resolution = "quarter_hour"
factor = 1.05
surcharge = 0.0150
"#;

/// Greatest price, and greatest number of it.
const MOST: i64 = 1_000_000;
/// Most digits after the point.
const MOST_DECIMALS: u8 = 10;
/// Most tariffs.
const MAX_TARIFFS: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: Option<String>,
    source: String,
    #[serde(default)]
    submeters: Vec<String>,
    from: Day,
    currency: Option<String>,
    #[serde(default)]
    prices: Prices,
    vat: Option<Decimal>,
    work_price: Option<Decimal>,
    registers: Option<BTreeMap<String, Decimal>>,
    #[serde(default)]
    windows: Vec<WindowKeys>,
    spot: Option<SpotKeys>,
    #[serde(default)]
    levies: Vec<LevyKeys>,
    base_price_per_month: Option<Decimal>,
    base_price_per_year: Option<Decimal>,
    feed_in_price: Option<Decimal>,
    gas_factor: Option<Decimal>,
    instalment_per_month: Option<Decimal>,
    #[serde(default)]
    holidays: Words,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Prices {
    #[default]
    Gross,
    Net,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowKeys {
    name: Option<String>,
    price: Decimal,
    days: Option<Words>,
    hours: Option<Words>,
    months: Option<Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevyKeys {
    name: String,
    per_kwh: Option<Decimal>,
    per_month: Option<Decimal>,
    per_year: Option<Decimal>,
    #[serde(default)]
    windows: Vec<WindowKeys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpotKeys {
    source: String,
    reading: String,
    #[serde(default)]
    resolution: Steps,
    factor: Option<Decimal>,
    surcharge: Option<Decimal>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Steps {
    #[default]
    QuarterHour,
    Hour,
}

/// One word, or a list of them.
#[derive(Default)]
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
                Ok(Words(vec![text.to_owned()]))
            }

            // Stands for a value that is wrong itself, so that the others can be checked.
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Words, E> {
                Ok(Words::default())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                Ok(Words(words))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Words, A::Error> {
                // TOML's dates come as a table with one text.
                Ok(Words(vec![date_of_map(map)?]))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

/// A day, as TOML's date or as text.
struct Day(Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parsed;
        impl<'de> Visitor<'de> for Parsed {
            type Value = Day;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date such as \"2026-01-01\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Day, E> {
                let wrong = || {
                    E::custom(format!(
                        "`{text}` is not a date: expected year, month and day, such as `2026-01-01`"
                    ))
                };
                day(text).map(Day).ok_or_else(wrong)
            }

            // Stands for a value that is wrong itself, so that the others can be checked.
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Day, E> {
                Ok(Day(Date::ZERO))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Day, A::Error> {
                self.visit_str(&date_of_map(map)?)
            }
        }
        deserializer.deserialize_any(Parsed)
    }
}

fn date_of_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<String, A::Error> {
    let (mut text, mut count) = (String::new(), 0);
    while let Some((key, value)) = map.next_entry::<String, DateText>()? {
        count += 1;
        if key.starts_with('$') {
            text = value.0;
        }
    }
    if count == 1 && !text.is_empty() {
        Ok(text)
    } else {
        Err(de::Error::custom("expected a date such as `2026-01-01`, not a table"))
    }
}

/// Text of a date in a table; empty for anything else.
struct DateText(String);

impl<'de> Deserialize<'de> for DateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Parses a date without a time.
fn day(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok())?
}

/// Collects mistakes.
#[derive(Default)]
struct Mistakes(Vec<ConfigError>);

impl Mistakes {
    fn add(&mut self, key: impl Into<crate::Place>, message: impl Into<String>, hint: &str) {
        self.0.push(ConfigError::key(key, message).hint(hint));
    }

    /// Checks a price, and returns it to compute with.
    fn price(&mut self, key: String, price: Decimal) -> Number {
        let most = Decimal::from(MOST);
        if price.compare(most).is_gt() || price.compare(Decimal::from(-MOST)).is_lt() {
            self.add(
                key,
                format!("`{price}` is no price: expected at most {MOST}"),
                "prices are in whole units of the currency: write 0.319 for 31.9 cents",
            );
        } else if price.scale() > MOST_DECIMALS {
            self.add(
                key,
                format!("`{price}` has too many digits: expected at most {MOST_DECIMALS} after the point"),
                "round it as your contract does",
            );
        }
        number(price)
    }

    fn not_negative(&mut self, key: &'static str, price: Option<Decimal>) -> Option<Number> {
        let price = price?;
        if price.compare(Decimal::from(0)).is_lt() {
            self.add(key, format!("`{key}` is negative"), "write it without a sign");
        }
        Some(self.price(key.to_owned(), price))
    }

    /// Reads one word after the other, and joins what they mean.
    fn set<S: Copy>(
        &mut self,
        key: &str,
        words: Option<Words>,
        all: S,
        none: S,
        parse: fn(&str) -> Result<S, String>,
        and: fn(S, S) -> S,
    ) -> S {
        let Some(Words(words)) = words else { return all };
        let mut set = none;
        for word in &words {
            match parse(word) {
                Ok(more) => set = and(set, more),
                Err(message) => self.0.push(ConfigError::key(key.to_owned(), message)),
            }
        }
        if words.is_empty() {
            self.add(key.to_owned(), "the list is empty", "leave the key out for all");
        }
        set
    }

    fn windows(&mut self, path: &str, keys: Vec<WindowKeys>) -> Vec<Window> {
        let mut windows = Vec::new();
        for (n, keys) in keys.into_iter().enumerate() {
            let at = |key: &str| format!("{path}[{n}].{key}");
            windows.push(Window {
                name: keys.name,
                price: self.price(at("price"), keys.price),
                days: self.set(&at("days"), keys.days, DaySet::ALL, DaySet::NONE, DaySet::parse, DaySet::and),
                hours: self.set(
                    &at("hours"),
                    keys.hours,
                    HourSet::ALL,
                    HourSet::NONE,
                    HourSet::parse,
                    HourSet::and,
                ),
                months: self.set(
                    &at("months"),
                    keys.months,
                    MonthSet::ALL,
                    MonthSet::NONE,
                    MonthSet::parse,
                    MonthSet::and,
                ),
            });
        }
        windows
    }

    /// Checks that a price by time holds exactly once at each time.
    fn coverage(&mut self, path: &str, price: &TimedPrice, holidays: &Holidays, otherwise: &str) {
        if !self.0.is_empty() || price.windows.is_empty() {
            return;
        }
        if holidays.is_empty()
            && price.windows.iter().any(|window| window.days != DaySet::ALL && window.days.has_holidays())
        {
            self.add(
                path.to_owned(),
                "a window is for holidays, and there are none",
                "write which days are holidays: `holidays = \"DE\"`",
            );
            return;
        }
        let Err(coverage) = price.check(holidays) else { return };
        let when = coverage.when;
        match coverage.overlap {
            None => self.add(path.to_owned(), format!("no price holds on {when}"), otherwise),
            Some((one, other)) => {
                let message = format!("windows {} and {} both hold on {when}", one + 1, other + 1);
                self.add(format!("{path}[{other}]"), message, "change `days`, `hours` or `months` of one of them: a holiday counts as `holiday`, not as its day of the week");
            }
        }
    }
}

/// Returns the keys of a tariff.
pub(crate) fn tariff_keys() -> &'static [&'static str] {
    keys_of::<Keys>()
}

impl<'a> Reader<'a> {
    /// Checks all tariffs. `sources` are the names of all sources.
    pub(super) fn tariffs(&self, entry: Option<Entry<'a>>, sources: &[Text]) -> Vec<Tariff> {
        let Some((key, value)) = entry else { return Vec::new() };
        let at = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            let hint = "write `[[tariffs]]`, with two brackets, above the keys of each tariff".to_owned();
            self.section(at.clone(), toml::de::DeTable::new()).note(
                at,
                "`tariffs` must be a list of tables",
                Some(hint),
            );
            return Vec::new();
        };
        if array.len() > MAX_TARIFFS {
            let message = format!("{} tariffs are too many, expected at most {MAX_TARIFFS}", array.len());
            self.section(key.span(), toml::de::DeTable::new()).note(key.span(), message, None);
            return Vec::new();
        }
        let mut tariffs: Vec<(Tariff, Table<'a>)> = Vec::new();
        let elements: Vec<Spanned<DeValue<'a>>> = array.into_iter().collect();
        for element in elements {
            let at = element.span();
            let DeValue::Table(table) = element.into_inner() else {
                let message = "a tariff must be a table";
                self.section(at.clone(), toml::de::DeTable::new()).note(at, message, None);
                continue;
            };
            let section = Table { sample: SAMPLE, ..self.section(at, table) };
            if let Built::Right(tariff) = section.build(|keys| check(keys, sources)) {
                tariffs.push((tariff, section));
            }
        }
        join(tariffs)
    }
}

/// Ends each tariff where the next one of its source begins, and checks that they fit together.
fn join(tariffs: Vec<(Tariff, Table<'_>)>) -> Vec<Tariff> {
    for (n, (tariff, section)) in tariffs.iter().enumerate() {
        let earlier = &tariffs[..n];
        if let Some((other, _)) = earlier.first().filter(|(other, _)| other.currency != tariff.currency) {
            let message = format!(
                "all tariffs need one currency: this is in `{}`, the first in `{}`",
                tariff.currency, other.currency
            );
            section.note(section.place("currency"), message, None);
        }
        if let Some((other, _)) =
            earlier.iter().rev().find(|(other, _)| other.source == tariff.source && other.from >= tariff.from)
        {
            let message = match other.from == tariff.from {
                true => format!("two tariffs of `{}` begin on {}", tariff.source, tariff.from),
                false => format!(
                    "this tariff of `{}` begins on {}, before the one above it ({})",
                    tariff.source, tariff.from, other.from
                ),
            };
            let hint =
                "write the tariffs of a source in the order of `from`: each ends where the next begins"
                    .to_owned();
            section.note(section.place("from"), message, Some(hint));
        }
        let names = |tariff: &Tariff| [std::slice::from_ref(&tariff.source), &tariff.submeters].concat();
        let of_other = |other: &Tariff| {
            let other_names = names(other);
            tariff
                .submeters
                .iter()
                .find(|name| other.source != tariff.source && other_names.contains(name))
                .cloned()
        };
        let clash = tariffs.iter().find_map(|(other, _)| Some((of_other(other)?, other.source.clone())));
        if let Some((name, other)) = clash {
            let message = format!("`{name}` already has the tariffs of `{other}`");
            let hint = "name it in the tariffs of one source only".to_owned();
            section.note(section.place("submeters"), message, Some(hint));
        }
    }
    let mut tariffs: Vec<_> = tariffs.into_iter().map(|(tariff, _)| tariff).collect();
    for n in 0..tariffs.len() {
        let next =
            tariffs[n + 1..].iter().find(|next| next.source == tariffs[n].source).map(|next| next.from);
        tariffs[n].to = next;
    }
    tariffs
}

fn check(keys: Keys, sources: &[Text]) -> Result<Tariff, ConfigError> {
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
