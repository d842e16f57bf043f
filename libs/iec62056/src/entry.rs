//! Byte spans of a register within its telegram.

use framework::{Decimal, Obis, Timestamp};
use telegram::{Register, RegisterTime};

/// Places of one register's parts, and its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) code: Span,
    pub(crate) value: Span,
    pub(crate) unit: Option<Span>,
    /// Further groups.
    pub(crate) groups: Span,
    /// Time of the value: as sent, and as a moment.
    pub(crate) time: Option<(Span, Option<Timestamp>)>,
    pub(crate) number: Option<Decimal>,
}

/// Part of a text. Telegrams are short, so half the size is enough for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Entry {
    /// Returns the register in `text`.
    #[inline]
    pub(crate) fn register<'a>(&self, obis: Option<Obis>, text: &'a str) -> Register<'a> {
        // The places were found in this very text, so nothing is ever missing.
        let part = |span: Span| text.get(span.range()).unwrap_or_default();
        Register {
            value: part(self.value),
            unit: self.unit.map(part),
            number: self.number,
            time: self.time.map(|(sent, utc)| RegisterTime { sent: part(sent), utc }),
            groups: part(self.groups),
            ..Register::new(part(self.code), obis)
        }
    }
}

impl Span {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        Self { from: from as u32, to: to as u32 }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.range()).unwrap_or_default()
    }

    fn range(self) -> std::ops::Range<usize> {
        self.from as usize..self.to as usize
    }
}
