//! Numbers to overwrite, and their places.

use std::{collections::HashSet, ops::Range};

/// Least digits of a meter's number that is found wherever it stands, and least of them without leading zeros. Fewer
/// may be anything.
const NUMBER: usize = 6;
const SIGNIFICANT: usize = 5;
/// Least hexadecimal digits that are taken for characters, where each pair is a letter or digit.
const HEX_TEXT: usize = 16;
/// Least hexadecimal digits, with a letter among them, of a number in hexadecimal.
const HEX_NUMBER: usize = 8;

/// Places to overwrite.
#[derive(Default)]
pub(super) struct Numbers {
    places: Vec<(Range<usize>, How)>,
    /// Runs of digits, and whole values, that are looked for everywhere.
    known: HashSet<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum How {
    /// Zeros for digits; letters name the maker.
    Digits,
    /// Zeros for hexadecimal digits.
    Hex,
    /// Zeros for digits that are written as pairs of hexadecimal digits.
    HexText,
    /// Zeros for digits, `X` for letters.
    Text,
    /// The same, in hexadecimal.
    HexWords,
}

impl Numbers {
    /// Notes that the value at `place` is a number.
    pub(super) fn value(&mut self, text: &[u8], place: Range<usize>) {
        let value = &text[place.clone()];
        let trimmed = value.trim_ascii();
        let start = place.start + (value.len() - value.trim_ascii_start().len());
        let place = start..start + trimmed.len();
        self.know(trimmed);
        let how = if let Some(characters) = hex_text(trimmed) {
            self.know(&characters);
            How::HexText
        } else if trimmed.len() >= HEX_NUMBER && is_hex(trimmed) {
            How::Hex
        } else {
            How::Digits
        };
        self.places.push((place, how));
    }

    /// Notes that the value at `place` is part of one whose code is lost.
    pub(super) fn lost(&mut self, place: Range<usize>) {
        self.places.push((place, How::Digits));
    }

    /// Notes that the value at `place` is text for people.
    pub(super) fn text(&mut self, text: &[u8], place: Range<usize>) {
        let how = if is_hex(&text[place.clone()]) { How::HexWords } else { How::Text };
        self.places.push((place, how));
    }

    /// Notes that each run of at least `least` digits at `place` is a number.
    pub(super) fn digits(&mut self, text: &[u8], place: Range<usize>, least: usize) {
        for run in runs(text, place, u8::is_ascii_digit) {
            if run.len() >= least {
                self.know(&text[run.clone()]);
                self.places.push((run, How::Digits));
            }
        }
    }

    /// Notes `value` and the runs of digits in it, to find them elsewhere.
    fn know(&mut self, value: &[u8]) {
        let is_word = value.iter().all(u8::is_ascii_alphanumeric) && value.iter().any(u8::is_ascii_digit);
        if is_word && value.len() >= HEX_NUMBER && value.iter().any(u8::is_ascii_uppercase) {
            self.known.insert(value.to_vec());
        }
        for run in runs(value, 0..value.len(), u8::is_ascii_digit) {
            let zeros = value[run.clone()].iter().take_while(|byte| **byte == b'0').count();
            if run.len() >= NUMBER && run.len() - zeros >= SIGNIFICANT {
                self.known.insert(value[run].to_vec());
            }
        }
    }

    /// Overwrites what was found, and the same numbers elsewhere; returns the number of changed places.
    pub(super) fn overwrite(mut self, text: &mut [u8]) -> usize {
        self.find_again(text);
        let mut changed = 0;
        for (place, how) in self.places {
            let place = &mut text[place];
            let before = place.to_vec();
            how.overwrite(place);
            changed += usize::from(place != before);
        }
        changed
    }

    /// Finds the known numbers wherever else they stand.
    fn find_again(&mut self, text: &[u8]) {
        if self.known.is_empty() {
            return;
        }
        for word in runs(text, 0..text.len(), u8::is_ascii_alphanumeric) {
            let letters = text[word.clone()].iter().any(u8::is_ascii_alphabetic);
            if letters && self.known.contains(&text[word.clone()]) {
                self.value(text, word);
                continue;
            }
            for run in runs(text, word.clone(), u8::is_ascii_digit) {
                // Part of a value that has decimals or a unit.
                let before = run.start.checked_sub(1).and_then(|before| text.get(before));
                let is_value = before == Some(&b'.') || matches!(text.get(run.end), Some(b'.' | b'*'));
                if !is_value && self.known.contains(&text[run.clone()]) {
                    self.places.push((run, How::Digits));
                }
            }
            self.find_in_hex(text, word);
        }
    }

    /// Finds known numbers that are written as pairs of hexadecimal digits.
    fn find_in_hex(&mut self, text: &[u8], word: Range<usize>) {
        for hex in runs(text, word, u8::is_ascii_hexdigit) {
            if hex.len() < 2 * NUMBER {
                continue;
            }
            // Half a pair may be lost before it.
            for start in hex.start..hex.start + 2 {
                let characters: Vec<u8> = pairs(&text[start..hex.end]).collect();
                for run in runs(&characters, 0..characters.len(), u8::is_ascii_digit) {
                    if self.known.contains(&characters[run.clone()]) {
                        let place = start + 2 * run.start..start + 2 * run.end;
                        self.places.push((place, How::HexText));
                    }
                }
            }
        }
    }
}

impl How {
    fn overwrite(self, place: &mut [u8]) {
        match self {
            Self::Digits => fill(place, u8::is_ascii_digit, b'0'),
            Self::Hex => fill(place, u8::is_ascii_hexdigit, b'0'),
            Self::HexText => {
                for pair in place.as_chunks_mut::<2>().0 {
                    if character(*pair).is_ascii_digit() {
                        *pair = *b"30";
                    }
                }
            }
            Self::Text => {
                fill(place, u8::is_ascii_alphabetic, b'X');
                fill(place, u8::is_ascii_digit, b'0');
            }
            Self::HexWords => {
                for pair in place.as_chunks_mut::<2>().0 {
                    match character(*pair) {
                        letter if letter.is_ascii_alphabetic() => *pair = *b"58",
                        b' '..=b'/' | b':'..=b'~' => {}
                        _ => *pair = *b"30",
                    }
                }
            }
        }
    }
}

fn fill(place: &mut [u8], which: impl Fn(&u8) -> bool, with: u8) {
    place.iter_mut().filter(|byte| which(byte)).for_each(|byte| *byte = with);
}

/// Finds runs of one kind of characters in `place` of `text`.
fn runs(text: &[u8], place: Range<usize>, is: fn(&u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = place.start;
    std::iter::from_fn(move || {
        let rest = text.get(at..place.end)?;
        let start = at + rest.iter().position(is)?;
        let length = text[start..place.end].iter().take_while(|byte| is(byte)).count();
        at = start + length;
        Some(start..at)
    })
}

fn is_hex(text: &[u8]) -> bool {
    !text.is_empty() && text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit)
}

/// Returns the letters and digits that pairs of hexadecimal digits stand for. At least half of them must be digits:
/// eight digits of a number may look like four letters.
fn hex_text(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < HEX_TEXT || !is_hex(text) {
        return None;
    }
    let characters: Vec<u8> = pairs(text).collect();
    let digits = characters.iter().filter(|byte| byte.is_ascii_digit()).count();
    let words = characters.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (words && 2 * digits >= characters.len()).then_some(characters)
}

fn pairs(text: &[u8]) -> impl Iterator<Item = u8> {
    text.as_chunks::<2>().0.iter().map(|pair| character(*pair))
}

/// Returns the character of a pair of hexadecimal digits; NUL for another pair.
fn character([high, low]: [u8; 2]) -> u8 {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digit(high).zip(digit(low)).map_or(0, |(high, low)| (high << 4 | low) as u8)
}
