//! Combinable value information: VIFEs that say more about any quantity (EN 13757-3, 6.4.6).

use std::fmt;

use super::information::SPANS;

/// What a VIFE says about the value: a phase, a direction, a limit, an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualifier {
    /// Code; one of the second table has bit 7 set.
    code: u8,
}

/// Qualifiers of a record, in its order. Those that only scale the number are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualifiers<'a> {
    extensions: &'a [u8],
}

impl<'a> Qualifiers<'a> {
    pub(crate) const fn new(extensions: &'a [u8]) -> Self {
        Self { extensions }
    }

    /// Returns whether there are none.
    pub fn is_empty(self) -> bool {
        self.into_iter().next().is_none()
    }
}

impl<'a> IntoIterator for Qualifiers<'a> {
    type Item = Qualifier;
    type IntoIter = QualifierIter<'a>;

    fn into_iter(self) -> QualifierIter<'a> {
        QualifierIter { codes: Codes(self.extensions) }
    }
}

/// Iterator over the qualifiers of a record.
#[derive(Clone, Debug)]
pub struct QualifierIter<'a> {
    codes: Codes<'a>,
}

impl Iterator for QualifierIter<'_> {
    type Item = Qualifier;

    fn next(&mut self) -> Option<Qualifier> {
        self.codes.find(|&code| code != 0 && !is_scale(code)).map(|code| Qualifier { code })
    }
}

/// What a VIFE does to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only says more about it.
    None,
    /// The value is replaced by an error.
    Error(u8),
    /// The data are a series of values.
    Profile,
    /// The number is multiplied by a power of ten.
    Shift(i8),
    /// `10^(n − 3)` is added to the number.
    Add(u8),
    /// The value is a duration in this unit.
    Duration(&'static str),
    /// The value is a number of events.
    Count,
    /// The value is a date, or a date with a time.
    Moment,
}

/// Returns what the VIFEs do, in their order.
pub(super) fn effects(extensions: &[u8]) -> impl Iterator<Item = Effect> {
    Codes(extensions).map(|code| match code {
        0x13 | 0x1e | 0x1f => Effect::Profile,
        0x01..=0x1f => Effect::Error(code),
        0x39 | 0x42 | 0x43 | 0x46 | 0x47 | 0x4a | 0x4b | 0x4e | 0x4f | 0x6a | 0x6b | 0x6e | 0x6f => {
            Effect::Moment
        }
        0x41 | 0x49 => Effect::Count,
        0x50..=0x67 => Effect::Duration(SPANS[usize::from(code & 3)]),
        0x70..=0x77 => Effect::Shift((code & 7) as i8 - 6),
        0x78..=0x7b => Effect::Add(code & 3),
        0x7d => Effect::Shift(3),
        _ => Effect::None,
    })
}

/// Codes of VIFEs: 7 bits of the first table, with bit 7 set those of the second one.
#[derive(Clone, Debug)]
struct Codes<'a>(&'a [u8]);

impl Iterator for Codes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        match (first & 0x7f, rest.split_first()) {
            (0x7c, Some((second, rest))) => {
                self.0 = rest;
                Some(second | 0x80)
            }
            (code, _) => Some(code),
        }
    }
}

fn is_scale(code: u8) -> bool {
    matches!(code, 0x70..=0x7b | 0x7d)
}

impl Qualifier {
    /// Returns whether it tells of a value that is not one of now: of the future, of a limit, of an event.
    pub fn is_of_another_time(self) -> bool {
        matches!(self.code, 0x39 | 0x40..=0x6f | 0x7e)
    }

    /// Returns the conductor that it names: 1 to 3, or 4 for the neutral one.
    pub fn phase(self) -> Option<u8> {
        (0x81..=0x84).contains(&self.code).then_some(self.code & 15)
    }

    /// Returns whether it is a divisor or a factor: the value is not of the unit of its quantity.
    pub fn changes_unit(self) -> bool {
        matches!(self.code, 0x20..=0x38 | 0x3d)
    }

    /// Returns its word, where it has a fixed one.
    fn word(self) -> Option<&'static str> {
        Some(match self.code {
            0x13 => "inverse_compact_profile",
            0x1e => "compact_profile_with_registers",
            0x1f => "compact_profile",
            0x20 => "per_second",
            0x21 => "per_minute",
            0x22 => "per_hour",
            0x23 => "per_day",
            0x24 => "per_week",
            0x25 => "per_month",
            0x26 => "per_year",
            0x27 => "per_revolution",
            0x28 => "per_pulse_input_0",
            0x29 => "per_pulse_input_1",
            0x2a => "per_pulse_output_0",
            0x2b => "per_pulse_output_1",
            0x2c => "per_litre",
            0x2d => "per_m3",
            0x2e => "per_kg",
            0x2f => "per_kelvin",
            0x30 => "per_kwh",
            0x31 => "per_gj",
            0x32 => "per_kw",
            0x33 => "per_kelvin_litre",
            0x34 => "per_volt",
            0x35 => "per_ampere",
            0x36 => "times_second",
            0x37 => "times_second_per_volt",
            0x38 => "times_second_per_ampere",
            0x39 => "start",
            0x3a => "uncorrected",
            0x3b => "positive",
            0x3c => "negative",
            0x3d => "other_unit_system",
            0x3e => "base_conditions",
            0x3f => "obis_declaration",
            0x40 => "lower_limit",
            0x41 => "lower_limit_exceeds",
            0x48 => "upper_limit",
            0x49 => "upper_limit_exceeds",
            0x68 => "during_lower_limit_exceed",
            0x6c => "during_upper_limit_exceed",
            0x69 => "leakage",
            0x6d => "overflow",
            0x7e => "future",
            0x81 => "l1",
            0x82 => "l2",
            0x83 => "l3",
            0x84 => "n",
            0x85 => "l1_l2",
            0x86 => "l2_l3",
            0x87 => "l3_l1",
            0x88 => "quadrant_1",
            0x89 => "quadrant_2",
            0x8a => "quadrant_3",
            0x8b => "quadrant_4",
            0x8c => "import_minus_export",
            0x90 => "absolute",
            0x93 => "from_meter",
            0x94 => "to_meter",
            _ => return None,
        })
    }
}

/// Its words, joined by `_`: `positive`, `l1`, `first_upper_limit_exceed_duration`.
impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(word) = self.word() {
            return f.write_str(word);
        }
        let code = self.code;
        let bit = |bit: u8, set: &'static str, unset| if code & bit != 0 { set } else { unset };
        match code {
            0x01..=0x1f => write!(f, "record_error_{code:02x}"),
            0x42..=0x4f => {
                let (end, last) = (bit(1, "end", "begin"), bit(4, "last", "first"));
                write!(f, "{last}_{}_limit_exceed_{end}", bit(8, "upper", "lower"))
            }
            0x50..=0x5f => {
                write!(f, "{}_{}_limit_exceed_duration", bit(4, "last", "first"), bit(8, "upper", "lower"))
            }
            0x60..=0x67 => write!(f, "{}_duration", bit(4, "last", "first")),
            0x6a..=0x6f => write!(f, "{}_{}", bit(4, "last", "first"), bit(1, "end", "begin")),
            0x80.. => write!(f, "vife_fc{:02x}", code & 0x7f),
            _ => write!(f, "vife_{code:02x}"),
        }
    }
}
