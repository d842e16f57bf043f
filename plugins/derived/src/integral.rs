//! Integrals over time: power makes energy, a flow makes a volume.
//!
//! Between two readings the power is taken to change evenly (trapezoidal rule). The sum is kept in the base unit times
//! microseconds, where it is exact; only the shown number is rounded.

use std::time::Duration;

use framework::{Quantity, Unit};
use serde::{Deserialize, Serialize};

use crate::Number;

/// Digits after the point of the power that is summed up: of W, a millionth.
const DIGITS: u32 = 6;

/// Most microseconds by which a reading is late. One that is later shows a clock that was set back.
const LATE: i64 = 60_000_000;

/// Integral of a value since it was first computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Integral {
    /// Twice the sum, in the base unit of the power times microseconds.
    doubled: Number,
    /// The last power, in its base unit.
    last: Number,
    /// Its time, in microseconds since 1970.
    time: i64,
}

impl Integral {
    /// An integral that begins now.
    pub(crate) fn begin(power: Number, time: i64) -> Self {
        Self { doubled: Number::ZERO, last: power.round_dp(DIGITS), time }
    }

    /// Takes the next power. Returns false if the time since the last one is a gap, for which nothing is added; `None`
    /// if the sum becomes too large.
    pub(crate) fn step(&mut self, power: Number, time: i64, max_gap: Duration) -> Option<bool> {
        let power = power.round_dp(DIGITS);
        let passed = time.saturating_sub(self.time);
        let max_gap = i64::try_from(max_gap.as_micros()).unwrap_or(i64::MAX);
        let is_gap = passed > max_gap;
        // No time is counted twice: readings of several sources overtake each other a little.
        if (-LATE..=0).contains(&passed) {
            self.last = power;
            return Some(true);
        }
        if passed > 0 && !is_gap {
            let added = self.last.checked_add(power)?.checked_mul(passed.into())?;
            self.doubled = self.doubled.checked_add(added)?;
        }
        (self.last, self.time) = (power, time);
        Some(!is_gap)
    }

    /// Returns the sum in a unit of [`rate`]'s table; `None` if it becomes too large.
    pub(crate) fn sum(&self, unit: Unit) -> Option<Number> {
        let per_base = crate::number(unit.factor().apply(1.into()).decimal()?);
        // Base units of energy are per second, of volume per hour.
        let seconds = if unit.quantity() == Quantity::Volume { 3600 } else { 1_i64 };
        self.doubled.checked_div(Number::from(2_000_000 * seconds))?.checked_div(per_base)
    }
}

/// Returns the base unit of what makes `unit` when it is integrated over time.
pub(crate) fn rate(unit: Unit) -> Option<Unit> {
    Some(match unit.quantity() {
        Quantity::Energy => Unit::Watt,
        Quantity::ReactiveEnergy => Unit::Var,
        Quantity::ApparentEnergy => Unit::VoltAmpere,
        Quantity::Charge => Unit::Ampere,
        Quantity::Volume => Unit::CubicMetrePerHour,
        _ => return None,
    })
}
