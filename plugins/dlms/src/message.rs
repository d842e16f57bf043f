//! Message, joined from its frames.

use crate::{frame::Part, reject::Reason, telegram::Framing, wire};

/// Tag of a block of a general block transfer (IEC 62056-5-3, clause 9.4.6.13).
const BLOCK: u8 = 0xe0;
/// Bit of its control byte that marks the last block.
const LAST: u8 = 0x80;

/// Message that has begun.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Bytes of the message, or of the blocks so far.
    bytes: Vec<u8>,
    /// Bytes of the HDLC segments so far.
    segments: Vec<u8>,
    has_segments: bool,
    /// Number of the next block.
    next_block: Option<u16>,
    /// Number of the next segment of M-Bus.
    next_segment: Option<u8>,
    /// The message before was given up: more parts of it may come.
    is_adrift: bool,
}

/// Result of joining a frame with those before.
#[derive(Debug, PartialEq)]
pub(crate) enum Joined {
    /// More frames are needed.
    More,
    /// It carries nothing.
    Ignored,
    Whole(Framing),
    /// It begins another message.
    Another,
    Bad(Reason),
}

impl Message {
    /// Forgets what has begun.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.segments.clear();
        (self.has_segments, self.next_block, self.next_segment) = (false, None, None);
    }

    /// Gives up what has begun; what follows of it is not looked at.
    pub(crate) fn give_up(&mut self) {
        self.clear();
        self.is_adrift = true;
    }

    /// Returns what a part is without those before it.
    fn stray(&mut self) -> Joined {
        if self.is_adrift { Joined::Ignored } else { Joined::Bad(Reason::NotTheFirst) }
    }

    /// Takes a message that needs no joining.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        self.clear();
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn has_begun(&self) -> bool {
        self.has_segments || self.next_block.is_some() || self.next_segment.is_some()
    }

    /// Appends a frame.
    pub(crate) fn join(&mut self, part: Part, data: &[u8]) -> Joined {
        match part {
            Part::Hdlc { .. } if data.is_empty() => Joined::Ignored,
            Part::Hdlc { more } => self.segment(more, data),
            Part::Mbus { number, last } => self.mbus(number, last, data),
        }
    }

    fn segment(&mut self, more: bool, data: &[u8]) -> Joined {
        if let Some(data) = data.strip_prefix(&wire::LLC) {
            if self.has_begun() {
                return Joined::Another;
            }
            self.segments.extend_from_slice(data);
        } else if self.has_segments || self.next_block.is_some() {
            self.segments.extend_from_slice(data);
        } else {
            return self.stray();
        }
        self.is_adrift = false;
        self.has_segments = more;
        if more {
            return Joined::More;
        }
        if self.next_block.is_none() && self.segments.first() != Some(&BLOCK) {
            self.bytes.extend_from_slice(&self.segments);
            return Joined::Whole(Framing::Hdlc);
        }
        let joined = self.block();
        self.segments.clear();
        joined
    }

    /// Appends the block in the segments.
    fn block(&mut self) -> Joined {
        let &[BLOCK, control, n, nn, _, _, ref rest @ ..] = &self.segments[..] else {
            return Joined::Bad(Reason::Block);
        };
        let number = u16::from_be_bytes([n, nn]);
        let Some((Some(length), data)) = wire::length(rest) else { return Joined::Bad(Reason::Block) };
        if length != data.len() {
            return Joined::Bad(Reason::Block);
        }
        match self.next_block {
            None if number != 1 => return Joined::Bad(Reason::NotTheFirst),
            Some(next) if number != next => return Joined::Bad(Reason::Gap),
            _ => {}
        }
        self.bytes.extend_from_slice(data);
        if control & LAST != 0 {
            return Joined::Whole(Framing::HdlcBlocks);
        }
        match number.checked_add(1) {
            Some(next) => {
                self.next_block = Some(next);
                Joined::More
            }
            None => Joined::Bad(Reason::TooLong),
        }
    }

    fn mbus(&mut self, number: u8, last: bool, data: &[u8]) -> Joined {
        match (self.next_segment, number) {
            (None, 0) if !self.has_begun() => {}
            (_, 0) => return Joined::Another,
            (None, _) => return self.stray(),
            (Some(next), number) if next != number => return Joined::Bad(Reason::Gap),
            _ => {}
        }
        self.is_adrift = false;
        self.bytes.extend_from_slice(data);
        if last {
            return Joined::Whole(Framing::Mbus);
        }
        self.next_segment = Some(number + 1);
        Joined::More
    }
}
