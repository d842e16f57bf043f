//! Records that are ready for delivery.

use std::collections::VecDeque;

use crate::{
    Record,
    journal::{Mark, Micros},
};

/// Records that are ready for delivery, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Kept apart from their `origins`, as a publisher takes a slice of records.
    records: VecDeque<Record>,
    /// One for each record.
    origins: VecDeque<Origin>,
    /// Time of the newest batch that was read.
    newest: Micros,
}

/// Place of a record in the journal.
#[derive(Debug)]
struct Origin {
    /// End of what is done once the record is delivered; `None` if later records belong to it too.
    done: Option<Mark>,
    /// Time of the newest batch when the record was read. A register's own time may be much older.
    as_of: Micros,
}

impl Waiting {
    /// Notes that a batch of this time was read. Returns the time of the newest one so far.
    pub(super) fn advance(&mut self, time: Micros) -> Micros {
        self.newest = self.newest.max(time);
        self.newest
    }

    pub(super) fn push(&mut self, record: Record, done: Option<Mark>) {
        self.records.push_back(record);
        self.origins.push_back(Origin { done, as_of: self.newest });
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns the oldest record, and the time by which its age is judged.
    pub(super) fn oldest(&self) -> Option<(&Record, Micros)> {
        Some((self.records.front()?, self.origins.front()?.as_of))
    }

    pub(super) fn as_slice(&mut self) -> &[Record] {
        self.records.make_contiguous()
    }

    /// Removes the `count` oldest records. Returns the end of what is done with them.
    pub(super) fn remove(&mut self, count: usize) -> Option<Mark> {
        let count = count.min(self.len());
        self.records.drain(..count);
        self.origins.drain(..count).filter_map(|origin| origin.done).next_back()
    }

    /// Removes the record at this place, which is not the oldest. What is done with it is done with the one before.
    pub(super) fn remove_at(&mut self, place: usize) {
        self.records.remove(place);
        if let Some(Origin { done: Some(done), .. }) = self.origins.remove(place)
            && let Some(before) = place.checked_sub(1).and_then(|place| self.origins.get_mut(place))
        {
            before.done = Some(done);
        }
    }
}
