//! One group of a data line: a value and its unit between two brackets.

use framework::{Decimal, Obis};

use crate::{
    characters::{is_unit, skip_blanks, skip_plain},
    entry::Span,
};

/// Content of a register's groups, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Time integral (D = 8) of an electrical quantity: a number even without a unit, in kWh by custom.
    Energy,
    /// A power factor, which has no unit: a number where it has decimals.
    Ratio,
    /// Another electrical quantity: a number where it has a unit.
    Electrical,
    /// The meter's clock.
    Clock,
    /// Hourly values of another meter, DSMR 2 and 3.
    Hourly,
    /// Text.
    Other,
}

/// Most bytes of a unit.
const MAX_UNIT: usize = 16;

impl Content {
    pub(crate) fn of(obis: Obis) -> Self {
        match (obis.medium(), obis.cde()) {
            (Some(0), (1, 0, 0)) => Self::Clock,
            (Some(0), (24, 3, 0)) => Self::Hourly,
            (_, (1..=80, 8, _)) => Self::Energy,
            (_, (13 | 33 | 53 | 73, 7, _)) => Self::Ratio,
            (_, (1..=80, ..)) => Self::Electrical,
            _ => Self::Other,
        }
    }
}

/// Places of a group's parts.
pub(crate) struct Group {
    pub(crate) value: Span,
    pub(crate) unit: Option<Span>,
    /// Closing bracket.
    pub(crate) close: usize,
}

impl Group {
    /// Reads the group whose first character after the bracket is `text[from]`.
    #[inline]
    pub(crate) fn read(text: &[u8], from: usize, content: Content) -> Option<Self> {
        let Scan { close, star, high, is_broken } = scan(text, from)?;
        if is_broken && (content != Content::Other || star.is_some()) {
            return None;
        }
        let measured = |value_end, unit| {
            Some(Self { value: Span::new(from, value_end), unit: Some(Span::new(unit, close)), close })
        };
        if let Some(star) = star {
            let unit = &text[star + 1..close];
            // `088*C&082*C` is a pair of values, and neither is the right one: it stays text.
            if unit.len() <= MAX_UNIT && !unit.iter().any(|byte| matches!(byte, b'*' | b'&')) {
                // A value with a unit was a number, and is damaged where it is not ASCII.
                let good = high.is_none_or(|high| {
                    high > star && is_unit(unit) && Decimal::parse(text[from..star].trim_ascii()).is_some()
                });
                return if good { measured(star, star + 1) } else { None };
            }
        } else if let Some((end, unit)) = unit_without_star(&text[from..close], content) {
            return measured(from + end, from + unit);
        }
        Some(Self { value: Span::new(from, close), unit: None, close })
    }

    #[inline]
    pub(crate) fn number(&self, text: &[u8], content: Content) -> Option<Decimal> {
        let value = self.value.of(text);
        // Units need not be known: a star with something after it marks a measurement.
        let measured = self.unit.is_some_and(|unit| !unit.is_empty());
        let number = measured
            || match content {
                Content::Energy => true,
                Content::Ratio => value.contains(&b'.'),
                _ => false,
            };
        if number { Decimal::parse(value.trim_ascii()) } else { None }
    }

    /// Returns the group that follows this one.
    pub(crate) fn next(&self, text: &[u8], content: Content) -> Option<Self> {
        let bracket = skip_blanks(text, self.close + 1);
        let follows = text.get(bracket) == Some(&b'(');
        if follows { Self::read(text, bracket + 1, content) } else { None }
    }
}

/// Places in a group.
struct Scan {
    /// Closing bracket.
    close: usize,
    /// First star.
    star: Option<usize>,
    /// First byte with bit 7 set.
    high: Option<usize>,
    /// There are line ends in it.
    is_broken: bool,
}

fn scan(text: &[u8], from: usize) -> Option<Scan> {
    let mut found = Scan { close: from, star: None, high: None, is_broken: false };
    loop {
        found.close = skip_plain(text, found.close);
        match *text.get(found.close)? {
            b')' => return Some(found),
            b'*' => found.star = found.star.or(Some(found.close)),
            // Only the text of an 8N1 meter has such bytes.
            0x80.. => found.high = found.high.or(Some(found.close)),
            b'\r' | b'\n' => found.is_broken = true,
            _ => return None,
        }
        found.close += 1;
    }
}

/// Reads a number with a decimal comma.
pub(crate) fn decimal_with_comma(value: &[u8]) -> Option<Decimal> {
    let value = value.trim_ascii();
    let mut with_point = [0; 32];
    let with_point = with_point.get_mut(..value.len())?;
    with_point.copy_from_slice(value);
    let comma = value.iter().position(|byte| *byte == b',').filter(|_| !value.contains(&b'.'))?;
    with_point[comma] = b'.';
    Decimal::parse(with_point)
}

/// Finds the end of the value and the beginning of the unit in `0054321 kWh` and in `000123.456kWh`: a few meters send
/// no star. Without a blank, only a known unit after a measurement counts: `00104E` is a status word.
fn unit_without_star(value: &[u8], content: Content) -> Option<(usize, usize)> {
    // The cheap test first: a value that ends in a letter.
    if !value.last().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let letters = value.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (number, unit) = value.split_at(value.len() - letters);
    let end = match number {
        [number @ .., b' '] if unit.len() <= 5 => number.len(),
        _ if is_time(value) || matches!(content, Content::Clock | Content::Other) => return None,
        _ if UNITS.iter().any(|known| known.as_bytes() == unit) => number.len(),
        _ => return None,
    };
    Decimal::parse(&value[..end]).map(|_| (end, number.len()))
}

/// Units that need neither star nor blank.
const UNITS: [&str; 10] = ["kWh", "Wh", "kW", "W", "kvarh", "varh", "kvar", "var", "V", "A"];

/// Skips groups from `text[at]` on, and the blanks before each.
pub(crate) fn skip_groups(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let bracket = skip_blanks(text, at);
        if text.get(bracket) != Some(&b'(') {
            return Some(at);
        }
        at = scan(text, bracket + 1).filter(|group| !group.is_broken)?.close + 1;
    }
}

/// Returns whether `text` is a time, `YYMMDDhhmmss` and `S` in summer or `W` in winter. Some meters send impossible
/// ones.
pub(crate) fn is_time(text: &[u8]) -> bool {
    matches!(text, [time @ .., b'S' | b'W'] if is_local_time(time))
}

pub(crate) fn is_local_time(text: &[u8]) -> bool {
    text.len() == 12 && text.iter().all(u8::is_ascii_digit)
}
