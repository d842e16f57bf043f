//! The bytes of a stream that a decoder still needs.

use std::ops::Deref;

/// The least that [`Buffer::space`] offers.
const MIN_SPACE: usize = 512;

/// The last bytes of a stream: what was read and is not forgotten. Beyond them it has space for more.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// How many of `bytes` were read.
    filled: usize,
    /// Position of the first one in the stream.
    offset: u64,
    max: usize,
}

impl Buffer {
    /// An empty one, for telegrams of at most so many bytes.
    pub fn new(max_telegram: usize) -> Self {
        Self { bytes: Vec::new(), filled: 0, offset: 0, max: max_telegram + 2 * MIN_SPACE }
    }

    /// Where the next bytes of the stream belong; at least 512, where no more than a longest telegram and 512
    /// bytes are kept.
    pub fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.filled < MIN_SPACE && self.bytes.len() < self.max {
            self.bytes.resize((self.bytes.len() * 2).clamp(2 * MIN_SPACE, self.max), 0);
        }
        &mut self.bytes[self.filled..]
    }

    /// The first `count` bytes of `space` have been read.
    pub fn filled(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.bytes.len());
    }

    /// Forgets the first `count` bytes: those behind them move to the front.
    pub fn forget(&mut self, count: usize) {
        if count > 0 {
            self.bytes.copy_within(count..self.filled, 0);
            self.offset += count as u64;
            self.filled -= count;
        }
    }

    /// Where in the stream the byte at `place` stands.
    pub fn offset(&self, place: usize) -> u64 {
        self.offset + place as u64
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}
