//! Total of a counter at a moment: its number, as if no reset (a command, another meter) had ever happened.
//!
//! There is one rule for amounts and for registers. A reading at the moment is its number, else the last one within a
//! minute before it, else the first one within a minute after it. Elsewhere the total lies between those of the
//! readings around it in proportion to time, rounded to the digits that they have, at least [`DECIMALS`].
//!
//! A moment has one total, so what was counted between two moments is the sum of what was counted in all parts.

use crate::{
    db::Reset,
    series::ReadAt,
    time::{Micros, SECOND},
};
use reading::Decimal;

/// Distance from which on a reading does not stand for a moment any more.
const NEAR: Micros = 60 * SECOND;
/// Fewest digits after the point of a number that was computed.
pub(crate) const DECIMALS: u8 = 3;
/// Most digits after the point of a number that was computed.
pub(crate) const MOST_DECIMALS: u8 = 9;

/// Readings around a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    pub(crate) at: Micros,
    /// Last one before the moment, or at it.
    pub(crate) before: Option<ReadAt>,
    /// First one after the moment, or at it.
    pub(crate) after: Option<ReadAt>,
}

/// What tells the total at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The last reading before it stands for it.
    Before,
    /// The first reading after it stands for it.
    After,
    /// It lies between both.
    Between,
    /// Nothing was read after it, and the last reading is not near.
    Last,
    /// Nothing was read before it, and the first reading is not near.
    First,
}

/// Resets of a counter in order of time, with the sums that they took off its number.
#[derive(Debug)]
pub(crate) struct Resets {
    pub(crate) list: Vec<Reset>,
    /// One more than there are resets.
    offsets: Vec<f64>,
}

impl Resets {
    pub(crate) fn new(list: Vec<Reset>) -> Self {
        let mut offsets = vec![0.0];
        for reset in &list {
            offsets.push(offsets.last().copied().unwrap_or(0.0) + (reset.before - reset.after));
        }
        Self { list, offsets }
    }

    /// Returns the sum that the first resets took off the number.
    pub(crate) fn offset(&self, count: usize) -> f64 {
        self.offsets.get(count).copied().unwrap_or(0.0)
    }

    /// Returns how many were before a moment.
    pub(crate) fn before(&self, at: Micros) -> usize {
        self.list.partition_point(|reset| reset.time < at)
    }

    /// Returns how many were before a number was read.
    pub(crate) fn count(&self, read: &ReadAt) -> usize {
        let first = self.before(read.earliest);
        first + self.list.get(first..).unwrap_or_default().iter().take_while(|of| of.is_before(read)).count()
    }

    /// Returns what the counter had counted when a number was read.
    pub(crate) fn total(&self, read: &ReadAt) -> f64 {
        read.number + self.offset(self.count(read))
    }

    /// Returns what the counter had counted until a moment, and what tells it; `None` without any reading.
    pub(crate) fn total_at(&self, around: &Around) -> Option<(f64, Basis)> {
        let Around { at, before, after } = *around;
        if let Some(after) = after.filter(|read| read.earliest == at && read.latest == at) {
            return Some((self.total(&after), Basis::After));
        }
        if let Some(before) = before.filter(|read| self.is_near(read, at)) {
            return Some((self.total(&before), Basis::Before));
        }
        if let Some(after) = after.filter(|read| self.is_near(read, at)) {
            return Some((self.total(&after), Basis::After));
        }
        Some(match (before, after) {
            (Some(before), Some(after)) => {
                let (low, high) = (self.total(&before), self.total(&after));
                let share = (at - before.latest, after.earliest - before.latest);
                // Of the numbers as they were read: a total has the digits of all resets before it.
                let scale = digits(before.number).max(digits(after.number)).max(DECIMALS);
                (between(low, high, scale, share), Basis::Between)
            }
            (Some(before), None) => (self.total(&before), Basis::Last),
            (None, Some(after)) => (self.total(&after), Basis::First),
            (None, None) => return None,
        })
    }

    /// Returns whether a reading stands for a moment: it is near, and no reset lies between.
    pub(crate) fn is_near(&self, read: &ReadAt, at: Micros) -> bool {
        let (start, end) = (read.latest.min(at), read.earliest.max(at));
        let distance = if read.earliest <= at { at - read.earliest } else { read.earliest - at };
        distance <= NEAR && self.before(start.saturating_add(1)) == self.before(end.saturating_add(1))
    }
}

/// Returns the total between two that lies at a share, a part of a whole, of the way from one to the other. The rise to
/// it has the digits of the numbers.
fn between(low: f64, high: f64, scale: u8, (part, whole): (Micros, Micros)) -> f64 {
    let (whole, part) = (i128::from(whole.max(1)), i128::from(part.clamp(0, whole.max(1))));
    // In integers, as the total of a moment must not depend on the resets that other moments of a question have.
    let risen = Decimal::rounded(high - low, scale).and_then(|rise| {
        let risen = (2 * i128::from(rise.mantissa()) * part + whole).div_euclid(2 * whole);
        let total = low + Decimal::new(i64::try_from(risen).ok()?, scale)?.to_f64();
        Decimal::rounded(total, scale.max(digits(low)))
    });
    risen.map_or_else(|| low + (high - low) * (part as f64 / whole as f64), Decimal::to_f64)
}

/// Returns the digits of a number after the point. The sum of a number and of resets has a tail in binary, which is cut
/// off.
pub(crate) fn digits(number: f64) -> u8 {
    let exact = Decimal::from_f64(number).map_or(0, Decimal::scale);
    if exact <= MOST_DECIMALS {
        return exact;
    }
    let cut = Decimal::rounded(number, MOST_DECIMALS).map(Decimal::to_f64).and_then(Decimal::from_f64);
    cut.map_or(0, Decimal::scale).min(MOST_DECIMALS)
}
