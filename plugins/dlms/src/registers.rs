//! Registers of one telegram.

use framework::{Decimal, Obis, Reading, Text, Value};
use telegram::{Register, dlms_unit};

use crate::{axdr, clock::Clock};

/// Registers of one telegram; it remembers the codes of the telegram before, as a meter sends the same ones each time.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    entries: Vec<Entry>,
    /// Codes of `entries`, and after them those that an earlier telegram had there.
    known: Vec<Known>,
    /// Texts of the entries.
    text: String,
    /// The first time among them.
    clock: Option<Clock>,
}

/// Register without its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Number as sent, without its scale.
    raw: Option<i128>,
    number: Option<Decimal>,
    unit: Option<&'static str>,
    /// Scale and unit came with it, be it none.
    has_scale: bool,
    /// The number needs a scale that is neither sent nor known.
    pub(crate) is_unscaled: bool,
    is_clock: bool,
    text: (u32, u32),
}

#[derive(Clone, Debug)]
struct Known {
    /// Code; `None` for a value that is sent without one.
    groups: Option<[u8; 6]>,
    code: Text,
    obis: Option<Obis>,
}

/// Value of a register.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Integer(i128),
    Float(f64, Option<Decimal>),
    Octets(&'a [u8]),
    Time(Clock),
    Word(&'static str),
}

impl<'a> Content<'a> {
    /// Reads a value that is not a list; `None` for nothing.
    pub(crate) fn read(item: axdr::Item, bytes: &'a [u8], is_clock: bool) -> Option<Self> {
        let content = item.content(bytes);
        let unsigned = || content.iter().fold(0i128, |number, byte| number << 8 | i128::from(*byte));
        let signed = || {
            let bits = 8 * content.len();
            let number = unsigned();
            if number >> (bits - 1) & 1 == 1 { number - (1 << bits) } else { number }
        };
        Some(match item.tag {
            axdr::INT8 | axdr::INT16 | axdr::INT32 | axdr::INT64 if !content.is_empty() => {
                Self::Integer(signed())
            }
            axdr::UINT8 | axdr::UINT16 | axdr::UINT32 | axdr::UINT64 | axdr::ENUM => {
                Self::Integer(unsigned())
            }
            axdr::BCD => Self::Integer(unsigned()),
            axdr::BOOLEAN => Self::Word(if content == [0] { "false" } else { "true" }),
            axdr::FLOAT32 => {
                let number = f32::from_be_bytes(content.try_into().ok()?);
                Self::Float(number.into(), Decimal::from_f32(number))
            }
            axdr::FLOAT64 => {
                let number = f64::from_be_bytes(content.try_into().ok()?);
                Self::Float(number, Decimal::from_f64(number))
            }
            axdr::NULL | axdr::ARRAY | axdr::STRUCTURE => return None,
            axdr::DATE_TIME => Clock::read(content).map_or(Self::Octets(content), Self::Time),
            _ if is_clock => Clock::read(content).map_or(Self::Octets(content), Self::Time),
            _ => Self::Octets(content),
        })
    }
}

impl Registers {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.clock = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the registers. A clock and a meter number without codes have their usual ones.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        let last = self.last_number();
        self.entries.iter().zip(&self.known).enumerate().map(move |(place, (entry, known))| {
            let register = match known.groups {
                None if entry.is_clock => {
                    Register::new("0-0:1.0.0*255", Some(Obis::full([0, 0, 1, 0, 0, 255])))
                }
                None if Some(place) == last => {
                    Register::new("0-0:96.1.0*255", Some(Obis::full([0, 0, 96, 1, 0, 255])))
                }
                _ => Register::new(&known.code, known.obis),
            };
            // A number of an unknown scale must not be counted with.
            let number = entry.number.filter(|_| !entry.is_unscaled);
            let value = if number.is_some() { "" } else { self.text_at(entry) };
            Register { value, unit: entry.unit, number, ..register }
        })
    }

    fn text_at(&self, entry: &Entry) -> &str {
        self.text.get(entry.text.0 as usize..entry.text.1 as usize).unwrap_or_default()
    }

    /// Returns the place of the meter number that some meters send last, without a code.
    fn last_number(&self) -> Option<usize> {
        let place = self.entries.len().checked_sub(1)?;
        let (entry, known) = (&self.entries[place], &self.known[place]);
        let is_number = place > 0 && known.groups.is_none() && entry.raw.is_none() && !entry.is_clock;
        (is_number && !self.text_at(entry).is_empty()).then_some(place)
    }

    /// Returns the registers as `smartmeter decode` shows them: with numbers whose scale is not known, which have no unit.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (Option<usize>, Reading)> {
        self.entries.iter().zip(&self.known).zip(self.iter()).enumerate().map(
            |(place, ((entry, known), register))| {
                let mut reading = Reading::text(known.code.clone(), register.value);
                if let Some(number) = entry.number {
                    reading.value = Value::Number(number);
                }
                reading.obis = known.obis;
                reading.unit = entry.unit.map(Text::new_static);
                (known.groups.is_none().then_some(place + 1), reading)
            },
        )
    }

    /// Returns codes and entries.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (Option<[u8; 6]>, &mut Entry)> {
        self.known.iter().map(|known| known.groups).zip(&mut self.entries)
    }

    /// Returns the text of the first register whose groups A to E satisfy a condition.
    pub(crate) fn text_of(&self, is_meant: impl Fn(Option<[u8; 6]>) -> bool) -> Option<&str> {
        let mut entries = self.entries.iter().zip(&self.known);
        let (entry, _) = entries.find(|(entry, known)| entry.raw.is_none() && is_meant(known.groups))?;
        self.text.get(entry.text.0 as usize..entry.text.1 as usize)
    }

    /// Returns the number of the meter: that of the meter before that of its logical device.
    pub(crate) fn ident(&self) -> Option<&str> {
        const NUMBERS: [[u8; 3]; 4] = [[96, 1, 0], [0, 0, 5], [42, 0, 0], [96, 1, 1]];
        let number = |number: [u8; 3]| {
            self.text_of(|code| matches!(code, Some([_, _, c, d, e, _]) if [c, d, e] == number))
        };
        let last = || self.last_number().map(|place| self.text_at(&self.entries[place]));
        NUMBERS.into_iter().find_map(number).filter(|text| !text.is_empty()).or_else(last)
    }

    /// Returns the meter's clock.
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Returns the text of the first register.
    pub(crate) fn first_text(&self) -> &str {
        let first = self.entries.first().filter(|entry| entry.raw.is_none());
        first
            .and_then(|entry| self.text.get(entry.text.0 as usize..entry.text.1 as usize))
            .unwrap_or_default()
    }

    /// Appends a register; one without a code is called by its place.
    pub(crate) fn push(&mut self, groups: Option<[u8; 6]>, content: Content<'_>) {
        if matches!(content, Content::Float(number, _) if !number.is_finite()) {
            return;
        }
        let place = self.entries.len();
        match self.known.get_mut(place) {
            Some(known) if known.groups == groups => {}
            Some(known) => *known = Known::new(groups, place),
            None => self.known.push(Known::new(groups, place)),
        }
        let from = self.text.len() as u32;
        let mut entry = Entry {
            raw: None,
            number: None,
            unit: None,
            has_scale: false,
            is_unscaled: false,
            is_clock: false,
            text: (from, from),
        };
        match content {
            Content::Integer(number) => {
                entry.raw = Some(number);
                entry.number = decimal(number, 0);
                // Most integers are shown as numbers: their text is written where it is needed.
                if entry.number.is_none() {
                    let _ = write_text(&mut self.text, format_args!("{number}"));
                }
            }
            Content::Float(number, decimal) => {
                entry.number = decimal;
                let _ = write_text(&mut self.text, format_args!("{number}"));
            }
            Content::Octets(octets) => write_octets(&mut self.text, octets),
            Content::Time(clock) => {
                entry.is_clock = true;
                self.clock.get_or_insert(clock);
                clock.write(&mut self.text);
            }
            Content::Word(word) => self.text.push_str(word),
        }
        entry.text.1 = self.text.len() as u32;
        self.entries.push(entry);
    }

    /// Gives the newest register the scale and the unit that follow it.
    pub(crate) fn scale_last(&mut self, scaler: i8, code: u8) {
        // No meter counts so much, or so little.
        if !(-18..=18).contains(&scaler) {
            self.entries.pop();
            return;
        }
        let known = self.entries.len().checked_sub(1).and_then(|place| self.known.get(place));
        let Some((entry, known)) = self.entries.last_mut().zip(known) else { return };
        let unit = dlms_unit(code.into());
        // A counter of energy, by its code, must not come out as energy in another unit.
        let doubtful = matches!(known.groups, Some([1, _, 1..=80, 8, ..]))
            && !matches!(unit, Some("Wh" | "varh" | "VAh" | "J"));
        (entry.unit, entry.has_scale) = (unit, true);
        entry.number = match entry.raw {
            Some(raw) => decimal(raw, scaler),
            None => entry.number.and_then(|number| number.shifted(scaler.into())),
        }
        .filter(|_| !doubtful);
        if entry.number.is_some() {
            entry.text.1 = entry.text.0;
        } else if let Some(raw) = entry.raw {
            entry.text.0 = self.text.len() as u32;
            let _ = match scaler {
                0 => write_text(&mut self.text, format_args!("{raw}")),
                _ => write_text(&mut self.text, format_args!("{raw}e{scaler}")),
            };
            entry.text.1 = self.text.len() as u32;
        }
    }

    /// Gives the scales that are known of the meter to the numbers that came without one. What is measured and has none
    /// is shown as text.
    pub(crate) fn scale_bare(
        &mut self,
        scale: impl Fn([u8; 6]) -> Option<(i8, Option<&'static str>)>,
        is_measured: impl Fn([u8; 6]) -> bool,
    ) {
        for (known, entry) in self.known.iter().zip(&mut self.entries) {
            let (Some(code), Some(raw)) = (known.groups.filter(|_| entry.is_bare()), entry.raw) else {
                continue;
            };
            match scale(code) {
                Some((scaler, unit)) if decimal(raw, scaler).is_some() => entry.scale(scaler, unit),
                None if !is_measured(code) => {}
                _ => {
                    entry.is_unscaled = true;
                    entry.text.0 = self.text.len() as u32;
                    let _ = write_text(&mut self.text, format_args!("{raw}"));
                    entry.text.1 = self.text.len() as u32;
                }
            }
        }
    }
}

impl Entry {
    /// Returns whether it is an integer that came without scale and unit.
    pub(crate) fn is_bare(&self) -> bool {
        self.raw.is_some() && !self.has_scale
    }

    /// Gives it a scale and a unit that are known of its meter.
    pub(crate) fn scale(&mut self, scaler: i8, unit: Option<&'static str>) {
        if let Some(number) = self.raw.and_then(|raw| decimal(raw, scaler)) {
            (self.number, self.unit) = (Some(number), unit);
            self.text.1 = self.text.0;
        }
    }
}

impl Known {
    fn new(groups: Option<[u8; 6]>, place: usize) -> Self {
        let code = match groups {
            Some([a, b, c, d, e, f]) => format!("{a}-{b}:{c}.{d}.{e}*{f}"),
            None => format!("position_{}", place + 1),
        };
        let obis = groups.and_then(|_| Obis::parse(code.as_bytes()));
        Self { groups, obis, code: code.into() }
    }
}

/// Returns `number` · 10^`scaler`, if a decimal can hold it exactly.
fn decimal(number: i128, scaler: i8) -> Option<Decimal> {
    let number = i64::try_from(number).ok()?;
    Decimal::from(number).shifted(scaler.into())
}

fn write_text(text: &mut String, arguments: std::fmt::Arguments<'_>) -> std::fmt::Result {
    std::fmt::Write::write_fmt(text, arguments)
}

/// Appends octets as text, without what fills it up, where they are printable, else as lower-case hexadecimal digits.
fn write_octets(text: &mut String, octets: &[u8]) {
    let len = octets.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
    match std::str::from_utf8(&octets[..len]) {
        Ok(sent) if !sent.chars().any(char::is_control) => text.push_str(sent),
        _ => {
            for byte in octets {
                let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
                text.push(digit(byte >> 4));
                text.push(digit(byte & 15));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_numbers_are_exact_or_none() {
        let shown = |number, scaler| decimal(number, scaler).map(|decimal| decimal.to_string());
        assert_eq!(shown(2337, -1).as_deref(), Some("233.7"));
        assert_eq!(shown(-5, 2).as_deref(), Some("-500"));
        assert_eq!(shown(9_007_199_254_740_993, 0).as_deref(), Some("9007199254740993"));
        for (number, scaler) in [(1, 127), (1, -128), (i128::from(u64::MAX), 0), (i128::from(i64::MAX), 1)] {
            assert_eq!(shown(number, scaler), None);
        }
    }

    #[test]
    fn octets_are_text_or_digits() {
        let mut text = String::new();
        for octets in [&b"181220000009"[..], b"40799390\0\0\0", b"AB  ", &[1, 2, 0xff], "µ".as_bytes(), b"\0"]
        {
            write_octets(&mut text, octets);
            text.push(',');
        }
        assert_eq!(text, "181220000009,40799390,AB,0102ff,µ,,");
    }
}
