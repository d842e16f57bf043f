//! Fixed data structure of old meters (EN 1434-3, withdrawn): two counters.

use reading::Decimal;

use crate::{Absent, Bcd, Function, Order, Qualifiers, Record, Status, Unit, Value};

/// Answer in the fixed data structure. It has a number and two counters, but no maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed<'a> {
    /// Number on the meter, a nibble each digit.
    pub id: u32,
    /// Access number.
    pub access: u8,
    /// Status. Its two lowest bits say how the counters are to be read.
    pub status: Status,
    /// Device type.
    pub medium: u8,
    units: [u8; 2],
    counters: [&'a [u8]; 2],
    /// Whether the counters are binary, not BCD.
    binary: bool,
    /// Whether the counters are those of the due date.
    stored: bool,
    order: Order,
}

impl<'a> Fixed<'a> {
    pub(crate) fn parse(bytes: &'a [u8], order: Order) -> Option<Self> {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _] = bytes.first_chunk::<16>()?;
        let [access, status, first, second] = bytes[4..8] else { return None };
        let medium = match first >> 6 | (second >> 6) << 2 {
            9 => 0x0f,
            10 => 0x03,
            11 => 0x04,
            12 => 0x06,
            13 => 0x07,
            14 => 0x08,
            15 => 0x0f,
            medium => medium,
        };
        Some(Self {
            id: order.unsigned(id) as u32,
            access,
            // The other bits are those of the variable structure.
            status: Status(status & 0xfc),
            medium,
            units: [first & 0x3f, second & 0x3f],
            counters: [&bytes[8..12], &bytes[12..16]],
            binary: status & 1 != 0,
            stored: status & 2 != 0,
            order,
        })
    }

    /// Returns the counters.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> {
        let Self { units, counters, binary, stored, order, .. } = *self;
        (0..2).map(move |i| {
            let historic = units[i] == 0x3e;
            let (quantity, unit, exponent) = unit(if historic { units[0] } else { units[i] });
            let digits = Bcd::new(counters[i], order);
            let number = if binary { Some(order.unsigned(counters[i]) as i64) } else { digits.number() };
            let value = number.map_or(Value::Absent(Absent::Letters), |number| {
                let number = Decimal::from(number).shifted(exponent);
                number.map_or(Value::Absent(Absent::TooLarge), Value::Number)
            });
            Record {
                function: Function::Instantaneous,
                storage: u64::from(historic || stored),
                tariff: 0,
                subunit: 0,
                quantity,
                unit: Unit::Coded(unit),
                value,
                qualifiers: Qualifiers::new(&[]),
                manufacturer_vife: &[],
                head: &[],
                data: counters[i],
            }
        })
    }
}

/// Returns quantity, unit and power of ten of a unit's code.
fn unit(code: u8) -> (&'static str, &'static str, i32) {
    let from = |first: u8| i32::from(code - first);
    match code {
        0x00 => ("time", "h:min:s", 0),
        0x01 => ("date", "d.month.year", 0),
        0x02..=0x0a => ("energy", "Wh", from(0x02)),
        0x0b..=0x13 => ("energy", "J", from(0x0b) + 3),
        0x14..=0x1c => ("power", "W", from(0x14)),
        0x1d..=0x25 => ("power", "J/h", from(0x1d) + 3),
        0x26..=0x2e => ("volume", "m3", from(0x26) - 6),
        0x2f..=0x37 => ("volume_flow", "m3/h", from(0x2f) - 6),
        0x38 => ("temperature", "°C", -3),
        0x39 => ("hca_units", "HCA", 0),
        0x3f => ("dimensionless", "", 0),
        _ => ("reserved", "", 0),
    }
}
