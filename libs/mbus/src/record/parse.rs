//! Walk over the records of a telegram.

use super::{Function, Information, Record, information::Codes, value::Field};
use crate::Order;

/// Most extensions of a DIF, and of a VIF.
const EXTENSIONS: usize = 10;
/// The bit that says: an extension follows.
const MORE: u8 = 0x80;

/// Defect of a telegram's records: nothing after it can be found again. The records before it are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The data end inside the data information.
    #[error("the telegram ends inside a chain of DIFEs")]
    EndInDif,
    /// The data end before or inside the value information.
    #[error("the telegram ends before the end of the value information")]
    EndInVif,
    /// The data end inside a value.
    #[error("a record announces {expected} bytes, and {found} are left")]
    EndInData {
        /// Bytes that the record announces.
        expected: usize,
        /// Bytes that are left.
        found: usize,
    },
    /// More than ten DIFEs.
    #[error("a record has more than 10 DIFEs")]
    DifChain,
    /// More than ten VIFEs.
    #[error("a record has more than 10 VIFEs")]
    VifChain,
    /// A reserved special function, or one that belongs to requests.
    #[error("DIF {0:02X} is reserved")]
    Reserved(u8),
    /// A reserved length of a value of variable length.
    #[error("the length {0:02X} of a value is reserved")]
    Length(u8),
}

/// Records of a telegram, in its order. It ends at the first [`Defect`], after the records before it.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    data: &'a [u8],
    position: usize,
    order: Order,
    manufacturer_data: Option<&'a [u8]>,
    more_follow: bool,
}

impl<'a> Records<'a> {
    /// Reads the records of a telegram's data.
    pub const fn new(data: &'a [u8], order: Order) -> Self {
        Self { data, position: 0, order, manufacturer_data: None, more_follow: false }
    }

    /// Returns the position in the data of the next record; after a defect, that of the damaged one.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Returns the maker's own data at the end. Known once all records have been read.
    pub const fn manufacturer_data(&self) -> Option<&'a [u8]> {
        self.manufacturer_data
    }

    /// Returns whether the meter has more records, which it sends when asked again. Known once all records have been
    /// read.
    pub const fn more_follow(&self) -> bool {
        self.more_follow
    }

    /// Returns the head of the next record: its DIF, DIFE, VIF and VIFE. It skips the value, and fails where
    /// [`next`](Iterator::next) does.
    pub(crate) fn next_head(&mut self) -> Option<Result<&'a [u8], Defect>> {
        self.next_extent().map(|extent| extent.map(|extent| extent.head))
    }

    #[inline]
    fn next_extent(&mut self) -> Option<Result<Extent<'a>, Defect>> {
        loop {
            let start = self.position;
            let first = *self.data.get(start)?;
            let result = match first {
                // An idle filler.
                0x2f => {
                    self.position += 1;
                    continue;
                }
                0x0f | 0x1f => {
                    self.manufacturer_data = Some(&self.data[start + 1..]);
                    self.more_follow = first == 0x1f;
                    self.position = self.data.len();
                    return None;
                }
                _ if first & 15 == 15 => Err(Defect::Reserved(first)),
                _ => {
                    let mut rest = Bytes { data: self.data, position: start };
                    Extent::take(&mut rest, self.order).inspect(|_| self.position = rest.position)
                }
            };
            if result.is_err() {
                self.data = &self.data[..start];
            }
            return Some(result);
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Defect>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let extent = self.next_extent()?;
        Some(extent.map(|extent| extent.record(self.order)))
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Reader of the bytes of one record.
pub(super) struct Bytes<'a> {
    data: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Defect> {
        let rest = self.data.get(self.position..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(Defect::EndInData { expected: len, found: rest.len() })?;
        self.position += len;
        Ok(taken)
    }

    /// Takes the chain of extensions that follows `last`.
    #[inline]
    pub(super) fn chain(&mut self, mut last: u8, ends: Defect, long: Defect) -> Result<&'a [u8], Defect> {
        let start = self.position;
        while last & MORE != 0 {
            if self.position - start == EXTENSIONS {
                return Err(long);
            }
            last = self.next().ok_or(ends)?;
        }
        Ok(&self.data[start..self.position])
    }
}

/// Record as it stands in the data, whole but not read.
struct Extent<'a> {
    dif: u8,
    difes: &'a [u8],
    value_information: Codes<'a>,
    value: Field<'a>,
    head: &'a [u8],
    data: &'a [u8],
}

impl<'a> Extent<'a> {
    #[inline]
    fn take(rest: &mut Bytes<'a>, order: Order) -> Result<Self, Defect> {
        let start = rest.position;
        let dif = rest.next().ok_or(Defect::EndInDif)?;
        let difes = rest.chain(dif, Defect::EndInDif, Defect::DifChain)?;
        let value_information = Codes::take(rest, order)?;
        let head = &rest.data[start..rest.position];
        let data_start = rest.position;
        let value = Field::take(dif & 15, rest)?;
        Ok(Self { dif, difes, value_information, value, head, data: &rest.data[data_start..rest.position] })
    }

    fn record(self, order: Order) -> Record<'a> {
        let Self { dif, difes, value_information, value, head, data } = self;
        let function = match dif >> 4 & 3 {
            0 => Function::Instantaneous,
            1 => Function::Maximum,
            2 => Function::Minimum,
            _ => Function::Error,
        };
        let (mut storage, mut tariff, mut subunit) = (u64::from(dif >> 6 & 1), 0, 0);
        for (k, &byte) in difes.iter().enumerate() {
            storage |= u64::from(byte & 15) << (1 + 4 * k);
            tariff |= u32::from(byte >> 4 & 3) << (2 * k);
            subunit |= u16::from(byte >> 6 & 1) << k;
        }
        let information = Information::of(value_information);
        let value = value.read(&information, order);
        Record {
            function,
            storage,
            tariff,
            subunit,
            quantity: information.quantity,
            unit: information.unit,
            value,
            qualifiers: information.qualifiers,
            manufacturer_vife: information.manufacturer,
            head,
            data,
        }
    }
}
