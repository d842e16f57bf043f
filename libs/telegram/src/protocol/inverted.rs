//! Text over a line whose signal is inverted, recognized at any alignment.
//!
//! A receiver begins a character at a falling edge. An inverted signal falls anywhere inside of a character, so the bytes
//! that it makes are pieces of two characters, cut at places that change:
//!
//! ```text
//! sent       stop│start 1 0 0 0 1 1 0 0 stop│start 1 1 …
//! inverted     0 │  1   0 1 1 1 0 0 1 1   0 │  1   0 0 …
//! received              └ start, eight bits,  stop ┘      a high line, then the next falling edge
//! ```
//!
//! Known of the signal are the ten bits of each byte received; unknown is for how many bits the line was high between
//! two of them. So [`Inverted`] follows every way to read the signal as characters of a meter's text. Bytes of another
//! kind leave none within a few bytes, and what is left of the text shows in [`MARKS`] places.

/// Places of a text that tell what it is, after which it is recognized.
const MARKS: u8 = 3;
/// Bytes within which they must be.
const WINDOW: usize = 1024;
/// Bytes of one reading in a row that are no coincidence, though they do not tell yet what it is.
const PLAUSIBLE: usize = 8;
/// Longest time for which an inverted line is high, after the stop bit of a receiver, in bits.
const HIGH: usize = 8;
/// Position of the stop bit in a character; the start bit is at 0.
const STOP: u8 = 9;

/// Text over an inverted line, of characters with a parity bit (7E1) or without (8N1).
#[derive(Debug)]
pub(super) struct Inverted {
    parity: bool,
    paths: Vec<Path>,
    /// Room for the next ones.
    spare: Vec<Path>,
    /// Marks of ways that have ended.
    marks: u8,
    /// Bytes since the marks are counted.
    age: usize,
    /// Bytes that the present ways have read.
    run: usize,
    is_plausible: bool,
}

/// Way to read the signal as characters.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// Position of the next bit in its character.
    position: u8,
    /// Bits of the character so far.
    bits: u8,
    /// Its start was received too.
    is_whole: bool,
    /// Its last characters, the newest in the lowest byte.
    text: u64,
    /// Number of its characters.
    count: usize,
    marks: u8,
}

impl Inverted {
    pub(super) fn new(parity: bool) -> Self {
        let paths = starts().collect();
        Self { parity, paths, spare: Vec::new(), marks: 0, age: 0, run: 0, is_plausible: false }
    }

    /// Takes a received byte. Returns whether the bytes so far are such a text.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.age += 1;
        if self.age > WINDOW {
            (self.age, self.marks) = (0, 0);
            self.paths.iter_mut().for_each(|path| path.marks = 0);
        }
        let best = self.paths.iter().map(|path| path.marks).max().unwrap_or_default();
        // A NUL may be anything: it stands for a byte without a stop bit.
        if byte == 0 {
            self.paths.clear();
        }
        self.step(false);
        (0..8).for_each(|bit| self.step(byte >> bit & 1 == 1));
        self.step(true);
        self.linger();
        if self.paths.is_empty() {
            self.marks = self.marks.saturating_add(best);
            self.run = 0;
            self.paths.extend(starts());
        } else {
            self.run += 1;
        }
        self.is_plausible |= self.run >= PLAUSIBLE;
        self.paths.iter().any(|path| path.marks.saturating_add(self.marks) >= MARKS)
    }

    /// Returns whether it may be such a text when more has come.
    pub(super) fn is_plausible(&self) -> bool {
        self.is_plausible
    }

    /// Follows all paths for a bit.
    fn step(&mut self, bit: bool) {
        self.spare.clear();
        for path in self.paths.iter().filter_map(|path| path.step(bit, self.parity)) {
            add(&mut self.spare, path);
        }
        std::mem::swap(&mut self.paths, &mut self.spare);
    }

    /// Adds the paths of a line that stays high for some bits more.
    fn linger(&mut self) {
        let mut from = 0;
        for _ in 0..HIGH {
            let until = self.paths.len();
            for place in from..until {
                if let Some(path) = self.paths[place].step(true, self.parity) {
                    add(&mut self.paths, path);
                }
            }
            from = until;
        }
    }
}

/// Returns the paths that begin anywhere in a character.
fn starts() -> impl Iterator<Item = Path> {
    (0..=STOP).map(|position| Path {
        position,
        bits: 0,
        is_whole: position == 0,
        text: 0,
        count: 0,
        marks: 0,
    })
}

/// Adds a path. Of two in the same place, the one that has read more text stays.
fn add(paths: &mut Vec<Path>, path: Path) {
    let place = |path: &Path| (path.position, path.bits, path.is_whole);
    match paths.iter_mut().find(|other| place(other) == place(&path)) {
        Some(other) if (other.marks, other.count) < (path.marks, path.count) => *other = path,
        Some(_) => {}
        None => paths.push(path),
    }
}

impl Path {
    /// Follows the path for a bit; returns `None` where it ends.
    fn step(mut self, bit: bool, parity: bool) -> Option<Self> {
        match self.position {
            // The line is low while it is idle.
            0 if !bit => {}
            0 => (self.position, self.bits, self.is_whole) = (1, 0, true),
            STOP if bit => return None,
            STOP => {
                self.position = 0;
                if self.is_whole {
                    self.character(parity)?;
                }
                self.bits = 0;
            }
            position => {
                self.bits |= u8::from(!bit) << (position - 1);
                self.position += 1;
            }
        }
        Some(self)
    }

    /// Takes the character whose bits are complete; returns `None` if no meter's text has it.
    fn character(&mut self, parity: bool) -> Option<()> {
        let odd = self.bits.count_ones() % 2 == 1;
        let character = if parity { self.bits & 0x7f } else { self.bits };
        if parity && odd || !is_usual(character) {
            return None;
        }
        self.text = self.text << 8 | u64::from(character);
        self.count += 1;
        self.marks = self.marks.saturating_add(u8::from(is_mark(&self.text.to_be_bytes())));
        Some(())
    }
}

/// Returns whether a character is one of those that data lines are made of.
fn is_usual(character: u8) -> bool {
    character.is_ascii_digit()
        || character.is_ascii_uppercase()
        || b"\r\n !#&()*-./:\\ahkmnrs".contains(&character)
}

/// Returns whether the end of a text is a part of a data line that is hardly anything else: `1-0:1`, `8.0(`, `8.17(`, or
/// the end of a line with the next one's begin.
fn is_mark(text: &[u8; 8]) -> bool {
    let digit = u8::is_ascii_digit;
    match text {
        [.., b'0'..=b'2', b'-', channel, b':', c] => digit(channel) && digit(c),
        [.., c, b'.', d, b'('] => digit(c) && digit(d),
        [.., c, b'.', d, e, b'('] => digit(c) && digit(d) && digit(e),
        [.., b')', b'\r', b'\n', a] => digit(a),
        _ => false,
    }
}
