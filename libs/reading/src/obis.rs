//! OBIS codes, the addresses of a meter's registers.

use std::fmt;

/// OBIS code `A-B:C.D.E*F` (IEC 62056-61), full or reduced to the groups that the meter sent.
///
/// The text form is kept: `Obis::parse(text)?.to_string() == text`, so `1.8.0`, `1-0:1.8.0*255`,
/// `1.8.0*01`, `1.8.0&01` and `F.F` all come out as they went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Obis {
    groups: [u8; 6],
    /// Groups that were sent, bit 0 = A … bit 5 = F.
    present: u8,
    /// Groups that were sent as a letter, same bits.
    letters: u8,
    /// Digits of F as sent: `*01` and `*1` differ on the wire.
    f_digits: u8,
    /// F was separated by `&`, not `*`: a value stored by a manual reset.
    f_ampersand: bool,
}

/// Letters of the reduced form, and the numbers that they stand for.
const LETTERS: [(u8, u8); 4] = [(b'C', 96), (b'F', 97), (b'L', 98), (b'P', 99)];

impl Obis {
    /// Parses a code as a meter sends it; `None` if `text` is not an OBIS code.
    ///
    /// At least C and D must be there. Groups are decimal numbers up to 255 without leading zeros
    /// (but F, which has them); C, D and E may be one of the letters `C`, `F`, `L`, `P`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut code = Self { groups: [0; 6], present: 0, letters: 0, f_digits: 0, f_ampersand: false };
        // The separator after a number tells its group; `next` is the first group that may still come.
        let mut rest = text;
        let mut next = 0;
        loop {
            let (value, letter, digits, tail) = group(rest)?;
            let (index, more) = match tail.first() {
                Some(b'-') if next == 0 => (0, true),
                Some(b':') if next <= 1 => (1, true),
                Some(b'.') if next <= 2 => (2, true),
                Some(b'.') if next == 3 => (3, true),
                Some(b'*' | b'&') if (3..=4).contains(&next) => (next, true),
                None if (3..=5).contains(&next) => (next, false),
                _ => return None,
            };
            if letter {
                if !(2..=4).contains(&index) {
                    return None;
                }
                code.letters |= 1 << index;
            } else if index < 5 && digits > 1 && rest.first() == Some(&b'0') {
                return None;
            }
            if index == 5 {
                code.f_digits = digits;
            }
            code.groups[index] = value;
            code.present |= 1 << index;
            if !more {
                return Some(code);
            }
            if matches!(tail.first(), Some(b'*' | b'&')) {
                code.f_ampersand = tail.first() == Some(&b'&');
                next = 5;
            } else {
                next = index + 1;
            }
            rest = tail.get(1..)?;
        }
    }

    /// Returns a code with all six groups.
    pub const fn full(groups: [u8; 6]) -> Self {
        Self { groups, present: 0b11_1111, letters: 0, f_digits: 3, f_ampersand: false }
    }

    fn get(self, index: usize) -> Option<u8> {
        (self.present & (1 << index) != 0).then_some(self.groups[index])
    }

    /// Returns A, the medium: 1 = electricity, 0 = abstract; `None` if the meter did not send it.
    pub fn medium(self) -> Option<u8> {
        self.get(0)
    }

    /// Returns B, the channel.
    pub fn channel(self) -> Option<u8> {
        self.get(1)
    }

    /// Returns C, D and E: quantity, processing, tariff. An absent E is 0, the total.
    pub fn cde(self) -> (u8, u8, u8) {
        (self.groups[2], self.groups[3], self.get(4).unwrap_or(0))
    }

    /// Returns F, the historical value; `None` if it was not sent or is 255, the current one.
    pub fn history(self) -> Option<u8> {
        self.get(5).filter(|&f| f != 255)
    }

    /// Returns the code without medium, channel and a current F, as the original program shows it: `1.8.0`.
    pub fn reduced(self) -> Self {
        let keep = if self.history().is_some() { 0b11_1100 } else { 0b01_1100 };
        Self { present: self.present & keep, ..self }
    }
}

/// Parses one group at the start of `text`: its value, whether it is a letter, its digits, and the rest.
fn group(text: &[u8]) -> Option<(u8, bool, u8, &[u8])> {
    let first = *text.first()?;
    if let Some(&(_, value)) = LETTERS.iter().find(|(letter, _)| *letter == first) {
        return Some((value, true, 1, &text[1..]));
    }
    let digits = text.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    let value = text[..digits].iter().fold(0u16, |value, b| value * 10 + u16::from(b - b'0'));
    if digits == 0 { None } else { Some((u8::try_from(value).ok()?, false, digits as u8, &text[digits..])) }
}

impl fmt::Display for Obis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        // A separator belongs to the group it follows (A-, B:) or precedes (.D, .E, *F).
        for (index, &value) in self.groups.iter().enumerate() {
            if self.present & (1 << index) == 0 {
                continue;
            }
            match index {
                3 | 4 => f.write_char('.')?,
                5 => f.write_char(if self.f_ampersand { '&' } else { '*' })?,
                _ => {}
            }
            match LETTERS.iter().find(|&&(_, v)| v == value).filter(|_| self.letters & (1 << index) != 0) {
                Some(&(letter, _)) => f.write_char(char::from(letter))?,
                None if index == 5 => write!(f, "{value:0width$}", width = usize::from(self.f_digits))?,
                None => write!(f, "{value}")?,
            }
            match index {
                0 => f.write_char('-')?,
                1 => f.write_char(':')?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The text form, as a string.
impl serde::Serialize for Obis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text form, such as `"1-0:1.8.0*255"` or `"1.8.0"`.
impl<'de> serde::Deserialize<'de> for Obis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Obis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an OBIS code in quotes, such as `1-0:1.8.0*255` or `1.8.0`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Obis, E> {
                Obis::parse(text.as_bytes()).ok_or_else(|| {
                    E::custom(format!(
                        "`{text}` is not a valid OBIS code: expected one such as `1-0:1.8.0*255` or `1.8.0`"
                    ))
                })
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_come_out_as_they_went_in() {
        for code in [
            "1-0:1.8.0*255",
            "1.8.0",
            "32.7",
            "F.F",
            "F.F.0",
            "C.1.0",
            "0-0:F.F.0*255",
            "0:0.0.0*255",
            "1.8.0*01",
            "1.8.0*1",
            "1-0:1.8.0&01",
            "1-0:16.7.0",
            "6.8*01",
            "P.01",
            "131.7",
            "0-1:24.2.1",
            "L.1.0",
        ] {
            let parsed = Obis::parse(code.as_bytes());
            if code == "P.01" {
                // A leading zero in D would be lost, so this is not a code; the reading's name keeps the text.
                assert_eq!(parsed, None);
                continue;
            }
            assert_eq!(parsed.map(|c| c.to_string()).as_deref(), Some(code));
        }
    }

    #[test]
    fn a_code_is_read_from_its_text() {
        let read = |json: &str| serde_json::from_str::<Obis>(json).map_err(|error| error.to_string());
        assert_eq!(read("\"1-0:1.8.0*255\"").unwrap(), Obis::full([1, 0, 1, 8, 0, 255]));
        assert_eq!(read("\"F.F\"").unwrap().to_string(), "F.F");
        assert!(
            read("\"energy\"")
                .unwrap_err()
                .starts_with("`energy` is not a valid OBIS code: expected one such as")
        );
        assert!(read("1.8").unwrap_err().contains("expected an OBIS code in quotes"));
    }

    #[test]
    fn other_texts_are_not_codes() {
        for text in [
            "",
            "FF",
            "F",
            "ET0PE",
            "1",
            "1-0",
            "1-0:",
            "1.8.0*",
            "1.8.0.0",
            "256.1.0",
            "1:1-0",
            ".8.0",
            "1..0",
            "1.8.0*2555",
        ] {
            assert_eq!(Obis::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reduced_drops_redundant_groups() {
        let reduced = |code: &str| Obis::parse(code.as_bytes()).unwrap().reduced().to_string();
        assert_eq!(reduced("1-0:1.8.0*255"), "1.8.0");
        assert_eq!(reduced("1-0:1.8.0*02"), "1.8.0*02");
        assert_eq!(reduced("0-0:C.1.0*255"), "C.1.0");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_round_trips(text in "[0-9CFLP.:*&-]{0,20}") {
            if let Some(code) = Obis::parse(text.as_bytes()) {
                prop_assert_eq!(code.to_string(), text);
            }
        }
    }
}
