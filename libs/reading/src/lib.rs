//! Values of devices: readings with exact decimals, OBIS codes and units.

mod decimal;
pub mod json;
mod obis;
mod reading;

pub use crate::{
    decimal::Decimal,
    obis::Obis,
    reading::{Batch, DeviceTime, Reading, Text, Timestamp, Value},
};
