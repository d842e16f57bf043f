//! Last batch of a layout, to which the next one is a difference.

use crate::{
    time::{MINUTE, Micros},
    wal::Layout,
};

/// Batches of a layout after which one is written whole, and the time after which one is, as then a difference saves
/// little: this much is lost after damage.
const WHOLE_EVERY: u32 = 16;
const WHOLE_AFTER: Micros = MINUTE;
/// Last batch of a layout, as both writer and reader know it.
#[derive(Debug, Clone)]
pub(super) struct Last {
    pub(super) layout: Layout,
    pub(super) time: Micros,
    /// Between the last two; 0 before the second one.
    pub(super) period: Micros,
    pub(super) mantissas: Vec<i64>,
    /// Batches since the last whole one, and since the layout was written.
    since_whole: u32,
    pub(super) since_layout: u32,
}

impl Last {
    pub(super) fn new(layout: Layout) -> Self {
        let mantissas = vec![0; layout.columns.len()];
        Self { layout, time: 0, period: 0, mantissas, since_whole: 0, since_layout: 0 }
    }

    /// Makes the next batch a whole one.
    pub(super) fn reset(&mut self) {
        (self.time, self.period, self.since_whole) = (0, 0, 0);
        self.mantissas.fill(0);
    }

    /// Counts a batch, and returns whether it is better written whole.
    pub(super) fn is_whole(&mut self, time: Micros) -> bool {
        self.since_layout += 1;
        self.since_whole += 1;
        let distance = time.wrapping_sub(self.time);
        self.since_whole > WHOLE_EVERY || self.time != 0 && !(0..=WHOLE_AFTER).contains(&distance)
    }

    /// Takes the time of a batch. Returns its difference to the expected time.
    pub(super) fn surprise(&mut self, time: Micros) -> i64 {
        let delta = time.wrapping_sub(self.time);
        let surprise = delta.wrapping_sub(self.period);
        self.advance(time, delta);
        surprise
    }

    pub(super) fn advance(&mut self, time: Micros, delta: Micros) {
        // The first difference is the time itself, and no period.
        self.period = if self.time == 0 { 0 } else { delta };
        self.time = time;
    }
}
