//! File that is synced while it is written.

use std::{
    fs::File,
    io::{self, Write},
};

use rustix::fs::{Advice, fadvise};

/// Bytes that are written between two syncs. Without them the system would keep a whole file in memory, write it at once,
/// and hold up whoever syncs the journal meanwhile.
const SYNC_EACH: usize = 8 << 20;

/// File that is synced each few megabytes.
#[derive(Debug)]
pub struct Synced<'f> {
    file: &'f File,
    unsynced: usize,
}

impl<'f> Synced<'f> {
    /// Writes into a file from where it is.
    pub fn new(file: &'f File) -> Self {
        Self { file, unsynced: 0 }
    }

    /// Syncs what was written, and forgets its pages, so that those of other files stay in memory.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = 0;
        let _ = fadvise(self.file, 0, None, Advice::DontNeed);
        Ok(())
    }
}

impl Write for Synced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_EACH {
            self.sync()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
