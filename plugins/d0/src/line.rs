//! The grammar of a data line (IEC 62056-21, data sets of a readout, with what meters make of them).
//!
//! ```text
//! line  = { group } { set }            e.g. 1.6.0(02.468*kW)(1703100930)
//! set   = code group { group }              6.8(0029.055*MWh)6.26(01589.28*m3)
//! group = "(" [ value [ "*" unit ] ] ")"    (0.18374)(0.00078)
//! ```
//!
//! Groups without a code continue a load profile; they belong to no register. An end mark `!` may
//! follow the last bracket.

use framework::{Decimal, Obis};

use crate::{
    characters::{has_groups, is_code, skip_plain},
    telegram::Register,
};

/// Where one register's parts stand in the text of its telegram, and what they mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) code: u32,
    /// First character of the value: one behind the opening bracket.
    pub(crate) value: u32,
    /// The closing bracket, or what stands between value and unit.
    pub(crate) value_end: u32,
    /// The closing bracket.
    pub(crate) close: u32,
    /// Behind the last further group.
    pub(crate) end: u32,
    pub(crate) has_unit: bool,
    pub(crate) number: Option<Decimal>,
}

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
}

/// A code and what it means.
#[derive(Clone, Copy, Debug)]
struct Known {
    bytes: [u8; MAX_CODE],
    len: usize,
    obis: Option<Obis>,
    quantity: Quantity,
}

/// What a code says about a value without a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantity {
    /// Time integral (D = 8) of an electrical quantity: a number, in kWh by custom.
    Energy,
    /// Instantaneous value (D = 7) of one: a number where it has decimals.
    Instantaneous,
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
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The registers, whose lines stand in `text`.
    pub(crate) fn iter<'a>(&'a self, text: &'a str) -> impl ExactSizeIterator<Item = Register<'a>> + use<'a> {
        self.parts().map(move |(entry, known)| Register::of(entry, known.obis, text))
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
        let mut at = groups(text, from)?;
        loop {
            match text.get(at) {
                None => return Ok(End::Line),
                Some(b'!') => return Ok(End::Mark(at)),
                Some(_) => at = self.set(text, at)?,
            }
        }
    }

    /// Reads one data set; returns where the next one starts.
    fn set(&mut self, text: &[u8], at: usize) -> Result<usize, NoDataLine> {
        let (len, quantity) = self.code(&text[at..]).ok_or(NoDataLine)?;
        let value = at + len + 1;
        let group = Group::read(text, value).ok_or(NoDataLine)?;
        let end = groups(text, group.close + 1)?;
        let number = group.number(&text[value..group.value_end], quantity);
        self.entries.push(Entry {
            code: at as u32,
            value: value as u32,
            value_end: group.value_end as u32,
            close: group.close as u32,
            end: end as u32,
            has_unit: group.has_unit,
            number,
        });
        Ok(end)
    }

    /// The code at the start of `rest`: its length and quantity. An opening bracket follows it.
    fn code(&mut self, rest: &[u8]) -> Option<(usize, Quantity)> {
        let place = self.entries.len();
        if let Some(known) = self.known.get(place)
            && let Some((code, [b'(', ..])) = rest.split_at_checked(known.len)
            && code == &known.bytes[..known.len]
        {
            return Some((known.len, known.quantity));
        }
        let known = Known::read(rest)?;
        match self.known.get_mut(place) {
            Some(slot) => *slot = known,
            // Places are filled in their order: this is the next one.
            None => self.known.push(known),
        }
        Some((known.len, known.quantity))
    }
}

impl Known {
    fn read(rest: &[u8]) -> Option<Self> {
        let len = rest.iter().position(|&byte| !is_code(byte))?;
        if rest[len] != b'(' || !(1..=MAX_CODE).contains(&len) || !has_groups(&rest[..len]) {
            return None;
        }
        let mut bytes = [0; MAX_CODE];
        bytes[..len].copy_from_slice(&rest[..len]);
        let obis = Obis::parse(&rest[..len]);
        let quantity = match obis.map(Obis::cde) {
            Some((1..=80, 8, _)) => Quantity::Energy,
            Some((1..=80, 7, _)) => Quantity::Instantaneous,
            _ => Quantity::Other,
        };
        Some(Self { bytes, len, obis, quantity })
    }
}

/// One group: value and unit between two brackets.
struct Group {
    value_end: usize,
    close: usize,
    has_unit: bool,
}

impl Group {
    /// Reads the group whose first character behind the bracket is `text[from]`.
    fn read(text: &[u8], from: usize) -> Option<Self> {
        let (close, star, high) = scan(text, from)?;
        if let Some(star) = star {
            let unit = &text[star + 1..close];
            // `088*C&082*C` is a pair of values: text, nobody knows which of the two to take.
            if unit.len() <= MAX_UNIT && !unit.iter().any(|byte| matches!(byte, b'*' | b'&')) {
                // What has a unit was a number, and is damaged.
                return (!high).then_some(Self { value_end: star, close, has_unit: true });
            }
        } else if let Some(blank) = blank_before_unit(&text[from..close]) {
            return Some(Self { value_end: from + blank, close, has_unit: true });
        }
        Some(Self { value_end: close, close, has_unit: false })
    }

    fn number(&self, value: &[u8], quantity: Quantity) -> Option<Decimal> {
        // Known units are not needed: a star with something behind it says that this is a measurement.
        let measured = self.has_unit && self.close > self.value_end + 1;
        let number = measured
            || match quantity {
                Quantity::Energy => true,
                Quantity::Instantaneous => value.contains(&b'.'),
                Quantity::Other => false,
            };
        if number { Decimal::parse(value.trim_ascii()) } else { None }
    }
}

/// The closing bracket of a group, its first star, and whether a byte in it has bit 7 set.
fn scan(text: &[u8], from: usize) -> Option<(usize, Option<usize>, bool)> {
    let (mut at, mut star, mut high) = (from, None, false);
    loop {
        at = skip_plain(text, at);
        match *text.get(at)? {
            b')' => return Some((at, star, high)),
            b'*' => star = star.or(Some(at)),
            // Only the text of an 8N1 meter has such.
            0x80.. => high = true,
            _ => return None,
        }
        at += 1;
    }
}

/// Skips groups from `text[at]` on.
fn groups(text: &[u8], mut at: usize) -> Result<usize, NoDataLine> {
    while text.get(at) == Some(&b'(') {
        at = scan(text, at + 1).ok_or(NoDataLine)?.0 + 1;
    }
    Ok(at)
}

/// Where the blank stands in `0054321 kWh`: some meters send it instead of the star.
fn blank_before_unit(value: &[u8]) -> Option<usize> {
    // The cheap test first: a value that ends in a letter.
    if !value.last().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let blank = value.iter().rposition(|&byte| byte == b' ')?;
    let (number, unit) = (&value[..blank], &value[blank + 1..]);
    let is_unit = unit.len() <= 5 && unit.iter().all(u8::is_ascii_alphabetic);
    (is_unit && Decimal::parse(number).is_some()).then_some(blank)
}

/// Reads one data line without its line end: for tools and tests; the decoder reads telegrams.
///
/// `None` where it is no data line. A line of groups only has no registers.
pub fn read_line(line: &str) -> Option<Vec<Register<'_>>> {
    let mut registers = Registers::default();
    registers.read(line.as_bytes(), 0).ok()?;
    Some(registers.parts().map(|(entry, known)| Register::of(entry, known.obis, line)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Register<'_> {
        let registers = read_line(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(registers.len(), 1, "{line}");
        registers[0]
    }

    #[test]
    fn a_register_has_code_value_and_unit() {
        let register = one("1-0:1.8.0*255(000125.25688570*kWh)");
        assert_eq!(register.code, "1-0:1.8.0*255");
        assert_eq!(register.obis, Obis::parse(b"1-0:1.8.0*255"));
        assert_eq!(register.value, "000125.25688570");
        assert_eq!(register.unit, Some("kWh"));
        assert_eq!(register.number, Decimal::parse(b"125.25688570"));
        assert_eq!(register.more().count(), 0);
    }

    #[test]
    fn many_sets_stand_on_one_line() {
        let registers =
            read_line("6.8(0029.055*MWh)F(0)6.8.1()9.4(088*C&082*C)9.36(2017-01-18&01:36:47)").unwrap();
        let shown: Vec<_> = registers.iter().map(|r| (r.code, r.value, r.unit)).collect();
        assert_eq!(
            shown,
            [
                ("6.8", "0029.055", Some("MWh")),
                ("F", "0", None),
                ("6.8.1", "", None),
                ("9.4", "088*C&082*C", None),
                ("9.36", "2017-01-18&01:36:47", None),
            ]
        );
    }

    #[test]
    fn further_groups_are_kept() {
        let register = one("P.98(1041007095703)(00002000)()(0)");
        assert_eq!(register.more().collect::<Vec<_>>(), ["00002000", "", "0"]);
        let register = one("1.6.0(02.468*kW)(1703100930)");
        assert_eq!(register.more().collect::<Vec<_>>(), ["1703100930"]);
        assert_eq!(read_line("(0.18374)(0.00078)").map(|r| r.len()), Some(0));
    }

    #[test]
    fn units_come_in_odd_forms() {
        assert_eq!(one("1.8.0(013925.5*)").unit, Some(""));
        let blank = one("1.8.0(0054321 kWh)");
        assert_eq!((blank.value, blank.unit), ("0054321", Some("kWh")));
        assert_eq!(one("33.25(0.87*P/S)").unit, Some("P/S"));
        // Text that only looks alike.
        for line in ["0.2.0(V 1 A)", "0.0( 18438636)", "0.9.1(12 34)", "C.1( A)", "C.1(1 abcdef)"] {
            assert_eq!(one(line).unit, None, "{line}");
        }
    }

    #[test]
    fn only_measurements_are_numbers() {
        let number = |line| one(line).number.map(|number| number.to_string());
        for (line, expected) in [
            ("1.8.0(019446.38)", Some("19446.38")),
            ("1-0:1.8.0*255(000016)", Some("16")),
            ("13.7(0.99)", Some("0.99")),
            ("13.7(1)", None),
            ("13.7(-.--)", None),
            ("1.8.0(   20000*kWh)", Some("20000")),
            ("31.7.0(+000.8*A)", Some("0.8")),
            ("1.7.0(1e9*W)", None),
            ("6.8(032A.871*GJ)", None),
            ("1.8.0(*)", None),
            ("1.8.0(13*)", Some("13")),
            ("82.8.1(0000)", None),
            ("0-0:96.8.0*255(00104443)", None),
            ("F.F(00)", None),
            ("ET0PE(16907.94)", None),
        ] {
            assert_eq!(number(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_data_line() {
        for line in [
            "1.8.0",
            "1.8.0(",
            "1.8.0(1",
            "1.8.0((1)",
            "1.8.0)*(",
            "1.8.0(1))",
            "1.8.0(1)x",
            "1.8.0(1) ",
            "\"F.F(00)",
            "r:S;.7.0*255(1)",
            "r:S.7.0*255(1)",
            "B1.8.0(1*kWh)",
            "1.8.0.(1*kWh)",
            "1-0:1.8000.0(1)",
            "1.8.0(1\u{0}2)",
            "1.8.0(1\u{7f})",
            "1.8.0(1ä2*kWh)",
            "...",
            "(1",
            "h",
        ] {
            assert_eq!(read_line(line), None, "{line}");
        }
        assert_eq!(one("C.1(Zähler)").value, "Zähler");
    }

    #[test]
    fn the_end_mark_may_follow_a_bracket() {
        let mut registers = Registers::default();
        for (line, end) in [
            ("!", End::Mark(0)),
            ("0.2.2(:G11)!", End::Mark(11)),
            ("0.2.2(:G!1)!/EBZ5", End::Mark(11)),
            ("0.2.2(:G!1)", End::Line),
        ] {
            assert_eq!(registers.read(line.as_bytes(), 0), Ok(end), "{line}");
        }
    }

    #[test]
    fn remembered_codes_are_compared_not_guessed() {
        let mut registers = Registers::default();
        for (line, code) in
            [("1.8.0(1*kWh)", "1.8.0"), ("1.8.0*01(2*kWh)", "1.8.0*01"), ("1.8(3*kWh)", "1.8")]
        {
            registers.clear();
            registers.read(line.as_bytes(), 0).unwrap();
            let register = registers.iter(line).next().unwrap();
            assert_eq!((register.code, register.obis), (code, Obis::parse(code.as_bytes())));
        }
    }
}
