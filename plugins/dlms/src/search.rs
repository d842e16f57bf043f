//! Search for the next frame, or for a message without one.
//!
//! A frame proves itself by its checksum. A message that is sent as it is does not, so it is looked for only where one may
//! begin: at the start of the stream, after a pause, and right after another one. A ciphered one may begin anywhere, as
//! P1 ports send it: its tag proves it.

use std::ops::Range;

use memchr::memchr3;
use telegram::Scanner;

use crate::{
    axdr::{Dialect, Fault, Items},
    cipher::{CIPHERED, Ciphered},
    frame::{self, FLAG, MBUS_START, Part},
    notification::{Head, NOTIFICATION},
    reject::Reason,
    telegram::Framing,
    wire::{LLC, MAX_TELEGRAM},
};

/// Most bytes of a ciphered message inside other bytes: three times the longest text of a P1 port.
const MAX_P1: usize = 4096;

/// Place of the search in the stream.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Position at which a message without a frame may begin.
    boundary: u64,
    /// Position after the last flag, which may open another frame too.
    after_flag: u64,
    /// Position up to which a bad frame reaches: what is inside of it is not a message of its own.
    inside: u64,
    /// Position at which the last search stopped.
    stopped: u64,
    items: Items,
}

/// Result of the search.
#[derive(Debug)]
pub(crate) enum Found {
    More,
    /// The stream ended or paused, and nothing is left in it.
    End,
    Frame {
        at: usize,
        part: Part,
        len: usize,
        data: Range<usize>,
    },
    /// Message without a frame.
    Bare {
        at: usize,
        /// It stands where one may begin; elsewhere it must prove itself.
        is_boundary: bool,
        framing: Framing,
        len: usize,
        data: Range<usize>,
    },
    /// What begins at `at` is not good; the search goes on at `next`.
    Rejected {
        at: usize,
        next: usize,
        reason: Reason,
    },
}

/// Result of a look at one place.
enum Look {
    Nothing,
    More,
    Found(Found),
}

impl Search {
    /// Notes that a message without a frame may begin at this position.
    pub(crate) fn set_boundary(&mut self, position: u64) {
        self.boundary = position;
    }

    /// Looks for the next frame or message from `input.at` on.
    pub(crate) fn next(&mut self, input: &mut Scanner) -> Found {
        let position = input.offset(input.at);
        if position != self.stopped && input.begun.is_none() && input.at == 0 {
            // The port was opened again, and bytes are missing.
            self.restart(position);
        }
        let found = self.find(input);
        if matches!(found, Found::End) {
            self.restart(input.offset(input.len()));
        }
        self.stopped = match &found {
            Found::More => input.offset(input.at),
            Found::End => input.offset(input.len()),
            _ => u64::MAX,
        };
        found
    }

    fn restart(&mut self, position: u64) {
        (self.boundary, self.after_flag, self.inside) = (position, position, position);
    }

    fn find(&mut self, input: &mut Scanner) -> Found {
        loop {
            let Some(at) = self.candidate(input) else {
                input.at = input.len();
                return if input.is_finished() { Found::End } else { Found::More };
            };
            match self.look(input, at) {
                Look::Nothing => input.at = at + 1,
                Look::Found(found) => return found,
                Look::More if input.is_finished() => input.at = at + 1,
                Look::More => {
                    input.at = at;
                    return Found::More;
                }
            }
        }
    }

    /// Returns the next place at which something may begin.
    fn candidate(&mut self, input: &Scanner) -> Option<usize> {
        let at = input.at;
        // Lines idle with such bytes.
        while let Some(0x00 | 0xff) = self.boundary_place(input).and_then(|place| input.get(place)) {
            self.boundary += 1;
        }
        let shared = self.after_flag.checked_sub(input.offset(at)).filter(|ahead| *ahead == 0).map(|_| at);
        let special = shared.or(self.boundary_place(input)).filter(|place| *place < input.len());
        let marked = memchr3(FLAG, MBUS_START, CIPHERED, input.get(at..)?).map(|place| at + place);
        special.into_iter().chain(marked).min()
    }

    /// Returns the place of the boundary, if it is ahead.
    fn boundary_place(&self, input: &Scanner) -> Option<usize> {
        let ahead = usize::try_from(self.boundary.checked_sub(input.offset(input.at))?).ok()?;
        Some(input.at + ahead)
    }

    /// Looks at one place.
    fn look(&mut self, input: &Scanner, at: usize) -> Look {
        let bytes = &input[at..];
        let position = input.offset(at);
        let is_shared = position == self.after_flag && bytes.first().is_some_and(|byte| byte & 0xf0 == 0xa0);
        let look = match bytes {
            [FLAG, rest @ ..] => self.frame(input, at, 1, frame::hdlc(rest)),
            _ if is_shared => self.frame(input, at, 0, frame::hdlc(bytes)),
            [MBUS_START, ..] => self.frame(input, at, 0, frame::mbus(bytes)),
            _ => Look::Nothing,
        };
        let is_boundary = position == self.boundary;
        if !matches!(look, Look::Nothing) || input.begun.is_some() || position < self.inside {
            return look;
        }
        let (link, framing) = match bytes {
            [a, b, c, ..] if [*a, *b, *c] == LLC && is_boundary => (LLC.len(), Framing::Llc),
            [0xe6] | [0xe6, 0xe7] if is_boundary => return Look::More,
            _ => (0, Framing::Raw),
        };
        let message = &bytes[link..];
        match message.first() {
            None => Look::More,
            Some(&CIPHERED) => Self::ciphered(message, at, link, framing, is_boundary),
            Some(&NOTIFICATION) if is_boundary => self.plain(message, at, link, framing, input.is_finished()),
            Some(_) => Look::Nothing,
        }
    }

    fn frame(&mut self, input: &Scanner, at: usize, flag: usize, found: frame::Found<'_>) -> Look {
        Look::Found(match found {
            frame::Found::Nothing => return Look::Nothing,
            frame::Found::Begun if input.is_finished() => {
                Found::Rejected { at, next: at + 1, reason: Reason::NoEnd }
            }
            frame::Found::More | frame::Found::Begun => return Look::More,
            frame::Found::Bad(reason, len) => {
                self.inside = self.inside.max(input.offset(at + len));
                Found::Rejected { at, next: at + 1, reason }
            }
            frame::Found::Frame(frame) => {
                let len = flag + frame.len;
                if let Part::Hdlc { .. } = frame.part {
                    self.after_flag = input.offset(at + len);
                }
                // The content ends before the check sequence and the flag, or before the checksum and the end byte.
                let end = at + len - if matches!(frame.part, Part::Hdlc { .. }) { 3 } else { 2 };
                Found::Frame { at, part: frame.part, len, data: end - frame.data.len()..end }
            }
        })
    }

    fn ciphered(message: &[u8], at: usize, link: usize, framing: Framing, is_boundary: bool) -> Look {
        // Inside other bytes, a sender without a maker's letters is none.
        let has_length = message.get(1).is_none_or(|len| *len == 8);
        let has_letters = message.iter().skip(2).take(3).all(u8::is_ascii_uppercase);
        if !(is_boundary || has_length && has_letters) {
            return Look::Nothing;
        }
        if let Ok(Some(((header, length), _))) = Ciphered::head(message)
            && !is_boundary
            && !(header.is_plausible() && length <= MAX_P1)
        {
            return Look::Nothing;
        }
        match Ciphered::begin(message) {
            Ok(None) => Look::More,
            Ok(Some((_, rest))) => {
                let len = link + message.len() - rest.len();
                Look::Found(Found::Bare { at, is_boundary, framing, len, data: at + link..at + len })
            }
            Err(Reason::TitleLength) => Look::Nothing,
            Err(reason) => Look::Found(Found::Rejected { at, next: at + 1, reason }),
        }
    }

    /// Judges a message that only its own values end. Nothing that is not another one may follow: it would be the rest of
    /// a damaged frame.
    fn plain(&mut self, message: &[u8], at: usize, link: usize, framing: Framing, is_finished: bool) -> Look {
        let end =
            Head::read(message).and_then(|head| self.items.read(message, head.body, Dialect::default()));
        let len = match end {
            Ok(end) => link + end,
            Err(Fault::Cut) if message.len() > MAX_TELEGRAM => {
                return Look::Found(Found::Rejected { at, next: at + 1, reason: Reason::TooLong });
            }
            Err(Fault::Cut) if is_finished => {
                return Look::Found(Found::Rejected { at, next: at + 1, reason: Reason::NoEnd });
            }
            Err(Fault::Cut) => return Look::More,
            // The place may be anything, but a time and a list are hardly one by chance.
            Err(Fault::At(place)) if place > 5 => {
                let reason = Reason::Structure { at: place };
                return Look::Found(Found::Rejected { at, next: at + 1, reason });
            }
            Err(Fault::At(_)) => return Look::Nothing,
        };
        match message.get(len - link..) {
            Some([] | [0xe6] | [0xe6, 0xe7]) if !is_finished => Look::More,
            Some([] | [NOTIFICATION | CIPHERED | 0x00 | 0xff, ..] | [0xe6, 0xe7, 0x00, ..]) => {
                Look::Found(Found::Bare { at, is_boundary: true, framing, len, data: at + link..at + len })
            }
            _ => Look::Found(Found::Rejected { at, next: at + 1, reason: Reason::Length }),
        }
    }
}
