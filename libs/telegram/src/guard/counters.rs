//! Counters of a meter whose messages have checksums and vary in their registers: M-Bus.

use std::{collections::HashMap, time::Duration};

use framework::{Decimal, Kind, Reading, Text, Value};

use super::{DEFAULT_MAX_POWER, Implausible, counter::Counter};
use crate::Register;

/// Counters that are known of one meter. Telegrams have fewer.
const MAX_COUNTERS: usize = 400;

/// Judge of the counters of one meter, by their names.
///
/// The same as [`Guard`](super::Guard) for what checksums cover: a counter that ran backwards, or that rose by more than
/// a meter can count, is held back alone, until it is plausible again or three values in a row agree with each other.
#[derive(Debug, Default)]
pub struct Counters {
    known: HashMap<Text, Counter>,
}

impl Counters {
    /// Removes the counters that must not be shown from the readings of a telegram that was complete at `now`, a time
    /// since any fixed moment. Returns them.
    pub fn judge(&mut self, readings: &mut Vec<Reading>, now: Duration) -> Vec<Implausible> {
        let mut held = Vec::new();
        readings.retain(|reading| match self.judge_one(reading, now) {
            Ok(()) => true,
            Err(implausible) => {
                held.push(implausible);
                false
            }
        });
        held
    }

    /// Takes up the counters among `readings` that are not known yet where an earlier run has recorded them: `recorded`
    /// returns the last number of one, and its age. `now` must be later than the oldest.
    pub fn resume(
        &mut self,
        readings: &[Reading],
        now: Duration,
        recorded: &dyn Fn(&Reading) -> Option<(Decimal, Duration)>,
    ) {
        for reading in readings.iter().filter(|reading| reading.kind == Some(Kind::Counter)) {
            if self.known.contains_key(&reading.name) || self.known.len() == MAX_COUNTERS {
                continue;
            }
            let Some((number, age)) = recorded(reading) else { continue };
            let mut counter = Counter::in_unit(reading.unit.as_deref());
            let sent = Register { number: Some(number), ..Register::new(&reading.name, None) };
            counter.learn(&sent, now.saturating_sub(age));
            self.known.insert(reading.name.clone(), counter);
        }
    }

    fn judge_one(&mut self, reading: &Reading, now: Duration) -> Result<(), Implausible> {
        let (Some(Kind::Counter), Value::Number(number)) = (reading.kind, &reading.value) else {
            return Ok(());
        };
        let sent = Register { number: Some(*number), ..Register::new(&reading.name, None) };
        if !self.known.contains_key(&reading.name) && self.known.len() < MAX_COUNTERS {
            self.known.insert(reading.name.clone(), Counter::in_unit(reading.unit.as_deref()));
        }
        let Some(counter) = self.known.get_mut(&reading.name) else { return Ok(()) };
        if let Err(what) = counter.judge(&sent, now, DEFAULT_MAX_POWER)
            && !counter.insists(&sent, now, DEFAULT_MAX_POWER)
        {
            return Err(Implausible { code: reading.name.clone(), what });
        }
        counter.learn(&sent, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_of_the_run_before_must_not_run_backwards() {
        let day = Duration::from_secs(86_400);
        let volume = |litres: i64| {
            let number = Decimal::new(litres, 3).unwrap();
            vec![Reading { kind: Some(Kind::Counter), ..Reading::number("volume", number) }.unit("m³")]
        };
        let recorded = |_: &Reading| Some((Decimal::new(5000, 3).unwrap(), day));
        let mut counters = Counters::default();
        counters.resume(&volume(4000), 365 * day, &recorded);
        let mut old = volume(4000);
        assert_eq!(counters.judge(&mut old, 365 * day).len(), 1);
        assert_eq!(old, [], "it is held back");
        let mut new = volume(5001);
        assert_eq!(counters.judge(&mut new, 365 * day), []);
        assert_eq!(new.len(), 1);
    }
}
