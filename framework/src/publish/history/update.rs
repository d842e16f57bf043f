//! One update of a remote server.

use std::ops::Range;

use super::{HourSeries, Hours, republish::Reporter};

/// What an update is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All hours: those of the server are compared with those of the journal, and what differs is sent. So it is after a
    /// start or a fault, once a day, and after the past or a price has changed.
    Compare,
    /// The hours that are complete since the last update.
    New,
    /// A person wants hours to be sent again, whatever the server has: those from one second since 1970 to before
    /// another.
    Again {
        /// Start of the first hour.
        from: i64,
        /// End of the last one.
        to: i64,
    },
}

/// Update of a remote server: what it is for, and the hours that it may need.
#[derive(Debug)]
pub struct Update {
    /// What it is for.
    pub scope: Scope,
    /// The selected series with complete hours, each counter followed by its cost.
    pub series: Vec<HourSeries>,
    /// The hours.
    pub hours: Hours,
    /// End of the hours of each series that were delivered by an earlier update.
    pub(super) delivered: Vec<i64>,
    pub(super) reporter: Option<Reporter>,
}

impl Update {
    /// Returns the hours of a series that this update is about: start of the first and end of the last.
    pub fn wanted(&self, series: &HourSeries) -> Range<i64> {
        let Range { start, end } = series.complete;
        match self.scope {
            Scope::Compare => start..end,
            Scope::New => {
                let at = self.series.iter().position(|known| known.is_same(series));
                let delivered = at.and_then(|at| self.delivered.get(at)).copied();
                delivered.unwrap_or(start).max(start)..end
            }
            Scope::Again { from, to } => from.max(start)..to.min(end),
        }
    }

    /// Reports how far the update has come: hours that are done, of how many. It is a sign of life, too.
    pub fn progress(&self, done: u64, of: u64) {
        self.hours.delivery().show_life();
        if let Some(reporter) = &self.reporter {
            reporter.progress(done, of);
        }
    }

    /// Counts hours that the server has taken, for `/health` and `/metrics`.
    pub fn delivered(&self, hours: u64) {
        self.hours.delivery().show_life();
        self.hours.delivery().records.add(hours);
    }

    /// Returns whether a series has wanted hours.
    pub(super) fn is_needed(&self) -> bool {
        self.series.iter().any(|series| !self.wanted(series).is_empty())
    }
}
