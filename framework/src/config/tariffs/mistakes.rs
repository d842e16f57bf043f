//! Mistakes in a tariff, collected while its prices and windows are read.

use tariff::{DaySet, Holidays, HourSet, MonthSet, Number, TimedPrice, Window, number};

use super::keys::{WindowKeys, Words};
use crate::{ConfigError, Decimal};

/// Greatest price, and greatest number of it.
const MOST: i64 = 1_000_000;
/// Most digits after the point.
const MOST_DECIMALS: u8 = 10;

/// Set of times that a list of words means.
trait Set: Copy {
    const ALL: Self;
    const NONE: Self;
    fn parse(word: &str) -> Result<Self, String>;
    fn union(self, other: Self) -> Self;
    fn overlaps(self, other: Self) -> bool;
}

macro_rules! sets {
    ($($set:ident),*) => {$(
        impl Set for $set {
            const ALL: Self = $set::ALL;
            const NONE: Self = $set::NONE;
            fn parse(word: &str) -> Result<Self, String> {
                $set::parse(word)
            }
            fn union(self, other: Self) -> Self {
                $set::union(self, other)
            }
            fn overlaps(self, other: Self) -> bool {
                $set::overlaps(self, other)
            }
        }
    )*};
}

sets!(DaySet, HourSet, MonthSet);

/// Collects mistakes.
#[derive(Default)]
pub(super) struct Mistakes(pub(super) Vec<ConfigError>);

impl Mistakes {
    pub(super) fn add(&mut self, key: impl Into<crate::Place>, message: impl Into<String>, hint: &str) {
        self.0.push(ConfigError::key(key, message).hint(hint));
    }

    /// Checks a price, and returns it to compute with.
    pub(super) fn price(&mut self, key: String, price: Decimal) -> Number {
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

    pub(super) fn not_negative(&mut self, key: &'static str, price: Option<Decimal>) -> Option<Number> {
        let price = price?;
        if price.compare(Decimal::from(0)).is_lt() {
            self.add(key, format!("`{key}` is negative"), "write it without a sign");
        }
        Some(self.price(key.to_owned(), price))
    }

    /// Reads one word after the other, and joins what they mean.
    fn set<S: Set>(&mut self, key: &str, words: Option<Words>) -> S {
        let Some(Words(words)) = words else { return S::ALL };
        let mut set = S::NONE;
        for word in &words {
            match S::parse(word) {
                Ok(more) if set.overlaps(more) => self.add(
                    key.to_owned(),
                    format!("`{word}` overlaps what is in the list before it"),
                    "write each time once",
                ),
                Ok(more) => set = set.union(more),
                Err(message) => self.0.push(ConfigError::key(key.to_owned(), message)),
            }
        }
        if words.is_empty() {
            self.add(key.to_owned(), "the list is empty", "leave the key out for all");
        }
        set
    }

    pub(super) fn windows(&mut self, path: &str, keys: Vec<WindowKeys>) -> Vec<Window> {
        let mut windows = Vec::new();
        for (n, keys) in keys.into_iter().enumerate() {
            let at = |key: &str| format!("{path}[{n}].{key}");
            windows.push(Window {
                name: keys.name,
                price: self.price(at("price"), keys.price),
                days: self.set(&at("days"), keys.days),
                hours: self.set(&at("hours"), keys.hours),
                months: self.set(&at("months"), keys.months),
            });
        }
        windows
    }

    /// Checks that a price by time holds exactly once at each time.
    pub(super) fn coverage(&mut self, path: &str, price: &TimedPrice, holidays: &Holidays, otherwise: &str) {
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
