//! Quarters of an hour that keep no times of their ends: those of databases before version 4.
//!
//! To look for these times takes dozens of searches for each edge. Where a counter was read [`OFTEN`] in both quarters
//! next to an edge, and was not reset there, the last reading before the edge stands for it, however long before it was:
//! only what was counted in the minute or two before the edge may move to the next period. A reading at the very moment
//! comes first, as ever. Elsewhere the times are looked up.
//!
//! Amounts and registers use it both, so they agree, and a moment still has one total.

use crate::{
    db::{DbSeries, Quarter},
    query::{ReadError, Series, consumption::OFTEN, total::Resets},
    time::{SECOND, quarter_start},
};

impl Series<'_> {
    /// Returns the total at the edge between two quarters that keep no times; `None` where the times are to be looked
    /// up. Single readings begin at the second `oldest_raw`.
    pub(crate) fn untimed_total(
        &self,
        (before, after): (&Quarter, &Quarter),
        resets: &Resets,
        oldest_raw: Option<i64>,
    ) -> Result<Option<f64>, ReadError> {
        let is_often_read = |quarter: &Quarter| quarter.times.is_none() && quarter.count >= OFTEN;
        let (edge, from, to) = (after.start, before.start, after.end());
        if before.end() != edge || !is_often_read(before) || !is_often_read(after) {
            return Ok(None);
        }
        let [first, last] = [from, to].map(|second| resets.before(second.saturating_mul(SECOND)));
        if first != last || self.has_recent(from, to) {
            return Ok(None);
        }
        if let Some(stored) = self.stored.as_ref().filter(|_| oldest_raw.is_some_and(|oldest| oldest <= edge))
        {
            let samples = stored.samples(edge)?.unwrap_or_default();
            if samples.first().is_some_and(|sample| sample.time == edge.saturating_mul(SECOND)) {
                return Ok(None);
            }
        }
        Ok(Some(before.last + resets.offset(first)))
    }

    /// Returns the oldest minute of which there are all readings: its start in seconds since 1970.
    pub(crate) fn oldest_raw(&self) -> Result<Option<i64>, ReadError> {
        Ok(self.stored.as_ref().map(DbSeries::oldest_raw_of_all).transpose()?.flatten())
    }

    /// Returns the quarters next to an edge, in seconds, if neither keeps its times.
    pub(crate) fn untimed_around(&self, edge: i64) -> Result<Option<(Quarter, Quarter)>, ReadError> {
        let Some(stored) = self.stored.as_ref().filter(|_| quarter_start(edge) == edge) else {
            return Ok(None);
        };
        let Some(before) = stored.quarter_before(edge)?.filter(|before| before.times.is_none()) else {
            return Ok(None);
        };
        let after = stored.quarter_from(edge)?.filter(|after| after.times.is_none());
        Ok(after.map(|after| (before, after)))
    }

    /// Returns whether there are recent readings from one second to before another.
    fn has_recent(&self, from: i64, to: i64) -> bool {
        let samples = &self.recent.samples;
        let [first, last] = [from, to]
            .map(|second| samples.partition_point(|sample| sample.time < second.saturating_mul(SECOND)));
        first < last
    }
}
