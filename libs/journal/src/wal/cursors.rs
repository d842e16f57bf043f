//! Cursors: the position up to which each publisher has delivered.

use std::collections::BTreeMap;

use crate::{
    time::{Micros, SECOND},
    wal::{Open, Position},
};
use reading::Text;

/// Time between two writes of a cursor that moves. After a kill, what was delivered in between comes twice. In
/// microseconds.
const KEEP_EVERY: Micros = 5 * SECOND;

/// Cursors of the publishers that are configured.
#[derive(Debug)]
pub(crate) struct Cursors(Vec<Cursor>);

#[derive(Debug)]
struct Cursor {
    publisher: Text,
    at: Position,
    /// Position that was written last, and the time since boot of that write.
    kept: Position,
    kept_at: Micros,
}

impl Cursors {
    /// Returns all of them at one position.
    pub(crate) fn new(publishers: &[Text], at: Position) -> Self {
        let cursor =
            |publisher: &Text| Cursor { publisher: publisher.clone(), at, kept: at, kept_at: Micros::MIN };
        Self(publishers.iter().map(cursor).collect())
    }

    /// Adds one at the end of the open segment, and appends it there.
    pub(crate) fn add(&mut self, publisher: &Text, open: &mut Open) {
        let at = open.end();
        let mut cursor = Cursor { publisher: publisher.clone(), at, kept: at, kept_at: Micros::MIN };
        cursor.keep(open);
        self.0.push(cursor);
    }

    pub(crate) fn remove(&mut self, publisher: &str) {
        self.0.retain(|cursor| cursor.publisher != publisher);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets those that are known.
    pub(crate) fn set(&mut self, known: &BTreeMap<Text, Position>) {
        for cursor in &mut self.0 {
            cursor.at = known.get(&cursor.publisher).copied().unwrap_or(cursor.at);
        }
    }

    /// Returns the cursor of a publisher; `None` if it is not configured.
    pub(crate) fn get(&self, publisher: &str) -> Option<Position> {
        self.0.iter().find(|cursor| cursor.publisher == publisher).map(|cursor| cursor.at)
    }

    /// Returns the first segment that a publisher needs.
    pub(crate) fn needed(&self) -> u64 {
        self.0.iter().map(|cursor| cursor.at.segment).min().unwrap_or(u64::MAX)
    }

    /// Returns how many publishers need a segment.
    pub(crate) fn needing(&self, number: u64) -> usize {
        self.0.iter().filter(|cursor| cursor.at.segment <= number).count()
    }

    /// Moves a cursor, if that is forward. Returns whether it is in another segment now.
    pub(crate) fn advance(&mut self, publisher: &str, to: Position) -> bool {
        let cursor = self.0.iter_mut().find(|cursor| cursor.publisher == publisher && cursor.at < to);
        let Some(cursor) = cursor else { return false };
        let other = cursor.at.segment != to.segment;
        cursor.at = to;
        other
    }

    /// Appends all of them to a segment that begins.
    pub(crate) fn begin(&mut self, open: &mut Open) {
        self.0.iter_mut().for_each(|cursor| cursor.keep(open));
    }

    /// Appends those that moved since they were written.
    pub(crate) fn keep(&mut self, open: &mut Open, now: Micros) {
        for cursor in self.0.iter_mut().filter(|cursor| cursor.at != cursor.kept) {
            cursor.keep(open);
            cursor.kept_at = now;
        }
    }

    /// Appends one of them if it moved and its time has come, or `at_once`. Returns whether it did.
    pub(crate) fn keep_one(&mut self, publisher: &str, open: &mut Open, now: Micros, at_once: bool) -> bool {
        let due = |c: &&mut Cursor| {
            let waited = now.saturating_sub(c.kept_at) >= KEEP_EVERY;
            c.publisher == publisher && c.at != c.kept && (at_once || waited)
        };
        let Some(cursor) = self.0.iter_mut().find(due) else { return false };
        cursor.keep(open);
        cursor.kept_at = now;
        true
    }
}

impl Cursor {
    fn keep(&mut self, open: &mut Open) {
        open.cursor(&self.publisher, self.at);
        self.kept = self.at;
    }
}
