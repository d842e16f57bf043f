//! Complete telegram, and its registers.

use telegram::Register;

use crate::{data_line::Registers, framing::Framing};

/// Telegram, borrowed from the [`Decoder`](crate::decoder::Decoder) that found it.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    pub(crate) offset: u64,
    pub(crate) ident: Option<&'a str>,
    /// Framing of its characters.
    pub framing: Framing,
    /// Check that it passed.
    pub check: Check,
    /// Number of skipped lines that are not data lines. There are some only where a check character proves that the
    /// meter sent them so.
    pub odd_lines: usize,
    pub(crate) quirks: [Option<&'static str>; 2],
    pub(crate) text: &'a str,
    pub(crate) registers: &'a Registers,
}

/// Check of a telegram, beside parity and grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// None: a meter that pushes (mode D).
    None,
    /// Block check character of IEC 62056-21 (ISO 1155).
    Bcc,
    /// CRC16 of the Dutch P1 port.
    Crc16,
}

impl telegram::Telegram for Telegram<'_> {
    /// Returns the ident line with its `/`; `None` for a data message alone.
    fn ident(&self) -> Option<&str> {
        self.ident
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        self.registers.iter(self.text)
    }

    /// Returns the position of the `/`, or of STX where there is no ident line.
    fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length up to the end mark or check character.
    fn len(&self) -> usize {
        self.text.len()
    }

    fn variant(&self) -> &'static str {
        self.framing.name()
    }

    /// Returns the kind of an unusual CRC, and whether numbers have commas.
    fn quirks(&self) -> [Option<&'static str>; 2] {
        self.quirks
    }

    /// Returns whether it has a CRC. A block check character alone agrees by chance too often.
    fn is_checksummed(&self) -> bool {
        self.check == Check::Crc16
    }
}
