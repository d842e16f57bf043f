//! Segments of the log for a backup.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::{
    time::Micros,
    transfer::TransferError,
    wal::{
        Entry,
        frame::{self, HEADER, Stop, unframe},
        live,
        recovery::LONGEST,
        segment_path,
    },
};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Segment that the database does not have, up to the last whole frame at the moment of the backup.
pub(super) struct Recent {
    pub(super) number: u64,
    pub(super) len: u64,
    /// Time of its newest reading.
    pub(super) newest: Option<Micros>,
    /// Open, as it may be removed after the next checkpoint.
    file: File,
}

/// Older segment, which publishers need. It grows no more, and may be removed at any time.
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) len: u64,
}

/// Returns the segments that a database with those up to `folded` does not have, and the older ones.
pub(super) fn read(path: &Path, folded: u64) -> Result<(Vec<Recent>, Vec<Kept>), TransferError> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let failed = |number| {
        let file = segment_path(path, number);
        move |error| TransferError::File(file, error)
    };
    let numbers = match live::numbers(path) {
        Err(error) if missing(&error) => Vec::new(),
        numbers => {
            numbers.map_err(|error| TransferError::File(crate::paths::folder(path).to_owned(), error))?
        }
    };
    let (mut recent, mut kept) = (Vec::new(), Vec::new());
    for number in numbers {
        if number > folded {
            // One that is longer than any segment is none, and the program sets it aside.
            let read = live::open(path, number).and_then(|file| {
                let mut bytes = Vec::new();
                (&file).take(LONGEST).read_to_end(&mut bytes)?;
                bytes.truncate(whole(&bytes));
                // Only one of them is in memory: where no checkpoint succeeds, they are many.
                Ok(Recent { number, len: bytes.len() as u64, newest: newest(&bytes), file })
            });
            match read {
                Ok(segment) => recent.push(segment),
                Err(error) if missing(&error) => {} // checkpointed just now
                Err(error) => return Err(failed(number)(error)),
            }
        } else {
            match live::open(path, number).and_then(|file| Ok(file.metadata()?.len())) {
                Ok(len) => kept.push(Kept { number, len }),
                Err(error) if missing(&error) => {} // delivered just now
                Err(error) => return Err(failed(number)(error)),
            }
        }
    }
    Ok((recent, kept))
}

impl Recent {
    /// Passes its bytes to `sink`.
    pub(super) fn read(
        &self,
        path: &Path,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), TransferError> {
        let failed = |error| TransferError::File(segment_path(path, self.number), error);
        let (mut piece, mut read) = (vec![0; PIECE], 0);
        while read < self.len {
            let more = usize::try_from(self.len - read).map_or(PIECE, |left| left.min(PIECE));
            self.file.read_exact_at(&mut piece[..more], read).map_err(failed)?;
            sink(&piece[..more])?;
            read += more as u64;
        }
        Ok(())
    }
}

/// Returns the time of the newest reading of a segment.
fn newest(bytes: &[u8]) -> Option<Micros> {
    let mut newest = None;
    frame::entries(bytes, |entry| match entry {
        Entry::Batch { time, .. } => newest = newest.max(Some(time)),
        Entry::TimeCorrection(correction) => newest = newest.map(|newest| correction.apply(newest)),
        _ => {}
    });
    newest
}

impl Kept {
    /// Passes its bytes to `sink`, after `None` for its beginning. One that is gone is delivered, and left out.
    pub(super) fn read(
        &self,
        path: &Path,
        sink: &mut dyn FnMut(Option<&[u8]>) -> io::Result<()>,
    ) -> Result<(), TransferError> {
        let failed = |error| TransferError::File(segment_path(path, self.number), error);
        let file = match live::open(path, self.number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(failed)?,
        };
        sink(None)?;
        let mut file = file.take(self.len);
        let (mut piece, mut read) = (vec![0; PIECE], 0);
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 if read < self.len => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                0 => return Ok(()),
                more => {
                    sink(Some(&piece[..more]))?;
                    read += more as u64;
                }
            }
        }
    }
}

/// Returns how many bytes are before a frame that is not written completely yet. What is damaged stays, for the program
/// that reads it.
fn whole(bytes: &[u8]) -> usize {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    loop {
        match unframe(rest) {
            Ok((_, after)) => rest = after,
            Err(Stop::Short(_)) => return bytes.len() - rest.len(),
            Err(Stop::Damaged) => return bytes.len(),
        }
    }
}
