//! Read connections to the database.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rusqlite::Connection;

use crate::{db::open_for_reading, lock, query::ReadError};

/// Connections that are kept open for the next question.
const IDLE: usize = 2;

/// Pool of read connections to one database.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    /// `None` while the database cannot be read. Each database file has a list of its own: a damaged one is set aside,
    /// and its connections are of no use.
    idle: Mutex<Option<Arc<Mutex<Vec<Connection>>>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    /// Allows reading from now on, or forbids it.
    pub(crate) fn allow(&self, yes: bool) {
        *lock(&self.idle) = yes.then(Arc::default);
    }

    /// Passes a connection to `ask`; none while there is no database to be read.
    pub(crate) fn with<T>(
        &self,
        ask: impl FnOnce(Option<&Connection>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let Some(idle) = lock(&self.idle).clone() else { return ask(None) };
        let known = lock(&idle).pop();
        let connection = known.map_or_else(|| open_for_reading(&self.path), Ok);
        let connection = connection
            .map_err(|error| ReadError::Unavailable(format!("could not open the journal: {error}")))?;
        let answer = ask(Some(&connection));
        let mut idle = lock(&idle);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        answer
    }
}
