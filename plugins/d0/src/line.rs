//! The grammar of a data line (IEC 62056-21, data sets of a readout, with what meters make of them).
//!
//! ```text
//! line  = { group } { set }            e.g. 1.6.0(02.468*kW)(1703100930)
//! set   = code group { group }              6.8(0029.055*MWh)6.26(01589.28*m3)
//! group = "(" [ value [ "*" unit ] ] ")"    (0.18374)(0.00078)
//! ```
//!
//! Groups without a code continue a load profile; they belong to no register, but that of DSMR 2 (see
//! `dsmr`). An end mark `!` may follow the last bracket. Blanks and tabs may stand anywhere
//! between codes and brackets.

use framework::{Decimal, Obis};
use telegram::Register;

use crate::{
    characters::{has_groups, is_code, is_doubtful, is_unit, skip_blanks, skip_plain},
    dsmr,
    entry::{Entry, Span},
};

/// What ended a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more on it.
    Line,
    /// The end mark, at this position of the text.
    Mark(usize),
}

/// The line is no data line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoDataLine;

/// The registers of a telegram.
///
/// It remembers the codes of the telegram before: a meter sends the same ones every second, and
/// comparing a code is much cheaper than reading it.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    entries: Vec<Entry>,
    /// The codes of `entries`, and behind them those that an earlier telegram had there.
    known: Vec<Known>,
    /// The first set whose code may be the rest of a longer one.
    doubtful: Option<(usize, usize)>,
    /// The value of the last entry stands on the next line.
    continued: bool,
}

/// A code and what it means.
#[derive(Clone, Copy, Debug)]
struct Known {
    bytes: [u8; MAX_CODE],
    len: usize,
    obis: Option<Obis>,
    quantity: Quantity,
    doubtful: bool,
}

/// What a code says about its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Time integral (D = 8) of an electrical quantity: a number even without a unit, in kWh by custom.
    Energy,
    /// A power factor, which has no unit: a number where it has decimals.
    Ratio,
    /// Another electrical one: a number where it has a unit.
    Electrical,
    /// The meter's clock.
    Clock,
    /// The hourly values of another meter, DSMR 2 and 3.
    Hourly,
    /// Anything: text.
    Other,
}

/// The longest code is 23 characters, `255-255:255.255.255*255`; a mnemonic may be somewhat longer.
const MAX_CODE: usize = 32;
/// The longest unit that is taken for one.
const MAX_UNIT: usize = 16;

impl Registers {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.doubtful = None;
        self.continued = false;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The registers, whose lines stand in `text`.
    pub(crate) fn iter<'a>(
        &self,
        text: &'a str,
    ) -> impl ExactSizeIterator<Item = Register<'a>> + use<'_, 'a> {
        self.parts().map(move |(entry, known)| entry.register(known.obis, text))
    }

    /// Where the first set stands whose code may be the rest of a longer one.
    pub(crate) fn doubtful(&self) -> Option<(usize, usize)> {
        self.doubtful
    }

    fn parts(&self) -> impl ExactSizeIterator<Item = (&Entry, &Known)> {
        self.entries.iter().zip(&self.known)
    }

    /// Reads the line `text[from..]`. A line that is no data line leaves no registers.
    pub(crate) fn read(&mut self, text: &[u8], from: usize) -> Result<End, NoDataLine> {
        let before = self.entries.len();
        let end = self.sets(text, from);
        if end.is_err() {
            self.entries.truncate(before);
        }
        end
    }

    fn sets(&mut self, text: &[u8], from: usize) -> Result<End, NoDataLine> {
        if std::mem::take(&mut self.continued)
            && let Some(entry) = self.entries.last_mut()
        {
            dsmr::continue_hourly(text, from, entry);
        }
        let mut at = groups(text, from)?;
        loop {
            at = skip_blanks(text, at);
            match text.get(at) {
                None => return Ok(End::Line),
                Some(b'!') => return Ok(End::Mark(at)),
                Some(_) => at = self.set(text, at)?,
            }
        }
    }

    /// Reads one data set; returns where the next one starts.
    fn set(&mut self, text: &[u8], at: usize) -> Result<usize, NoDataLine> {
        let known = self.code(&text[at..]).ok_or(NoDataLine)?;
        let (code_end, quantity, doubtful) = (at + known.len, known.quantity, known.doubtful);
        // `Known` has seen the bracket.
        let value = skip_blanks(text, code_end) + 1;
        let group = Group::read(text, value, quantity).ok_or(NoDataLine)?;
        let end = groups(text, group.close + 1)?;
        if doubtful {
            self.doubtful.get_or_insert((at, end));
        }
        let mut entry = Entry {
            code: Span::new(at, code_end),
            value: group.value,
            unit: group.unit,
            groups: Span::new(group.close + 1, end),
            time: None,
            number: group.number(text, quantity),
        };
        self.continued = dsmr::read(text, quantity, &group, &mut entry);
        self.entries.push(entry);
        Ok(end)
    }

    /// The code at the start of `rest`. An opening bracket follows it, perhaps behind blanks.
    fn code(&mut self, rest: &[u8]) -> Option<&Known> {
        let place = self.entries.len();
        let again = self.known.get(place).is_some_and(|known| {
            matches!(rest.split_at_checked(known.len), Some((code, [b'(', ..])) if code == &known.bytes[..known.len])
        });
        if !again {
            let known = Known::read(rest)?;
            // Places are filled in their order: one that is not there is the next one.
            match self.known.get_mut(place) {
                Some(slot) => *slot = known,
                None => self.known.push(known),
            }
        }
        self.known.get(place)
    }
}

impl Known {
    fn read(rest: &[u8]) -> Option<Self> {
        let len = rest.iter().position(|&byte| !is_code(byte))?;
        let bracket = rest.get(skip_blanks(rest, len)) == Some(&b'(');
        if !bracket || !(1..=MAX_CODE).contains(&len) || !has_groups(&rest[..len]) {
            return None;
        }
        let mut bytes = [0; MAX_CODE];
        bytes[..len].copy_from_slice(&rest[..len]);
        let obis = Obis::parse(&bytes.map(|byte| byte.to_ascii_uppercase())[..len]);
        let quantity = obis.map_or(Quantity::Other, Quantity::of);
        Some(Self { bytes, len, obis, quantity, doubtful: is_doubtful(&rest[..len]) })
    }
}

impl Quantity {
    fn of(obis: Obis) -> Self {
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

/// One group: value and unit between two brackets.
pub(crate) struct Group {
    pub(crate) value: Span,
    pub(crate) unit: Option<Span>,
    /// The closing bracket.
    pub(crate) close: usize,
}

impl Group {
    /// Reads the group whose first character behind the bracket is `text[from]`.
    #[inline]
    pub(crate) fn read(text: &[u8], from: usize, quantity: Quantity) -> Option<Self> {
        let (close, star, high) = scan(text, from)?;
        let measured = |value_end, unit| {
            Some(Self { value: Span::new(from, value_end), unit: Some(Span::new(unit, close)), close })
        };
        if let Some(star) = star {
            let unit = &text[star + 1..close];
            // `088*C&082*C` is a pair of values: text, nobody knows which of the two to take.
            if unit.len() <= MAX_UNIT && !unit.iter().any(|byte| matches!(byte, b'*' | b'&')) {
                // What has a unit was a number, and is damaged where it is not ASCII.
                let good = high.is_none_or(|high| {
                    high > star && is_unit(unit) && Decimal::parse(text[from..star].trim_ascii()).is_some()
                });
                return if good { measured(star, star + 1) } else { None };
            }
        } else if let Some((end, unit)) = unit_without_star(&text[from..close], quantity) {
            return measured(from + end, from + unit);
        }
        Some(Self { value: Span::new(from, close), unit: None, close })
    }

    #[inline]
    pub(crate) fn number(&self, text: &[u8], quantity: Quantity) -> Option<Decimal> {
        let value = self.value.of(text);
        // Known units are not needed: a star with something behind it says that this is a measurement.
        let measured = self.unit.is_some_and(|unit| !unit.is_empty());
        let number = measured
            || match quantity {
                Quantity::Energy => true,
                Quantity::Ratio => value.contains(&b'.'),
                _ => false,
            };
        if number { Decimal::parse(value.trim_ascii()) } else { None }
    }

    /// The group that follows this one, if one does.
    pub(crate) fn next(&self, text: &[u8], quantity: Quantity) -> Option<Self> {
        let bracket = skip_blanks(text, self.close + 1);
        let follows = text.get(bracket) == Some(&b'(');
        if follows { Self::read(text, bracket + 1, quantity) } else { None }
    }
}

/// The closing bracket of a group, its first star, and its first byte with bit 7 set.
fn scan(text: &[u8], from: usize) -> Option<(usize, Option<usize>, Option<usize>)> {
    let (mut at, mut star, mut high) = (from, None, None);
    loop {
        at = skip_plain(text, at);
        match *text.get(at)? {
            b')' => return Some((at, star, high)),
            b'*' => star = star.or(Some(at)),
            // Only the text of an 8N1 meter has such.
            0x80.. => high = high.or(Some(at)),
            _ => return None,
        }
        at += 1;
    }
}

/// Skips groups from `text[at]` on, and the blanks before each.
fn groups(text: &[u8], mut at: usize) -> Result<usize, NoDataLine> {
    loop {
        let bracket = skip_blanks(text, at);
        if text.get(bracket) != Some(&b'(') {
            return Ok(at);
        }
        at = scan(text, bracket + 1).ok_or(NoDataLine)?.0 + 1;
    }
}

/// Where the value ends and the unit begins in `0054321 kWh` and in `000123.456kWh`: a few meters send no
/// star. Without a blank, only a known unit behind a measurement is one: `00104E` is a status word.
fn unit_without_star(value: &[u8], quantity: Quantity) -> Option<(usize, usize)> {
    // The cheap test first: a value that ends in a letter.
    if !value.last().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let letters = value.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (number, unit) = value.split_at(value.len() - letters);
    let end = match number {
        [number @ .., b' '] if unit.len() <= 5 => number.len(),
        _ if dsmr::is_time(value) || matches!(quantity, Quantity::Clock | Quantity::Other) => return None,
        _ if UNITS.iter().any(|known| known.as_bytes() == unit) => number.len(),
        _ => return None,
    };
    Decimal::parse(&value[..end]).map(|_| (end, number.len()))
}

/// The units that need neither star nor blank.
const UNITS: [&str; 10] = ["kWh", "Wh", "kW", "W", "kvarh", "varh", "kvar", "var", "V", "A"];

/// Reads one data line without its line end: for tools and tests; the decoder reads telegrams.
///
/// `None` where it is no data line. A line of groups only has no registers.
pub fn read_line(line: &str) -> Option<Vec<Register<'_>>> {
    let mut registers = Registers::default();
    registers.read(line.as_bytes(), 0).ok()?;
    Some(registers.parts().map(|(entry, known)| entry.register(known.obis, line)).collect())
}

#[cfg(test)]
mod tests;
