//! A telegram that arrived whole, and its registers.

use framework::{Decimal, Obis};

use crate::{
    framing::Framing,
    line::{Entry, Registers},
};

/// One telegram, borrowed from the [`Decoder`](crate::decoder::Decoder) that found it.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    pub(crate) offset: u64,
    pub(crate) ident: Option<&'a str>,
    pub(crate) framing: Framing,
    pub(crate) check: Check,
    pub(crate) odd_lines: usize,
    pub(crate) text: &'a str,
    pub(crate) registers: &'a Registers,
}

/// What proves a telegram, beside parity and grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: a meter that speaks by itself (mode D).
    None,
    /// The block check character of IEC 62056-21 (ISO 1155).
    Bcc,
    /// The CRC16 of the Dutch P1 port.
    Crc16,
}

impl<'a> Telegram<'a> {
    /// Position in the stream of its first byte: the `/`, or STX where there is no ident line.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The ident line, with its `/`; `None` for a data message alone.
    pub fn ident(&self) -> Option<&'a str> {
        self.ident
    }

    /// The framing that it was sent in.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// What proves it.
    pub fn check(&self) -> Check {
        self.check
    }

    /// Lines that were skipped because they are no data lines: only where a check character proves that
    /// the meter sent them so.
    pub fn odd_lines(&self) -> usize {
        self.odd_lines
    }

    /// How many bytes it has, from its first one to the end mark or check character.
    #[expect(clippy::len_without_is_empty, reason = "a telegram is never empty")]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Its registers, in the order of the telegram; a code may occur more than once.
    pub fn registers(&self) -> impl ExactSizeIterator<Item = Register<'a>> + use<'a> {
        self.registers.iter(self.text)
    }
}

/// One data set: `code(value*unit)(more)…` (IEC 62056-21, data set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// The code as sent: `1-0:1.8.0*255`, `F.F`.
    pub code: &'a str,
    /// The same as OBIS code, where it is one.
    pub obis: Option<Obis>,
    /// The value exactly as sent, leading zeros and blanks included.
    ///
    /// A byte of 8N1 text that is no UTF-8 shows as `?`.
    pub value: &'a str,
    /// The unit as sent; empty where nothing follows the `*`, `None` where there is no `*`.
    pub unit: Option<&'a str>,
    /// The value as a number; `None` where it is none, or where nothing says what is counted.
    pub number: Option<Decimal>,
    more: &'a str,
}

impl<'a> Register<'a> {
    #[inline]
    pub(crate) fn of(entry: &Entry, obis: Option<Obis>, text: &'a str) -> Self {
        // The spans were made over this very text: nothing is ever missing.
        let part = |from: u32, to: u32| text.get(from as usize..to as usize).unwrap_or_default();
        Self {
            code: part(entry.code, entry.code_end),
            obis,
            value: part(entry.value, entry.value_end),
            unit: entry.has_unit.then(|| part(entry.value_end + 1, entry.close)),
            number: entry.number,
            more: part(entry.close + 1, entry.end),
        }
    }

    /// The texts in the further brackets: the time of a maximum demand, say.
    pub fn more(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.more.split_terminator(')').map(|group| group.split_once('(').map_or(group, |(_, text)| text))
    }
}
