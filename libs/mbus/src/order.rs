//! Order of the bytes of a field.

/// Order of the bytes of a field of several bytes. Modern meters send the low byte first; the CI field tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Mode 1: low byte first.
    LowFirst,
    /// Mode 2: high byte first.
    HighFirst,
}

impl Order {
    /// Returns the bytes as a number; only the eight lowest ones count.
    pub(crate) fn unsigned(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self {
            Self::LowFirst => bytes.iter().rev().fold(0, add),
            Self::HighFirst => bytes.iter().fold(0, add),
        }
    }

    /// Returns the bytes as a signed number of their width, which is one to eight bytes.
    pub(crate) fn signed(self, bytes: &[u8]) -> i64 {
        let unused = 64 - 8 * bytes.len().clamp(1, 8);
        ((self.unsigned(bytes) << unused) as i64) >> unused
    }

    /// Returns the bytes from the most significant one on.
    pub(crate) fn most_significant_first(self, bytes: &[u8]) -> impl Iterator<Item = u8> + Clone {
        let last = bytes.len();
        (0..last).map(move |i| match self {
            Self::LowFirst => bytes[last - 1 - i],
            Self::HighFirst => bytes[i],
        })
    }
}
