//! Minute of a series that one box has, or both.
//!
//! | here | there | kept |
//! |---|---|---|
//! | readings | readings | all of both; of one moment that here; of a counter those there that fit those here |
//! | readings | roll-up | what is made of more readings, at equal counts the readings |
//! | roll-up | roll-up | of a counter that of the box that was kept before, if one was; else that of more readings |
//!
//! Nobody can tell which readings a roll-up is made of, so two of them are never added up: the same meter, read by both
//! boxes, or a journal that is merged again, would count twice. The rules do not ask which box is here, but for readings
//! that contradict each other, so that both boxes come to the same history.

use crate::{
    db::{Counter, Rollup},
    series::{ReadAt, Sample},
    time::{MINUTE, Micros, SECOND},
};

/// Time within which two boxes may read the same number of a meter: their clocks differ, and so does the way to them.
pub(super) const LAG: Micros = MINUTE;

/// Boxes in whose history a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boxes {
    pub(super) own: bool,
    pub(super) other: bool,
}

impl Boxes {
    pub(super) const OWN: Self = Self { own: true, other: false };
}

/// Minute as one box has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minute<'s> {
    pub(super) rollup: Rollup,
    /// Empty where only the roll-up is left.
    pub(super) samples: &'s [Sample],
}

/// Part of a minute of both boxes that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    Nothing,
    Own,
    Other,
    Samples(Vec<Sample>),
}

/// Readings of this box next to a minute, where it is a counter's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) counter: Counter,
    pub(super) before: Option<ReadAt>,
    pub(super) after: Option<ReadAt>,
    /// Whether this box knows no reset between them.
    pub(super) is_steady: bool,
}

impl Minute<'_> {
    /// Returns whether this is made of more than another, or of the same number of readings and comes first in an order
    /// that does not depend on the box.
    fn is_fuller(&self, other: &Self) -> bool {
        let key = |minute: &Self| {
            let Rollup { first, last, min, max, mean, count } = minute.rollup;
            (count, !minute.samples.is_empty(), last, first, max, min, mean)
        };
        key(self) > key(other)
    }
}

/// Joins a minute of this box and of the other one. `last` = boxes of the reading before it, of a counter.
pub(super) fn join(
    own: Option<&Minute<'_>>,
    other: Option<&Minute<'_>>,
    last: Option<Boxes>,
    around: Option<&Around>,
) -> Kept {
    match (own, other) {
        (None, None) => Kept::Nothing,
        (Some(_), None) => Kept::Own,
        (None, Some(other)) if other.samples.is_empty() => {
            let fits = around.is_none_or(|around| around.has_between(&other.rollup));
            if fits { Kept::Other } else { Kept::Nothing }
        }
        (None, Some(other)) => {
            let kept = fitting(&[], other.samples, around);
            match kept.len() {
                0 => Kept::Nothing,
                all if all == other.samples.len() => Kept::Other,
                _ => Kept::Samples(kept),
            }
        }
        (Some(own), Some(other)) if !own.samples.is_empty() && !other.samples.is_empty() => {
            let new = fitting(own.samples, other.samples, around);
            if new.is_empty() {
                return Kept::Own;
            }
            let mut all = own.samples.to_vec();
            all.extend(new);
            all.sort_by_key(|sample| sample.time);
            Kept::Samples(all)
        }
        (Some(own), Some(other)) => {
            let are_rollups = own.samples.is_empty() && other.samples.is_empty();
            let is_other = match last.filter(|_| are_rollups) {
                Some(Boxes { own: true, other: false }) => false,
                Some(Boxes { own: false, other: true }) => true,
                _ => other.is_fuller(own),
            };
            if is_other { Kept::Other } else { Kept::Own }
        }
    }
}

/// Returns those readings of the other box that are new, and fit the ones of this box.
fn fitting(own: &[Sample], other: &[Sample], around: Option<&Around>) -> Vec<Sample> {
    let new = other.iter().filter(|sample| own.binary_search_by_key(&sample.time, |of| of.time).is_err());
    let Some(around) = around else { return new.copied().collect() };
    new.filter(|sample| {
        let at = own.partition_point(|of| of.time < sample.time);
        let before = at.checked_sub(1).and_then(|at| own.get(at)).map(ReadAt::from).or(around.before);
        let after = own.get(at).map(ReadAt::from).or(around.after);
        // Resets within a minute of this box are found in its numbers.
        let is_steady = around.is_steady || at > 0 && at < own.len();
        let is_close = fits(around.counter, before, sample, after);
        is_close && (!is_steady || is_between(around.counter, before, (*sample).into(), after))
    })
    .copied()
    .collect()
}

/// Returns whether a reading of the other box fits those of this box around it. Where it is between two that are close
/// together, it must make no step that they do not make. At an end, it must not be what this box has counted already.
fn fits(counter: Counter, before: Option<ReadAt>, sample: &Sample, after: Option<ReadAt>) -> bool {
    let point = (sample.time, sample.value.to_f64());
    let before =
        before.filter(|read| sample.time - read.latest <= LAG).map(|read| (read.latest, read.number));
    let after = after.filter(|read| read.earliest - sample.time <= LAG);
    let after = after.map(|read| (read.earliest.max(sample.time), read.number));
    match (before, after) {
        (Some(before), Some(after)) => {
            let steps = [(before, point), (point, after)];
            let resets = steps.iter().filter(|(from, to)| counter.is_reset(*from, *to)).count();
            resets <= usize::from(counter.is_reset(before, after))
        }
        (before, after) => {
            before.is_none_or(|before| !counter.is_slip(before.1, point.1))
                && after.is_none_or(|after| !counter.is_slip(point.1, after.1))
        }
    }
}

/// Returns whether a reading of the other box lies between two readings of this box, however far apart they are. One that
/// does not is of another meter that has the same name.
fn is_between(counter: Counter, before: Option<ReadAt>, read: ReadAt, after: Option<ReadAt>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return true };
    let (from, to) = ((before.latest, before.number), (after.earliest, after.number));
    if counter.is_reset(from, to) {
        return true;
    }
    if !counter.is_net() {
        return (before.number..=after.number).contains(&read.number);
    }
    // One that runs both ways may be anywhere, but not go far away and come back.
    let (begin, end) = ((read.earliest.max(from.0), read.number), (read.latest.min(to.0), read.number));
    !(counter.is_reset(from, begin) && counter.is_reset(end, to))
}

impl Around {
    /// Returns whether a minute of the other box, of which only the roll-up is left, fits between the readings.
    fn has_between(&self, rollup: &Rollup) -> bool {
        let (Some(before), Some(after)) = (self.before, self.after) else { return true };
        [rollup.first, rollup.last].into_iter().all(|number| {
            // Its readings have no times, so that a delay between the boxes cannot be told from another meter.
            let is_slip =
                self.counter.is_slip(before.number, number) || self.counter.is_slip(number, after.number);
            let read = ReadAt { number, earliest: after.earliest, latest: before.latest };
            !self.is_steady || is_slip || is_between(self.counter, Some(before), read, Some(after))
        })
    }
}

/// Returns when a number was read, of a reading of a minute whose time is known or not.
pub(super) fn read_at(number: f64, minute: i64, time: Option<Micros>) -> ReadAt {
    let (begin, end) = (minute.saturating_mul(MINUTE), (minute + 1).saturating_mul(MINUTE) - 1);
    match time.filter(|time| (begin..=end).contains(time)) {
        Some(time) => ReadAt { number, earliest: time, latest: time },
        None => ReadAt { number, earliest: begin, latest: end },
    }
}

/// Returns the second at which a minute begins.
pub(super) fn second(minute: i64) -> i64 {
    minute.saturating_mul(MINUTE / SECOND)
}
