//! Telegram that has begun: its framing, its parts so far and its faults.

use std::ops::Range;

use crate::{
    crc16::{Crc16, Kind},
    data_line::{End, Registers},
    framing::Framing,
    reject::{Excerpt, Reason},
    telegram::Check,
    wire::{ACK, STX},
};

/// State of a telegram whose characters are being collected in a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Partial {
    pub(crate) framing: Framing,
    /// Number of characters of the ident line; 0 without one.
    pub(crate) ident: usize,
    pub(crate) parity_errors: usize,
    /// Place of STX in the text.
    pub(crate) stx: Option<usize>,
    /// A data line was seen.
    begun: bool,
    /// Number of lines that are not data lines, and the place of the first one in the text.
    pub(crate) odd_lines: usize,
    first_odd: Option<(usize, usize)>,
    /// The end mark was seen.
    pub(crate) marked: bool,
    /// A line whose text value goes on in the next one.
    open: Option<Open>,
    /// Kind of its CRC, once that is right.
    pub(crate) crc: Kind,
}

/// Line whose last bracket is open, and the odd lines before it.
#[derive(Clone, Copy, Debug)]
struct Open {
    line: usize,
    odd_lines: usize,
    first_odd: Option<(usize, usize)>,
}

/// Verdict on a line.
pub(crate) enum Line {
    Data(End),
    /// Probably the first line of the next telegram.
    Head,
    /// Not a data line.
    Odd,
}

impl Partial {
    /// A telegram with an ident line of `ident` characters, or with STX only.
    pub(crate) fn new(framing: Framing, ident: usize, parity_errors: usize) -> Self {
        let stx = if ident == 0 { Some(0) } else { None };
        Self { framing, ident, parity_errors, stx, ..Self::default() }
    }

    /// Reads the line `text[from..]` into `registers`.
    pub(crate) fn read_line(&mut self, text: &[u8], from: usize, registers: &mut Registers) -> Line {
        let mut text = text;
        while let [before @ .., 0] = text {
            text = before;
        }
        let mut line = from;
        let first = !self.begun && self.stx.is_none();
        match &text[from..] {
            [b'/', ..] => return Line::Head,
            // The reader's own acknowledgement, `06 050 CR LF`, comes back through some optical heads.
            [ACK, _, _, _] if first => return Line::Data(End::Line),
            [STX, ..] if first => {
                self.stx = Some(from);
                line += 1;
            }
            [STX, ..] => return Line::Head,
            _ => {}
        }
        self.begun |= line < text.len();
        if let Some(open) = self.open.take() {
            match text[line..].iter().find(|byte| matches!(byte, b'(' | b')')) {
                None => self.open = Some(open),
                Some(b')') => {
                    if let Some(end) = registers.read(text, open.line) {
                        (self.odd_lines, self.first_odd) = (open.odd_lines, open.first_odd);
                        return Line::Data(end);
                    }
                }
                Some(_) => {}
            }
        }
        let Some(end) = registers.read(text, line) else {
            if Registers::opens(text, line) {
                let (odd_lines, first_odd) = (self.odd_lines, self.first_odd);
                self.open = Some(Open { line, odd_lines, first_odd });
            }
            return Line::Odd;
        };
        Line::Data(end)
    }

    /// Notes that the line at `place` of the text is not a data line.
    pub(crate) fn note_odd(&mut self, place: Range<usize>) {
        self.first_odd.get_or_insert((place.start, place.end));
        self.odd_lines += 1;
        self.begun = true;
    }

    /// Returns the fault of the telegram, now that all of its `text` is here.
    pub(crate) fn fault(
        &mut self,
        check: Check,
        text: &[u8],
        registers: &Registers,
        crc: &mut Crc16,
    ) -> Option<Reason> {
        if self.parity_errors > 0 {
            return Some(Reason::Parity { framing: self.framing, characters: self.parity_errors });
        }
        match check {
            Check::None => {
                if let Some(line) = self.first_odd.or(registers.doubtful()) {
                    return Some(Reason::Line(Excerpt::of(&text[line.0..line.1])));
                }
            }
            Check::Bcc => {
                // The last character, over all from after STX to ETX. On the meter's seven bits, or on eight of an 8N1
                // meter: a flipped bit 7 must show there too.
                let mut covered = text[self.stx.unwrap_or(0) + 1..].iter();
                let given = *covered.next_back().unwrap_or(&0);
                let expected = covered.fold(0, |bcc, byte| bcc ^ byte);
                if given != expected {
                    return Some(Reason::Bcc { given, expected });
                }
                // Without an end mark the ETX may be a damaged character inside a line, and seven bits agree by chance
                // now and then.
                if !self.marked && self.odd_lines > 0 {
                    return Some(Reason::NoEnd);
                }
            }
            Check::Crc16 => {
                let digits = text.iter().rev().take_while(|&&byte| byte != b'!').count();
                let (covered, digits) = text.split_at(text.len() - digits);
                let digit = |&byte| char::from(byte).to_digit(16).unwrap_or(0) as u16;
                let given = digits.iter().fold(0, |crc, byte| crc << 4 | digit(byte));
                match crc.judge(covered, given) {
                    Ok(kind) => self.crc = kind,
                    Err(expected) => return Some(Reason::Crc { given, expected }),
                }
            }
        }
        registers.is_empty().then_some(Reason::Empty)
    }
}
