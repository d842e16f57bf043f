//! Grammar of a data line: data sets of a readout (IEC 62056-21), and the variants that meters send.
//!
//! ```text
//! line  = { group } { set }            e.g. 1.6.0(02.468*kW)(1703100930)
//! set   = code group { group }              6.8(0029.055*MWh)6.26(01589.28*m3)
//! group = "(" [ value [ "*" unit ] ] ")"    (0.18374)(0.00078)
//! ```
//!
//! Groups without a code continue a load profile; they belong to no register, except in DSMR 2 (see `dsmr`). An end
//! mark `!` may follow the last bracket. Blanks and tabs may stand anywhere between codes and brackets, line ends in texts.

use framework::Obis;
use telegram::Register;

use crate::{
    characters::{has_groups, is_code, is_doubtful, is_plain, skip_blanks},
    dsmr,
    entry::{Entry, Span},
    group::{Content, Group, decimal_with_comma, skip_groups},
};

/// End of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing follows.
    Line,
    /// The end mark follows, at this place of the text.
    Mark(usize),
}

/// Registers of a telegram.
///
/// It remembers the codes of the telegram before: a meter sends the same ones every second, and comparing a code is
/// much cheaper than reading it.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    entries: Vec<Entry>,
    /// Codes of `entries`, and after them those that an earlier telegram had there.
    known: Vec<Known>,
    /// Place of the first set whose code may be the rest of a longer one.
    doubtful: Option<(usize, usize)>,
    /// The value of the last entry stands on the next line.
    continued: bool,
}

/// Code and its meaning.
#[derive(Clone, Copy, Debug)]
struct Known {
    bytes: [u8; MAX_CODE],
    len: usize,
    obis: Option<Obis>,
    content: Content,
    doubtful: bool,
}

/// Most characters of a code: the longest has 23, `255-255:255.255.255*255`, and a mnemonic may have some more.
const MAX_CODE: usize = 32;
impl Registers {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.doubtful = None;
        self.continued = false;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the registers, whose lines stand in `text`.
    pub(crate) fn iter<'a>(
        &self,
        text: &'a str,
    ) -> impl ExactSizeIterator<Item = Register<'a>> + use<'_, 'a> {
        self.entries.iter().zip(&self.known).map(move |(entry, known)| entry.register(known.obis, text))
    }

    /// Returns the place of the first set whose code may be the rest of a longer one.
    pub(crate) fn doubtful(&self) -> Option<(usize, usize)> {
        self.doubtful
    }

    /// Reads the line `text[from..]`; `None` for another line than a data line, which leaves no registers.
    pub(crate) fn read(&mut self, text: &[u8], from: usize) -> Option<End> {
        let before = self.entries.len();
        let end = self.sets(text, from);
        if end.is_none() {
            self.entries.truncate(before);
        }
        end
    }

    /// Returns whether the line `text[from..]` begins a text that goes on in the next line: `0-0:96.13.0(3031`.
    pub(crate) fn opens(text: &[u8], from: usize) -> bool {
        let Some(known) = Known::read(&text[from..]) else { return false };
        let value = skip_blanks(text, from + known.len) + 1;
        let is_text = text[value..].iter().all(|&byte| is_plain(byte) || byte >= 0x80);
        known.content == Content::Other && is_text
    }

    /// Takes commas for decimal points, where each measured value of the telegram is an integer or has a comma. Returns
    /// whether there are any.
    pub(crate) fn read_commas(&mut self, text: &[u8]) -> bool {
        let measured = |entry: &&mut Entry| entry.unit.is_some_and(|unit| !unit.is_empty());
        let with_comma = |entry: &Entry| decimal_with_comma(entry.value.of(text));
        let (mut any, mut only) = (false, true);
        for entry in self.entries.iter_mut().filter(measured) {
            match entry.number {
                Some(number) => only &= number.scale() == 0,
                None => (any, only) = (true, only && with_comma(entry).is_some()),
            }
        }
        if any && only {
            for entry in self.entries.iter_mut().filter(measured) {
                entry.number = entry.number.or_else(|| with_comma(entry));
            }
        }
        any && only
    }

    fn sets(&mut self, text: &[u8], from: usize) -> Option<End> {
        if std::mem::take(&mut self.continued)
            && let Some(entry) = self.entries.last_mut()
        {
            dsmr::continue_hourly(text, from, entry);
        }
        let mut at = skip_groups(text, from)?;
        loop {
            at = skip_blanks(text, at);
            match text.get(at) {
                None => return Some(End::Line),
                Some(b'!') => return Some(End::Mark(at)),
                Some(_) => at = self.set(text, at)?,
            }
        }
    }

    /// Reads one data set; returns the place of the next one.
    fn set(&mut self, text: &[u8], at: usize) -> Option<usize> {
        let known = self.code(&text[at..])?;
        let (code_end, content, doubtful) = (at + known.len, known.content, known.doubtful);
        // `Known` has seen the bracket.
        let value = skip_blanks(text, code_end) + 1;
        let group = Group::read(text, value, content)?;
        let end = skip_groups(text, group.close + 1)?;
        if doubtful {
            self.doubtful.get_or_insert((at, end));
        }
        let mut entry = Entry {
            code: Span::new(at, code_end),
            value: group.value,
            unit: group.unit,
            groups: Span::new(group.close + 1, end),
            time: None,
            number: group.number(text, content),
        };
        self.continued = dsmr::read(text, content, &group, &mut entry);
        self.entries.push(entry);
        Some(end)
    }

    /// Returns the code at the start of `rest`. An opening bracket follows it, perhaps after blanks.
    fn code(&mut self, rest: &[u8]) -> Option<&Known> {
        let place = self.entries.len();
        let again = self.known.get(place).is_some_and(|known| {
            matches!(rest.split_at_checked(known.len), Some((code, [b'(', ..])) if code == &known.bytes[..known.len])
        });
        if !again {
            let known = Known::read(rest)?;
            // Places are filled in order, so a missing one is the next one.
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
        let content = obis.map_or(Content::Other, Content::of);
        Some(Self { bytes, len, obis, content, doubtful: is_doubtful(&rest[..len]) })
    }
}

/// Reads one data line without its line end, for tests; the decoder reads telegrams.
///
/// Returns `None` for another line. A line of groups only has no registers.
pub fn read_line(line: &str) -> Option<Vec<Register<'_>>> {
    let mut registers = Registers::default();
    registers.read(line.as_bytes(), 0)?;
    Some(registers.iter(line).collect())
}

#[cfg(test)]
mod tests;
