//! Groups of a Dutch P1 port: values with a time of their own.
//!
//! ```text
//! 0-0:1.0.0(240229123456W)                    the meter's clock
//! 0-1:24.2.1(240229120000W)(00123.456*m3)     another meter's counter, DSMR 4 and later
//! 1-0:1.6.0(240229174500W)(02.468*kW)         the month's maximum, Belgium
//! 0-1:24.3.0(240229120000)(00)(60)(1)(0-1:24.2.1)(m3)
//! (00123.456)                                 DSMR 2 and 3
//! ```
//!
//! Source: the P1 Companion Standard of Netbeheer Nederland (Dutch Smart Meter Requirements).

use framework::Timestamp;
use jiff::{civil::DateTime, tz::Offset};

use crate::{
    characters::skip_blanks,
    entry::{Entry, Span},
    group::{Content, Group, is_local_time, is_time},
};

/// Reads the groups of `entry`, of which `first` is the first one, where they do not have the usual meaning. Returns
/// whether the value stands on the next line.
#[inline]
pub(crate) fn read(text: &[u8], content: Content, first: &Group, entry: &mut Entry) -> bool {
    let time = first.value.of(text);
    // The cheap test first: most values are not times.
    if !matches!(time.len(), 12 | 13) {
        return false;
    }
    match content {
        Content::Hourly if is_time(time) || is_local_time(time) => {
            return hourly(text, first, entry).unwrap_or(false);
        }
        _ if !is_time(time) => return false,
        Content::Clock => {}
        // The value follows its time, and nothing follows the value.
        _ => match first.next(text, content).filter(|value| value.next(text, content).is_none()) {
            Some(value) => {
                entry.number = value.number(text, content);
                entry.value = value.value;
                entry.unit = value.unit;
                entry.groups = Span::new(value.close + 1, value.close + 1);
            }
            None => return false,
        },
    }
    entry.time = Some((first.value, utc(time)));
    false
}

/// Reads time, status, minutes between two values, number of registers, the register and its unit, the value. Returns
/// `None` for another number of registers than one.
fn hourly(text: &[u8], first: &Group, entry: &mut Entry) -> Option<bool> {
    let next = |group: &Group| group.next(text, Content::Hourly);
    let status = next(first)?;
    let registers = next(&next(&status)?)?;
    if registers.value.of(text) != b"1" {
        return None;
    }
    let register = next(&registers)?;
    let unit = next(&register)?;
    entry.time = Some((first.value, utc(first.value.of(text))));
    entry.groups = Span::new(first.close + 1, register.close + 1);
    entry.unit = Some(unit.value);
    entry.value = Span::new(unit.close, unit.close);
    entry.number = None;
    let continued = skip_blanks(text, unit.close + 1) == text.len();
    if !continued {
        continue_hourly(text, unit.close + 1, entry);
    }
    Some(continued)
}

/// Reads the group at `from` as the value of `entry`, if there is one.
pub(crate) fn continue_hourly(text: &[u8], from: usize, entry: &mut Entry) {
    let bracket = skip_blanks(text, from);
    if text.get(bracket) == Some(&b'(')
        && let Some(mut group) = Group::read(text, bracket + 1, Content::Hourly)
    {
        group.unit = group.unit.or(entry.unit);
        entry.number = group.number(text, Content::Hourly);
        (entry.value, entry.unit) = (group.value, group.unit);
    }
}

/// Returns the moment of `time`: Central European Time, with the meter's mark for summer or winter.
///
/// Returns `None` for an invalid time, and without the mark (DSMR 2).
fn utc(time: &[u8]) -> Option<Timestamp> {
    let (digits, season) = time.split_at_checked(12)?;
    let offset = match season {
        b"S" => Offset::constant(2),
        b"W" => Offset::constant(1),
        _ => return None,
    };
    let mut pairs = digits.as_chunks::<2>().0.iter().map(|&[tens, ones]| {
        let digit = |byte: u8| (byte as char).to_digit(10).map(|digit| digit as i8);
        Some(digit(tens)? * 10 + digit(ones)?)
    });
    let mut pair = || pairs.next().flatten();
    // A clock that was never set begins with 1970.
    let year = match pair()? {
        year @ 70.. => 1900 + i16::from(year),
        year => 2000 + i16::from(year),
    };
    let local = DateTime::new(year, pair()?, pair()?, pair()?, pair()?, pair()?, 0).ok()?;
    offset.to_timestamp(local).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments() {
        for (time, expected) in [
            ("240229123456W", Some("2024-02-29T11:34:56Z")),
            ("240701003000S", Some("2024-06-30T22:30:00Z")),
            // The hour that comes twice.
            ("241027023000S", Some("2024-10-27T00:30:00Z")),
            ("241027023000W", Some("2024-10-27T01:30:00Z")),
            ("700101010000W", Some("1970-01-01T00:00:00Z")),
            ("691231235959W", Some("2069-12-31T22:59:59Z")),
            ("230229123456W", None),
            ("632525252525W", None),
            ("240229123460W", None),
            ("240229123456", None),
            ("240229123456X", None),
        ] {
            let expected: Option<Timestamp> = expected.map(|expected| expected.parse().unwrap());
            assert_eq!(utc(time.as_bytes()), expected, "{time}");
        }
    }

    /// Value, unit, number, time, further groups.
    type Shown<'a> = (&'a str, Option<&'a str>, Option<String>, Option<&'a str>, Vec<&'a str>);

    /// Shows the last register in the lines of `text`.
    fn last(text: &str) -> Shown<'_> {
        let mut registers = crate::data_line::Registers::default();
        let mut at = 0;
        for line in text.split_inclusive("\r\n") {
            let end = at + line.trim_end().len();
            registers.read(&text.as_bytes()[..end], at).unwrap();
            at += line.len();
        }
        let register = registers.iter(text).last().unwrap();
        let number = register.number.map(|number| number.to_string());
        let time = register.time.map(|time| time.sent);
        (register.value, register.unit, number, time, register.more().collect())
    }

    #[test]
    fn values_follow_their_times() {
        let gas = last("0-1:24.2.1(240229120000W)(00123.456*m3)");
        assert_eq!(gas, ("00123.456", Some("m3"), Some("123.456".into()), Some("240229120000W"), vec![]));
        let maximum = last("1-0:1.6.0 (240229120000W) (02.468*kW)");
        assert_eq!(maximum, ("02.468", Some("kW"), Some("2.468".into()), Some("240229120000W"), vec![]));
        let never = last("0-1:24.2.3(632525252525W)(00000.000)");
        assert_eq!(never, ("00000.000", None, None, Some("632525252525W"), vec![]));
        let clock = last("0-0:1.0.0(240229120000W)");
        assert_eq!(clock, ("240229120000W", None, None, Some("240229120000W"), vec![]));
    }

    #[test]
    fn other_groups_stay_as_they_are() {
        for (line, value, more) in [
            ("0-1:24.2.1(240229120000W)", "240229120000W", vec![]),
            ("1-0:1.6.0(240229120000W)(1*kW)(2*kW)", "240229120000W", vec!["1*kW", "2*kW"]),
            ("1-0:1.6.0(240229120000)(1*kW)", "240229120000", vec!["1*kW"]),
            ("1-0:99.97.0(1)(240229120000W)(1*s)", "1", vec!["240229120000W", "1*s"]),
            ("0-1:24.3.0(240229120000)(00)(60)(2)(a)(m3)", "240229120000", vec!["00", "60", "2", "a", "m3"]),
            ("0-1:24.3.0(240229120000)(00)(60)(1)", "240229120000", vec!["00", "60", "1"]),
        ] {
            assert_eq!(last(line), (value, None, None, None, more), "{line}");
        }
        let maximum = last("1.6.0(02.468*kW)(1703100930)");
        assert_eq!(maximum, ("02.468", Some("kW"), Some("2.468".into()), None, vec!["1703100930"]));
    }

    #[test]
    fn the_hourly_value_stands_on_its_line_or_on_the_next_one() {
        let line = "0-1:24.3.0(240229120000)(00)(60)(1)(0-1:24.2.1)(m3)";
        for value in ["(00123.456)", "\r\n(00123.456)", "\r\n (00123.456*m3)!"] {
            let text = [line, value].concat();
            let (value, unit, number, time, more) = last(&text);
            assert_eq!((value, unit, number.as_deref()), ("00123.456", Some("m3"), Some("123.456")));
            assert_eq!((time, more), (Some("240229120000"), vec!["00", "60", "1", "0-1:24.2.1"]));
        }
        // A value that never comes, and one that belongs to nothing.
        for rest in ["", "\r\n\r\n(00123.456)"] {
            let text = [line, rest].concat();
            assert_eq!(last(&text).2, None, "{rest}");
        }
        let after = [line, "\r\n(00123.456)\r\n(00999.000)"].concat();
        assert_eq!(last(&after).0, "00123.456");
    }

    #[test]
    fn units_may_lack_the_star() {
        for (line, value, unit) in [
            ("1-0:1.8.1(000123.456kWh)", "000123.456", Some("kWh")),
            ("0-0:17.0.0(999.9kW)", "999.9", Some("kW")),
            ("1-0:1.8.1(000123.456jkWh)", "000123.456jkWh", None),
            ("1-0:1.8.1(kWh)", "kWh", None),
            ("0-0:1.0.0(24022912000W)", "24022912000W", None),
            ("0-0:96.5.0(00104A)", "00104A", None),
        ] {
            let (found, found_unit, ..) = last(line);
            assert_eq!((found, found_unit), (value, unit), "{line}");
        }
    }
}
