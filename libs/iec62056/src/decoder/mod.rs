//! From bytes to telegrams: finds, unframes, checks. It does no I/O and has no clock.
//!
//! A telegram (IEC 62056-21, clause 6.3, and mode D) is
//!
//! ```text
//! /EBZ5DD3 CR LF  [STX]  data lines  ! CR LF  [ETX BCC]
//! ```
//!
//! with STX and BCC where the meter was polled, without where it pushes. A data message alone (STX … BCC) is a telegram
//! too, and needs no `!` where the BCC covers all of its lines. The Dutch P1 port has four hexadecimal digits after the
//! `!`. A text may go on in further lines, up to its closing bracket.
//!
//! **Strict**: a telegram is accepted or rejected as a whole. Where STX promises a check character, it must be there
//! and right. That rejects meters that send none (an E350 M27 and an EM214 are known) and those that sum where the
//! standard takes the XOR (Energomera): without their check nothing tells a damaged digit from a right one. A line that
//! is not a data line (a stray quote before `F.F` is enough) rejects its telegram too, unless a check character proves
//! that the meter sent it so.

mod lines;

use telegram::{Protocol, Scanner};

use crate::{
    characters::replace_bad_utf8,
    crc16::Crc16,
    data_line::Registers,
    framing::Framing,
    head::{Head, begins_telegram},
    partial::Partial,
    reject::{Excerpt, Reason, Rejected},
    telegram::{Check, Telegram},
    wire::MAX_TELEGRAM,
};

/// Finds telegrams in a stream of bytes that were read as 8N1.
#[derive(Debug)]
pub struct Decoder {
    forced: Option<Framing>,
    /// Bytes before its place are done with, or copied to `text`; no line ends before the place to which it has
    /// scanned.
    input: Scanner,
    /// Ident line of the telegram before, with one byte of its line end, and its framing: most likely those of the next
    /// one too.
    ident: Vec<u8>,
    framing: Framing,
    /// State of the telegram that has begun; stale while there is none.
    partial: Partial,
    /// Characters of that telegram so far: `text[i]` is the byte `i` of the telegram.
    text: Vec<u8>,
    registers: Registers,
    /// Kind of the CRC of the meter with this ident line.
    crc: Crc16,
}

/// Result of one step of the search.
enum Step {
    /// Go on.
    On,
    /// More bytes are needed.
    More,
    /// `text` and `registers` hold a telegram.
    Complete(Check),
    /// What began, or the byte at the present place, begins no telegram to be trusted.
    Rejected(Reason),
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Decoder {
    /// A decoder for characters in `framing`; `None` finds it for each telegram.
    pub fn new(framing: Option<Framing>) -> Self {
        Self {
            forced: framing,
            input: Scanner::new(MAX_TELEGRAM),
            ident: Vec::new(),
            framing: Framing::Eight,
            partial: Partial::default(),
            text: Vec::new(),
            registers: Registers::default(),
            crc: Crc16::default(),
        }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOLS: &'static [Protocol] = &[Protocol::Iec62056_21];
    const VARIANT: &'static str = "framing";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    fn scanner(&mut self) -> &mut Scanner {
        &mut self.input
    }

    /// Only a telegram without STX may have a CRC. Its end mark ends it where nothing follows.
    fn outlasts_pauses(&self) -> bool {
        match self.input.begun {
            Some(_) => self.partial.stx.is_none() && !self.partial.marked,
            None => Head::begins_ident(&self.input[self.input.at..]),
        }
    }

    /// Returns the next telegram in the bytes so far; `None` when more are needed.
    ///
    /// At the end of the input, a telegram that ends on its `!` is complete; another unfinished one is rejected.
    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        loop {
            let step = match self.input.begun {
                None => self.search(),
                Some(start) if self.partial.marked => self.end(start),
                Some(start) => self.lines(start),
            };
            let reason = match step {
                Step::On => continue,
                Step::More if !self.input.is_finished() => return None,
                Step::More if self.input.begun.is_none() => {
                    self.input.skip_rest();
                    return None;
                }
                Step::More if self.partial.marked => Reason::NoCheck,
                Step::More => Reason::NoEnd,
                Step::Complete(check) => return Some(self.complete(check)),
                Step::Rejected(reason) => reason,
            };
            let start = self.input.begun.take().unwrap_or_else(|| {
                self.input.at += 1;
                self.input.at - 1
            });
            return Some(Err(Rejected { offset: self.input.offset(start), reason }));
        }
    }
}

impl Decoder {
    /// Looks for the start of a telegram.
    fn search(&mut self) -> Step {
        let rest = &self.input[self.input.at..];
        let skipped = rest.iter().position(|&byte| begins_telegram(byte, self.forced)).unwrap_or(rest.len());
        let start = self.input.at + skipped;
        self.input.at = start;
        let rest = &self.input[start..];
        if !self.ident.is_empty() && rest.starts_with(&self.ident) {
            return self.start(self.ident.len() - 1, self.framing);
        }
        let detect = |shown| self.forced.unwrap_or_else(|| Framing::detect(shown));
        let reason = match Head::of(rest) {
            Head::Ident(len) => {
                let framing = detect(&rest[..len]);
                if let Some(with_end) = rest.get(..=len) {
                    self.ident.clear();
                    self.ident.extend_from_slice(with_end);
                    self.framing = framing;
                    self.crc = Crc16::default();
                }
                return self.start(len, framing);
            }
            Head::Message(shown) => return self.start(0, detect(&rest[..shown])),
            Head::More if !self.input.is_finished() || rest.is_empty() => return Step::More,
            Head::More if rest.len() > 4 => Reason::NoEnd,
            Head::More | Head::Noise => {
                self.input.at += 1;
                return Step::On;
            }
            Head::BadIdent(line) => Reason::Ident(line),
        };
        Step::Rejected(reason)
    }

    /// Begins a telegram with an ident line of `ident` characters, or with STX.
    fn start(&mut self, ident: usize, framing: Framing) -> Step {
        let start = self.input.at;
        let head = &self.input[start..start + ident.max(1)];
        self.registers.clear();
        self.text.clear();
        let parity_errors = framing.read(head, &mut self.text);
        if !self.text.is_ascii() {
            return Step::Rejected(Reason::Ident(Excerpt::of(head)));
        }
        self.input.at += head.len();
        self.input.scanned = self.input.at;
        self.input.begin(start);
        self.partial = Partial::new(framing, ident, parity_errors);
        Step::On
    }

    /// Judges the telegram in `text`.
    fn complete(&mut self, check: Check) -> Result<Telegram<'_>, Rejected> {
        let start = self.input.begun.take().unwrap_or_default();
        let offset = self.input.offset(start);
        self.input.scanned = self.input.at;
        let paused = (check == Check::None && self.input.paused).then_some(Reason::Paused);
        if let Some(reason) = self.partial.fault(check, &self.text, &self.registers, &mut self.crc).or(paused)
        {
            return Err(Rejected { offset, reason });
        }
        let commas = check != Check::None && self.registers.read_commas(&self.text);
        if !self.text.is_ascii() {
            replace_bad_utf8(&mut self.text);
        }
        let text = std::str::from_utf8(&self.text).unwrap_or_default();
        Ok(Telegram {
            offset,
            ident: text.get(..self.partial.ident).filter(|ident| !ident.is_empty()),
            framing: self.partial.framing,
            check,
            odd_lines: self.partial.odd_lines,
            quirks: [self.partial.crc.name(), commas.then_some("decimal comma")],
            text,
            registers: &self.registers,
        })
    }
}
