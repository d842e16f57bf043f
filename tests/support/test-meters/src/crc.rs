//! Checksums of meters: 16 bits, the lowest one first, with a bit-reversed polynomial.

/// CRC-16/X-25, of SML.
pub(crate) fn x25(bytes: &[u8]) -> u16 {
    !crc(bytes, 0x8408, 0xffff)
}

/// CRC-16/ARC, of DSMR P1.
pub(crate) fn arc(bytes: &[u8]) -> u16 {
    crc(bytes, 0xa001, 0)
}

fn crc(bytes: &[u8], polynomial: u16, start: u16) -> u16 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { polynomial } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_both() {
        assert_eq!(x25(b"123456789"), 0x906e);
        assert_eq!(arc(b"123456789"), 0xbb3d);
    }
}
