//! From bytes to telegrams: finds, unframes, checks. No I/O and no clock in here.
//!
//! A telegram (IEC 62056-21, clause 6.3, and mode D) is
//!
//! ```text
//! /EBZ5DD3 CR LF  [STX]  data lines  ! CR LF  [ETX BCC]
//! ```
//!
//! with STX and BCC where the meter was asked, without where it speaks by itself. A data message alone
//! (STX … BCC) is a telegram too, and where the BCC proves all of its lines it needs no `!`. The Dutch P1
//! port has four hexadecimal digits behind the `!`.
//!
//! **Strict**: a telegram is handed on whole or rejected whole. Where STX promises a check character, it
//! must be there and right. That rejects meters that send none (an E350 M27 and an EM214 were seen) and
//! those that sum where the standard takes the XOR (Energomera): without their check nothing tells a
//! damaged digit from a right one. A line that is no data line (a stray quote before `F.F` is enough) rejects
//! its telegram too, unless a check character proves that the meter sent it so.

mod lines;

use telegram::{Buffer, Protocol};

use crate::{
    characters::replace_bad_utf8,
    framing::Framing,
    head::{Head, begins_telegram},
    line::Registers,
    open::Open,
    reject::{Excerpt, Reason, Rejected},
    telegram::{Check, Telegram},
};

/// The most bytes of a telegram: six times the longest that was seen.
pub const MAX_TELEGRAM: usize = 64 * 1024;

/// Finds telegrams in a stream of bytes that were read as 8N1.
#[derive(Debug)]
pub struct Decoder {
    forced: Option<Framing>,
    buffer: Buffer,
    /// Everything before is done with, or is copied to `text`.
    at: usize,
    /// No line end between `at` and here.
    scanned: usize,
    /// Nothing will follow what is in the buffer.
    finished: bool,
    /// The ident line of the telegram before, with one byte of its line end, and its framing: most
    /// likely those of the next one too.
    ident: Vec<u8>,
    framing: Framing,
    open: Option<Open>,
    /// The characters of the open telegram so far: `text[i]` is the byte `i` of the telegram.
    text: Vec<u8>,
    registers: Registers,
}

/// What one step of the search came to.
enum Step {
    /// Go on.
    On,
    /// More bytes are needed.
    More,
    /// `text` and `registers` hold a telegram.
    Complete(Open, Check),
    Rejected(Rejected),
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Decoder {
    /// A decoder for characters in `framing`; `None` finds it out for each telegram.
    pub fn new(framing: Option<Framing>) -> Self {
        Self {
            forced: framing,
            buffer: Buffer::new(MAX_TELEGRAM),
            at: 0,
            scanned: 0,
            finished: false,
            ident: Vec::new(),
            framing: Framing::Eight,
            open: None,
            text: Vec::new(),
            registers: Registers::default(),
        }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOL: Protocol = Protocol::Iec62056_21;
    const NATURE: &'static str = "framing";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    /// Where the next bytes of the stream belong; at least 512, if `next` was called until
    /// it was `None`.
    fn space(&mut self) -> &mut [u8] {
        let done = self.open.as_ref().map_or(self.at, |open| open.start);
        self.buffer.forget(done);
        self.at -= done;
        self.scanned = self.scanned.saturating_sub(done);
        if let Some(open) = &mut self.open {
            open.start = 0;
        }
        self.buffer.space()
    }

    /// The first `count` bytes of `space` have been read.
    fn filled(&mut self, count: usize) {
        self.buffer.filled(count);
    }

    /// The input ended, or paused for longer than a meter does inside a telegram.
    ///
    /// A telegram that ended on its `!`, without a line end behind it, is complete by that; another
    /// unfinished one is rejected. `next` says which.
    fn finish(&mut self) {
        self.finished = true;
    }

    /// Forgets what is not complete: the line was opened anew.
    fn reset(&mut self) {
        self.buffer.forget(self.buffer.len());
        (self.at, self.scanned) = (0, 0);
        (self.open, self.finished) = (None, false);
    }

    /// Has a telegram begun that is not complete yet?
    fn pending(&self) -> bool {
        self.open.is_some() || self.at < self.buffer.len()
    }

    /// The next telegram in the bytes so far; `None` when more are needed.
    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        loop {
            let step = match &self.open {
                None => self.search(),
                Some(open) if open.marked => self.end(*open),
                Some(open) => self.lines(*open),
            };
            match step {
                Step::On => {}
                Step::More => {
                    if !self.finished {
                        return None;
                    }
                    if let Some(open) = self.open.take() {
                        let reason = if open.marked { Reason::NoCheck } else { Reason::NoEnd };
                        return Some(Err(self.rejected(&open, reason)));
                    }
                    self.at = self.buffer.len();
                    self.finished = false;
                    return None;
                }
                Step::Complete(open, check) => return Some(self.complete(&open, check)),
                Step::Rejected(rejected) => {
                    self.open = None;
                    return Some(Err(rejected));
                }
            }
        }
    }
}

impl Decoder {
    /// Looks for the start of a telegram from `at` on.
    fn search(&mut self) -> Step {
        let rest = &self.buffer[self.at..];
        let skipped = rest.iter().position(|&byte| begins_telegram(byte, self.forced)).unwrap_or(rest.len());
        self.at += skipped;
        let rest = &rest[skipped..];
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
                }
                return self.start(len, framing);
            }
            Head::Message(shown) => return self.start(0, detect(&rest[..shown])),
            Head::More if !self.finished || rest.is_empty() => return Step::More,
            Head::More if rest.len() > 4 => Reason::NoEnd,
            Head::More | Head::Noise => {
                self.at += 1;
                return Step::On;
            }
            Head::BadIdent(line) => Reason::Ident(line),
        };
        let offset = self.buffer.offset(self.at);
        self.at += 1;
        Step::Rejected(Rejected { offset, reason })
    }

    /// Opens a telegram at `at`, with an ident line of `ident` characters or with STX.
    fn start(&mut self, ident: usize, framing: Framing) -> Step {
        let start = self.at;
        let head = &self.buffer[start..start + ident.max(1)];
        self.registers.clear();
        self.text.clear();
        let parity_errors = framing.read(head, &mut self.text);
        if !self.text.is_ascii() {
            let reason = Reason::Ident(Excerpt::of(head));
            self.at += 1;
            return Step::Rejected(Rejected { offset: self.buffer.offset(start), reason });
        }
        self.at += head.len();
        self.scanned = self.at;
        self.open = Some(Open::new(start, framing, ident, parity_errors));
        Step::On
    }

    /// Judges the telegram in `text`.
    fn complete(&mut self, open: &Open, check: Check) -> Result<Telegram<'_>, Rejected> {
        self.open = None;
        self.scanned = self.at;
        if let Some(reason) = open.fault(check, &self.text, &self.registers) {
            return Err(self.rejected(open, reason));
        }
        if !self.text.is_ascii() {
            replace_bad_utf8(&mut self.text);
        }
        let text = std::str::from_utf8(&self.text).unwrap_or_default();
        Ok(Telegram {
            offset: self.buffer.offset(open.start),
            ident: text.get(..open.ident).filter(|ident| !ident.is_empty()),
            framing: open.framing,
            check,
            odd_lines: open.odd_lines,
            text,
            registers: &self.registers,
        })
    }

    fn rejected(&self, open: &Open, reason: Reason) -> Rejected {
        Rejected { offset: self.buffer.offset(open.start), reason }
    }
}
