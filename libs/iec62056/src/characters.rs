//! Classes of characters in a data line.

/// Returns whether `byte` may stand in a code.
pub(crate) fn is_code(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b':' | b'-' | b'*' | b'&')
}

/// Returns whether `byte` may stand in a mnemonic.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#')
}

/// Skips blanks and tabs from `at` on.
#[inline]
pub(crate) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Returns whether `byte` is printable and does not structure a line.
#[inline]
pub(crate) fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'(' | b')' | b'*')
}

/// Returns whether `code` is a mnemonic such as `ET0PE`, `FF` and `P_1`, or has groups of one letter or up to three
/// digits: `1-0:1.8.0*255`, `P.01`.
///
/// OBIS would be too narrow. Anything would be too wide: an STX that became a `B` makes `B1.8.0`. Of the lower-case
/// letters, only those that OBIS has are taken, `f.f` for `F.F`.
pub(crate) fn has_groups(code: &[u8]) -> bool {
    let mut groups = code.split(|byte| !byte.is_ascii_alphanumeric());
    let is_group = |group: &[u8]| match group {
        [one] => matches!(one, b'0'..=b'9' | b'A'..=b'Z' | b'c' | b'f' | b'l' | b'p'),
        digits => (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
    };
    if code.iter().all(|&byte| is_word(byte)) {
        return code.iter().any(u8::is_ascii_alphanumeric);
    }
    groups.all(is_group)
}

/// Returns whether `code` is not a meter's but may be the rest of a longer one that was cut: the `255` of `1.8.0*255`.
pub(crate) fn is_doubtful(code: &[u8]) -> bool {
    !code.iter().any(|&byte| byte == b'.' || byte.is_ascii_alphabetic())
}

/// Returns whether `unit`, which has bytes above ASCII, may be a unit in UTF-8 or Latin-1.
///
/// Of Latin-1 only the characters of units count (°, ², ³, µ, ·, º): a flipped bit 7 in a letter must not pass.
pub(crate) fn is_unit(unit: &[u8]) -> bool {
    let latin = |&byte: &u8| byte.is_ascii() || matches!(byte, 0xb0 | 0xb2 | 0xb3 | 0xb5 | 0xb7 | 0xba);
    std::str::from_utf8(unit).is_ok() || unit.iter().all(latin)
}

/// Returns whether `byte` may begin a data line. It matters only in a telegram that begins with STX.
pub fn begins_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Skips plain characters from `at` on; returns the place of the first other one, or the end.
///
/// Most bytes of a telegram are digits in a value: this loop determines the decoder's speed.
#[inline]
pub(crate) fn skip_plain(text: &[u8], mut at: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        // Bit 7 of a byte is set where it is below a blank, one of `(`, `)` and `*`, or above `~`. A borrow may set it
        // wrongly, but only after a byte that is found rightly.
        let control = word.wrapping_sub(EACH * 0x20) & !word;
        let mark = word ^ (EACH * 0x28);
        let mark = mark.wrapping_sub(EACH * 3) & !mark;
        let high = word | word.wrapping_add(EACH);
        let found = (control | mark | high) & (EACH * 0x80);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&byte| is_plain(byte)) {
        at += 1;
    }
    at
}

/// Makes `text` UTF-8 without moving anything in it: each bad byte becomes a `?`.
pub(crate) fn replace_bad_utf8(text: &mut [u8]) {
    let mut good = 0;
    while let Err(error) = std::str::from_utf8(&text[good..]) {
        good += error.valid_up_to();
        text[good] = b'?';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_matters_is_skipped() {
        for byte in 0..=255 {
            for place in 0..8 {
                let mut text = *b"12345678!";
                text[place] = byte;
                let at = skip_plain(&text, 0);
                assert_eq!(at, if is_plain(byte) { 9 } else { place }, "{byte:#04x} at {place}");
            }
        }
        assert_eq!(skip_plain(b"1234567(", 0), 7);
        assert_eq!(skip_plain(b"123)", 1), 3);
        assert_eq!(skip_plain(b"12345678", 9), 9);
    }
}
