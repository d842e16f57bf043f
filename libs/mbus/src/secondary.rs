//! Secondary address: who a meter is, whatever line it is on.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use crate::Order;

/// Manufacturer's code: three letters of five bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manufacturer(pub u16);

impl Manufacturer {
    /// Returns the code of three capital letters.
    pub fn parse(letters: &str) -> Option<Self> {
        let [a, b, c] = *letters.as_bytes() else { return None };
        let letter = |byte: u8| (64..96).contains(&byte).then(|| u16::from(byte - 64));
        Some(Self(letter(a)? << 10 | letter(b)? << 5 | letter(c)?))
    }
}

/// Its letters. A meter without a code has `@@@`.
impl fmt::Display for Manufacturer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [10, 5, 0]
            .into_iter()
            .try_for_each(|shift| f.write_char(char::from((self.0 >> shift & 31) as u8 + 64)))
    }
}

/// Secondary address of a meter: number, maker, version and device type (EN 13757-7, 7.5.1 to 7.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecondaryAddress {
    /// Number on the meter: eight digits, a nibble each. Some meters have letters from A to F in it.
    pub id: u32,
    /// Maker.
    pub manufacturer: Manufacturer,
    /// Version, often of the meter's generation.
    pub version: u8,
    /// Device type: [`medium::name`](crate::medium::name).
    pub medium: u8,
}

impl SecondaryAddress {
    pub(crate) fn parse(bytes: &[u8; 8], order: Order) -> Self {
        Self {
            id: order.unsigned(&bytes[..4]) as u32,
            manufacturer: Manufacturer(order.unsigned(&bytes[4..6]) as u16),
            version: bytes[6],
            medium: bytes[7],
        }
    }

    /// Returns it as eight bytes, in the order of the wire.
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.id.to_le_bytes();
        let [e, f] = self.manufacturer.0.to_le_bytes();
        [a, b, c, d, e, f, self.version, self.medium]
    }
}

/// As in the configuration: `12345678-KAM-1B-04`.
impl fmt::Display for SecondaryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}-{}-{:02X}-{:02X}", self.id, self.manufacturer, self.version, self.medium)
    }
}

/// Secondary address to select meters by: any nibble of the number, the maker, the version and the device type may be
/// left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Number; a nibble of F stands for any digit.
    pub id: u32,
    /// Maker; `FFFF` stands for any.
    pub manufacturer: u16,
    /// Version; `FF` stands for any.
    pub version: u8,
    /// Device type; `FF` stands for any.
    pub medium: u8,
}

impl Selection {
    /// Every meter.
    pub const ANY: Self = Self { id: u32::MAX, manufacturer: u16::MAX, version: u8::MAX, medium: u8::MAX };

    /// Returns it as eight bytes, in the order of the wire.
    pub fn to_bytes(self) -> [u8; 8] {
        let Self { id, manufacturer, version, medium } = self;
        SecondaryAddress { id, manufacturer: Manufacturer(manufacturer), version, medium }.to_bytes()
    }

    /// Returns whether a meter with this address answers to it.
    pub fn matches(self, address: SecondaryAddress) -> bool {
        let digits = (0..8).all(|i| {
            let nibble = |id: u32| id >> (4 * i) & 15;
            nibble(self.id) == 15 || nibble(self.id) == nibble(address.id)
        });
        digits
            && (self.manufacturer == u16::MAX || self.manufacturer == address.manufacturer.0)
            && (self.version == u8::MAX || self.version == address.version)
            && (self.medium == u8::MAX || self.medium == address.medium)
    }
}

impl From<SecondaryAddress> for Selection {
    fn from(address: SecondaryAddress) -> Self {
        let SecondaryAddress { id, manufacturer, version, medium } = address;
        Self { id, manufacturer: manufacturer.0, version, medium }
    }
}

/// A text that is not a secondary address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a secondary address: expected the number on the meter such as `12345678`, or \
     `12345678-KAM-1B-04` with maker, version and device type"
)]
pub struct SelectionError(String);

/// Parses `12345678`, `12345678-KAM-1B-04`, and the 16 hexadecimal digits in which other programs write it.
impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        parse(text).ok_or_else(|| SelectionError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Selection> {
    let hex = |text: &str, digits: usize| {
        let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    if text.len() == 16 && text.is_ascii() {
        let (id, rest) = text.split_at(8);
        return Some(Selection {
            id: hex(id, 8)?,
            // This form has the two bytes in the order of the wire.
            manufacturer: (hex(&rest[..4], 4)? as u16).swap_bytes(),
            version: hex(&rest[4..6], 2)? as u8,
            medium: hex(&rest[6..], 2)? as u8,
        });
    }
    let mut parts = text.split('-');
    let mut selection = Selection { id: hex(parts.next()?, 8)?, ..Selection::ANY };
    if let Some(letters) = parts.next() {
        selection.manufacturer = Manufacturer::parse(&letters.to_ascii_uppercase())?.0;
    }
    if let Some(version) = parts.next() {
        selection.version = hex(version, 2)? as u8;
    }
    if let Some(medium) = parts.next() {
        selection.medium = hex(medium, 2)? as u8;
    }
    parts.next().is_none().then_some(selection)
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.id)?;
        let rest = (self.manufacturer, self.version, self.medium);
        if rest != (u16::MAX, u8::MAX, u8::MAX) {
            write!(f, "-{}-{:02X}-{:02X}", Manufacturer(self.manufacturer), self.version, self.medium)?;
        }
        Ok(())
    }
}
