//! Characters of the line (Enedis-NOI-CPT_54E, clause 5.3).

/// Longest telegram. The longest of the paper, of three phases with all its messages, has less than 2,000 characters.
pub const MAX_TELEGRAM: usize = 4096;

/// Begin of a telegram.
pub(crate) const STX: u8 = 0x02;
/// Its end.
pub(crate) const ETX: u8 = 0x03;
/// Its end before it is complete.
pub(crate) const EOT: u8 = 0x04;
/// Bit in which the parity shows, as the bytes are read as 8N1.
pub(crate) const PARITY: u8 = 0x80;

/// Returns the check character of a group whose covered characters have this sum.
pub(crate) const fn check(sum: u32) -> u8 {
    (sum & 0x3f) as u8 + 0x20
}
