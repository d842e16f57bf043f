//! Answer of a wired meter: CI field, header, content (EN 13757-7, 5.2).

use crate::{Fixed, Header, HeaderError, Manufacturer, Order, Records, SecondaryAddress, frame::Frame};

/// Answer of a wired meter.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Primary address.
    pub address: u8,
    /// Header.
    pub header: Header,
    /// Readings.
    pub content: Content<'a>,
    /// Position of the content in the frame's data.
    pub offset: usize,
}

/// Readings of an answer.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Data records.
    Records(Records<'a>),
    /// Two counters of the fixed structure.
    Fixed(Fixed<'a>),
}

/// A frame that has no readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A request, an acknowledgement, or an alarm.
    #[error("not an answer with readings of a meter")]
    NotAnAnswer,
    /// The meter reports an error.
    #[error("the meter reports: {0}")]
    Application(ApplicationError),
    /// The answer ends inside its header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A CI field of which this is no reader.
    #[error("CI field {0:02X} does not announce readings that are known")]
    Content(u8),
}

/// Error that a meter reports in place of readings (EN 13757-3, CI 70).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplicationError(pub u8);

impl ApplicationError {
    /// Returns whether the meter has no time now, and is to be asked again later.
    pub const fn is_busy(self) -> bool {
        self.0 == 8
    }
}

impl std::fmt::Display for ApplicationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            0 => "unspecified error",
            1 => "unimplemented CI field",
            2 => "buffer too long, truncated",
            3 => "too many records",
            4 => "premature end of a record",
            5 => "more than 10 DIFEs",
            6 => "more than 10 VIFEs",
            8 => "application busy",
            9 => "too many readouts",
            other => return write!(f, "application error {other}"),
        })
    }
}

impl<'a> Answer<'a> {
    /// Reads the answer in a frame.
    ///
    /// # Errors
    ///
    /// Returns an error if the frame has no readings.
    pub fn parse(frame: Frame<'a>) -> Result<Self, AnswerError> {
        let Frame::Long { address, ci, data, .. } = frame else { return Err(AnswerError::NotAnAnswer) };
        if !frame.is_answer() {
            return Err(AnswerError::NotAnAnswer);
        }
        let order = if matches!(ci, 0x76 | 0x77) { Order::HighFirst } else { Order::LowFirst };
        let (header, rest) = match ci {
            0x72 | 0x76 => Header::long(data, order)?,
            0x7a => Header::short(data, order)?,
            0x78 => (Header::NONE, data),
            0x73 | 0x77 => {
                let found = data.len();
                let fixed = Fixed::parse(data, order).ok_or(HeaderError { expected: 16, found })?;
                return Ok(Self::of_fixed(address, fixed));
            }
            0x70 => return Err(AnswerError::Application(ApplicationError(*data.first().unwrap_or(&0)))),
            _ => return Err(AnswerError::Content(ci)),
        };
        let offset = data.len() - rest.len();
        Ok(Self { address, header, content: Content::Records(Records::new(rest, order)), offset })
    }

    fn of_fixed(address: u8, fixed: Fixed<'a>) -> Self {
        // This structure has neither a maker nor a version.
        let secondary = SecondaryAddress {
            id: fixed.id,
            manufacturer: Manufacturer(u16::MAX),
            version: u8::MAX,
            medium: fixed.medium,
        };
        let header = Header {
            address: Some(secondary),
            access: Some(fixed.access),
            status: Some(fixed.status),
            configuration: None,
        };
        Self { address, header, content: Content::Fixed(fixed), offset: 0 }
    }
}
