//! Data of a record (EN 13757-3, 6.2 and annex A).

use std::fmt;

use reading::Decimal;

use super::bcd::Bcd;
use super::{
    Moment, Unit,
    information::{Coding, Information},
    parse::{Bytes, Defect},
};
use crate::{Latin1, Manufacturer, Order};

/// Value of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Number in the unit of the record, with every digit.
    Number(Decimal),
    /// Text.
    Text(Latin1<'a>),
    /// Identification of digits: leading zeros belong to it.
    Digits(Bcd<'a>),
    /// Manufacturer's code.
    Manufacturer(Manufacturer),
    /// Date or time of the meter's clock.
    Moment(Moment),
    /// Bytes that are no number, as sent.
    Bytes(&'a [u8]),
    /// The record has no data: it only names a quantity.
    None,
    /// There are data, but they are no value.
    Absent(Absent),
}

/// Reason why data are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// Letters in a number, as the meter's display shows them.
    #[error("it has letters in place of digits")]
    Letters,
    /// A floating point number that is not finite.
    #[error("the number is not finite")]
    NotFinite,
    /// The smallest integer of its width, which stands for an invalid value.
    #[error("the number is the one that stands for an invalid value")]
    Smallest,
    /// More digits than are kept.
    #[error("the number has more than 18 digits")]
    TooLarge,
    /// All bits of a time are zero.
    #[error("the time is zero")]
    ZeroMoment,
    /// The meter says that its time is invalid.
    #[error("the meter marks the time as invalid")]
    InvalidMoment,
    /// A description such as "every 31 December", not a point in time.
    #[error("the time is a periodic one")]
    Periodic,
    /// No such day or time.
    #[error("there is no such time")]
    ImpossibleMoment,
    /// The meter reports an error for this record (EN 13757-3, 6.4.8).
    #[error("the meter reports error {0:02X} for this record")]
    Record(u8),
}

impl Absent {
    /// Returns its kind as a word: `error`, `invalid`, `no_time`, `record_error`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Letters => "error",
            Self::NotFinite | Self::Smallest | Self::TooLarge => "invalid",
            Self::ZeroMoment | Self::InvalidMoment | Self::Periodic | Self::ImpossibleMoment => "no_time",
            Self::Record(_) => "record_error",
        }
    }
}

/// As text: numbers with every digit, bytes in hexadecimal. What has no value has no text.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Digits(digits) => digits.fmt(f),
            Self::Manufacturer(manufacturer) => manufacturer.fmt(f),
            Self::Moment(moment) => moment.fmt(f),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::None | Self::Absent(_) => Ok(()),
        }
    }
}

/// Data of a record as they stand there, by their coding.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    /// No data, and the selection for readout, which belongs to requests.
    None,
    Integer(&'a [u8]),
    Float(&'a [u8]),
    Bcd(&'a [u8]),
    Text(&'a [u8]),
    /// BCD of variable length, whose sign is in the length.
    SignedBcd {
        digits: &'a [u8],
        negative: bool,
    },
    /// An integer of variable length, or bytes.
    Binary(&'a [u8]),
    /// More bytes than a number has.
    Long(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Takes the data that the field `code` of a DIF announces.
    #[inline]
    pub(super) fn take(code: u8, rest: &mut Bytes<'a>) -> Result<Self, Defect> {
        Ok(match code {
            0x1..=0x4 => Self::Integer(rest.take(code.into())?),
            0x5 => Self::Float(rest.take(4)?),
            0x6 => Self::Integer(rest.take(6)?),
            0x7 => Self::Integer(rest.take(8)?),
            0x9..=0xc => Self::Bcd(rest.take(usize::from(code - 8))?),
            0xe => Self::Bcd(rest.take(6)?),
            0xd => Self::variable(rest)?,
            _ => Self::None,
        })
    }

    /// Takes data of variable length: their length comes first.
    fn variable(rest: &mut Bytes<'a>) -> Result<Self, Defect> {
        // Without its length, nothing of the value is known.
        let length = rest.next().ok_or(Defect::EndInData { expected: 1, found: 0 })?;
        let low = usize::from(length & 15);
        Ok(match length {
            0x00..=0xbf => Self::Text(rest.take(length.into())?),
            0xc0..=0xc9 | 0xd0..=0xd9 => {
                Self::SignedBcd { digits: rest.take(low)?, negative: length >= 0xd0 }
            }
            0xe0..=0xef => Self::Binary(rest.take(low)?),
            0xf0..=0xf4 => Self::Long(rest.take(4 * usize::from(length - 0xec))?),
            0xf5 => Self::Long(rest.take(48)?),
            0xf6 => Self::Long(rest.take(64)?),
            _ => return Err(Defect::Length(length)),
        })
    }

    /// Reads the value that a value information makes of the data.
    pub(super) fn read(self, information: &Information<'a>, order: Order) -> Value<'a> {
        if let Some(code) = information.error {
            return Value::Absent(Absent::Record(code));
        }
        let reader = Reader { information, order };
        match self {
            Self::None | Self::SignedBcd { digits: [], .. } => Value::None,
            Self::Integer(bytes) => reader.binary(bytes),
            Self::Float(bytes) => reader.float(bytes),
            Self::Bcd(digits) => reader.bcd(digits, false),
            Self::SignedBcd { digits, negative } => reader.bcd(digits, negative),
            Self::Text(bytes) => Value::Text(Latin1::new(bytes, order)),
            Self::Binary(bytes) => {
                let counts = matches!(information.unit, Unit::Coded(_)) && (1..=8).contains(&bytes.len());
                if counts { reader.binary(bytes) } else { Value::Bytes(bytes) }
            }
            Self::Long(bytes) => Value::Bytes(bytes),
        }
    }
}

struct Reader<'r, 'a> {
    information: &'r Information<'a>,
    order: Order,
}

impl<'a> Reader<'_, 'a> {
    fn binary(&self, bytes: &'a [u8]) -> Value<'a> {
        match self.information.coding {
            Coding::Number => {
                let number = self.order.signed(bytes);
                if number == i64::MIN >> (64 - 8 * bytes.len()) {
                    return Value::Absent(Absent::Smallest);
                }
                self.number(number.into())
            }
            Coding::Unsigned | Coding::Identification => {
                // What does not fit is no number to count with.
                let number = i64::try_from(self.order.unsigned(bytes));
                number.map_or(Value::Bytes(bytes), |number| self.number(number.into()))
            }
            Coding::Moment => match Moment::read(bytes, self.order) {
                Some(moment) => moment.map_or_else(Value::Absent, Value::Moment),
                None => Value::Bytes(bytes),
            },
            Coding::Manufacturer if bytes.len() == 2 => {
                Value::Manufacturer(Manufacturer(self.order.unsigned(bytes) as u16))
            }
            Coding::Manufacturer | Coding::Container => Value::Bytes(bytes),
        }
    }

    fn bcd(&self, bytes: &'a [u8], negative: bool) -> Value<'a> {
        let digits = Bcd::new(bytes, self.order);
        match self.information.coding {
            // A number on a meter may have letters in it, and none of them is a sign.
            Coding::Identification => Value::Digits(digits),
            Coding::Container | Coding::Moment | Coding::Manufacturer => Value::Bytes(bytes),
            Coding::Number | Coding::Unsigned => match digits.number() {
                Some(number) if negative && digits.is_decimal() => self.number((-number).into()),
                Some(number) if !negative => self.number(number.into()),
                _ => Value::Absent(Absent::Letters),
            },
        }
    }

    fn float(&self, bytes: &'a [u8]) -> Value<'a> {
        if !matches!(self.information.coding, Coding::Number | Coding::Unsigned | Coding::Identification) {
            return Value::Bytes(bytes);
        }
        let number = f32::from_bits(self.order.unsigned(bytes) as u32);
        if !number.is_finite() {
            return Value::Absent(Absent::NotFinite);
        }
        Decimal::from_f32(number).map_or(Value::Absent(Absent::TooLarge), |number| self.number(number))
    }

    /// Scales a number and adds what the value information says.
    fn number(&self, number: Decimal) -> Value<'a> {
        self.scaled(number).map_or(Value::Absent(Absent::TooLarge), Value::Number)
    }

    fn scaled(&self, number: Decimal) -> Option<Decimal> {
        // A zero has no digits that could be lost.
        let zero = number.mantissa() == 0;
        let power = if zero { self.information.exponent.min(0) } else { self.information.exponent };
        let mut number = number.shifted(power)?;
        for (index, &count) in (0..).zip(&self.information.offsets) {
            for _ in 0..count {
                number = number.checked_add(Decimal::from(1).shifted(index - 3)?)?;
            }
        }
        Some(number)
    }
}
