//! Part of a stream that a decoder still needs.

use std::ops::Deref;

/// Least size of [`Scanner::space`].
const MIN_SPACE: usize = 512;

/// Window over the newest bytes of a stream, with the decoder's place in it.
///
/// It dereferences to the bytes that were read and are still needed; beyond them it has space for more.
#[derive(Debug)]
pub struct Scanner {
    /// Everything before this place is done with, or belongs to the telegram that has begun.
    pub at: usize,
    /// Nothing that is looked for lies between `at` and this place.
    pub scanned: usize,
    /// Place of a telegram that has begun.
    pub begun: Option<usize>,
    /// It paused for longer than a meter does inside a telegram.
    pub paused: bool,
    bytes: Vec<u8>,
    /// Number of `bytes` that were read.
    filled: usize,
    /// Position of the first one in the stream.
    offset: u64,
    max: usize,
    finished: bool,
}

impl Scanner {
    /// An empty window, for telegrams of at most `max_telegram` bytes.
    pub fn new(max_telegram: usize) -> Self {
        let max = max_telegram + 2 * MIN_SPACE;
        Self {
            at: 0,
            scanned: 0,
            bytes: Vec::new(),
            filled: 0,
            offset: 0,
            max,
            begun: None,
            paused: false,
            finished: false,
        }
    }

    /// Returns the place for the next bytes of the stream: at least 512, where no more than a longest telegram and 512
    /// bytes are kept. It forgets bytes that are done with, so places change.
    pub fn space(&mut self) -> &mut [u8] {
        let done = self.begun.unwrap_or(self.at);
        if done > 0 {
            self.bytes.copy_within(done..self.filled, 0);
            self.offset += done as u64;
            self.filled -= done;
            self.at -= done;
            self.scanned = self.scanned.saturating_sub(done);
            self.begun = self.begun.map(|_| 0);
        }
        if self.bytes.len() - self.filled < MIN_SPACE && self.bytes.len() < self.max {
            self.bytes.resize((self.bytes.len() * 2).clamp(2 * MIN_SPACE, self.max), 0);
        }
        &mut self.bytes[self.filled..]
    }

    /// Takes the first `count` bytes of `space` as read.
    pub fn filled(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.bytes.len());
    }

    /// Takes the beginning of `bytes`, as far as there is space, and returns its length.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let count = space.len().min(bytes.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
        count
    }

    /// Notes that the input ended, or paused for longer than a meter does inside a telegram.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Notes that a telegram has begun at `place`.
    pub fn begin(&mut self, place: usize) {
        (self.begun, self.paused) = (Some(place), false);
    }

    /// Returns whether nothing follows the bytes so far.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns whether some of the bytes may belong to a telegram that is not complete.
    pub fn is_pending(&self) -> bool {
        self.begun.is_some() || self.at < self.filled
    }

    /// Forgets all bytes, after the port was opened again.
    pub fn reset(&mut self) {
        self.offset += self.filled as u64;
        (self.at, self.scanned, self.filled) = (0, 0, 0);
        (self.begun, self.paused, self.finished) = (None, false, false);
    }

    /// Gives up on the bytes that are left of a finished stream.
    pub fn skip_rest(&mut self) {
        self.at = self.filled;
        self.finished = false;
    }

    /// Returns the position in the stream of the byte at `place`.
    pub fn offset(&self, place: usize) -> u64 {
        self.offset + place as u64
    }
}

impl Deref for Scanner {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}
