//! Numbers in BCD (type A).

use std::fmt::{self, Write as _};

use crate::Order;

/// Digits in BCD, each in a nibble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bcd<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Bcd<'a> {
    pub(crate) const fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, order }
    }

    /// Returns the number of its bytes.
    pub fn len(self) -> usize {
        self.bytes.len()
    }

    /// Returns whether it has no digits.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    fn nibbles(self) -> impl Iterator<Item = u8> + 'a {
        self.order.most_significant_first(self.bytes).flat_map(|byte| [byte >> 4, byte & 15])
    }

    /// Returns the number, of at most 18 digits. An F in front is a minus; any other letter is what the meter shows
    /// instead of a number, and makes it `None`.
    pub(crate) fn number(self) -> Option<i64> {
        let mut nibbles = self.nibbles();
        let (negative, first) = match nibbles.next() {
            Some(15) => (true, 0),
            first => (false, first.unwrap_or(0)),
        };
        let mut number = i64::from(first);
        let mut highest = first;
        for nibble in nibbles {
            highest = highest.max(nibble);
            number = number * 10 + i64::from(nibble);
        }
        (highest <= 9).then_some(if negative { -number } else { number })
    }

    /// Returns whether each nibble is a digit.
    pub(crate) fn is_decimal(self) -> bool {
        self.bytes.iter().all(|byte| byte >> 4 <= 9 && byte & 15 <= 9)
    }
}

/// All digits, with leading zeros; letters in capitals.
impl fmt::Display for Bcd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nibbles().try_for_each(|nibble| {
            f.write_char(char::from_digit(nibble.into(), 16).unwrap_or('?').to_ascii_uppercase())
        })
    }
}
