//! Telegrams, spoiled in the ways in which real lines spoil them.

/// The first half: the device was unplugged, or the program came late. There is nothing to accept in it.
pub fn half(telegram: &[u8]) -> &[u8] {
    &telegram[..telegram.len() / 2]
}

/// A half, in the middle of a line followed by the whole. Only the whole is to be accepted.
pub fn glued(telegram: &[u8]) -> Vec<u8> {
    [half(telegram), telegram].concat()
}

/// NULs before the telegram, as an optical head gives that wakes up. The telegram is intact.
pub fn after_nuls(telegram: &[u8]) -> Vec<u8> {
    [&[0; 20], telegram].concat()
}

/// The telegram with the lowest bit of one byte wrong, which turns a digit into another one. Its parity
/// tells, if the telegram has one.
///
/// # Panics
///
/// If there is no byte `at`.
pub fn bit_error(telegram: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = telegram.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// A telegram that begins well and whose first register never ends, `length` bytes long: what a program
/// collects until a line ends must have a limit.
pub fn endless_line(length: usize) -> Vec<u8> {
    let mut bytes = b"/EBZ5DD32R06ETA_107\r\n\r\n1-0:1.8.0*255(".to_vec();
    bytes.resize(length.max(bytes.len()), b'0');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TELEGRAM: &[u8] = b"/ABC5X\r\n\r\n1-0:1.8.0*255(000017*kWh)\r\n!\r\n";

    #[test]
    fn only_what_is_said_to_be_whole_contains_the_telegram() {
        let contains = |bytes: &[u8]| bytes.windows(TELEGRAM.len()).any(|part| part == TELEGRAM);
        assert!(contains(&glued(TELEGRAM)) && contains(&after_nuls(TELEGRAM)));
        assert!(!half(TELEGRAM).contains(&b'!') && half(TELEGRAM).starts_with(b"/"));
        assert!(!glued(TELEGRAM).starts_with(TELEGRAM));
    }

    #[test]
    fn a_bit_error_shows_in_the_parity_only() {
        let mut line = TELEGRAM.to_vec();
        crate::ebz::seven_e_one(&mut line);
        let at = line.iter().position(|byte| byte & 0x7f == b'7').unwrap();
        let bytes = bit_error(&line, at);
        assert_eq!(bytes[at] & 0x7f, b'6');
        let odd = |byte: &&u8| byte.count_ones() % 2 == 1;
        assert_eq!((line.iter().filter(odd).count(), bytes.iter().filter(odd).count()), (0, 1));
    }

    #[test]
    fn an_endless_line_is_as_long_as_asked() {
        let bytes = endless_line(1 << 20);
        assert_eq!(bytes.len(), 1 << 20);
        assert!(bytes.ends_with(b"0"));
    }
}
