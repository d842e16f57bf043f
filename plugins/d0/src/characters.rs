//! What each character means in a data line.

/// What a character does in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// May stand in a code.
    Code,
    /// May stand in a value or unit only.
    Text,
    /// `*`: between value and unit, and in a code.
    Star,
    /// Bit 7 set: in the text of an 8N1 meter only.
    High,
    Open,
    Close,
    /// Control characters: nowhere.
    Never,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Never; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'(' => Class::Open,
            b')' => Class::Close,
            b'*' => Class::Star,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b':' | b'-' | b'&' => Class::Code,
            b' '..=b'~' => Class::Text,
            0x80.. => Class::High,
            _ => Class::Never,
        };
        byte += 1;
    }
    classes
};

#[inline]
pub(crate) fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// May `byte` begin a data line? (Only in a telegram that begins with STX does the answer matter.)
pub(crate) fn begins_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Skips text from `at` on, eight characters at a time; what it stops at may still be text.
///
/// Most bytes of a telegram are digits in a value: this is the loop that sets the decoder's speed.
#[inline]
pub(crate) fn skip_plain(text: &[u8], mut at: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        // Bit 7 of a byte is set where it is below a blank, one of `(`, `)` and `*`, or above `~`. A
        // borrow may set it wrongly, but only behind a byte that is found rightly.
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
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_matters_is_skipped() {
        for byte in 0..=255 {
            let plain = matches!(class(byte), Class::Code | Class::Text);
            for place in 0..8 {
                let mut text = *b"12345678!";
                text[place] = byte;
                let at = skip_plain(&text, 0);
                assert_eq!(at, if plain { 8 } else { place }, "{byte:#04x} at {place}");
            }
        }
        assert_eq!(skip_plain(b"1234567", 0), 0);
        assert_eq!(skip_plain(b"12345678", 9), 9);
    }
}
