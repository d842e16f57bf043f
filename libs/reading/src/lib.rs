//! Values of devices: readings with exact decimals, OBIS codes and units, and what their numbers mean.
//!
//! | to add | place |
//! |---|---|
//! | a unit, or a spelling of one | a line of the table in `unit.rs` |
//! | what an OBIS code means | `meaning.rs` |

mod decimal;
pub mod json;
mod meaning;
mod obis;
mod reading;
mod scaled;
pub mod spreadsheet;
mod unit;
mod words;

pub use crate::{
    decimal::{DECIMAL, Decimal},
    meaning::{Direction, Kind, Meaning, Medium, Phase},
    obis::Obis,
    reading::{Batch, DeviceTime, Reading, Text, Timestamp, Value},
    scaled::Scaled,
    unit::{Factor, Quantity, SPELLINGS, Unit},
};
