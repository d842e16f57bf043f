//! Counters of a meter whose messages have checksums and vary in their registers: M-Bus.

use std::{collections::HashMap, time::Duration};

use framework::{Kind, Reading, Text, Value};

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
