//! Text of a meter.

use std::fmt::{self, Write as _};

use crate::Order;

/// Text in Latin-1, as a meter sends it: the last character first, except in mode 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latin1<'a> {
    bytes: &'a [u8],
    order: Order,
}

impl<'a> Latin1<'a> {
    pub(crate) const fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, order }
    }

    /// Returns the characters in reading order.
    pub fn chars(self) -> impl Iterator<Item = char> + Clone + 'a {
        let Self { bytes, order } = self;
        order.most_significant_first(bytes).map(char::from)
    }
}

impl fmt::Display for Latin1<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|character| f.write_char(character))
    }
}
