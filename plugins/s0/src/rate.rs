//! Pulses and kilowatt-hours, exactly.

use framework::Decimal;

/// Parts of a pulse: a rate may have six decimals.
const MICRO: u128 = 1_000_000;
/// Decimals of kWh where one pulse is not a finite decimal number, as with 375 pulses per kWh.
const ROUNDED: u8 = 6;

/// Pulses per kilowatt-hour, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(u64);

impl Rate {
    /// Highest rate: a pulse per milliwatt-hour.
    pub(crate) const MAX: f64 = 1e6;

    /// Returns the rate, if it is more than 0 and at most [`MAX`](Self::MAX).
    pub(crate) fn new(pulses_per_kwh: f64) -> Option<Self> {
        // The limits keep the product far below what a float represents exactly.
        let micro = (pulses_per_kwh * MICRO as f64).round();
        (micro >= 1.0 && pulses_per_kwh <= Self::MAX).then_some(Self(micro as u64))
    }

    /// Returns the rate of a number that [`micro`](Self::micro) returned.
    pub(crate) fn from_micro(micro: u64) -> Option<Self> {
        (micro > 0).then_some(Self(micro))
    }

    /// Returns the rate in millionths of a pulse per kWh.
    pub(crate) fn micro(self) -> u64 {
        self.0
    }

    /// Returns pulses per kWh, for messages.
    pub(crate) fn per_kwh(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }

    /// Returns the energy of one pulse in J: 1 kWh is 3.6 MJ.
    pub(crate) fn joules_per_pulse(self) -> f64 {
        3.6e6 / self.per_kwh()
    }

    /// Returns the energy of `pulses` in kWh, with as many decimals as one pulse needs.
    pub(crate) fn kwh(self, pulses: u64) -> Decimal {
        let rate = u128::from(self.0);
        let exact = (1..=9).find(|scale| (10u128.pow(u32::from(*scale)) * MICRO).is_multiple_of(rate));
        let scale = exact.unwrap_or(ROUNDED);
        let mantissa = divided(u128::from(pulses) * 10u128.pow(u32::from(scale)) * MICRO, rate);
        // No meter counts that far in its life.
        let mantissa = i64::try_from(mantissa).unwrap_or(i64::MAX);
        Decimal::new(mantissa, scale).unwrap_or(Decimal::from(mantissa))
    }

    /// Returns the pulses of `kwh`, to the nearest one; `None` for less than 0 kWh and more than 1e9 kWh.
    pub(crate) fn pulses(self, kwh: Decimal) -> Option<u64> {
        let mantissa = u128::try_from(kwh.mantissa()).ok()?;
        let one = 10u128.pow(u32::from(kwh.scale()));
        if mantissa > one * 1_000_000_000 {
            return None;
        }
        // At most 19 digits by 12: no overflow.
        u64::try_from(divided(mantissa * u128::from(self.0), one * MICRO)).ok()
    }

    /// Returns the pulses at this rate with the energy of `pulses` at the rate `from`.
    pub(crate) fn converted(self, pulses: u64, from: Self) -> u64 {
        let scaled = u128::from(pulses) * u128::from(self.0);
        u64::try_from(divided(scaled, u128::from(from.0))).unwrap_or(u64::MAX)
    }
}

/// Returns `a / b`, rounded to the nearest integer.
fn divided(a: u128, b: u128) -> u128 {
    (a + b / 2) / b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(pulses_per_kwh: f64) -> Rate {
        Rate::new(pulses_per_kwh).unwrap()
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn energy_is_exact_and_always_has_decimals() {
        for (per_kwh, pulses, shown) in [
            (1000.0, 13_756_570, "13756.57"),
            (1000.0, 0, "0.0"),
            (1000.0, 1, "0.001"),
            (1000.0, 5000, "5.0"),
            (2000.0, 1, "0.0005"),
            (800.0, 3, "0.00375"),
            (10_000.0, 123_456_789_123, "12345678.9123"),
            (1e6, 999_999_999_999_999, "999999999.999999"),
            (1.0, 7, "7.0"),
            (0.5, 7, "14.0"),
            (375.0, 1, "0.002667"),
            (375.0, 375, "1.0"),
        ] {
            assert_eq!(rate(per_kwh).kwh(pulses).to_string(), shown, "{pulses} at {per_kwh}");
        }
    }

    #[test]
    fn a_meter_reading_becomes_pulses() {
        assert_eq!(rate(1000.0).pulses(decimal("13756.57")), Some(13_756_570));
        assert_eq!(rate(1000.0).pulses(decimal("0.0005")), Some(1));
        assert_eq!(rate(1000.0).pulses(decimal("0.00049")), Some(0));
        assert_eq!(rate(375.0).pulses(decimal("1.0")), Some(375));
        assert_eq!(rate(1e6).pulses(decimal("1000000000")), Some(1_000_000_000_000_000));
        assert_eq!(rate(1e6).pulses(decimal("1000000000.0000001")), None);
        assert_eq!(rate(1000.0).pulses(decimal("-0.1")), None);
        assert_eq!(rate(1000.0).pulses(decimal("0.000000000000000001")), Some(0));
    }

    #[test]
    fn rates_have_limits() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1_000_001.0, 1e-9] {
            assert_eq!(Rate::new(wrong), None, "{wrong}");
        }
        assert_eq!(rate(1000.0).converted(13_756_570, rate(500.0)), 27_513_140);
        assert_eq!(rate(1e6).converted(u64::MAX, rate(1.0)), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_set(pulses in 0u64..1_000_000_000_000, per_kwh in 1u32..=1_000_000) {
            let rate = rate(f64::from(per_kwh));
            if let Some(again) = rate.pulses(rate.kwh(pulses)) {
                // Six decimals tell pulses apart up to half a million per kWh.
                prop_assert!(again.abs_diff(pulses) <= u64::from(per_kwh > 500_000), "{again} for {pulses}");
            }
        }
    }
}
