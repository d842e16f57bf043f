//! Registers of a telegram: the entries of its lists.

use std::io::Write as _;

use framework::{Decimal, Obis, Text, Timestamp};
use telegram::{Register, RegisterTime, dlms_unit};

use crate::tlv::Element;

/// Year of the oldest meters of this kind, in seconds since 1970.
const YEAR_2010: i64 = 1_262_304_000;

/// Powers of ten for scalers. A larger scaler makes more digits than a decimal has.
const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Registers of one telegram.
///
/// It remembers the codes of the telegram before: a meter sends the same ones every second, and comparing six bytes is
/// much cheaper than writing a code.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    entries: Vec<Entry>,
    /// Codes of `entries`, and after them those that an earlier telegram had there.
    known: Vec<Known>,
    /// Texts of the entries, all of them ASCII.
    text: Vec<u8>,
}

/// Register without its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    value: Place,
    time: Option<Time>,
    unit: Option<&'static str>,
    pub(crate) number: Option<Decimal>,
    pub(crate) status: Option<u64>,
    /// Signed number of less than four bytes, its scaler, and the number of its bytes.
    short: Option<(i64, i64, u8)>,
}

/// Place in the text of the registers.
#[derive(Clone, Copy, Debug, Default)]
struct Place(u32, u32);

#[derive(Clone, Copy, Debug)]
struct Time {
    sent: Place,
    utc: Option<Timestamp>,
}

/// Code as sent, and as text.
#[derive(Clone, Debug)]
struct Known {
    groups: [u8; 6],
    code: Text,
    obis: Option<Obis>,
}

impl Registers {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns their texts.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Keeps a text and returns its place.
    fn keep(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        let from = self.text.len();
        write(&mut self.text);
        Place(from as u32, self.text.len() as u32)
    }

    /// Returns the registers, whose texts stand in `text`.
    pub(crate) fn iter<'a>(&'a self, text: &'a str) -> impl ExactSizeIterator<Item = Register<'a>> + use<'a> {
        self.entries.iter().zip(&self.known).map(move |(entry, known)| Register {
            value: entry.value.of(text),
            unit: entry.unit,
            number: entry.number,
            time: entry.time.map(|time| RegisterTime { sent: time.sent.of(text), utc: time.utc }),
            status: entry.status,
            ..Register::new(&known.code, known.obis)
        })
    }

    /// Returns codes as sent, and their entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = ([u8; 6], &Entry)> {
        self.known.iter().map(|known| known.groups).zip(&self.entries)
    }

    /// Returns the same for corrections.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = ([u8; 6], &mut Entry)> {
        self.known.iter().map(|known| known.groups).zip(&mut self.entries)
    }

    /// Removes registers by their codes as sent.
    pub(crate) fn remove(&mut self, is_unwanted: impl Fn([u8; 6]) -> bool) {
        for place in (0..self.entries.len()).rev() {
            if is_unwanted(self.known[place].groups) {
                self.entries.remove(place);
                let known = self.known.remove(place);
                self.known.push(known);
            }
        }
    }

    /// Returns the text of the first register with this code.
    pub(crate) fn text_of(&self, code: [u8; 6]) -> Option<&[u8]> {
        let (_, entry) = self.entries().find(|(groups, _)| *groups == code)?;
        self.text.get(entry.value.0 as usize..entry.value.1 as usize)
    }

    /// Reads an entry of a list. One without a valid name or value is left out.
    pub(crate) fn read(&mut self, [name, status, time, unit, scaler, value, _]: [Element<'_>; 7]) {
        let Element::Octets(name) = name else { return };
        let Ok(groups) = <[u8; 6]>::try_from(name) else { return };
        let scaler = match scaler {
            Element::Octets([]) => Some(0),
            element => element.signed().or_else(|| element.unsigned().and_then(|code| code.try_into().ok())),
        };
        // Some firmware may send the code as a signed number.
        let code = unit.unsigned().or_else(|| unit.signed().and_then(|code| code.try_into().ok()));
        let unit = code.and_then(dlms_unit);
        // A counter of energy, by its code, must not come out as energy in another unit.
        let doubtful =
            matches!(groups, [1, _, 1..=80, 8, ..]) && !matches!(unit, Some("Wh" | "varh" | "VAh" | "J"));
        let mut entry =
            Entry { value: Place::default(), time: None, unit, number: None, status: None, short: None };
        match (value, scaler) {
            (Element::Octets(octets), _) => entry.value = self.keep(|text| write_octets(text, octets)),
            (Element::Boolean(&[byte]), _) => {
                let word: &[u8] = if byte == 0 { b"false" } else { b"true" };
                entry.value = self.keep(|text| text.extend_from_slice(word));
            }
            (Element::Signed(bytes), Some(scaler)) => {
                let Some(number) = value.signed() else { return };
                if bytes.len() < 4 {
                    entry.short = Some((number, scaler, bytes.len() as u8));
                }
                entry.number = decimal(number, scaler).filter(|_| !doubtful);
                self.digits(&mut entry, number.into(), scaler);
            }
            (Element::Unsigned(_), Some(scaler)) => {
                let Some(number) = value.unsigned() else { return };
                let small = i64::try_from(number).ok().filter(|_| !doubtful);
                entry.number = small.and_then(|number| decimal(number, scaler));
                self.digits(&mut entry, number.into(), scaler);
            }
            _ => return,
        }
        entry.status = status.unsigned();
        entry.time = self.time(time);
        // What is measured now was measured when it came. The meter's clock may be hours away from ours, or stand
        // still, which would make each reading one that was recorded before.
        if let (Some(time), [1, _, _, 7 | 8, _, 255]) = (&mut entry.time, groups) {
            time.utc = None;
        }
        self.know(groups);
        self.entries.push(entry);
    }

    /// Keeps the digits of a number that is too large for a decimal: `18446744073709551615e3`.
    fn digits(&mut self, entry: &mut Entry, number: i128, scaler: i64) {
        if entry.number.is_none() {
            entry.value = self.keep(|text| {
                // Writing into memory cannot fail.
                let _ = match scaler {
                    0 => write!(text, "{number}"),
                    _ => write!(text, "{number}e{scaler}"),
                };
            });
        }
    }

    /// Reads an SML_Time: a choice of seconds since some moment of the meter's (1), or a time of day (2, and 3 with the
    /// offset of the place beside it). Holley sends the bare seconds.
    fn time(&mut self, element: Element<'_>) -> Option<Time> {
        let (number, is_utc) = match element {
            Element::List(2, mut list) => {
                let choice = list.element().ok()?.unsigned()?;
                let mut value = list.element().ok()?;
                if let Element::List(3, mut local) = value {
                    value = local.element().ok()?;
                }
                (value.unsigned()?, choice > 1)
            }
            element => (element.unsigned()?, false),
        };
        let sent = self.keep(|text| write_number(text, number));
        // A clock that was never set counts from 1970, and all bits mean that there is no time.
        let utc = i64::try_from(number)
            .ok()
            .filter(|seconds| is_utc && (YEAR_2010..i64::from(u32::MAX)).contains(seconds));
        Some(Time { sent, utc: utc.and_then(|seconds| Timestamp::from_second(seconds).ok()) })
    }

    /// Notes that the next entry has the code `groups`.
    fn know(&mut self, groups: [u8; 6]) {
        match self.known.get_mut(self.entries.len()) {
            Some(known) if known.groups == groups => {}
            Some(known) => *known = Known::new(groups),
            // Places are filled in order, so a missing one is the next one.
            None => self.known.push(Known::new(groups)),
        }
    }
}

impl Entry {
    /// Takes a short signed number for an unsigned one.
    pub(crate) fn make_unsigned(&mut self) {
        if let Some((number, scaler, bytes)) = self.short.filter(|short| short.0 < 0)
            && self.number.is_some()
        {
            self.number = decimal(number + (1 << (8 * bytes)), scaler);
        }
    }

    /// Returns whether it is a negative number of less than four bytes.
    pub(crate) fn is_short_and_negative(&self) -> bool {
        self.number.is_some() && self.short.is_some_and(|(number, ..)| number < 0)
    }

    /// Takes a positive number for a negative one.
    pub(crate) fn make_negative(&mut self) {
        if let Some(number) = self.number.filter(|number| number.mantissa() > 0) {
            self.number = Decimal::new(-number.mantissa(), number.scale());
        }
    }
}

impl Place {
    fn of(self, text: &str) -> &str {
        text.get(self.0 as usize..self.1 as usize).unwrap_or_default()
    }
}

impl Known {
    fn new(groups: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = groups;
        let code = format!("{a}-{b}:{c}.{d}.{e}*{f}");
        Self { groups, obis: Obis::parse(code.as_bytes()), code: code.into() }
    }
}

/// Returns `number` · 10^`scaler`, if a decimal can hold it exactly.
fn decimal(number: i64, scaler: i64) -> Option<Decimal> {
    if scaler <= 0 {
        return Decimal::new(number, u8::try_from(scaler.checked_neg()?).ok()?);
    }
    let power = POWERS.get(usize::try_from(scaler).ok()?)?;
    number.checked_mul(*power).map(Decimal::from)
}

/// Appends octets as text where they are printable, else as lower-case hexadecimal digits.
pub(crate) fn write_octets(text: &mut Vec<u8>, octets: &[u8]) {
    if octets.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.extend_from_slice(octets);
    }
    text.extend(octets.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]));
}

fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

fn write_number(text: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return text.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: i64, scaler: i64) -> Option<String> {
        decimal(number, scaler).map(|decimal| decimal.to_string())
    }

    #[test]
    fn scaled_numbers_are_exact_or_none() {
        assert_eq!(shown(20_431_047, -1).as_deref(), Some("2043104.7"));
        assert_eq!(shown(-29_912, -2).as_deref(), Some("-299.12"));
        assert_eq!(shown(7, 3).as_deref(), Some("7000"));
        assert_eq!(shown(i64::MIN, 0).as_deref(), Some("-9223372036854775808"));
        assert_eq!(shown(1, -18).as_deref(), Some("0.000000000000000001"));
        for (number, scaler) in
            [(1, -19), (1, -128), (1, 19), (1, 127), (10, 18), (i64::MIN, 1), (1, i64::MIN)]
        {
            assert_eq!(shown(number, scaler), None, "{number} · 10^{scaler}");
        }
    }

    #[test]
    fn codes_are_full() {
        for (groups, code) in [([1, 0, 1, 8, 0, 255], "1-0:1.8.0*255"), ([255; 6], "255-255:255.255.255*255")]
        {
            let known = Known::new(groups);
            assert_eq!(known.code, code);
            assert_eq!(known.obis.map(|obis| obis.to_string()).as_deref(), Some(code));
        }
    }

    #[test]
    fn octets_are_text_or_digits() {
        let mut text = Vec::new();
        for octets in [&b"1.02.007"[..], b" ", &[1, 7, 0x1e, 0xff], b"A\0"] {
            write_octets(&mut text, octets);
            text.push(b',');
        }
        write_number(&mut text, 0);
        write_number(&mut text, u64::MAX);
        assert_eq!(String::from_utf8_lossy(&text), "1.02.007, ,01071eff,4100,018446744073709551615");
    }
}
