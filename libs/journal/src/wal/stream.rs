//! The entries of all segments from a place on, as one stream.

use std::io;

use tracing::warn;

use crate::wal::{
    delivery::Piece,
    entry::{Entry, Position},
    frame::{self, HEADER, Reader, Stop},
    log::Log,
};
use reading::Text;

/// So much of a segment is read at once. In bytes.
pub(crate) const PIECE: usize = 64 << 10;
/// No frame is longer: one that says so is damaged. A batch of a thousand registers takes some kilobytes.
const LONGEST: usize = 1 << 20;

/// Goes from segment to segment.
#[derive(Debug)]
pub(crate) struct Stream {
    /// In front of the next frame; beyond its segment's end where what is left of that cannot be read.
    pub(crate) at: Position,
    /// What lies before is not handed on.
    pub(crate) from: Position,
    frames: Reader,
    /// Bytes from `at` on, behind those that are used.
    pub(crate) piece: Vec<u8>,
    used: usize,
    /// Who is to be told of what cannot be read.
    pub(crate) told: Option<Text>,
    /// Segments that are passed over.
    pub(crate) unreadable: Vec<u64>,
}

/// A segment's file cannot be read now.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) segment: u64,
    pub(crate) error: io::Error,
}

/// Why a stream stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// It was told to.
    Enough,
    /// Everything was handed on that was recorded; in this run so many batches.
    End { recorded: u64 },
}

impl Stream {
    pub(crate) fn new(from: Position, unreadable: Vec<u64>) -> Self {
        // What an entry says depends on those before it in its segment.
        let (at, frames) = (Position::start(from.segment), Reader::default());
        Self { at, from, frames, piece: Vec::new(), used: 0, told: None, unreadable }
    }

    /// One that reads the same from here on, and takes little memory until then.
    pub(crate) fn here(&self) -> Self {
        let (frames, told, unreadable) = (self.frames.clone(), self.told.clone(), self.unreadable.clone());
        Self { piece: Vec::new(), used: 0, frames, told, unreadable, ..*self }
    }

    /// Hands on entries, each with the place behind it, until `visit` has enough of them.
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
                Ok((payload, behind)) => {
                    let taken = rest.len() - behind.len();
                    let end = Position { offset: self.at.offset + taken as u64, ..self.at };
                    let from = self.from;
                    let mut each = |entry: Entry<'_>| more = end <= from || visit(end, entry);
                    if self.at.offset == 0 || self.frames.entry(payload, &mut each).is_some() {
                        self.at = end;
                        self.used += taken;
                    } else {
                        self.give_up();
                    }
                }
                Err(Stop::Short(needed)) if needed <= LONGEST => {
                    if let Some(read) = self.fill(log, needed)? {
                        return Ok(read);
                    }
                }
                Err(_) => self.give_up(),
            }
        }
        Ok(Read::Enough)
    }

    /// Reads what comes next, at least so many bytes.
    fn fill(&mut self, log: &Log, needed: usize) -> Result<Option<Read>, Unreadable> {
        let segment = self.at.segment;
        let piece = match log.piece(self.at, needed.max(PIECE)) {
            Ok(piece) => piece,
            Err(_) if self.unreadable.contains(&segment) => {
                self.give_up();
                return Ok(None);
            }
            Err(error) => return Err(Unreadable { segment, error }),
        };
        match piece {
            Piece::Bytes(bytes) if bytes.len() >= needed => (self.piece, self.used) = (bytes, 0),
            Piece::Bytes(_) => self.give_up(),
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

    /// What is left of this segment cannot be read: it was torn by a power cut, or is damaged.
    fn give_up(&mut self) {
        self.tell("cannot be read to its end");
        self.at.offset = u64::MAX;
        (self.piece, self.used) = (Vec::new(), 0);
    }

    fn tell(&self, what: &str) {
        if let Some(publisher) = &self.told {
            let number = self.at.segment;
            warn!(publisher = %publisher, "segment {number} of the journal {what}; continuing with the next one");
        }
    }
}
