//! A telegram that arrived whole, and its registers.

use telegram::Register;

use crate::{data_line::Registers, framing::Framing};

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
}

impl telegram::Telegram for Telegram<'_> {
    /// The ident line, with its `/`; `None` for a data message alone.
    fn ident(&self) -> Option<&str> {
        self.ident
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        self.registers.iter(self.text)
    }

    /// Position in the stream of its first byte: the `/`, or STX where there is no ident line.
    fn offset(&self) -> u64 {
        self.offset
    }

    /// From its first byte to the end mark or check character.
    fn len(&self) -> usize {
        self.text.len()
    }

    fn variant(&self) -> &'static str {
        self.framing.name()
    }

    /// Never: one check character or CRC alone agrees by chance too often.
    fn is_checksummed(&self) -> bool {
        false
    }
}
