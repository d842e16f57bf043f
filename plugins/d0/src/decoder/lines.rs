//! From behind the ident line to the end of a telegram.

use super::{Decoder, MAX_TELEGRAM, Step};
use crate::{
    framing::Framing,
    head::{ETX, Head, MAX_IDENT, STX},
    line::End,
    open::{Line, Open},
    reject::Reason,
    telegram::Check,
};

impl Decoder {
    /// Reads lines of the open telegram, up to its end mark.
    pub(super) fn lines(&mut self, mut open: Open) -> Step {
        let step = loop {
            match self.line(&mut open) {
                Step::On if open.marked => break Step::On,
                Step::On => {}
                stop => break stop,
            }
        };
        self.open = Some(open);
        step
    }

    /// Reads the line at `at`.
    fn line(&mut self, open: &mut Open) -> Step {
        if self.at - open.start >= MAX_TELEGRAM {
            return self.too_long(open);
        }
        let Some(&first) = self.buffer.get(self.at) else { return Step::More };
        let first = open.framing.character(first);
        if first == ETX && open.stx.is_some() {
            return self.check(open);
        }
        // Neither an end mark nor what is blank needs a line end behind it.
        open.marked = first == b'!';
        let lone = if open.marked { 1 } else { self.blank(open.framing, self.at) };
        if lone > 0 {
            let bytes = &self.buffer[self.at..self.at + lone];
            open.parity_errors += open.framing.read(bytes, &mut self.text);
            self.at += lone;
            return Step::On;
        }
        let end = match self.line_end(open, first == STX) {
            Some(end) if end - open.start <= MAX_TELEGRAM => end,
            None if self.buffer.len() - open.start <= MAX_TELEGRAM => return Step::More,
            _ => return self.too_long(open),
        };
        // What is blank behind the line is read with it.
        let behind = end + self.blank(open.framing, end);
        let raw = &self.buffer[self.at..end];
        let place = self.text.len()..self.text.len() + raw.len();
        let parity_errors = open.framing.read(&self.buffer[self.at..behind], &mut self.text);
        match open.read_line(&self.text[..place.end], place.start, &mut self.registers) {
            Line::Head if Head::is_line(raw) => return Step::Rejected(self.rejected(open, Reason::NoEnd)),
            Line::Data(End::Line) => {
                open.parity_errors += parity_errors;
                self.at = behind;
            }
            Line::Data(End::Mark(mark)) => {
                // What follows the mark may be the next telegram: only up to it is this one's.
                self.text.truncate(place.start);
                let raw = &raw[..=mark - place.start];
                open.parity_errors += open.framing.read(raw, &mut self.text);
                open.marked = true;
                self.at += raw.len();
            }
            Line::Head | Line::Odd => {
                // A telegram cut off inside a line, and the next one following at once.
                if let Some(ident) = Head::inside(raw) {
                    self.at += ident;
                    return Step::Rejected(self.rejected(open, Reason::NoEnd));
                }
                open.note_odd(place);
                open.parity_errors += parity_errors;
                self.at = behind;
            }
        }
        self.scanned = self.at;
        Step::On
    }

    /// How many bytes from `from` on are line ends of any kind, blank lines, or the NULs of an idle line.
    fn blank(&self, framing: Framing, from: usize) -> usize {
        let blank = |&&byte: &&u8| matches!(framing.character(byte), b'\r' | b'\n' | 0);
        self.buffer[from..].iter().take_while(blank).count()
    }

    /// Where the line that begins at `at` ends: at a line end, at ETX where STX promised one, or at the
    /// end of the input.
    fn line_end(&mut self, open: &Open, begins_with_stx: bool) -> Option<usize> {
        let (cr, lf, etx) = open.framing.line_ends();
        let from = self.scanned.max(self.at);
        let rest = &self.buffer[from..];
        let end = if begins_with_stx || open.stx.is_some() {
            memchr::memchr3(cr, lf, etx, rest)
        } else {
            memchr::memchr2(cr, lf, rest)
        };
        let end = end.map(|end| from + end);
        if end.is_none() {
            self.scanned = self.buffer.len();
        }
        end.or(self.finished.then_some(self.buffer.len()))
    }

    /// Gives up a telegram; the search goes on in the line that made it too long.
    fn too_long(&mut self, open: &Open) -> Step {
        // The last line has no end before the limit, and an ident line in it would have to end behind:
        // so it is in the last bytes or not at all, and nothing is searched twice.
        self.at = self.at.max(open.start + MAX_TELEGRAM - MAX_IDENT);
        Step::Rejected(self.rejected(open, Reason::TooLong))
    }

    /// Reads what follows the end mark.
    pub(super) fn end(&mut self, mut open: Open) -> Step {
        let rest = &self.buffer[self.at..];
        if open.stx.is_some() {
            let Some(&byte) = rest.first() else { return Step::More };
            match open.framing.character(byte) {
                b'\r' | b'\n' | 0 if self.at - open.start < MAX_TELEGRAM => {}
                ETX => return self.check(&mut open),
                _ => return Step::Rejected(self.rejected(&open, Reason::NoCheck)),
            }
            open.parity_errors += open.framing.read(&rest[..1], &mut self.text);
            self.at += 1;
            self.open = Some(open);
            return Step::On;
        }
        let digits =
            rest.iter().take(4).take_while(|&&byte| open.framing.character(byte).is_ascii_hexdigit()).count();
        // Fewer than four (some meters leave out leading zeros) are all that there is. Anything else may be
        // a damaged CRC, and must not pass for none.
        match rest.get(digits).map(|&byte| open.framing.character(byte)) {
            _ if digits == 4 => {}
            None if !self.finished => return Step::More,
            None | Some(b'\r' | b'\n' | 0 | b'/' | STX) => {}
            Some(byte) => return Step::Rejected(self.rejected(&open, Reason::AfterMark(byte))),
        }
        open.parity_errors += open.framing.read(&rest[..digits], &mut self.text);
        self.at += digits;
        Step::Complete(open, if digits == 0 { Check::None } else { Check::Crc16 })
    }

    /// Reads ETX and the block check character behind it.
    fn check(&mut self, open: &mut Open) -> Step {
        let Some(bytes) = self.buffer[self.at..].first_chunk::<2>() else { return Step::More };
        open.parity_errors += open.framing.read(bytes, &mut self.text);
        self.at += bytes.len();
        Step::Complete(*open, Check::Bcc)
    }
}
