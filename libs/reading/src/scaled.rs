//! Numbers in another unit, with every digit.

use std::fmt;

use crate::{Decimal, Factor, Timestamp};

/// A number times an exact factor: `digits * 10^exponent`. It is displayed as a plain decimal; nothing is rounded.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    digits: i128,
    exponent: i32,
}

impl Scaled {
    pub(crate) fn new(number: Decimal, factor: Factor) -> Self {
        // 63 and 31 bits.
        let digits = i128::from(number.mantissa()) * i128::from(factor.digits);
        Self { digits, exponent: factor.exponent - i32::from(number.scale()) }
    }

    /// Returns the seconds since 1970 at a moment.
    pub fn seconds(at: Timestamp) -> Self {
        Self { digits: i128::from(at.as_microsecond()), exponent: -6 }
    }

    /// Returns it as a [`Decimal`]; `None` where that has too few digits for it.
    pub fn decimal(self) -> Option<Decimal> {
        let zeros = 10i128.checked_pow(self.exponent.max(0).unsigned_abs())?;
        let mantissa = i64::try_from(self.digits.checked_mul(zeros)?).ok()?;
        Decimal::new(mantissa, u8::try_from(self.exponent.min(0).unsigned_abs()).ok()?)
    }
}

impl From<Decimal> for Scaled {
    fn from(number: Decimal) -> Self {
        Self::new(number, Factor::ONE)
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
                let decimals = exponent.unsigned_abs() as usize;
                let text = format!("{digits:0width$}", width = decimals + 1);
                let (before, after) = text.split_at(text.len() - decimals);
                write!(f, "{sign}{before}.{after}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(number: &str, factor: i32, exponent: i32) -> String {
        Scaled::new(Decimal::parse(number.as_bytes()).unwrap(), Factor { digits: factor, exponent })
            .to_string()
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

    #[test]
    fn it_becomes_a_decimal_where_it_fits() {
        let decimal = |number, factor, exponent| {
            let number = Decimal::parse(str::as_bytes(number)).unwrap();
            Scaled::new(number, Factor { digits: factor, exponent })
                .decimal()
                .map(|decimal| decimal.to_string())
        };
        assert_eq!(decimal("13756570", 1, -3).as_deref(), Some("13756.57"));
        assert_eq!(decimal("0.3", 1, 3).as_deref(), Some("300"));
        assert_eq!(decimal("-2.5", 36, 2).as_deref(), Some("-9000"));
        assert_eq!(decimal("9223372036854775807", 1, 3), None);
        assert_eq!(decimal("0.000000000000000001", 1, -3), None);
    }

    proptest! {
        #[test]
        fn it_is_the_number_times_the_factor(mantissa: i64, scale in 0u8..=18, exponent in -3i32..=9) {
            let shown = Scaled::new(Decimal::new(mantissa, scale).unwrap(), Factor { digits: 36, exponent }).to_string();
            // Counted in units of 10^-21, of which every such number is a whole number.
            let (before, decimals) = shown.split_once('.').unwrap_or((&shown, ""));
            prop_assert!(!decimals.ends_with('0') && decimals.len() <= 21, "{}", shown);
            let digits: String = [before, decimals].concat();
            let zeros = 21 - decimals.len();
            let expected = format!("{}{:0<width$}", i128::from(mantissa) * 36, "", width = (21 + exponent - i32::from(scale)) as usize);
            let shown = format!("{digits}{:0<zeros$}", "");
            let trim = |text: &str| text.trim_start_matches('-').trim_start_matches('0').to_owned();
            prop_assert_eq!(trim(&shown), trim(&expected));
            prop_assert_eq!(shown.starts_with('-'), mantissa < 0);
        }
    }
}
