//! Read connections to the database.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use rusqlite::Connection;

use crate::{db::open_for_reading, lock, query::ReadError};

/// Connections that are kept open for the next question.
const IDLE: usize = 2;

/// Pool of read connections to one database.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    /// `None` while the database cannot be read.
    idle: Option<Vec<Connection>>,
    /// Number of the database file: a damaged one is set aside, and its connections are of no use.
    generation: u64,
}

/// Connection that returns to its pool.
#[derive(Debug)]
pub(crate) struct Reader<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
    generation: u64,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), pool: Mutex::default() }
    }

    /// Allows reading from now on, or forbids it.
    pub(crate) fn allow(&self, yes: bool) {
        let mut pool = lock(&self.pool);
        pool.idle = yes.then(Vec::new);
        pool.generation += 1;
    }

    /// Takes a connection; one without a database while there is none to be read.
    pub(crate) fn get(&self) -> Result<Reader<'_>, ReadError> {
        let mut pool = lock(&self.pool);
        let generation = pool.generation;
        let Some(idle) = &mut pool.idle else {
            return Ok(Reader { readers: self, connection: None, generation });
        };
        let idle = idle.pop();
        drop(pool);
        let open = || open_for_reading(&self.path);
        match idle.map_or_else(open, Ok) {
            Ok(connection) => Ok(Reader { readers: self, connection: Some(connection), generation }),
            Err(error) => Err(ReadError::Unavailable(format!("could not open the journal: {error}"))),
        }
    }
}

impl Reader<'_> {
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut pool = lock(&self.readers.pool);
        if pool.generation == self.generation
            && let Some(idle) = &mut pool.idle
            && idle.len() < IDLE
        {
            idle.extend(self.connection.take());
        }
    }
}
