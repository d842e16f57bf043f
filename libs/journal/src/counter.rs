//! Which series are counters, and where a counter's rise is no consumption.

use crate::{series::Sample, time::Micros};

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counter {
    /// The most that it can rise in a second, over more than a minute, in its own unit.
    max_rate: f64,
    /// It may run backwards: import minus export.
    net: bool,
}

/// More than a house's connection carries for longer than a minute.
const MAX_KILOWATTS: f64 = 100.0;
/// More than a house's pipe carries for longer than a minute.
const MAX_CUBIC_METRES_PER_HOUR: f64 = 100.0;
/// For a minute it may be ten times as much: short times are inexact, and larger connections are read often.
const SHORT: f64 = 60.0;
const SHORT_FACTOR: f64 = 10.0;

impl Counter {
    /// By unit and OBIS code; `None` where the series is no counter.
    ///
    /// Value group C = 16 with D = 8 is import minus export (IEC 62056-61: "sum of active power, +A minus -A").
    pub(crate) fn of(unit: &str, obis: &str) -> Option<Self> {
        let kilo = match unit {
            "Wh" | "varh" | "VAh" => 1e3,
            "kWh" | "kvarh" | "kVAh" => 1.0,
            "MWh" => 1e-3,
            "MJ" => 3.6,
            "GJ" => 3.6e-3,
            _ => f64::NAN,
        };
        let cubic = match unit {
            "m3" | "m³" => 1.0,
            "l" | "L" => 1e3,
            _ => f64::NAN,
        };
        let per_hour = if kilo.is_nan() { MAX_CUBIC_METRES_PER_HOUR * cubic } else { MAX_KILOWATTS * kilo };
        let code = obis.rsplit(':').next().unwrap_or(obis);
        (!per_hour.is_nan()).then(|| Self { max_rate: per_hour / 3600.0, net: code.starts_with("16.8.") })
    }

    /// Whether the step from one number to the next is another meter, a reset or a slip, and no consumption.
    pub(crate) fn breaks(&self, before: (Micros, f64), after: (Micros, f64)) -> bool {
        let rise = after.1 - before.1;
        let seconds = (after.0 - before.0).max(1_000_000) as f64 / 1e6;
        let possible = self.max_rate * (seconds + (SHORT_FACTOR - 1.0) * seconds.min(SHORT));
        if self.net { rise.abs() > possible } else { rise < 0.0 || rise > possible }
    }
}

/// A sample as the numbers that [`Counter::breaks`] takes.
pub(crate) fn point(sample: &Sample) -> (Micros, f64) {
    (sample.time, sample.value.to_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_and_volume_are_counters() {
        for unit in ["kWh", "Wh", "MWh", "kvarh", "m3", "m³", "l", "GJ"] {
            assert!(Counter::of(unit, "").is_some(), "{unit}");
        }
        for unit in ["", "W", "V", "A", "°C", "kW", "Hz"] {
            assert_eq!(Counter::of(unit, "1.8.0"), None, "{unit}");
        }
    }

    #[test]
    fn a_fall_and_a_leap_are_no_consumption() {
        let import = Counter::of("kWh", "1.8.0").unwrap();
        assert!(!import.breaks((0, 4457.1), (1_000_000, 4457.2)));
        assert!(import.breaks((0, 4457.1), (1_000_000, 4457.0)));
        assert!(import.breaks((0, 0.0), (1_000_000, 4457.0)));
        assert!(import.breaks((0, 5000.0), (4 * 3_600_000_000, 8000.0)), "another meter after an outage");
        assert!(!import.breaks((0, 0.0), (86_400_000_000, 400.0)), "a day's gap may hold a day's energy");
        let net = Counter::of("kWh", "1-0:16.8.0").unwrap();
        assert!(!net.breaks((0, 100.0), (1_000_000, 99.9)));
        assert!(net.breaks((0, 100.0), (1_000_000, 0.0)));
    }
}
