//! Sequences and limits of the transport protocol, version 1 (BSI TR-03109-1, annex IV b).

/// Begins every sequence of the transport protocol; among the messages it is sent twice.
pub(crate) const ESCAPE: [u8; 4] = [0x1b; 4];
/// Begins a file.
pub(crate) const START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];

/// Most bytes of a telegram: twenty times the longest one known.
pub const MAX_TELEGRAM: usize = 16 * 1024;
