//! Data records (EN 13757-3, clause 6): `DIF [DIFE…] VIF [VIFE…] data`.

mod bcd;
mod information;
mod moment;
mod parse;
mod qualifier;
mod table_fb;
mod table_fd;
mod unit;
mod value;

use crate::Order;

use self::information::Information;
pub use self::{
    bcd::Bcd,
    moment::Moment,
    parse::{Defect, Records},
    qualifier::{Qualifier, QualifierIter, Qualifiers},
    unit::Unit,
    value::{Absent, Value},
};

reading::words! {
    /// What a meter took the value of.
    Function {
        /// Value of the moment that the storage number says.
        Instantaneous = "inst",
        /// Highest value of a period.
        Maximum = "max",
        /// Lowest value of a period.
        Minimum = "min",
        /// Value while the meter had a fault.
        Error = "error",
    }
}

/// One value of a telegram, with all that tells it from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// What the meter took the value of.
    pub function: Function,
    /// Storage number: 0 is now, others are values of the past. Up to 2^41 − 1.
    pub storage: u64,
    /// Tariff: 0 is the sum of all.
    pub tariff: u32,
    /// Part of the device: 0 is the whole, others are its inputs, channels or directions.
    pub subunit: u16,
    /// Quantity, as a word: `energy`, `flow_temperature`.
    pub quantity: &'static str,
    /// Unit of the number.
    pub unit: Unit<'a>,
    /// The value.
    pub value: Value<'a>,
    /// What else the value information says: phase, direction, limits.
    pub qualifiers: Qualifiers<'a>,
    /// Value information that only the maker knows. A record with it is never the plain quantity.
    pub manufacturer_vife: &'a [u8],
    /// DIF, DIFE, VIF and VIFE, as sent.
    pub head: &'a [u8],
    /// Data, as sent; of variable length with the length before them.
    pub data: &'a [u8],
}

impl Record<'_> {
    /// Returns whether it is the meter's current value of a quantity, not one of the past, of a limit or of a fault.
    pub fn is_current(&self) -> bool {
        self.function == Function::Instantaneous && self.storage == 0
    }
}

/// Reads the records of a telegram's data, low bytes first as nearly every meter sends them.
pub fn records(data: &[u8]) -> Records<'_> {
    Records::new(data, Order::LowFirst)
}
