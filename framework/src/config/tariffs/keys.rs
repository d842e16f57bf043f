//! Keys of a tariff, as they are written.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use crate::Decimal;

/// Keys of a tariff with examples, for hints about missing and wrong ones.
pub(super) const SAMPLE: &str = r#"
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
base_price_per_day = 0.42
feed_in_price = 0.0803
feed_in_registers = { T1 = 0.0803, T2 = 0.0710 }
feed_in_windows = [{ price = 0.1200, hours = "17:00-21:00" }]
feed_in_spot = { source = "market", reading = "price" }
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
per_day = 0.05
per_month = 2.50
per_year = 20.00
reading = "price"
resolution = "quarter_hour"
factor = 1.05
surcharge = 0.0150
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    pub(super) name: Option<String>,
    pub(super) source: String,
    #[serde(default)]
    pub(super) submeters: Vec<String>,
    pub(super) from: Day,
    pub(super) currency: Option<String>,
    #[serde(default)]
    pub(super) prices: Prices,
    pub(super) vat: Option<Decimal>,
    pub(super) work_price: Option<Decimal>,
    pub(super) registers: Option<BTreeMap<String, Decimal>>,
    #[serde(default)]
    pub(super) windows: Vec<WindowKeys>,
    pub(super) spot: Option<SpotKeys>,
    #[serde(default)]
    pub(super) levies: Vec<LevyKeys>,
    pub(super) base_price_per_day: Option<Decimal>,
    pub(super) base_price_per_month: Option<Decimal>,
    pub(super) base_price_per_year: Option<Decimal>,
    pub(super) feed_in_price: Option<Decimal>,
    pub(super) feed_in_registers: Option<BTreeMap<String, Decimal>>,
    #[serde(default)]
    pub(super) feed_in_windows: Vec<WindowKeys>,
    pub(super) feed_in_spot: Option<SpotKeys>,
    pub(super) gas_factor: Option<Decimal>,
    pub(super) instalment_per_month: Option<Decimal>,
    #[serde(default)]
    pub(super) holidays: Words,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Prices {
    #[default]
    Gross,
    Net,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WindowKeys {
    pub(super) name: Option<String>,
    pub(super) price: Decimal,
    pub(super) days: Option<Words>,
    pub(super) hours: Option<Words>,
    pub(super) months: Option<Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevyKeys {
    pub(super) name: String,
    pub(super) per_kwh: Option<Decimal>,
    pub(super) per_day: Option<Decimal>,
    pub(super) per_month: Option<Decimal>,
    pub(super) per_year: Option<Decimal>,
    #[serde(default)]
    pub(super) windows: Vec<WindowKeys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpotKeys {
    pub(super) source: String,
    pub(super) reading: String,
    #[serde(default)]
    pub(super) resolution: Steps,
    pub(super) factor: Option<Decimal>,
    pub(super) surcharge: Option<Decimal>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Steps {
    #[default]
    QuarterHour,
    Hour,
}

/// One word, or a list of them.
#[derive(Default)]
pub(super) struct Words(pub(super) Vec<String>);

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
                while let Some(Word(word)) = list.next_element()? {
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

/// A word in a list: a text, or TOML's date.
pub(super) struct Word(pub(super) String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrDate;
        impl<'de> Visitor<'de> for TextOrDate {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Word, A::Error> {
                date_of_map(map).map(Word)
            }
        }
        deserializer.deserialize_any(TextOrDate)
    }
}

/// A day, as TOML's date or as text.
pub(super) struct Day(pub(super) Date);

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
    while let Some((key, value)) = map.next_entry::<String, String>()? {
        count += 1;
        if key.starts_with('$') {
            text = value;
        }
    }
    if count == 1 && !text.is_empty() {
        Ok(text)
    } else {
        Err(de::Error::custom("expected a date such as `2026-01-01`, not a table"))
    }
}

/// Parses a date without a time.
pub(super) fn day(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok())?
}
