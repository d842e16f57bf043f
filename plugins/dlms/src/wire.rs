//! Limits of a telegram, and lengths in it.

/// Most bytes of a telegram on the line: eight times the longest one known.
pub const MAX_TELEGRAM: usize = 16 * 1024;
/// First bytes of a message's first frame: the link layer of a server (IEC 62056-46, clause 8.3).
pub(crate) const LLC: [u8; 3] = [0xe6, 0xe7, 0x00];

/// Reads a length or a count (A-XDR, IEC 61334-6): one byte below 0x80, or the number of bytes that follow.
///
/// Returns it with the rest of the bytes; the length is `None` where it is not a valid one, and all is `None` where
/// bytes are missing.
pub(crate) fn length(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((Some(first.into()), rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0u64, |length, digit| length << 8 | u64::from(*digit));
            Some((usize::try_from(length).ok(), rest))
        }
        _ => Some((None, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read() {
        assert_eq!(length(&[0x4d, 1]), Some((Some(0x4d), &[1][..])));
        assert_eq!(length(&[0x81, 0xf8]), Some((Some(0xf8), &[][..])));
        assert_eq!(length(&[0x82, 1, 0xf3, 9]), Some((Some(0x1f3), &[9][..])));
        assert_eq!(length(&[0x84, 0xff, 0xff, 0xff, 0xff]), Some((Some(0xffff_ffff), &[][..])));
        for no_length in [0x80, 0x85, 0xff] {
            assert_eq!(length(&[no_length]), Some((None, &[][..])));
        }
        for cut in [&[][..], &[0x81], &[0x82, 1]] {
            assert_eq!(length(cut), None);
        }
    }
}
