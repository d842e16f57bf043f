//! Control characters and limits of the protocol (IEC 62056-21, clause 6).

/// Begins a data message that a block check character ends.
pub const STX: u8 = 0x02;
/// Ends the covered part of a data message; the block check character follows.
pub const ETX: u8 = 0x03;
/// Begins the reader's acknowledgement of an ident line.
pub const ACK: u8 = 0x06;

/// Most bytes of a telegram: six times the longest one known.
pub const MAX_TELEGRAM: usize = 64 * 1024;
/// Most characters of an ident line: `/`, maker, baud character and 96 more. Clause 6.3.2 allows 16 more; some meters
/// send longer ones.
pub const MAX_IDENT: usize = 101;
