//! Stream of the entries of all segments from a position on.

use std::io;

use tracing::warn;

use crate::wal::{
    Entry, Log, Piece, Position,
    frame::{self, HEADER, Reader, Stop},
};
use reading::Text;

/// Bytes of a segment that are read at once.
pub(crate) const PIECE: usize = 64 << 10;
/// Longest frame; one that claims to be longer is damaged. A batch of a thousand registers takes some kilobytes.
const LONGEST: usize = 1 << 20;

/// Reader that goes from segment to segment.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Position of the next frame; beyond the end of its segment where that cannot be read.
    pub(crate) at: Position,
    /// Entries before it are not passed on.
    pub(crate) from: Position,
    frames: Reader,
    /// Bytes that were read; those from `used` on lie at `at`.
    pub(crate) piece: Vec<u8>,
    used: usize,
    /// Whether the last bytes could not be read.
    damaged: bool,
    /// Publisher for which it is logged where a segment cannot be read.
    pub(crate) told: Option<Text>,
    /// Segments in which it met damage.
    pub(crate) found: Vec<u64>,
    /// Segments that are skipped.
    pub(crate) unreadable: Vec<u64>,
}

/// File of a segment that cannot be read now.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) segment: u64,
    pub(crate) error: io::Error,
}

/// Reason why a stream stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The visitor has enough.
    Enough,
    /// Everything was passed on. `recorded`: batches of this run.
    End { recorded: u64 },
}

impl Stream {
    pub(crate) fn new(from: Position, unreadable: Vec<u64>) -> Self {
        // What an entry says depends on those before it in its segment.
        let (at, frames) = (Position::start(from.segment), Reader::default());
        Self {
            at,
            from,
            frames,
            piece: Vec::new(),
            used: 0,
            damaged: false,
            told: None,
            found: Vec::new(),
            unreadable,
        }
    }

    /// Returns a copy that reads the same from here on, and takes little memory until then.
    pub(crate) fn here(&self) -> Self {
        let (frames, told, unreadable) = (self.frames.clone(), self.told.clone(), self.unreadable.clone());
        Self { piece: Vec::new(), used: 0, frames, told, found: Vec::new(), unreadable, ..*self }
    }

    /// Passes entries on, each with the position after it, until `visit` returns false.
    pub(crate) fn read(
        &mut self,
        log: &Log,
        mut visit: impl FnMut(Position, Entry<'_>) -> bool,
    ) -> Result<Read, Unreadable> {
        let mut more = true;
        while more {
            let rest = &self.piece[self.used..];
            let next = match self.at.offset {
                0 if rest.len() < HEADER => Err(Stop::Short(HEADER)),
                0 => match frame::open(rest) {
                    Some((_, reader)) => {
                        self.frames = reader;
                        Ok((&[][..], &rest[HEADER..]))
                    }
                    None => Err(Stop::Damaged),
                },
                _ => frame::unframe(rest),
            };
            match next {
                Ok((payload, after)) => {
                    let taken = rest.len() - after.len();
                    let end = Position { offset: self.at.offset + taken as u64, ..self.at };
                    let from = self.from;
                    let mut each = |entry: Entry<'_>| more = end <= from || visit(end, entry);
                    if self.at.offset == 0 || self.frames.entry(payload, &mut each).is_some() {
                        self.at = end;
                        self.used += taken;
                        self.damaged = false;
                    } else {
                        self.skip();
                    }
                }
                Err(Stop::Short(needed)) if needed <= if self.damaged { PIECE } else { LONGEST } => {
                    if let Some(read) = self.fill(log, needed)? {
                        return Ok(read);
                    }
                }
                Err(_) if self.at.offset == 0 => self.give_up("is not a segment"),
                Err(_) => self.skip(),
            }
        }
        Ok(Read::Enough)
    }

    /// Reads what comes next, at least `needed` bytes.
    fn fill(&mut self, log: &Log, needed: usize) -> Result<Option<Read>, Unreadable> {
        let segment = self.at.segment;
        let piece = match log.piece(self.at, needed.max(PIECE)) {
            Ok(piece) => piece,
            Err(_) if self.unreadable.contains(&segment) => {
                self.give_up("cannot be read");
                return Ok(None);
            }
            Err(error) => return Err(Unreadable { segment, error }),
        };
        match piece {
            Piece::Bytes(bytes) if bytes.len() >= needed => (self.piece, self.used) = (bytes, 0),
            Piece::Bytes(_) if self.at.offset == 0 => self.give_up("is not a segment"),
            // A torn end, or a damaged length.
            Piece::Bytes(bytes) => {
                (self.piece, self.used) = (bytes, 0);
                self.skip();
            }
            Piece::Next(number) => self.begin(number),
            Piece::Gone(number) => {
                self.tell("is gone");
                self.begin(number);
            }
            Piece::End { recorded } => {
                (self.piece, self.used) = (Vec::new(), 0);
                return Ok(Some(Read::End { recorded }));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, number: u64) {
        (self.at, self.frames) = (Position::start(number), Reader::default());
        (self.piece, self.used) = (Vec::new(), 0);
    }

    /// Skips a byte where no frame can be read: the next whole one may begin at any.
    fn skip(&mut self) {
        if self.told.is_some() && !self.found.contains(&self.at.segment) {
            self.found.push(self.at.segment);
        }
        self.damaged = true;
        self.frames.lose();
        self.at.offset += 1;
        self.used += 1;
    }

    /// Skips this segment.
    fn give_up(&mut self, why: &str) {
        self.tell(why);
        self.at.offset = u64::MAX;
        (self.piece, self.used) = (Vec::new(), 0);
    }

    fn tell(&self, what: &str) {
        if let Some(publisher) = &self.told {
            let number = self.at.segment;
            warn!(publisher = %publisher, "segment {number} of the journal {what}; continuing after that");
        }
    }
}
