//! First bytes of a receiver, which show whether it is another one than the configuration says.

use mbus::radio::Receiver;

/// Most bytes that are kept: several telegrams of any receiver.
const MOST: usize = 4096;
/// Bytes that must have come since the last look.
const STEP: usize = 128;

/// Bytes since the opening, until the first telegram.
pub(crate) struct FirstBytes {
    expected: Receiver,
    bytes: Vec<u8>,
    /// Number of those that were looked at.
    seen: usize,
    is_over: bool,
}

impl FirstBytes {
    /// None yet of a receiver of this kind.
    pub(crate) fn new(expected: Receiver) -> Self {
        Self { expected, bytes: Vec::new(), seen: 0, is_over: false }
    }

    /// Ends the look: the receiver is the right one.
    pub(crate) fn end(&mut self) {
        *self = Self { is_over: true, ..Self::new(self.expected) };
    }

    /// Takes the next bytes. Returns the receiver that they show, if it is another one.
    pub(crate) fn shown(&mut self, bytes: &[u8]) -> Option<Receiver> {
        if self.is_over {
            return None;
        }
        self.bytes.extend_from_slice(bytes);
        let is_line_end = self.bytes.ends_with(b"\n");
        if self.bytes.len() < self.seen + STEP && !is_line_end {
            return None;
        }
        self.seen = self.bytes.len();
        // Telegrams without checksums stand in any bytes.
        let shown = Receiver::of(&self.bytes).filter(|shown| !matches!(*shown, Receiver::Bare));
        let other = shown.filter(|shown| *shown != self.expected);
        if other.is_some() || self.bytes.len() > MOST {
            (self.bytes, self.seen) = (Vec::new(), 0);
        }
        other
    }
}
