//! Check of a backup, by reading all of it.

use std::io::Read;

use crate::{
    BackupError, Contents, Progress,
    read::{Entry, Visitor, read},
};

/// Reads a backup to its end, and compares all checksums. Returns what it has.
///
/// # Errors
/// Returns an error if it is damaged, cut off, written by a newer program, or something else.
pub fn check(input: impl Read, progress: Progress<'_>) -> Result<Contents, BackupError> {
    read(input, progress, &mut Nothing)
}

/// Visitor that only has everything read.
struct Nothing;

impl Visitor for Nothing {
    fn begin(&mut self, _: &Contents) -> Result<(), BackupError> {
        Ok(())
    }

    fn file(&mut self, _: &Entry<'_>) -> Result<(), BackupError> {
        Ok(())
    }

    fn bytes(&mut self, _: &[u8]) -> Result<(), BackupError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), BackupError> {
        Ok(())
    }
}
