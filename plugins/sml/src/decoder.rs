//! From bytes to telegrams: finds, unescapes, checks. No I/O and no clock in here.
//!
//! A telegram is an SML file in the transport protocol version 1 (BSI TR-03109-1, annex IV b):
//!
//! ```text
//! 1b1b1b1b 01010101  messages and 0 to 3 bytes 00  1b1b1b1b 1a PP CC CC
//! ```
//!
//! PP says how many bytes 00 there are, CC CC is the checksum of everything before it. Four bytes 1b among
//! the messages are sent twice.
//!
//! **Strict**: a telegram is handed on whole or rejected whole. Both checksums must be right, that of the
//! whole and that of each message. A register that is no number is text, or is left out.

use memchr::memmem::Finder;
use telegram::{Buffer, Protocol};

use crate::{
    file,
    quirks::Quirks,
    registers::Registers,
    reject::{Reason, Rejected},
    server_id::Ident,
    telegram::Telegram,
};

/// The most bytes of a telegram: twenty times the longest that was seen.
pub const MAX_TELEGRAM: usize = 16 * 1024;

pub(crate) const ESCAPE: [u8; 4] = [0x1b; 4];
pub(crate) const START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];

/// Finds telegrams in a stream of bytes that were read as 8N1.
#[derive(Debug)]
pub struct Decoder {
    quirks: Quirks,
    start: Finder<'static>,
    escape: Finder<'static>,
    buffer: Buffer,
    /// Everything before is done with.
    at: usize,
    /// Nothing will follow what is in the buffer.
    finished: bool,
    open: Option<Open>,
    /// The messages of a telegram with doubled escape sequences.
    payload: Vec<u8>,
    registers: Registers,
    ident: Ident,
}

/// A telegram that has begun.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Its first byte in the buffer.
    start: usize,
    /// No escape sequence begins before, but for those that were seen.
    scanned: usize,
    /// One of them was doubled.
    doubled: bool,
}

/// What one step of the search came to.
enum Step {
    /// Go on.
    On,
    /// More bytes are needed.
    More,
    /// The telegram that began here ends with the escape sequence at this place.
    Ended(Open, usize),
    Rejected(Open, Reason),
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Quirks::default())
    }
}

impl Decoder {
    /// A decoder for a meter with these quirks.
    pub fn new(quirks: Quirks) -> Self {
        Self {
            quirks,
            start: Finder::new(&START).into_owned(),
            escape: Finder::new(&ESCAPE).into_owned(),
            buffer: Buffer::new(MAX_TELEGRAM),
            at: 0,
            finished: false,
            open: None,
            payload: Vec::new(),
            registers: Registers::default(),
            ident: Ident::default(),
        }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOL: Protocol = Protocol::Sml;
    const NATURE: &'static str = "quirk";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    /// Where the next bytes of the stream belong; at least 512, if `next` was called until
    /// it was `None`.
    fn space(&mut self) -> &mut [u8] {
        let done = self.open.map_or(self.at, |open| open.start);
        self.buffer.forget(done);
        self.at -= done;
        if let Some(open) = &mut self.open {
            open.start = 0;
            open.scanned -= done;
        }
        self.buffer.space()
    }

    /// The first `count` bytes of `space` have been read.
    fn filled(&mut self, count: usize) {
        self.buffer.filled(count);
    }

    /// The input ended, or paused for longer than a meter does inside a telegram: an unfinished one is
    /// rejected.
    fn finish(&mut self) {
        self.finished = true;
    }

    /// Forgets what is not complete: the line was opened anew.
    fn reset(&mut self) {
        self.buffer.forget(self.buffer.len());
        (self.at, self.open, self.finished) = (0, None, false);
    }

    /// Has a telegram begun that is not complete yet?
    fn pending(&self) -> bool {
        self.open.is_some() || self.at < self.buffer.len()
    }

    /// The next telegram in the bytes so far; `None` when more are needed.
    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        loop {
            let step = match self.open {
                None => self.search(),
                Some(open) => self.scan(open),
            };
            match step {
                Step::On => {}
                Step::More if !self.finished => return None,
                Step::More => {
                    if let Some(open) = self.open.take() {
                        return Some(Err(self.rejected(open, Reason::NoEnd)));
                    }
                    self.at = self.buffer.len();
                    self.finished = false;
                    return None;
                }
                Step::Ended(open, end) => {
                    self.open = None;
                    return Some(self.complete(open, end));
                }
                Step::Rejected(open, reason) => return Some(Err(self.rejected(open, reason))),
            }
        }
    }
}

impl Decoder {
    /// Looks for a start sequence from `at` on.
    fn search(&mut self) -> Step {
        let rest = &self.buffer[self.at..];
        if let Some(place) = self.start.find(rest) {
            let start = self.at + place;
            self.at = start + START.len();
            self.open = Some(Open { start, scanned: self.at, doubled: false });
            return Step::On;
        }
        // The rest may be the beginning of one.
        let kept = (1..START.len()).rev().find(|&len| rest.ends_with(&START[..len])).unwrap_or(0);
        self.at = self.buffer.len() - kept;
        Step::More
    }

    /// Looks for the next escape sequence of an open telegram.
    fn scan(&mut self, mut open: Open) -> Step {
        let limit = open.start + MAX_TELEGRAM;
        let place = self.escape.find(&self.buffer[open.scanned..]).map(|place| open.scanned + place);
        open.scanned = place.unwrap_or(open.scanned.max(self.buffer.len().saturating_sub(ESCAPE.len() - 1)));
        self.open = Some(open);
        // It counts where it ends: so it makes no difference how many bytes came at once.
        if place.map_or(self.buffer.len(), |place| self.buffer.len().min(place + 8)) > limit {
            return Step::Rejected(open, Reason::TooLong);
        }
        let Some(place) = place else { return Step::More };
        let Some(&meaning) = self.buffer[place..].get(4..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Step::More;
        };
        match meaning {
            ESCAPE => {
                (open.scanned, open.doubled) = (place + 8, true);
                self.open = Some(open);
                Step::On
            }
            [0x1a, ..] => Step::Ended(open, place),
            [1, 1, 1, 1] => Step::Rejected(open, Reason::NoEnd),
            unknown => Step::Rejected(open, Reason::Escape(unknown)),
        }
    }

    /// Gives a telegram up. The next one may begin anywhere behind its start.
    fn rejected(&mut self, open: Open, reason: Reason) -> Rejected {
        self.open = None;
        self.at = open.start + START.len();
        Rejected { offset: self.buffer.offset(open.start), reason }
    }

    /// Judges the telegram whose end sequence stands at `end`.
    fn complete(&mut self, open: Open, end: usize) -> Result<Telegram<'_>, Rejected> {
        let covered = end + 6;
        let given = u16::from_be_bytes([self.buffer[covered], self.buffer[covered + 1]]);
        let checksum = match self.quirks.checksum(&self.buffer[open.start..covered], given) {
            Ok(checksum) => checksum,
            Err(expected) => return Err(self.rejected(open, Reason::Crc { given, expected })),
        };
        self.at = end + 8;
        let offset = self.buffer.offset(open.start);
        let mut payload = &self.buffer[open.start + START.len()..end];
        if open.doubled {
            self.payload.clear();
            unescape(payload, &self.escape, &mut self.payload);
            payload = &self.payload;
        }
        self.registers.clear();
        let server_id = file::read(payload, checksum, &mut self.registers)
            .map_err(|reason| Rejected { offset, reason })?;
        let Some(quirks) = self.quirks.apply(checksum, server_id, &mut self.registers) else {
            let expected = crate::checksum::Checksum::X25.of(&self.buffer[open.start..covered]);
            return Err(Rejected { offset, reason: Reason::Crc { given, expected } });
        };
        self.ident.set(server_id);
        let (registers, len) = (&self.registers, end + 8 - open.start);
        Ok(Telegram { offset, len, ident: self.ident.text(), quirks, text: registers.text(), registers })
    }
}

/// Appends `bytes` to `payload`, doubled escape sequences once.
fn unescape(mut bytes: &[u8], escape: &Finder<'_>, payload: &mut Vec<u8>) {
    while let Some(place) = escape.find(bytes) {
        let (before, rest) = bytes.split_at(place + ESCAPE.len());
        payload.extend_from_slice(before);
        bytes = rest.get(ESCAPE.len()..).unwrap_or_default();
    }
    payload.extend_from_slice(bytes);
}
