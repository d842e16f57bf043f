//! Readings of this box around a minute of a counter, however far away they are.

use crate::{
    db::{Counter, DbSeries},
    merge::minute::{Around, Minute, read_at, second},
    series::ReadAt,
    time::SECOND,
};

/// Readings of this box around the minute to which a walk has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    before: Option<ReadAt>,
    /// Next minute of this box, and its first reading.
    after: Option<(i64, ReadAt)>,
    /// Whether this box knows no reset between them.
    is_steady: bool,
}

impl Near {
    /// Finds the readings around a minute. `known` are those of a minute before it.
    pub(super) fn at(known: Option<Self>, series: &DbSeries<'_>, minute: i64) -> rusqlite::Result<Self> {
        if let Some(known) = known
            && known.after.is_none_or(|(next, _)| minute < next)
        {
            return Ok(known);
        }
        let before = match series.last_minute_before(second(minute))? {
            Some(start) => series.ends_of_minute(start)?.map(|(_, last)| last),
            None => None,
        };
        Self::from(before, series, minute)
    }

    fn from(before: Option<ReadAt>, series: &DbSeries<'_>, minute: i64) -> rusqlite::Result<Self> {
        let after = match series.first_minute_from(second(minute + 1))? {
            Some(start) => series.ends_of_minute(start)?.map(|(first, _)| (start.div_euclid(60), first)),
            None => None,
        };
        let is_steady = match (before, after) {
            (Some(before), Some((_, after))) => {
                let end = after.latest.div_euclid(SECOND).saturating_add(1);
                let events = series.resets(before.latest.div_euclid(SECOND), end)?;
                events.iter().all(|event| event.time <= before.earliest || event.time > after.latest)
            }
            _ => true,
        };
        Ok(Self { before, after, is_steady })
    }

    /// Passes a minute of this box.
    pub(super) fn pass(self, minute: i64, own: &Minute<'_>, series: &DbSeries<'_>) -> rusqlite::Result<Self> {
        let last = match own.samples.last() {
            Some(sample) => sample.into(),
            None => read_at(own.rollup.last, minute, None),
        };
        Self::from(Some(last), series, minute)
    }

    pub(super) fn around(&self, counter: Counter) -> Around {
        let after = self.after.map(|(_, read)| read);
        Around { counter, before: self.before, after, is_steady: self.is_steady }
    }
}
