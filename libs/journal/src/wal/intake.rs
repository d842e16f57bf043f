//! Selection of the numbers of a batch that are recorded, and their times.

use std::collections::{HashMap, HashSet};

use tracing::warn;

use crate::{
    time::{Epoch, Micros},
    wal::{Cell, Encoder},
};
use reading::{Batch, Decimal, Reading, Text, Timestamp, Value};

/// Most names of one source (each with its unit). Only a device that makes names up has more.
const MAX_NAMES: usize = 1000;
/// Limits of a register's own time. It may be later than its batch, as clocks differ, and earlier: that of a monthly
/// peak is kept for more than a year. In microseconds.
const AHEAD: Micros = 60_000_000;
const BEHIND: Micros = 400 * 86_400_000_000;

/// Picks the numbers out of batches.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    sections: HashMap<Text, Section>,
}

#[derive(Debug, Default)]
struct Section {
    names: HashSet<(Text, Text)>,
    /// By name: the device's time of the last reading that was recorded.
    own_times: HashMap<Text, Micros>,
    last: Option<Last>,
}

/// Last batch of a source.
#[derive(Debug, PartialEq, Eq)]
struct Last {
    taken_at: Timestamp,
    time: Micros,
    values: Vec<Decimal>,
}

/// Number that is to be recorded.
struct Number<'b> {
    time: Micros,
    reading: &'b Reading,
    unit: Text,
    obis: Text,
    value: Decimal,
}

impl Intake {
    /// Appends the numbers of a batch that was taken at `time` to a segment.
    pub(crate) fn append(
        &mut self,
        (encoder, out): (&mut Encoder, &mut Vec<u8>),
        section: &Text,
        batch: &Batch,
        time: Micros,
        epoch: &Epoch,
    ) {
        let known = self.sections.entry(section.clone()).or_default();
        let Some(time) = known.in_order(batch, time) else { return };
        let number = |reading| known.number(section, reading, time, epoch);
        let mut numbers: Vec<_> = batch.readings.iter().filter_map(number).collect();
        // One frame for each time: the batch's own, and those that registers bring along.
        while let Some(time) = numbers.first().map(|number| number.time) {
            let of_time = numbers.iter().filter(|number| number.time == time);
            let cell = |number| {
                let Number { reading, unit, obis, value, .. }: &Number<'_> = number;
                let (kind, medium) = (reading.kind, reading.medium);
                Cell { name: &reading.name, unit, obis, kind, medium, value: *value }
            };
            encoder.batch(out, section, time, &of_time.map(cell).collect::<Vec<_>>());
            numbers.retain(|number| number.time != time);
        }
    }

    /// Forgets the last batches. After a correction of the clock, what comes may lie before what came.
    pub(crate) fn forget_order(&mut self) {
        self.sections.values_mut().for_each(|section| section.last = None);
    }
}

impl Section {
    /// Returns the time of a batch that is dated `time`: later than that of the batch before, if it was taken after
    /// that or at the same moment. `None` if it is the same batch again.
    fn in_order(&mut self, batch: &Batch, time: Micros) -> Option<Micros> {
        let values = batch.readings.iter().filter_map(|reading| match reading.value {
            Value::Number(value) => Some(value),
            Value::Text(_) => None,
        });
        let mut last = Last { taken_at: batch.taken_at, time, values: values.collect() };
        if let Some(before) = &self.last {
            if before.taken_at == last.taken_at && before.values == last.values {
                return None;
            }
            if before.taken_at > last.taken_at {
                return Some(time); // a late one
            }
            last.time = time.max(before.time + 1);
        }
        let time = last.time;
        self.last = Some(last);
        Some(time)
    }

    /// Returns the number of a reading; `None` if it is a text, has one of too many names, or was recorded before.
    fn number<'b>(
        &mut self,
        section: &Text,
        reading: &'b Reading,
        time: Micros,
        epoch: &Epoch,
    ) -> Option<Number<'b>> {
        let Value::Number(value) = reading.value else { return None };
        let unit = reading.unit.clone().unwrap_or_default();
        let name = (reading.name.clone(), unit.clone());
        if !self.names.contains(&name) {
            if self.names.len() == MAX_NAMES {
                return None;
            }
            self.names.insert(name);
            if self.names.len() == MAX_NAMES {
                warn!(source = %section, "sent {MAX_NAMES} different names; no more are recorded");
            }
        }
        let own = reading.time.as_ref().and_then(|time| time.utc).map(Timestamp::as_microsecond);
        if let Some(own) = own
            && self.own_times.insert(reading.name.clone(), own) == Some(own)
        {
            return None; // a gas meter sends its reading again each second, for an hour
        }
        // A time of the device cannot be corrected together with those of this machine's clock, and a device whose
        // clock is ahead must not be believed.
        let near = time.saturating_sub(BEHIND)..=time.saturating_add(AHEAD);
        let believed = |own: &Micros| near.contains(own) && (epoch.confirmed || *own < epoch.since);
        let time = own.filter(believed).unwrap_or(time);
        let obis = reading.obis.map_or_else(Text::default, |obis| obis.reduced().to_string().into());
        Some(Number { time, reading, unit, obis, value })
    }
}
