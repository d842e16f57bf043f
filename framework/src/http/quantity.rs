//! What units measure, and numbers in other units with every digit.

use std::fmt;

use crate::Decimal;

/// What is measured, with the unit that has no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Wh.
    Energy,
    /// varh.
    ReactiveEnergy,
    /// VAh.
    ApparentEnergy,
    /// J: the energy of heat meters.
    Heat,
    /// m³.
    Volume,
    /// W.
    Power,
    /// var.
    ReactivePower,
    /// VA.
    ApparentPower,
    /// V.
    Voltage,
    /// A.
    Current,
    /// Hz.
    Frequency,
    /// °C.
    Temperature,
}

impl Quantity {
    /// By a unit as devices write it, with the power of ten of its prefix: `kWh` is energy, 10^3 Wh. `None` for a unit
    /// that is none of these.
    pub(super) fn of(unit: &str) -> Option<(Self, i32)> {
        Some(match unit {
            "Wh" => (Self::Energy, 0),
            "kWh" => (Self::Energy, 3),
            "MWh" => (Self::Energy, 6),
            "varh" => (Self::ReactiveEnergy, 0),
            "kvarh" => (Self::ReactiveEnergy, 3),
            "Mvarh" => (Self::ReactiveEnergy, 6),
            "VAh" => (Self::ApparentEnergy, 0),
            "kVAh" => (Self::ApparentEnergy, 3),
            "MVAh" => (Self::ApparentEnergy, 6),
            "J" => (Self::Heat, 0),
            "kJ" => (Self::Heat, 3),
            "MJ" => (Self::Heat, 6),
            "GJ" => (Self::Heat, 9),
            "m3" | "m³" => (Self::Volume, 0),
            "l" | "L" => (Self::Volume, -3),
            "W" => (Self::Power, 0),
            "kW" => (Self::Power, 3),
            "MW" => (Self::Power, 6),
            "var" => (Self::ReactivePower, 0),
            "kvar" => (Self::ReactivePower, 3),
            "VA" => (Self::ApparentPower, 0),
            "kVA" => (Self::ApparentPower, 3),
            "V" => (Self::Voltage, 0),
            "kV" => (Self::Voltage, 3),
            "A" => (Self::Current, 0),
            "mA" => (Self::Current, -3),
            "Hz" => (Self::Frequency, 0),
            "°C" => (Self::Temperature, 0),
            _ => return None,
        })
    }

    /// Whether it adds up over time.
    pub(super) fn is_counted(self) -> bool {
        matches!(self, Self::Energy | Self::ReactiveEnergy | Self::ApparentEnergy | Self::Heat | Self::Volume)
    }
}

/// `digits * 10^exponent`: a number in another unit. It is displayed as a plain decimal, and nothing is rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled {
    digits: i128,
    exponent: i32,
}

impl Scaled {
    /// `number * factor * 10^exponent`.
    pub(super) fn new(number: Decimal, factor: i32, exponent: i32) -> Self {
        // Of 63 and 31 bits.
        let digits = i128::from(number.mantissa()) * i128::from(factor);
        Self { digits, exponent: exponent - i32::from(number.scale()) }
    }

    /// The seconds since 1970 at a moment.
    pub(super) fn seconds(at: crate::Timestamp) -> Self {
        Self { digits: i128::from(at.as_microsecond()), exponent: -6 }
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut digits, mut exponent) = (self.digits.unsigned_abs(), self.exponent);
        while exponent < 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        let sign = if self.digits < 0 { "-" } else { "" };
        match usize::try_from(exponent) {
            Ok(zeros) if digits > 0 => write!(f, "{sign}{digits}{:0<zeros$}", ""),
            Ok(_) => f.write_str("0"),
            Err(_) => {
                // At least one digit stands before the point.
                let behind = exponent.unsigned_abs() as usize;
                let text = format!("{digits:0width$}", width = behind + 1);
                let (before, behind) = text.split_at(text.len() - behind);
                write!(f, "{sign}{before}.{behind}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(number: &str, factor: i32, exponent: i32) -> String {
        Scaled::new(Decimal::parse(number.as_bytes()).unwrap(), factor, exponent).to_string()
    }

    #[test]
    fn no_digit_is_lost_or_invented() {
        for (number, factor, exponent, expected) in [
            // kWh in joules: a float makes 4341600.035999999 of the first.
            ("1.20600001", 36, 5, "4341600.036"),
            ("002714.12830185", 36, 5, "9770861886.66"),
            ("0.1", 36, 5, "360000"),
            ("0.0", 36, 5, "0"),
            ("-0.05", 36, 5, "-180000"),
            ("9223372036854775807", 36, 8, "33204139332677192905200000000"),
            ("0.000000000000000001", 1, -3, "0.000000000000000000001"),
            ("-1.5", 1, -3, "-0.0015"),
            ("1500", 1, -3, "1.5"),
            ("12", 1, 0, "12"),
            ("12.30", 1, 0, "12.3"),
        ] {
            assert_eq!(scaled(number, factor, exponent), expected, "{number}");
        }
        let moment = "2020-02-06T21:37:51.607046Z".parse().unwrap();
        assert_eq!(Scaled::seconds(moment).to_string(), "1581025071.607046");
    }

    proptest! {
        #[test]
        fn it_is_the_number_times_the_factor(mantissa: i64, scale in 0u8..=18, exponent in -3i32..=9) {
            let shown = Scaled::new(Decimal::new(mantissa, scale).unwrap(), 36, exponent).to_string();
            // Counted in units of 10^-21, of which every such number is a whole number.
            let (before, behind) = shown.split_once('.').unwrap_or((&shown, ""));
            prop_assert!(!behind.ends_with('0') && behind.len() <= 21, "{}", shown);
            let digits: String = [before, behind].concat();
            let zeros = 21 - behind.len();
            let expected = format!("{}{:0<width$}", i128::from(mantissa) * 36, "", width = (21 + exponent - i32::from(scale)) as usize);
            let shown = format!("{digits}{:0<zeros$}", "");
            let trim = |text: &str| text.trim_start_matches('-').trim_start_matches('0').to_owned();
            prop_assert_eq!(trim(&shown), trim(&expected));
            prop_assert_eq!(shown.starts_with('-'), mantissa < 0);
        }
    }
}
