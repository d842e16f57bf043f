//! Thinning of a pushed source to its interval.

use std::time::Duration;

use super::turns::Turns;
use crate::{Batch, Counter};

/// Filter of a pushed source: at most one batch a turn, the newest.
///
/// A batch that arrives in its turn, or up to a tenth of an interval early, is emitted at once. An earlier one waits
/// until its turn is a tenth over, and is emitted then unless a newer one has taken its place.
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
        if self.pending.replace(batch).is_some() {
            superseded.increment();
        }
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
