//! Checksums of files and messages.

use crc::{CRC_16_IBM_SDLC, CRC_16_KERMIT, Crc, Table};

/// Kind of a meter's checksums. Both have the polynomial of ITU-T V.41.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// CRC-16/X-25, the low byte first: SML.
    X25,
    /// CRC-16/KERMIT, the high byte first: old firmware of Holley.
    Kermit,
}

// Sixteen bytes at a time.
static X25: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_SDLC);
static KERMIT: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_KERMIT);

impl Checksum {
    /// Returns the checksum of `bytes`: its two bytes in the order of the wire, as one number.
    pub(crate) fn of(self, bytes: &[u8]) -> u16 {
        match self {
            Self::X25 => X25.checksum(bytes).swap_bytes(),
            Self::Kermit => KERMIT.checksum(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_two() {
        assert_eq!(Checksum::X25.of(b"123456789"), 0x906E_u16.swap_bytes());
        assert_eq!(Checksum::Kermit.of(b"123456789"), 0x2189);
    }
}
