//! Counters of other sources without the steps that are no consumption.
//!
//! A counter falls when its meter is swapped or reset, and leaps when a command sets it. Its offset takes such a step
//! back, so that what is computed from it goes on where it was.

use framework::{Meaning, Unit, journal::is_counter_reset};
use serde::{Deserialize, Serialize};

use crate::{Number, expression::convert};

/// Last reading of a counter, and what was added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counter {
    /// The reading.
    value: Number,
    /// Added to the reading.
    offset: Number,
    /// Its unit.
    unit: String,
    /// Its time, in microseconds since 1970.
    time: i64,
}

/// Reading of a counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count<'r> {
    pub(crate) value: Number,
    pub(crate) unit: &'r str,
    pub(crate) time: i64,
    /// Sum of the steps that commands made since the last reading.
    pub(crate) set: Number,
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stepped {
    /// The number without the steps that are no consumption.
    pub(crate) number: Number,
    /// Whether the counter was swapped or reset.
    pub(crate) was_reset: bool,
}

impl Counter {
    /// A counter at its first reading.
    pub(crate) fn first(count: Count<'_>) -> Self {
        Self { value: count.value, offset: Number::ZERO, unit: count.unit.to_owned(), time: count.time }
    }

    /// Returns the time of the last reading.
    pub(crate) fn time(&self) -> i64 {
        self.time
    }

    /// Takes the next reading; `None` if a number becomes too large.
    pub(crate) fn step(&mut self, count: Count<'_>, meaning: &Meaning) -> Option<Stepped> {
        if self.unit != count.unit {
            self.change_unit(count.unit);
        }
        // What a command has set counts as if it had been there before.
        let before = self.value.checked_add(count.set)?;
        let points = ((self.time, before), (count.time, count.value));
        let decimal = |(time, number): (i64, Number)| Some((time, crate::decimal(number, None)?));
        let was_reset = match (decimal(points.0), decimal(points.1)) {
            (Some(before), Some(after)) => is_counter_reset(meaning, before, after),
            _ => true,
        };
        let counted_on = if was_reset { count.value } else { before };
        self.offset = self.offset.checked_add(self.value)?.checked_sub(counted_on)?;
        (self.value, self.time) = (count.value, count.time);
        Some(Stepped { number: self.value.checked_add(self.offset)?, was_reset })
    }

    /// Goes on in another unit: a meter was swapped for one that counts in Wh.
    fn change_unit(&mut self, unit: &str) {
        if let (Some(from), Some(to)) = (Unit::parse(&self.unit), Unit::parse(unit))
            && let (Some(value), Some(offset)) =
                (convert(self.value, from, to), convert(self.offset, from, to))
        {
            (self.value, self.offset) = (value, offset);
        }
        unit.clone_into(&mut self.unit);
    }
}
