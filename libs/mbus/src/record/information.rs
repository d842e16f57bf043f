//! Value information: VIF with its VIFEs (EN 13757-3, 6.3 and 6.4).

use super::{
    Unit,
    parse::{Bytes, Defect},
    qualifier::{Effect, Qualifiers, effects},
    table_fb, table_fd,
};
use crate::{Latin1, Order};

/// How the data of a quantity are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// A number.
    Number,
    /// A number that has no sign: bits, counts.
    Unsigned,
    /// A name that may consist of digits: leading zeros belong to it.
    Identification,
    /// A date, or a date with a time.
    Moment,
    /// Manufacturer's code of three letters.
    Manufacturer,
    /// Bytes for another layer.
    Container,
}

/// Line of a table of value information: the number's unit is `unit` times a power of ten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) quantity: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) exponent: i8,
    pub(crate) coding: Coding,
}

impl Entry {
    /// A number with a unit.
    pub(crate) const fn new(quantity: &'static str, unit: &'static str, exponent: i8) -> Self {
        Self { quantity, unit, exponent, coding: Coding::Number }
    }

    /// Data of another coding.
    pub(crate) const fn coded(quantity: &'static str, coding: Coding) -> Self {
        Self { quantity, unit: "", exponent: 0, coding }
    }

    /// A duration: the two lowest bits of the code say in what.
    pub(crate) const fn duration(quantity: &'static str, code: u8) -> Self {
        Self::new(quantity, SPANS[(code & 3) as usize], 0)
    }
}

/// Units of durations.
pub(super) const SPANS: [&str; 4] = ["s", "min", "h", "d"];

/// What a value is: the VIF, and what its VIFEs make of it.
pub(crate) struct Information<'a> {
    pub(crate) quantity: &'static str,
    pub(crate) unit: Unit<'a>,
    pub(crate) exponent: i32,
    pub(crate) coding: Coding,
    /// Powers of ten to add to the number.
    pub(crate) offsets: [u8; 4],
    /// Error that the meter reports for this record.
    pub(crate) error: Option<u8>,
    pub(crate) qualifiers: Qualifiers<'a>,
    pub(crate) manufacturer: &'a [u8],
}

/// Bytes of a value information: the VIF, the unit in words that it may announce, and its VIFEs.
#[derive(Clone, Copy)]
pub(super) struct Codes<'a> {
    vif: u8,
    text: Option<Latin1<'a>>,
    extensions: &'a [u8],
}

impl<'a> Codes<'a> {
    #[inline]
    pub(super) fn take(rest: &mut Bytes<'a>, order: Order) -> Result<Self, Defect> {
        let vif = rest.next().ok_or(Defect::EndInVif)?;
        let text = if vif & 0x7f == 0x7c { Some(text_unit(rest, order)?) } else { None };
        let extensions = rest.chain(vif, Defect::EndInVif, Defect::VifChain)?;
        Ok(Self { vif, text, extensions })
    }
}

impl<'a> Information<'a> {
    pub(super) fn of(Codes { vif, text, mut extensions }: Codes<'a>) -> Self {
        let mut manufacturer: &[u8] = &[];
        let entry = match (vif, extensions) {
            (0xfd, [code, more @ ..]) => {
                // 7D leads on to a second level of the table.
                let skipped = usize::from(code & 0x7f == 0x7d && !more.is_empty());
                extensions = &more[skipped..];
                if skipped == 0 { table_fd::entry(code & 0x7f) } else { RESERVED }
            }
            (0xfb, [code, more @ ..]) => {
                extensions = more;
                table_fb::entry(code & 0x7f)
            }
            (0xef, [_, more @ ..]) => {
                extensions = more;
                RESERVED
            }
            (0x7f | 0xff, _) => {
                (manufacturer, extensions) = (extensions, &[]);
                Entry::new("manufacturer_specific", "", 0)
            }
            _ => primary(vif & 0x7f),
        };
        if let Some(i) = maker_from(extensions) {
            manufacturer = &extensions[i + 1..];
            extensions = &extensions[..i];
        }
        let mut information = Self {
            quantity: entry.quantity,
            unit: text.map_or(Unit::Coded(entry.unit), Unit::Text),
            exponent: entry.exponent.into(),
            coding: entry.coding,
            offsets: [0; 4],
            error: None,
            qualifiers: Qualifiers::new(extensions),
            manufacturer,
        };
        for effect in effects(extensions) {
            information.apply(effect);
        }
        information
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Error(code) => self.error = Some(code),
            Effect::Profile => self.coding = Coding::Container,
            Effect::Shift(power) => self.exponent += i32::from(power),
            Effect::Add(index) => {
                let count = &mut self.offsets[usize::from(index & 3)];
                *count = count.saturating_add(1);
            }
            Effect::Duration(unit) => {
                (self.unit, self.exponent, self.coding) = (Unit::Coded(unit), 0, Coding::Number);
            }
            Effect::Count => {
                (self.unit, self.exponent, self.coding) = (Unit::Coded(""), 0, Coding::Unsigned);
            }
            Effect::Moment => {
                (self.unit, self.exponent, self.coding) = (Unit::Coded(""), 0, Coding::Moment);
            }
        }
    }
}

const RESERVED: Entry = Entry::new("reserved", "", 0);

/// Returns the position of the VIFE that says: those after it are the maker's.
fn maker_from(extensions: &[u8]) -> Option<usize> {
    let mut second_table = false;
    extensions.iter().position(|byte| {
        let found = byte & 0x7f == 0x7f && !second_table;
        second_table = byte & 0x7f == 0x7c && !second_table;
        found
    })
}

/// Reads the unit as text, which follows its VIF: a length, and that many characters.
fn text_unit<'a>(rest: &mut Bytes<'a>, order: Order) -> Result<Latin1<'a>, Defect> {
    let len = rest.next().ok_or(Defect::EndInVif)?;
    Ok(Latin1::new(rest.take(len.into())?, order))
}

/// Returns the line of the primary table (EN 13757-3, 6.4.2).
fn primary(code: u8) -> Entry {
    use Coding::{Identification, Moment, Unsigned};
    let n = |bits: u8, offset: i8| (code & bits) as i8 + offset;
    match code {
        0x00..=0x07 => Entry::new("energy", "Wh", n(7, -3)),
        0x08..=0x0f => Entry::new("energy", "J", n(7, 0)),
        0x10..=0x17 => Entry::new("volume", "m3", n(7, -6)),
        0x18..=0x1f => Entry::new("mass", "kg", n(7, -3)),
        0x20..=0x23 => Entry::duration("on_time", code),
        0x24..=0x27 => Entry::duration("operating_time", code),
        0x28..=0x2f => Entry::new("power", "W", n(7, -3)),
        0x30..=0x37 => Entry::new("power", "J/h", n(7, 0)),
        0x38..=0x3f => Entry::new("volume_flow", "m3/h", n(7, -6)),
        0x40..=0x47 => Entry::new("volume_flow", "m3/min", n(7, -7)),
        0x48..=0x4f => Entry::new("volume_flow", "m3/s", n(7, -9)),
        0x50..=0x57 => Entry::new("mass_flow", "kg/h", n(7, -3)),
        0x58..=0x5b => Entry::new("flow_temperature", "°C", n(3, -3)),
        0x5c..=0x5f => Entry::new("return_temperature", "°C", n(3, -3)),
        0x60..=0x63 => Entry::new("temperature_difference", "K", n(3, -3)),
        0x64..=0x67 => Entry::new("external_temperature", "°C", n(3, -3)),
        0x68..=0x6b => Entry::new("pressure", "bar", n(3, -3)),
        0x6c => Entry::coded("date", Moment),
        0x6d => Entry::coded("datetime", Moment),
        0x6e => Entry::new("hca_units", "HCA", 0),
        0x70..=0x73 => Entry::duration("averaging_duration", code),
        0x74..=0x77 => Entry::duration("actuality_duration", code),
        0x78 => Entry::coded("fabrication_number", Identification),
        0x79 => Entry::coded("enhanced_identification", Identification),
        0x7a => Entry::coded("bus_address", Unsigned),
        0x7c => Entry::new("text_unit", "", 0),
        0x7e => Entry::new("any", "", 0),
        _ => RESERVED,
    }
}
