//! Server id: the number of the meter.

use std::io::Write as _;

use crate::registers::write_octets;

/// Number of a meter after DIN 43863-5, which meters send in ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Medium; 1 for electricity.
    sort: u8,
    pub(crate) maker: [u8; 3],
    pub(crate) block: u8,
    pub(crate) number: u32,
}

impl Number {
    pub(crate) fn of(id: &[u8]) -> Option<Self> {
        let &[0x09 | 0x0a, sort @ 0..=0x0f, x, y, z, block, a, b, c, d] = id else { return None };
        let (maker, number) = ([x, y, z], u32::from_be_bytes([a, b, c, d]));
        let good = maker.iter().all(u8::is_ascii_uppercase) && number < 100_000_000;
        good.then_some(Self { sort, maker, block, number })
    }
}

/// Server id as text; it remembers the last one.
#[derive(Debug, Default)]
pub(crate) struct Ident {
    id: Vec<u8>,
    text: Vec<u8>,
}

impl Ident {
    /// Takes the present id, and returns whether it is another one.
    pub(crate) fn set(&mut self, id: &[u8]) -> bool {
        let is_other = self.id != id;
        if is_other {
            self.id.clear();
            self.id.extend_from_slice(id);
            self.text.clear();
            write(&mut self.text, id);
        }
        is_other
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// Writes the id as it stands on the meter, `1XYZ0012345678`, where it is such a number.
fn write(text: &mut Vec<u8>, id: &[u8]) {
    let Some(Number { sort, maker: [x, y, z], block, number }) = Number::of(id) else {
        return write_octets(text, id);
    };
    // Writing into memory cannot fail.
    let _ = write!(text, "{sort:X}{}{}{}{block:02X}{number:08}", char::from(x), char::from(y), char::from(z));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_on_the_meter() {
        for (id, expected) in [
            (&b"\x0a\x01DZG\x00\x02\x82\x22\x5e"[..], "1DZG0042082910"),
            (b"\x09\x01EBZ\x01\x00\x00\x00\x2a", "1EBZ0100000042"),
            (b"\x0a\x01XYZ\xab\xff\xff\xff\xff", "0a0158595aabffffffff"),
            (b"\x06XYZ\x01\x02\x71\x56\xcd\x45", "0658595a01027156cd45"),
            (b"00112233", "00112233"),
            (b"", ""),
        ] {
            let mut text = Vec::new();
            write(&mut text, id);
            assert_eq!(String::from_utf8_lossy(&text), expected);
        }
    }
}
