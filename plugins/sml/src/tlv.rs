//! Encoding of SML (BSI TR-03109-1, annex IV b): every element begins with its type and length.
//!
//! ```text
//! first byte   M TTT LLLL     M: more bytes of the length follow, each `M 000 LLLL`
//! ```
//!
//! The length counts the length field too; that of a list counts its elements.

use crate::reject::Flaw;

/// Most lists inside each other: a list of registers needs six.
const MAX_NESTING: usize = 16;
/// Most bytes of a length field.
const MAX_HEAD: usize = 4;

/// Element, with everything in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element<'a> {
    /// Octets; none for an optional element that is absent.
    Octets(&'a [u8]),
    Boolean(&'a [u8]),
    Signed(&'a [u8]),
    Unsigned(&'a [u8]),
    /// Number of elements, and a reader of them.
    List(usize, Reader<'a>),
}

/// First bytes of an element.
enum Head {
    /// Type, and length of the rest.
    Plain(u8, usize),
    List(usize),
}

/// Reader of elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns the position of the next element.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Returns the bytes since `start`.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Skips zeros; returns whether anything is left.
    pub(crate) fn skip_fill(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| byte != 0).unwrap_or(rest.len());
        self.at < self.bytes.len()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Flaw> {
        let byte = *self.bytes.get(self.at).ok_or(Flaw::Beyond)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn head(&mut self) -> Result<Head, Flaw> {
        let mut byte = self.byte()?;
        let kind = byte >> 4 & 7;
        let mut len = usize::from(byte & 0x0f);
        let mut size = 1;
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            size += 1;
            if byte & 0x70 != 0 {
                return Err(Flaw::Type);
            }
            if size > MAX_HEAD {
                return Err(Flaw::Beyond);
            }
            len = len << 4 | usize::from(byte & 0x0f);
        }
        let head = match kind {
            0 | 4..=6 => Head::Plain(kind, len.checked_sub(size).ok_or(Flaw::Length)?),
            7 => Head::List(len),
            _ => return Err(Flaw::Type),
        };
        // An element of a list has at least one byte, so a count is not larger than the rest either.
        let (Head::Plain(_, len) | Head::List(len)) = head;
        if len > self.bytes.len() - self.at { Err(Flaw::Beyond) } else { Ok(head) }
    }

    /// Reads the next element.
    #[inline]
    pub(crate) fn element(&mut self) -> Result<Element<'a>, Flaw> {
        let head = self.head()?;
        let start = self.at;
        match head {
            Head::List(count) => {
                self.skip(count)?;
                Ok(Element::List(count, Self::new(self.since(start))))
            }
            Head::Plain(kind, len) => {
                self.at += len;
                let bytes = self.since(start);
                Ok(match kind {
                    0 => Element::Octets(bytes),
                    4 => Element::Boolean(bytes),
                    5 => Element::Signed(bytes),
                    _ => Element::Unsigned(bytes),
                })
            }
        }
    }

    /// Enters a list; returns the number of its elements.
    pub(crate) fn enter(&mut self) -> Result<usize, Flaw> {
        match self.head()? {
            Head::List(count) => Ok(count),
            Head::Plain(..) => Err(Flaw::NoList),
        }
    }

    /// Enters a list that must have `count` elements.
    pub(crate) fn enter_exactly(&mut self, count: usize) -> Result<(), Flaw> {
        if self.enter()? == count { Ok(()) } else { Err(Flaw::Count) }
    }

    /// Skips elements, without a recursion that depends on the input.
    fn skip(&mut self, count: usize) -> Result<(), Flaw> {
        let mut left = [0; MAX_NESTING];
        let mut depth = 0;
        left[0] = count;
        loop {
            if left[depth] == 0 {
                if depth == 0 {
                    return Ok(());
                }
                depth -= 1;
                continue;
            }
            left[depth] -= 1;
            match self.head()? {
                Head::Plain(_, len) => self.at += len,
                Head::List(count) => {
                    depth += 1;
                    *left.get_mut(depth).ok_or(Flaw::Nesting)? = count;
                }
            }
        }
    }
}

impl Element<'_> {
    /// Returns an unsigned number of 1 to 8 bytes.
    pub(crate) fn unsigned(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(bytes @ [_, ..]) if bytes.len() <= 8 => {
                Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            _ => None,
        }
    }

    /// Returns a signed number of 1 to 8 bytes, whose first bit is the sign.
    pub(crate) fn signed(&self) -> Option<i64> {
        match *self {
            Self::Signed(bytes @ [first, ..]) if bytes.len() <= 8 => {
                let sign = if first & 0x80 != 0 { -1 } else { 0 };
                Some(bytes.iter().fold(sign, |number, &byte| number << 8 | i64::from(byte)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_keep_their_sign() {
        for (bytes, signed, unsigned) in [
            (&[0x7f][..], 127, 127),
            (&[0x80], -128, 128),
            (&[0xff, 0xfe], -2, 65534),
            (&[0x80, 0, 0], -8_388_608, 8_388_608),
            (&[0, 0xff, 0xff], 65535, 65535),
            (&[0xff; 5], -1, 0xff_ffff_ffff),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], i64::MIN, 1 << 63),
            (&[0xff; 8], -1, u64::MAX),
        ] {
            assert_eq!(Element::Signed(bytes).signed(), Some(signed));
            assert_eq!(Element::Unsigned(bytes).unsigned(), Some(unsigned));
        }
        for bytes in [&[][..], &[0; 9]] {
            assert_eq!(Element::Signed(bytes).signed(), None);
            assert_eq!(Element::Unsigned(bytes).unsigned(), None);
        }
    }

    fn read(bytes: &[u8]) -> Result<usize, Flaw> {
        let mut reader = Reader::new(bytes);
        reader.element().map(|_| reader.at())
    }

    #[test]
    fn lengths_are_those_of_the_element() {
        assert_eq!(read(&[0x01, 9]), Ok(1), "absent");
        assert_eq!(read(&[0x03, 1, 2, 9]), Ok(3));
        assert_eq!(read(&[&[0x81, 0x03][..], &[0xaa; 17], &[9]].concat()), Ok(19));
        assert_eq!(read(&[0x72, 0x01, 0x72, 0x62, 1, 0x01, 9]), Ok(6));
        assert_eq!(read(&[0x70, 9]), Ok(1));
    }

    #[test]
    fn flaws_are_found() {
        assert_eq!(read(&[]), Err(Flaw::Beyond));
        assert_eq!(read(&[0x03, 1]), Err(Flaw::Beyond));
        assert_eq!(read(&[0x80]), Err(Flaw::Beyond));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x02]), Err(Flaw::Beyond));
        assert_eq!(read(&[0x7f, 0x01]), Err(Flaw::Beyond));
        assert_eq!(read(&[0x80, 0x01]), Err(Flaw::Length));
        assert_eq!(read(&[0x00]), Err(Flaw::Length));
        for kind in 1..4 {
            assert_eq!(read(&[kind << 4 | 1]), Err(Flaw::Type));
        }
        assert_eq!(read(&[0x81, 0x13]), Err(Flaw::Type));
        assert_eq!(read(&[0x71; 10]).err(), Some(Flaw::Beyond));
        assert_eq!(read(&[0x71; 10_000]).err(), Some(Flaw::Nesting));
    }
}
