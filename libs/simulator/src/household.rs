//! Model of the household: sun, appliances and a heat pump, second by second.
//!
//! Everything is a whole number of the last digit of a meter, and constant within a second, so that sums and integrals
//! are exact: no rounding can disturb a reader's arithmetic.

use std::{f64::consts::PI, time::Duration};

/// Power in hundredths of a watt, the last digit of an eBZ meter.
pub type Centiwatts = i64;

/// Energy in hundredths of a watt second: a power of that resolution times whole seconds.
pub type CentiwattSeconds = i64;

/// One watt hour.
pub const WATT_HOUR: CentiwattSeconds = 360_000;

const HOUR: u64 = 3600;
/// Time of day at which every household starts, in seconds.
pub const START_OF_DAY: u64 = 10 * HOUR + HOUR / 2;
/// Cycle of the heat pump in seconds; it runs for the first part of each.
const HEAT_PUMP_CYCLE: u64 = 20 * 60;
const HEAT_PUMP_ON: u64 = 12 * 60;

/// Appliance that is switched on now and then.
struct Appliance {
    /// Power in watts, while on.
    power: f64,
    /// Index of its phase.
    phase: usize,
    /// Period in seconds, in which it runs once at most.
    every: u64,
    /// Time of a run in seconds.
    on: u64,
    /// Probability of a run in a period.
    chance: f64,
}

const APPLIANCES: [Appliance; 4] = [
    Appliance { power: 85.0, phase: 0, every: 40 * 60, on: 14 * 60, chance: 1.0 }, // refrigerator
    Appliance { power: 2050.0, phase: 1, every: 15 * 60, on: 150, chance: 0.4 },   // kettle
    Appliance { power: 1400.0, phase: 2, every: 25 * 60, on: 8 * 60, chance: 0.3 }, // stove
    Appliance { power: 160.0, phase: 2, every: 2 * HOUR, on: 90 * 60, chance: 0.7 }, // television
];

/// Household, always the same for the same seed.
#[derive(Debug, Clone)]
pub struct Household {
    seed: u64,
    last: Moment,
}

/// State of the household at the end of one second, as its meters show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since the start of the household.
    pub second: u64,
    /// Yield of the photovoltaics, on three phases.
    pub sun: Centiwatts,
    /// Consumption of the household, with that of the heat pump.
    pub load: Centiwatts,
    /// Consumption of the heat pump, on three phases.
    pub heat_pump: Centiwatts,
    /// Power that each phase drew from the grid; negative where it fed in.
    pub phases: [Centiwatts; 3],
    /// Voltage of each phase, in tenths of a volt.
    pub decivolts: [u16; 3],
    /// Energy from the grid: the integral of `grid()` while that was positive.
    pub import: CentiwattSeconds,
    /// Energy into the grid: the integral of `-grid()` while that was positive.
    pub export: CentiwattSeconds,
    /// Energy of the heat pump: the integral of `heat_pump`.
    pub heat_pump_energy: CentiwattSeconds,
}

impl Moment {
    /// Returns a moment with a digit in each place, for tests of what meters send.
    pub fn sample() -> Self {
        Self {
            second: 15,
            phases: [-45_890, 1564, -7],
            decivolts: [2324, 2317, 2309],
            import: 2_714_128 * WATT_HOUR + 108_667, // 0.30185… Wh
            export: 1_206 * WATT_HOUR,
            ..Household::new(0).advance()
        }
    }
}

impl Household {
    /// A household at its start: at 10:30, with the heat pump just switched on.
    pub fn new(seed: u64) -> Self {
        let start = Moment {
            second: 0,
            sun: 0,
            load: 0,
            heat_pump: 0,
            phases: [0; 3],
            decivolts: [2300; 3],
            import: 1_204_816 * WATT_HOUR + 123_456,
            export: 873_251 * WATT_HOUR + 65_432,
            // Well within a Wh, so that the first pulse comes soon.
            heat_pump_energy: WATT_HOUR * 7 / 10,
        };
        Self { seed, last: start }
    }

    /// Lets a second pass.
    pub fn advance(&mut self) -> Moment {
        let second = self.last.second;
        let sun = centiwatts(self.sun(second));
        let heat_pump = centiwatts(self.heat_pump(second));

        let mut single = [0.45, 0.25, 0.3].map(|share| centiwatts(self.base(second) * share));
        for (number, appliance) in (0..).zip(&APPLIANCES) {
            single[appliance.phase] += centiwatts(self.appliance(number, appliance, second));
        }
        let [pumps, suns] = [heat_pump, sun].map(in_three);
        let phases = [0, 1, 2].map(|phase| single[phase] + pumps[phase] - suns[phase]);
        let grid: Centiwatts = phases.iter().sum();
        let decivolts = [0, 1, 2].map(|phase| {
            let volts = 231.0 + 4.0 * (self.noise(phase as u64, 45, second) - 0.5);
            let sag = phases[phase] as f64 / 100.0 * 0.0006; // the resistance of the line to the household
            ((volts - sag) * 10.0).round() as u16
        });

        self.last = Moment {
            second: second + 1,
            sun,
            load: single.iter().sum::<Centiwatts>() + heat_pump,
            heat_pump,
            phases,
            decivolts,
            import: self.last.import + grid.max(0),
            export: self.last.export + (-grid).max(0),
            heat_pump_energy: self.last.heat_pump_energy + heat_pump,
        };
        self.last
    }

    /// Returns the yield of the photovoltaics in watts: a summer day from 6 to 20 o'clock, with clouds that take about
    /// a minute each.
    fn sun(&self, second: u64) -> f64 {
        let hour = ((START_OF_DAY + second) % (24 * HOUR)) as f64 / HOUR as f64;
        let height = ((hour - 6.0) / 14.0 * PI).sin();
        if !(6.0..20.0).contains(&hour) {
            return 0.0;
        }
        6000.0 * height * (0.12 + 0.88 * self.noise(10, 35, second))
    }

    /// Returns the power of the heat pump in watts: high at first, then settling down.
    fn heat_pump(&self, second: u64) -> f64 {
        let running = second % HEAT_PUMP_CYCLE;
        if running >= HEAT_PUMP_ON {
            return 0.0;
        }
        1900.0 + 600.0 * (-(running as f64) / 240.0).exp() + 60.0 * self.noise(11, 10, second)
    }

    /// Returns the power of everything that is always on, in watts.
    fn base(&self, second: u64) -> f64 {
        190.0 + 80.0 * self.noise(12, 20, second) + 12.0 * self.noise(13, 1, second)
    }

    /// Returns the power of an appliance in watts: it runs once in each of its periods.
    fn appliance(&self, number: u64, appliance: &Appliance, second: u64) -> f64 {
        let (period, within) = (second / appliance.every, second % appliance.every);
        let begin = self.random(20 + number, period) * (appliance.every - appliance.on) as f64;
        let used = self.random(30 + number, period) < appliance.chance;
        let on = used && (begin as u64..begin as u64 + appliance.on).contains(&within);
        if on { appliance.power * (0.98 + 0.04 * self.noise(40 + number, 3, second)) } else { 0.0 }
    }

    /// Returns smooth noise from 0 to 1, with a new random value every `period` seconds.
    fn noise(&self, stream: u64, period: u64, second: u64) -> f64 {
        let (from, to) = (self.random(stream, second / period), self.random(stream, second / period + 1));
        let within = (second % period) as f64 / period as f64;
        from + (to - from) * within * within * (3.0 - 2.0 * within)
    }

    /// Returns a random number from 0 to 1, always the same for the same arguments (SplitMix64's mixer).
    fn random(&self, stream: u64, index: u64) -> f64 {
        let mut z = [stream, index]
            .iter()
            .fold(self.seed, |z, part| (z ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

impl Moment {
    /// Returns the power that the household drew from the grid; negative when it fed in.
    pub fn grid(&self) -> Centiwatts {
        self.phases.iter().sum()
    }

    /// Returns the times within this second at which the heat pump's meter sent a pulse: one for each full Wh (1000
    /// pulses per kWh).
    pub fn pulses(&self) -> impl Iterator<Item = Duration> + use<> {
        let (power, before) = (self.heat_pump, self.heat_pump_energy - self.heat_pump);
        (before / WATT_HOUR + 1..=self.heat_pump_energy / WATT_HOUR).map(move |count| {
            let missing = count * WATT_HOUR - before;
            // There is a pulse only where there was power. It is rounded up, as the Wh must be full.
            Duration::from_nanos((missing as u64 * 1_000_000_000).div_ceil(power as u64))
        })
    }
}

fn centiwatts(watts: f64) -> Centiwatts {
    (watts * 100.0).round() as Centiwatts
}

/// Splits a power over three phases without losing a digit.
fn in_three(power: Centiwatts) -> [Centiwatts; 3] {
    let third = power / 3;
    [third, third, power - 2 * third]
}

/// Formats a time, in seconds since the start of the first day, as `YYMMDDhhmmss`. It is always summer time, as the sun
/// of the household shines as on a summer day.
pub fn time(second: u64) -> String {
    const DAY: u64 = 24 * HOUR;
    let (mut year, mut month, mut day) = (26, 6, 20 + second / DAY);
    loop {
        let length = match month {
            2 => 28 + u64::from(year % 4 == 0),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day < length {
            break;
        }
        day -= length;
        (year, month) = if month == 12 { ((year + 1) % 100, 1) } else { (year, month + 1) };
    }
    let (hour, minute, second) = (second % DAY / 3600, second / 60 % 60, second % 60);
    format!("{year:02}{month:02}{:02}{hour:02}{minute:02}{second:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: usize = 24 * 3600;

    fn moments(seed: u64) -> impl Iterator<Item = Moment> {
        let mut household = Household::new(seed);
        std::iter::repeat_with(move || household.advance())
    }

    #[test]
    fn a_seed_determines_a_house() {
        assert!(moments(1).take(1000).eq(moments(1).take(1000)));
        assert!(!moments(1).take(1000).eq(moments(2).take(1000)));
    }

    #[test]
    fn grid_power_is_load_less_sun() {
        for moment in moments(3).take(DAY) {
            assert_eq!(moment.grid(), moment.load - moment.sun, "{moment:?}");
            assert!(moment.load >= moment.heat_pump && moment.sun >= 0, "{moment:?}");
        }
    }

    #[test]
    fn counters_are_the_integral_of_the_power() {
        let mut last = Household::new(4).last;
        for moment in moments(4).take(DAY) {
            let (drawn, fed) = (moment.import - last.import, moment.export - last.export);
            assert_eq!(drawn - fed, moment.grid(), "{moment:?}");
            assert!(drawn >= 0 && fed >= 0 && (drawn == 0 || fed == 0), "{moment:?}");
            last = moment;
        }
    }

    #[test]
    fn a_pulse_comes_at_each_full_watt_hour() {
        let start = Household::new(5).last.heat_pump_energy;
        let mut energy = start;
        let mut count = 0;
        for moment in moments(5).take(DAY) {
            for offset in moment.pulses() {
                count += 1;
                assert!(offset > Duration::ZERO && offset <= Duration::from_secs(1), "{offset:?}");
                let at = energy as f64 + moment.heat_pump as f64 * offset.as_secs_f64();
                assert!((at - (count * WATT_HOUR) as f64).abs() < 0.01, "pulse {count} at {at}");
            }
            energy += moment.heat_pump;
            assert_eq!(energy, moment.heat_pump_energy);
            assert_eq!(count, energy / WATT_HOUR, "after {} s", moment.second);
        }
        assert!((15_000..40_000).contains(&count), "{count} Wh on a day");
    }

    #[test]
    fn the_heat_pump_runs_in_cycles_within_its_range() {
        let first: Vec<_> = moments(6).take(HEAT_PUMP_CYCLE as usize).collect();
        let (on, off) = first.split_at(HEAT_PUMP_ON as usize);
        assert!(on.iter().all(|moment| (180_000..=260_000).contains(&moment.heat_pump)));
        assert!(off.iter().all(|moment| moment.heat_pump == 0));
    }

    #[test]
    fn every_house_starts_with_something_to_see() {
        for seed in 0..50 {
            let first: Vec<_> = moments(seed).take(600).collect();
            let pulses: usize = first[..2].iter().map(|moment| moment.pulses().count()).sum();
            assert!(pulses >= 2, "seed {seed}");
            assert!(first.iter().any(|moment| moment.grid() > 0), "seed {seed} draws");
            assert!(first.iter().any(|moment| moment.grid() < 0), "seed {seed} feeds in");
        }
    }

    #[test]
    fn the_sun_sets_and_the_mains_stay_within_ten_percent() {
        let day: Vec<_> = moments(7).take(DAY).collect();
        assert!(day.iter().any(|moment| moment.sun == 0), "night");
        assert!(day.iter().any(|moment| moment.sun > 500_000), "noon");
        assert!(day.iter().flat_map(|moment| moment.decivolts).all(|v| (2070..2530).contains(&v)));
    }
}
