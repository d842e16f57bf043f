//! Holidays, on which another price may hold.

use std::collections::BTreeSet;

use jiff::{ToSpan as _, civil::Date};

/// Country whose nationwide holidays are known by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Country {
    /// Austria.
    Austria,
    /// Belgium.
    Belgium,
    /// Germany: those of all its states.
    Germany,
    /// The Netherlands: those on which the low tariff holds.
    Netherlands,
}

/// Each country with its code, its fixed holidays (month, day), and the others in days after Easter Sunday.
type Rules = (Country, &'static str, &'static [(i8, i8)], &'static [i64]);

const RULES: [Rules; 4] = [
    (
        Country::Austria,
        "AT",
        &[(1, 1), (1, 6), (5, 1), (8, 15), (10, 26), (11, 1), (12, 8), (12, 25), (12, 26)],
        &[1, 39, 50, 60],
    ),
    (Country::Belgium, "BE", &[(1, 1), (5, 1), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25)], &[1, 39, 50]),
    (Country::Germany, "DE", &[(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)], &[-2, 1, 39, 50]),
    // King's Day is on 26 April where the 27th is a Sunday.
    (Country::Netherlands, "NL", &[(1, 1), (12, 25), (12, 26)], &[1, 39, 50]),
];

impl Country {
    /// Returns the codes of all countries.
    pub fn codes() -> impl Iterator<Item = &'static str> + Clone {
        RULES.iter().map(|rules| rules.1)
    }

    /// Returns the country of a code such as `DE`.
    pub fn parse(code: &str) -> Option<Self> {
        RULES.iter().find(|rules| rules.1 == code).map(|rules| rules.0)
    }

    fn has(self, day: Date) -> bool {
        let Some((_, _, fixed, after_easter)) = RULES.iter().find(|rules| rules.0 == self) else {
            return false;
        };
        let kings_day = || {
            let sunday =
                Date::new(day.year(), 4, 27).is_ok_and(|day| day.weekday().to_monday_zero_offset() == 6);
            (day.month(), day.day()) == (4, if sunday { 26 } else { 27 })
        };
        let is_movable = |after: &i64| {
            easter(day.year()).and_then(|easter| easter.checked_add(after.days()).ok()) == Some(day)
        };
        fixed.contains(&(day.month(), day.day()))
            || self == Self::Netherlands && kings_day()
            || after_easter.iter().any(is_movable)
    }
}

/// Returns Easter Sunday of a year, by the anonymous Gregorian algorithm.
fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y.rem_euclid(19), y.div_euclid(100), y.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l) / 451;
    let days = h + l - 7 * m + 114;
    Date::new(year, i8::try_from(days / 31).ok()?, i8::try_from(days % 31 + 1).ok()?).ok()
}

/// Days that are holidays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holidays {
    /// Countries whose nationwide holidays are among them.
    pub countries: BTreeSet<Country>,
    /// Single days.
    pub days: BTreeSet<Date>,
}

impl Holidays {
    /// Returns whether a day is one.
    pub fn contains(&self, day: Date) -> bool {
        self.days.contains(&day) || self.countries.iter().any(|country| country.has(day))
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty() && self.countries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_year(code: &str, year: i16) -> Vec<String> {
        let country = Country::parse(code).unwrap();
        let days = (0..366).map(|n| Date::new(year, 1, 1).unwrap() + i64::from(n).days());
        days.filter(|day| day.year() == year && country.has(*day))
            .map(|day| day.to_string()[5..].to_owned())
            .collect()
    }

    #[test]
    fn the_holidays_of_a_country_are_those_of_its_calendar() {
        assert_eq!(
            of_year("DE", 2026),
            ["01-01", "04-03", "04-06", "05-01", "05-14", "05-25", "10-03", "12-25", "12-26"]
        );
        assert_eq!(
            of_year("DE", 2024),
            ["01-01", "03-29", "04-01", "05-01", "05-09", "05-20", "10-03", "12-25", "12-26"]
        );
        assert_eq!(of_year("NL", 2025), ["01-01", "04-21", "04-26", "05-29", "06-09", "12-25", "12-26"]);
        assert_eq!(of_year("NL", 2026)[2], "04-27");
        assert_eq!(of_year("AT", 2026).len(), 13);
        assert_eq!(of_year("BE", 2026).len(), 10);
    }

    #[test]
    fn easter_is_on_the_sunday_of_the_calendar() {
        for (year, day) in
            [(1999, "04-04"), (2000, "04-23"), (2008, "03-23"), (2011, "04-24"), (2038, "04-25")]
        {
            assert_eq!(easter(year).unwrap().to_string(), format!("{year}-{day}"));
        }
    }
}
