//! Rows of a table in the order of its key, past pages that cannot be read.

use std::collections::VecDeque;

use rusqlite::{Connection, Row};

use crate::db::DatabaseError;

/// Key of a row: both columns, or 0 and the only one.
pub(crate) type Key = (i64, i64);
type Read<R> = fn(&Row<'_>) -> rusqlite::Result<(Key, R)>;

/// Rows that are read at once.
const AT_ONCE: usize = 256;

/// Walk through the rows of a query.
pub(crate) struct Walk<'c, R> {
    connection: &'c Connection,
    sql: String,
    read: Read<R>,
    /// Key from which on nothing was read yet; `None` at the end.
    next: Option<Key>,
    rows: VecDeque<(Key, R)>,
    /// Keys from which on rows could not be read, and those at which that was possible again.
    pub(crate) gaps: Vec<(Key, Key)>,
}

impl<'c, R> Walk<'c, R> {
    /// Begins at a key. The query has that as `?1` and `?2`, orders by it, and ends with `LIMIT ?3`.
    pub(crate) fn new(connection: &'c Connection, sql: String, from: Key, read: Read<R>) -> Self {
        Self { connection, sql, read, next: Some(from), rows: VecDeque::new(), gaps: Vec::new() }
    }

    /// Returns the next row, which stays; `None` at the end.
    pub(crate) fn peek(&mut self) -> rusqlite::Result<Option<&(Key, R)>> {
        while self.rows.is_empty()
            && let Some(from) = self.next
        {
            let (rows, error) = self.query(from, AT_ONCE);
            let last = rows.last().map_or(place(from), |(key, _)| place(*key).saturating_add(1));
            let after = key_at(last);
            self.next = Some(after).filter(|_| error.is_some() || rows.len() == AT_ONCE && last < u128::MAX);
            self.rows.extend(rows);
            if let Some(error) = error {
                if !DatabaseError::is_unreadable(&error) {
                    return Err(error);
                }
                self.next = self.readable_after(after);
                self.gaps.push((after, self.next.unwrap_or((i64::MAX, i64::MAX))));
            }
        }
        Ok(self.rows.front())
    }

    /// Takes the next row off, if it is one of these.
    pub(crate) fn next_if(&mut self, wanted: impl Fn(Key) -> bool) -> rusqlite::Result<Option<(Key, R)>> {
        let is_wanted = self.peek()?.is_some_and(|(key, _)| wanted(*key));
        Ok(if is_wanted { self.rows.pop_front() } else { None })
    }

    /// Reads some rows, up to an error.
    fn query(&self, from: Key, limit: usize) -> (Vec<(Key, R)>, Option<rusqlite::Error>) {
        let mut found = Vec::new();
        let mut each = || {
            let mut statement = self.connection.prepare_cached(&self.sql)?;
            let mut rows = statement.query((from.0, from.1, limit as i64))?;
            while let Some(row) = rows.next()? {
                found.push((self.read)(row)?);
            }
            Ok(())
        };
        let error = each().err();
        (found, error)
    }

    /// Returns the first key after an unreadable one from which on rows can be read, or there are none: the distance is
    /// doubled until it is large enough, and then narrowed down.
    fn readable_after(&self, unreadable: Key) -> Option<Key> {
        let start = place(unreadable);
        let is_readable = |distance: u128| self.query(key_at(start.saturating_add(distance)), 1).1.is_none();
        let mut far = (0..u128::BITS - 1).map(|bits| 1 << bits).find(|distance| is_readable(*distance))?;
        let mut near = far / 2;
        while far - near > 1 {
            let middle = near + (far - near) / 2;
            if is_readable(middle) { far = middle } else { near = middle }
        }
        Some(key_at(start.saturating_add(far)))
    }
}

/// Returns the place of a key in the order of all keys.
fn place(key: Key) -> u128 {
    let place = |column: i64| u128::from(column.cast_unsigned() ^ 1 << 63);
    place(key.0) << 64 | place(key.1)
}

/// Returns the key of a place.
fn key_at(place: u128) -> Key {
    let column = |place: u128| (place as u64 ^ 1 << 63).cast_signed();
    (column(place >> 64), column(place))
}
