//! From after the ident line to the end of a telegram.

use super::{Decoder, Step};
use crate::{
    data_line::End,
    framing::Framing,
    head::Head,
    partial::Line,
    reject::Reason,
    telegram::Check,
    wire::{ETX, MAX_IDENT, MAX_TELEGRAM, STX},
};

impl Decoder {
    /// Reads lines of the telegram that began at `start`, up to its end mark.
    pub(super) fn lines(&mut self, start: usize) -> Step {
        loop {
            match self.line(start) {
                Step::On if !self.partial.marked => {}
                stop => return stop,
            }
        }
    }

    /// Reads the next line.
    fn line(&mut self, start: usize) -> Step {
        let at = self.input.at;
        if at - start >= MAX_TELEGRAM {
            return self.too_long(start);
        }
        let Some(&first) = self.input.get(at) else { return Step::More };
        let framing = self.partial.framing;
        let first = framing.character(first);
        if first == ETX && self.partial.stx.is_some() {
            return self.check();
        }
        // Neither an end mark nor what is blank needs a line end after it.
        self.partial.marked = first == b'!';
        let lone = if self.partial.marked { 1 } else { self.blank(framing, at) };
        if lone > 0 {
            self.copy(lone);
            return Step::On;
        }
        let end = match self.line_end(first == STX) {
            Some(end) if end - start <= MAX_TELEGRAM => end,
            None if self.input.len() - start <= MAX_TELEGRAM => return Step::More,
            _ => return self.too_long(start),
        };
        // What is blank after the line is read with it.
        let after = end + self.blank(framing, end);
        let raw = &self.input[at..end];
        let place = self.text.len()..self.text.len() + raw.len();
        let parity_errors = framing.read(&self.input[at..after], &mut self.text);
        match self.partial.read_line(&self.text[..place.end], place.start, &mut self.registers) {
            Line::Head if Head::is_line(raw) => return Step::Rejected(Reason::NoEnd),
            Line::Data(End::Line) => {
                self.partial.parity_errors += parity_errors;
                self.input.at = after;
            }
            Line::Data(End::Mark(mark)) => {
                // What follows the mark may be the next telegram: only up to it is this one's.
                self.text.truncate(place.start);
                self.copy(mark - place.start + 1);
                self.partial.marked = true;
            }
            Line::Head | Line::Odd => {
                // A telegram cut off inside a line, and the next one following at once.
                if let Some(ident) = Head::inside(raw) {
                    self.input.at += ident;
                    return Step::Rejected(Reason::NoEnd);
                }
                self.partial.note_odd(place);
                self.partial.parity_errors += parity_errors;
                self.input.at = after;
            }
        }
        self.input.scanned = self.input.at;
        Step::On
    }

    /// Reads the next `count` bytes as they are.
    fn copy(&mut self, count: usize) {
        let at = self.input.at;
        self.partial.parity_errors += self.partial.framing.read(&self.input[at..at + count], &mut self.text);
        self.input.at += count;
    }

    /// Returns how many bytes from `from` on are line ends of any kind, blank lines, or the NULs of an idle line.
    fn blank(&self, framing: Framing, from: usize) -> usize {
        let blank = |&&byte: &&u8| matches!(framing.character(byte), b'\r' | b'\n' | 0);
        self.input[from..].iter().take_while(blank).count()
    }

    /// Returns the end of the next line: at a line end, at ETX where STX promised one, or at the end of the input.
    fn line_end(&mut self, begins_with_stx: bool) -> Option<usize> {
        let (cr, lf, etx) = self.partial.framing.line_ends();
        let from = self.input.scanned.max(self.input.at);
        let rest = &self.input[from..];
        let end = if begins_with_stx || self.partial.stx.is_some() {
            memchr::memchr3(cr, lf, etx, rest)
        } else {
            memchr::memchr2(cr, lf, rest)
        };
        let end = end.map(|end| from + end);
        if end.is_none() {
            self.input.scanned = self.input.len();
        }
        end.or(self.input.is_finished().then_some(self.input.len()))
    }

    /// Gives up a telegram; the search goes on in the line that made it too long.
    fn too_long(&mut self, start: usize) -> Step {
        // The last line has no end before the limit, and an ident line in it would have to end after: so it is in the
        // last bytes or not at all, and nothing is searched twice.
        self.input.at = self.input.at.max(start + MAX_TELEGRAM - MAX_IDENT);
        Step::Rejected(Reason::TooLong)
    }

    /// Reads what follows the end mark.
    pub(super) fn end(&mut self, start: usize) -> Step {
        let framing = self.partial.framing;
        let rest = &self.input[self.input.at..];
        if self.partial.stx.is_some() {
            let Some(&byte) = rest.first() else { return Step::More };
            match framing.character(byte) {
                b'\r' | b'\n' | 0 if self.input.at - start < MAX_TELEGRAM => {}
                ETX => return self.check(),
                _ => return Step::Rejected(Reason::NoCheck),
            }
            self.copy(1);
            return Step::On;
        }
        let digits =
            rest.iter().take(4).take_while(|&&byte| framing.character(byte).is_ascii_hexdigit()).count();
        // Fewer than four (some meters leave out leading zeros) are all that there is. Anything else may be
        // a damaged CRC, and must not pass for none.
        match rest.get(digits).map(|&byte| framing.character(byte)) {
            _ if digits == 4 => {}
            None if !self.input.is_finished() => return Step::More,
            None | Some(b'\r' | b'\n' | 0 | b'/' | STX) => {}
            Some(byte) => return Step::Rejected(Reason::AfterMark(byte)),
        }
        self.copy(digits);
        Step::Complete(if digits == 0 { Check::None } else { Check::Crc16 })
    }

    /// Reads ETX and the block check character after it.
    fn check(&mut self) -> Step {
        if self.input[self.input.at..].len() < 2 {
            return Step::More;
        }
        self.copy(2);
        Step::Complete(Check::Bcc)
    }
}
