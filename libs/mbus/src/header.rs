//! Header of a telegram: who sends it, and how the meter is (EN 13757-7, clause 7).

use crate::{Order, SecondaryAddress, Status};

/// Header of a telegram. A short one has no address, and with none all fields are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Secondary address, in a long header.
    pub address: Option<SecondaryAddress>,
    /// Access number: it counts the meter's telegrams.
    pub access: Option<u8>,
    /// Status of the meter.
    pub status: Option<Status>,
    /// Configuration word: the security mode of a radio telegram. Old wired meters have a signature without meaning
    /// here, so that nothing may be read out of it on a wire.
    pub configuration: Option<u16>,
}

/// A telegram that ends inside its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the telegram ends inside its header: expected {expected} bytes, found {found}")]
pub struct HeaderError {
    /// Bytes of a whole header.
    pub expected: usize,
    /// Bytes that are there.
    pub found: usize,
}

impl Header {
    /// Header of a telegram without one.
    pub const NONE: Self = Self { address: None, access: None, status: None, configuration: None };
    /// Length of a short header in bytes.
    pub const SHORT: usize = 4;
    /// Length of a long header in bytes.
    pub const LONG: usize = 12;

    /// Parses a long header, and returns it with the bytes after it.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes end inside it.
    pub fn long(bytes: &[u8], order: Order) -> Result<(Self, &[u8]), HeaderError> {
        let Some((address, rest)) = bytes.split_first_chunk::<8>().filter(|_| bytes.len() >= Self::LONG)
        else {
            return Err(HeaderError { expected: Self::LONG, found: bytes.len() });
        };
        let (header, rest) = Self::short(rest, order)?;
        Ok((Self { address: Some(SecondaryAddress::parse(address, order)), ..header }, rest))
    }

    /// Parses a short header, and returns it with the bytes after it.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes end inside it.
    pub fn short(bytes: &[u8], order: Order) -> Result<(Self, &[u8]), HeaderError> {
        let Some((&[access, status, ref word @ ..], rest)) = bytes.split_first_chunk::<4>() else {
            return Err(HeaderError { expected: Self::SHORT, found: bytes.len() });
        };
        let header = Self {
            address: None,
            access: Some(access),
            status: Some(Status(status)),
            configuration: Some(order.unsigned(word) as u16),
        };
        Ok((header, rest))
    }
}
