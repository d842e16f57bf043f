//! A group of a telegram: one labelled value.

use framework::{Decimal, Timestamp};

use crate::{
    labels::{Content, Label, Mode},
    reject::Flaw,
    stamp::{self, Stamp},
    wire::check,
};

/// Part of the telegram's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    from: u16,
    to: u16,
}

impl Span {
    /// A part; a telegram is shorter than 65,536 characters.
    pub(crate) fn new(from: usize, to: usize) -> Self {
        Self { from: from as u16, to: to as u16 }
    }

    /// Returns where it begins.
    pub(crate) fn start(self) -> u16 {
        self.from
    }

    /// Returns the part of a text in bytes.
    pub(crate) fn bytes(self, text: &[u8]) -> &[u8] {
        text.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default()
    }

    /// Returns the part of a text.
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default()
    }
}

/// Group that is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub(crate) mode: Mode,
    /// Place of its label among those of the mode.
    pub(crate) label: usize,
    pub(crate) value: Span,
    pub(crate) number: Option<Decimal>,
    /// Stamp as sent, and its moment.
    pub(crate) stamp: Option<(Span, Option<Timestamp>)>,
    /// Plain English for the value.
    pub(crate) word: Option<&'static str>,
}

impl Group {
    /// Reads what stands between line feed and carriage return, from `at` of the telegram's text on. `likely` is the
    /// place of the label that stood here in the telegram before.
    ///
    /// # Errors
    /// Returns the first fault.
    #[inline]
    pub(crate) fn read(text: &[u8], at: usize, likely: usize) -> Result<Self, Flaw> {
        let [content @ .., separator, given] = text else { return Err(Flaw::Separator) };
        let (mode, covered) = match separator {
            b'\t' => (Mode::Standard, u32::from(b'\t')),
            b' ' => (Mode::Historique, 0),
            _ => return Err(Flaw::Separator),
        };
        let sum = content.iter().fold(covered, |sum, byte| sum + u32::from(*byte));
        if check(sum) != *given {
            return Err(Flaw::Check { given: *given, expected: check(sum) });
        }
        let separator = *separator;
        let labels = mode.labels();
        let guess = labels.get(likely).filter(|label| {
            content.strip_prefix(label.text.as_bytes()).is_some_and(|rest| rest.first() == Some(&separator))
        });
        let place = match guess {
            Some(_) => likely,
            None => {
                let end = content.iter().position(|byte| *byte == separator).ok_or(Flaw::Separator)?;
                mode.index().find(&content[..end]).ok_or(Flaw::Label)?
            }
        };
        let label = labels.get(place).ok_or(Flaw::Label)?;
        let mut from = label.text.len() + 1;
        let mut stamp = None;
        if label.stamped {
            let rest = content.get(from..).unwrap_or_default();
            if rest.get(stamp::LEN) != Some(&separator) {
                return Err(Flaw::Stamp);
            }
            let utc = match stamp::read(&rest[..stamp::LEN]).ok_or(Flaw::Stamp)? {
                Stamp::At(utc) => Some(utc),
                Stamp::Unsure => None,
            };
            stamp = Some((Span::new(at + from, at + from + stamp::LEN), utc));
            from += stamp::LEN + 1;
        }
        let data = content.get(from..).unwrap_or_default();
        if data.len() != label.width {
            return Err(Flaw::Width { given: data.len(), expected: label.width });
        }
        let value = Span::new(at + from, at + content.len());
        let mut group = Self { mode, label: place, value, number: None, stamp, word: None };
        group.take(label, data).ok_or(Flaw::Data)?;
        Ok(group)
    }

    /// Takes the data; returns `None` where they are not those of the label.
    fn take(&mut self, label: &Label, data: &[u8]) -> Option<()> {
        let is_right = match label.content {
            Content::Number(_) => {
                let mut number = 0i64;
                for byte in data {
                    number = number * 10 + i64::from(byte.wrapping_sub(b'0'));
                }
                self.number = Decimal::new(number, 0);
                data.iter().all(u8::is_ascii_digit)
            }
            Content::Digits => data.iter().all(u8::is_ascii_digit),
            Content::Hex => data.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
            Content::Text => data.iter().all(|byte| matches!(byte, b' '..=b'~')),
            Content::Word(words) => {
                let known = words.iter().find(|(word, _)| word.as_bytes() == data);
                // The last character of a Tempo contract is the program of the meter's outputs.
                let tempo = label.text == "OPTARIF" && matches!(data, [b'B', b'B', b'R', b' '..=b'~']);
                self.word = known.map(|(_, plain)| *plain).or(tempo.then_some("Tempo"));
                self.word.is_some()
            }
        };
        is_right.then_some(())
    }
}
