//! From bytes to telegrams: finds, unescapes, checks. It does no I/O and has no clock.
//!
//! A telegram is an SML file in the transport protocol version 1 (BSI TR-03109-1, annex IV b):
//!
//! ```text
//! 1b1b1b1b 01010101  messages and 0 to 3 bytes 00  1b1b1b1b 1a PP CC CC
//! ```
//!
//! PP is the number of bytes 00, CC CC the checksum of everything before it. Four bytes 1b among the messages are sent
//! twice.
//!
//! **Strict**: a telegram is accepted or rejected as a whole. Both checksums must be right, that of the whole and that
//! of each message. A register that is not a number is text, or is left out.

use memchr::memmem::Finder;
use telegram::{Protocol, Scanner};

use crate::{
    checksum::Checksum,
    file,
    quirks::Quirks,
    registers::Registers,
    reject::{Reason, Rejected},
    server_id::Ident,
    sign::Sign,
    telegram::Telegram,
    wire::{ESCAPE, MAX_TELEGRAM, START},
};

/// Finds telegrams in a stream of bytes that were read as 8N1.
#[derive(Debug)]
pub struct Decoder {
    quirks: Quirks,
    start: Finder<'static>,
    escape: Finder<'static>,
    /// No escape sequence begins before the place to which it has scanned, but for those that were seen.
    input: Scanner,
    /// The telegram that has begun has a doubled escape sequence.
    doubled: bool,
    /// Messages of a telegram with doubled escape sequences.
    payload: Vec<u8>,
    registers: Registers,
    ident: Ident,
    sign: Sign,
}

/// Result of one step of the search.
enum Step {
    /// Go on.
    On,
    /// More bytes are needed.
    More,
    /// The telegram ends with the escape sequence at this place.
    Ended(usize),
    Rejected(Reason),
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
            input: Scanner::new(MAX_TELEGRAM),
            doubled: false,
            payload: Vec::new(),
            registers: Registers::default(),
            ident: Ident::default(),
            sign: Sign::default(),
        }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOLS: &'static [Protocol] = &[Protocol::Sml];
    const VARIANT: &'static str = "quirk";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    fn scanner(&mut self) -> &mut Scanner {
        &mut self.input
    }

    fn outlasts_pauses(&self) -> bool {
        true
    }

    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        loop {
            let begun = self.input.begun;
            let step = match begun {
                None => self.search(),
                Some(start) => self.scan(start),
            };
            match (step, begun) {
                (Step::On, _) => {}
                (Step::More, _) if !self.input.is_finished() => return None,
                (Step::More, Some(start)) => return Some(Err(self.rejected(start, Reason::NoEnd))),
                (Step::Ended(end), Some(start)) => return Some(self.complete(start, end)),
                (Step::Rejected(reason), Some(start)) => return Some(Err(self.rejected(start, reason))),
                (_, None) => {
                    self.input.skip_rest();
                    return None;
                }
            }
        }
    }
}

impl Decoder {
    /// Looks for a start sequence.
    fn search(&mut self) -> Step {
        let rest = &self.input[self.input.at..];
        if let Some(place) = self.start.find(rest) {
            let start = self.input.at + place;
            self.input.begin(start);
            self.input.at = start + START.len();
            (self.input.scanned, self.doubled) = (self.input.at, false);
            return Step::On;
        }
        // The rest may be the beginning of one.
        let kept = (1..START.len()).rev().find(|&len| rest.ends_with(&START[..len])).unwrap_or(0);
        self.input.at = self.input.len() - kept;
        Step::More
    }

    /// Looks for the next escape sequence of the telegram that began at `start`.
    fn scan(&mut self, start: usize) -> Step {
        let (limit, scanned, len) = (start + MAX_TELEGRAM, self.input.scanned, self.input.len());
        let place = self.escape.find(&self.input[scanned..]).map(|place| scanned + place);
        self.input.scanned = place.unwrap_or(scanned.max(len.saturating_sub(ESCAPE.len() - 1)));
        // It counts where it ends, so that it makes no difference how many bytes came at once.
        if place.map_or(len, |place| len.min(place + 8)) > limit {
            return Step::Rejected(Reason::TooLong);
        }
        let Some(place) = place else { return Step::More };
        let Some(&meaning) = self.input[place..].get(4..).and_then(|rest| rest.first_chunk::<4>()) else {
            return Step::More;
        };
        match meaning {
            ESCAPE => {
                (self.input.scanned, self.doubled) = (place + 8, true);
                Step::On
            }
            [0x1a, ..] => Step::Ended(place),
            [1, 1, 1, 1] => Step::Rejected(Reason::NoEnd),
            unknown => Step::Rejected(Reason::Escape(unknown)),
        }
    }

    /// Gives a telegram up. The next one may begin anywhere after its start.
    fn rejected(&mut self, start: usize, reason: Reason) -> Rejected {
        self.input.begun = None;
        self.input.at = start + START.len();
        Rejected { offset: self.input.offset(start), reason }
    }

    /// Judges the telegram from `start` to the end sequence at `end`.
    fn complete(&mut self, start: usize, end: usize) -> Result<Telegram<'_>, Rejected> {
        let covered = end + 6;
        let given = u16::from_be_bytes([self.input[covered], self.input[covered + 1]]);
        let checksum = match self.quirks.checksum(&self.input[start..covered], given) {
            Ok(checksum) => checksum,
            Err(expected) => return Err(self.rejected(start, Reason::Crc { given, expected })),
        };
        self.input.begun = None;
        self.input.at = end + 8;
        let offset = self.input.offset(start);
        let mut payload = &self.input[start + START.len()..end];
        if self.doubled {
            self.payload.clear();
            unescape(payload, &self.escape, &mut self.payload);
            payload = &self.payload;
        }
        self.registers.clear();
        let server_id = file::read(payload, checksum, &mut self.registers)
            .map_err(|reason| Rejected { offset, reason })?;
        if self.ident.set(server_id) {
            self.sign = Sign::default(); // another meter
        }
        let Some(quirks) = self.quirks.apply(checksum, server_id, &mut self.sign, &mut self.registers) else {
            let expected = Checksum::X25.of(&self.input[start..covered]);
            return Err(Rejected { offset, reason: Reason::Crc { given, expected } });
        };
        let (registers, len) = (&self.registers, end + 8 - start);
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
