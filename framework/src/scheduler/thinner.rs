//! Thinning of a pushed source to its interval.

use std::time::Duration;

use tokio::time::Instant;

use super::Schedule;
use crate::{Batch, Counter};

/// A batch may be this part of the interval early for its turn.
const EARLY: u32 = 10;

/// Filter of a pushed source: at most one batch a turn, the newest.
///
/// A batch that arrives in its turn, or up to a tenth of an interval early, is emitted at once. An earlier one waits
/// until its turn is a tenth over, and is emitted then unless a newer one has taken its place.
pub(super) struct Thinner {
    schedule: Schedule,
    /// Time of the next turn; `None`: the first batch decides.
    due: Option<Instant>,
    pending: Option<Batch>,
}

impl Thinner {
    /// A filter that begins `now`.
    pub(super) fn new(schedule: Schedule, now: Instant) -> Self {
        let due = matches!(schedule, Schedule::Daily(_)).then(|| schedule.next(now, now));
        Self { schedule, due, pending: None }
    }

    fn slack(&self) -> Duration {
        match self.schedule {
            Schedule::Every(period) => (period / EARLY).min(Duration::from_secs(2)),
            _ => Duration::ZERO,
        }
    }

    /// Returns the time at which the waiting batch is emitted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().and(self.due).map(|due| due + self.slack())
    }

    /// Takes a batch, and returns one that is due. `superseded` counts those that gave way to a newer one.
    pub(super) fn arrived(&mut self, batch: Batch, now: Instant, superseded: &Counter) -> Option<Batch> {
        if self.pending.replace(batch).is_some() {
            superseded.increment();
        }
        if self.due.is_none_or(|due| now + self.slack() >= due) { self.take(now) } else { None }
    }

    /// Returns the waiting batch, and begins the next turn.
    pub(super) fn take(&mut self, now: Instant) -> Option<Batch> {
        self.due = Some(self.schedule.next(self.due.unwrap_or(now), now));
        self.pending.take()
    }
}
