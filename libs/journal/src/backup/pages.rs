//! Pages of the database, as a read transaction sees them.

use std::io;

use rusqlite::Connection;

use crate::transfer::TransferError;

/// Pages of the database at one moment: the program may go on writing.
///
/// They come through SQLite, as pages may be in the `-wal` file only. Opening the file itself would also release the
/// locks that SQLite has on it in this process, when it is closed.
pub(super) struct Pages {
    connection: Connection,
    count: u64,
    size: u64,
}

impl Pages {
    /// Takes a connection with an open transaction that has read something.
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        let (count, size) = (pragma("page_count")?, pragma("page_size")?);
        Ok(Self { connection, count: count.into(), size: size.into() })
    }

    /// Returns the length of the database.
    pub(super) fn len(&self) -> u64 {
        self.count * self.size
    }

    /// Passes all pages to `sink`, in order.
    pub(super) fn read(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), TransferError> {
        let mut statement = self.connection.prepare("SELECT data FROM sqlite_dbpage ORDER BY pgno")?;
        let mut rows = statement.query([])?;
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let page = row.get_ref(0)?.as_blob().unwrap_or_default();
            if page.len() as u64 != self.size || read == self.count {
                break;
            }
            sink(page)?;
            read += 1;
        }
        if read == self.count {
            return Ok(());
        }
        Err(TransferError::Database(format!("page {} of {} could not be read", read + 1, self.count)))
    }
}
