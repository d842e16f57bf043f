//! Anonymisation of recorded bytes: overwrites everything that identifies the meter.
//!
//! It works line by line, and no telegram needs to be whole, so that a recording of a fault can be shown to others.
//! Numbers become zeros of the same length; parity bits and check characters stay as right or as wrong as they were.

mod checks;
mod numbers;

use std::ops::Range;

use crate::{
    anonymise::{checks::Checks, numbers::Numbers},
    framing::Framing,
    head::Head,
};

/// Length from which a line shows its framing.
const SHOWS_FRAMING: usize = 16;
/// Length of `/`, maker and baud character.
const IDENT_HEAD: usize = 5;
/// Least digits in a row of a serial number in an ident line; fewer name the model.
const SERIAL_NUMBER: usize = 5;

/// Overwrites meter numbers in `bytes`, which were read as 8N1; returns the number of places.
///
/// Meter numbers are the values of registers that identify (`0.0.0`, `C.1.0`, `0-n:96.1.x`, `42.0.0`, a heat meter's
/// `9.20` and `9.21`), texts (`96.13.x`), serial numbers in ident lines and requests, and the same numbers everywhere
/// else, in hexadecimal too. A number in a line whose code is lost is overwritten as well.
pub fn anonymise(bytes: &mut [u8]) -> usize {
    let mut text = Text::of(bytes);
    let checks = Checks::find(&text);
    let mut numbers = Numbers::default();
    let mut open = None;
    for line in text.lines() {
        open = identify(&text.characters, line, &mut numbers, open);
    }
    let before = text.characters.clone();
    let places = numbers.overwrite(&mut text.characters);
    checks.repair(&before, &mut text);
    text.write_back(bytes);
    places
}

/// Characters of a recording, without their parity bits.
struct Text {
    characters: Vec<u8>,
    /// Lines, with their line ends, and their framings.
    lines: Vec<(Range<usize>, Framing)>,
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        let mut text = Self { characters: Vec::with_capacity(bytes.len()), lines: Vec::new() };
        let mut framing = Framing::detect(bytes);
        // In each framing one of CR and LF has bit 7 clear.
        for line in bytes.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            let shown = line.iter().any(|byte| *byte >= 0x80 || byte.count_ones() % 2 == 1);
            if line.len() >= SHOWS_FRAMING && shown {
                framing = Framing::detect(line);
            }
            let start = text.characters.len();
            text.characters.extend(line.iter().map(|&byte| framing.character(byte)));
            text.lines.push((start..text.characters.len(), framing));
        }
        text
    }

    /// Returns the range of each line, with its line end.
    fn lines(&self) -> impl Iterator<Item = Range<usize>> {
        self.lines.iter().map(|(line, _)| line.clone())
    }

    fn framing_at(&self, place: usize) -> Framing {
        let line = self.lines.partition_point(|(line, _)| line.end <= place);
        self.lines.get(line).map_or(Framing::Eight, |(_, framing)| *framing)
    }

    /// Puts the characters back where they came from.
    fn write_back(&self, bytes: &mut [u8]) {
        for (line, framing) in &self.lines {
            for (byte, &character) in bytes[line.clone()].iter_mut().zip(&self.characters[line.clone()]) {
                *byte = match framing {
                    Framing::Eight => character,
                    // A damaged byte stays damaged: its parity is what it was.
                    _ => character | (((character.count_ones() ^ byte.count_ones()) as u8 & 1) << 7),
                };
            }
        }
    }
}

/// Finds the numbers in the line at `place`. The value of the line before may be `open` still; returns the kind of one
/// that goes on in the next line.
fn identify(text: &[u8], mut place: Range<usize>, numbers: &mut Numbers, open: Option<Kind>) -> Option<Kind> {
    if let (Some(kind), Some(first)) = (open, text.get(place.start))
        && !matches!(first, b'!' | b'/')
    {
        let line = &text[place.clone()];
        let end = line.iter().position(|byte| matches!(byte, b'(' | b')')).unwrap_or(line.len());
        if line.get(end) != Some(&b'(') {
            let value = line[..end].trim_ascii_end().len();
            kind.note(text, place.start..place.start + value, numbers);
            if end == line.len() {
                return open;
            }
            place.start += end + 1;
        }
    }
    if let Some((slash, serial)) = serial_number(&text[place.clone()]) {
        numbers.digits(text, place.start + serial..place.end, SERIAL_NUMBER);
        // Before it stands what is left of a telegram that was cut.
        place.end = place.start + slash;
    }
    // What stands between brackets belongs to the code before them.
    let (mut code, mut rest) = (place.start, place.clone());
    let mut kind = Kind::Value;
    let mut open = None;
    while let Some(bracket) = text[rest.clone()].iter().position(|byte| matches!(byte, b'(' | b')')) {
        let bracket = rest.start + bracket;
        if text[bracket] == b')' {
            // Its code is lost or damaged, so it may be a number.
            if code == place.start {
                numbers.lost(code..bracket);
            }
            code = bracket + 1;
            rest.start = code;
            continue;
        }
        let name = text[code..bracket].trim_ascii();
        if !name.is_empty() {
            kind = Kind::of(name);
        }
        let value = bracket + 1..place.end;
        let close = text[value.clone()].iter().position(|byte| matches!(byte, b')' | b'\r' | b'\n'));
        let close = close.map_or(place.end, |close| value.start + close);
        kind.note(text, value.start..close, numbers);
        open = (kind == Kind::Text && text.get(close) != Some(&b')')).then_some(kind);
        code = (close + 1).min(place.end);
        rest.start = code;
    }
    open
}

/// Finds the beginning of an ident line or of a request for one meter, and that of a serial number in it.
fn serial_number(line: &[u8]) -> Option<(usize, usize)> {
    let slash = Head::inside(line).or_else(|| {
        // Damaged ones, and `/?12345678!`.
        let bare = !line.iter().any(|byte| matches!(byte, b'(' | b')'));
        if bare { line.iter().position(|byte| *byte == b'/') } else { None }
    })?;
    let head = if line.get(slash + 1) == Some(&b'?') { 2 } else { IDENT_HEAD };
    Some((slash, (slash + head).min(line.len())))
}

/// Content after a code.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Nothing that identifies the meter.
    Value,
    /// A number of the meter, of its owner or of its place.
    Number,
    /// Text for people.
    Text,
}

impl Kind {
    /// Notes the value at `place`, where it identifies.
    fn note(self, text: &[u8], place: Range<usize>, numbers: &mut Numbers) {
        match self {
            Self::Value => {}
            Self::Number => numbers.value(text, place),
            Self::Text => numbers.text(text, place),
        }
    }

    /// Classifies a code by its value groups C, D and E, whatever its medium and channel.
    fn of(code: &[u8]) -> Self {
        // STX, and what else may stand before it.
        let begin = code.iter().position(u8::is_ascii_alphanumeric).unwrap_or_default();
        let code = code[begin..].rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let code = code.split(|byte| matches!(byte, b'*' | b'&')).next().unwrap_or(code);
        let groups: Vec<&[u8]> = code.split(|byte| *byte == b'.').collect();
        match groups[..] {
            [b"0", b"0"] | [b"0", b"0", _] | [b"42", b"0", b"0"] => Self::Number,
            [b"C" | b"c" | b"96", b"1" | b"90"] | [b"C" | b"c" | b"96", b"1" | b"90", _] => Self::Number,
            // A heat meter's property and meter number.
            [b"9", b"20" | b"21"] => Self::Number,
            [b"C" | b"c" | b"96", b"13", _] => Self::Text,
            _ => Self::Value,
        }
    }
}
