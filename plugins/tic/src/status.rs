//! Status word `STGE` of the mode standard (Enedis-NOI-CPT_54E, clause 6.2.3.14), bit by bit.

use crate::{labels::Label, registers::Extra};

/// Field of the status word.
struct Field {
    label: Label,
    /// Lowest bit, and number of bits.
    bits: (u32, u32),
    meaning: Meaning,
}

/// Meaning of a field's number.
enum Meaning {
    /// A word for each number.
    Words(&'static [&'static str]),
    /// The number, and so much more.
    Number(u32),
}

use self::Meaning::{Number, Words};

const CLOSED: &[&str] = &["closed", "open"];
const COLOURS: &[&str] = &["none", "blue", "white", "red"];
/// Reasons for which the breaker is open.
const BREAKER: &[&str] = &[
    "closed",
    "open: too much power",
    "open: overvoltage",
    "open: load shed",
    "open: order of the operator",
    "open: hot, with too much current",
    "open: hot",
    "unknown",
];
const EURIDIS: &[&str] = &["off", "on, not secured", "unknown", "on, secured"];
const PLC: &[&str] = &["new, unlocked", "new, locked", "registered", "unknown"];

/// A field of this name.
const fn field(name: &'static str, low: u32, count: u32, meaning: Meaning) -> Field {
    Field { label: Label::decoded(name), bits: (low, count), meaning }
}

/// All fields. Bit 17 repeats the mode, bits 5 and 18 have no meaning.
#[rustfmt::skip]
static FIELDS: [Field; 17] = [
    field("CONTACT", 0, 1, Words(CLOSED)),
    field("BREAKER", 1, 3, Words(BREAKER)),
    field("TERMINAL_COVER", 4, 1, Words(CLOSED)),
    field("OVERVOLTAGE", 6, 1, Number(0)),
    field("ABOVE_SUBSCRIBED_POWER", 7, 1, Number(0)),
    field("PRODUCER", 8, 1, Number(0)),
    field("ENERGY_NEGATIVE", 9, 1, Number(0)),
    field("SUPPLIER_TARIFF", 10, 4, Number(1)),
    field("DISTRIBUTOR_TARIFF", 14, 2, Number(1)),
    field("CLOCK_DEGRADED", 16, 1, Number(0)),
    field("EURIDIS_OUTPUT", 19, 2, Words(EURIDIS)),
    field("PLC_STATE", 21, 2, Words(PLC)),
    field("PLC_SYNCHRONISED", 23, 1, Number(0)),
    field("COLOUR_TODAY", 24, 2, Words(COLOURS)),
    field("COLOUR_TOMORROW", 26, 2, Words(COLOURS)),
    field("MOBILE_PEAK_NOTICE", 28, 2, Number(0)),
    field("MOBILE_PEAK", 30, 2, Number(0)),
];

/// First virtual or real relay of the meter, bit 0 of `RELAIS`: the one with terminals.
pub(crate) static RELAY: Label = Label::decoded("RELAY");

/// Appends the states in a status word.
pub(crate) fn decode(word: u32, extras: &mut Vec<Extra>) {
    for Field { label, bits: (low, count), meaning } in &FIELDS {
        let number = word >> low & ((1 << count) - 1);
        extras.push(match meaning {
            Words(words) => Extra::word(label, words.get(number as usize).copied().unwrap_or("unknown")),
            Number(first) => Extra::state(label, number + first),
        });
    }
}
