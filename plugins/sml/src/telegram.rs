//! Telegram that arrived whole.

use telegram::Register;

use crate::{quirks::Effective, registers::Registers};

/// SML file, borrowed from the [`Decoder`](crate::decoder::Decoder) that found it.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) ident: &'a str,
    pub(crate) quirks: Effective,
    pub(crate) text: &'a str,
    pub(crate) registers: &'a Registers,
}

impl telegram::Telegram for Telegram<'_> {
    /// Returns the server id as it is printed on the meter (DIN 43863-5), `1XYZ0012345678`; another one as text or as
    /// hexadecimal digits.
    fn ident(&self) -> Option<&str> {
        Some(self.ident).filter(|ident| !ident.is_empty())
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        self.registers.iter(self.text)
    }

    /// Returns the position of its start sequence.
    fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length from the start sequence to the checksum.
    fn len(&self) -> usize {
        self.len
    }

    /// Returns the quirks of the meter, `none` where it has none.
    fn variant(&self) -> &'static str {
        self.quirks.name()
    }

    /// Returns `true`: each message has a checksum, and the whole has another one.
    fn is_checksummed(&self) -> bool {
        true
    }
}
