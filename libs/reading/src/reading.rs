//! What a source hands on: readings, and batches of them.

use crate::{Decimal, Obis};

/// Short text: up to 23 bytes are kept without an allocation, longer ones are shared.
pub use smol_str::SmolStr as Text;

/// A moment in UTC.
pub use jiff::Timestamp;

/// The value of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, with every digit that the device sent.
    Number(Decimal),
    /// Anything else: a meter number, a status word, a number that is damaged.
    Text(Text),
}

/// One named value, with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Key in the section of `/data`, unique within its batch: `POWER_IMPORT`, `count`.
    pub name: Text,
    /// The register's code, where the device names its registers by OBIS.
    pub obis: Option<Obis>,
    /// The value.
    pub value: Value,
    /// The unit as the device wrote it (`kWh`, `W`); `None` where it gave none.
    pub unit: Option<Text>,
    /// When the device took this value, where it says so for this one: a gas meter tells its own once an hour.
    pub time: Option<DeviceTime>,
    /// The register's status word, where it has one.
    pub status: Option<u64>,
    /// What the device sent beside the value, in its order: the time of a maximum demand, say.
    pub more: Vec<Text>,
}

/// A time by the device's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTime {
    /// As sent.
    pub sent: Text,
    /// The moment that this is; `None` where it is none.
    pub utc: Option<Timestamp>,
}

impl Reading {
    /// A number without an OBIS code: the bare value in `/data`.
    pub fn number(name: impl Into<Text>, value: Decimal) -> Self {
        Self::new(name.into(), Value::Number(value))
    }

    /// A text without an OBIS code.
    pub fn text(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self::new(name.into(), Value::Text(value.into()))
    }

    fn new(name: Text, value: Value) -> Self {
        Self { name, obis: None, value, unit: None, time: None, status: None, more: Vec::new() }
    }

    /// The same reading with a unit.
    pub fn unit(mut self, unit: impl Into<Text>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The same reading with an OBIS code.
    pub fn obis(mut self, code: Obis) -> Self {
        self.obis = Some(code);
        self
    }
}

/// All readings of one moment: one telegram, one look at a sensor. It is handed on whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// When the device's message was complete.
    pub taken_at: Timestamp,
    /// The readings, in the device's order; names are unique.
    pub readings: Vec<Reading>,
}

impl Batch {
    /// A batch taken now.
    pub fn now(readings: Vec<Reading>) -> Self {
        Self { taken_at: Timestamp::now(), readings }
    }

    /// The reading called `name`.
    pub fn get(&self, name: &str) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.name == name)
    }
}
