//! Thinning of a pushed source to its interval.

use std::time::Duration;

use jiff::SignedDuration;

use super::turns::Turns;
use crate::{Batch, Counter, Kind};

/// Longest time for which a batch with counters keeps its place. Meters that send them seldom do so once an hour.
const LONGEST_KEPT: SignedDuration = SignedDuration::from_mins(65);

/// Filter of a pushed source: at most one batch a turn, the newest.
///
/// A batch that arrives in its turn, or up to a tenth of an interval early, is emitted at once. An earlier one waits
/// until its turn is a tenth over, and is emitted then unless a newer one has taken its place. One without the counters
/// of the waiting batch does not take its place: many meters send their counters once an hour, and other readings every
/// few seconds.
pub(super) struct Thinner {
    turns: Turns,
    pending: Option<Batch>,
}

impl Thinner {
    /// A filter for these turns.
    pub(super) fn new(turns: Turns) -> Self {
        Self { turns, pending: None }
    }

    /// Returns whether its turns are those of `daily` or `cron`.
    pub(super) fn is_rare(&self) -> bool {
        self.turns.schedule().is_rare()
    }

    /// Returns the time after which the waiting batch may be due.
    pub(super) fn left(&mut self) -> Option<Duration> {
        self.pending.as_ref()?;
        Some(self.turns.left() + self.turns.slack())
    }

    /// Takes a batch, and returns one that is due. `superseded` counts those that gave way to a newer one.
    pub(super) fn arrived(&mut self, batch: Batch, superseded: &Counter) -> Option<Batch> {
        let waiting = self.pending.take();
        if waiting.is_some() {
            superseded.increment();
        }
        self.pending = waiting.filter(|waiting| is_kept(waiting, &batch)).or(Some(batch));
        if self.turns.left() <= self.turns.slack() { self.take() } else { None }
    }

    /// Returns the waiting batch if it is due.
    pub(super) fn due(&mut self) -> Option<Batch> {
        if self.turns.left().is_zero() { self.take() } else { None }
    }

    fn take(&mut self) -> Option<Batch> {
        self.turns.taken();
        self.pending.take()
    }
}

/// Returns whether a waiting batch has counters that a newer one lacks.
fn is_kept(waiting: &Batch, newer: &Batch) -> bool {
    let is_missing = |name: &str| newer.readings.iter().all(|reading| reading.name != name);
    waiting.readings.len() > newer.readings.len()
        && newer.taken_at.duration_since(waiting.taken_at) <= LONGEST_KEPT
        && waiting
            .readings
            .iter()
            .any(|reading| reading.meaning().kind == Kind::Counter && is_missing(&reading.name))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::time::advance;

    use super::*;
    use crate::{
        Mode, Reading,
        scheduler::{Schedule, WallClock},
    };

    /// A batch that was taken at this second, with the power and, where the meter sends it, the energy.
    fn batch(second: i64, energy: Option<i64>) -> Batch {
        let power = Reading::gauge("CURRENT_POWER_IMPORT", 230).unit("W");
        let energy = energy.map(|energy| Reading::counter("POWER_IMPORT", energy).unit("Wh"));
        let taken_at = Timestamp::from_second(1_800_000_000 + second).unwrap();
        Batch { taken_at, readings: [Some(power), energy].into_iter().flatten().collect() }
    }

    #[tokio::test(start_paused = true)]
    async fn counters_that_are_sent_once_an_hour_wait_for_their_turn() {
        let minute = Duration::from_secs(60);
        for (waiting, newer, expected) in [
            (batch(1, Some(7)), batch(4, None), 1),
            (batch(1, Some(7)), batch(4, Some(8)), 4),
            (batch(1, None), batch(4, Some(8)), 4),
            (batch(1, None), batch(4, None), 4),
            // They are too old for a day's reading.
            (batch(1, Some(7)), batch(4000, None), 4000),
        ] {
            let clock = WallClock::starting_at("2027-01-15T08:00[UTC]".parse().unwrap());
            let mut thinner = Thinner::new(Turns::new(Schedule::Every(minute), Mode::Push, clock));
            let superseded = Counter::default();
            assert!(thinner.arrived(batch(0, None), &superseded).is_some());
            for early in [waiting, newer] {
                assert_eq!(thinner.arrived(early, &superseded), None);
            }
            advance(minute).await;
            assert_eq!(thinner.due().unwrap().taken_at, batch(expected, None).taken_at);
            assert_eq!(superseded.get(), 1);
        }
    }
}
