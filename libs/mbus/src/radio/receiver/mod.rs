//! Receivers of radio telegrams, and how each delivers them: bytes in, telegrams out.
//!
//! | file | receivers |
//! |---|---|
//! | `lines` | lines of text: `rtl_wmbus`, `rtl_433`, CUL, hexadecimal lines |
//! | `binary` | bytes: iM871A, AMB8465, bare telegrams |
//! | `rewrite` | a recording with other telegrams in it |
//! | `setup` | what a stick must be told before it receives |

mod binary;
mod lines;
mod rewrite;
mod setup;

use std::{fmt, str::FromStr};

pub(super) use self::rewrite::{clear, rename, rewrite};
pub use self::setup::RadioMode;
use super::{frame::Format, reject::Reason};

/// Most bytes that wait for the rest of a telegram or of a line.
const MAX_WAITING: usize = 8192;

/// Kind of receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The program `rtl_wmbus`: lines with fields.
    RtlWmbus,
    /// The program `rtl_433 -F json`.
    Rtl433,
    /// A CUL with culfw or a-culfw: lines that begin with `b`.
    Cul,
    /// IMST iM871A.
    Im871a,
    /// Würth (Amber) AMB8465, in either of its modes.
    Amb8465,
    /// Lines of hexadecimal digits.
    Hex,
    /// Telegrams one after the other, as an RC1180 sends them.
    Bare,
}

impl Receiver {
    /// All of them. What is sure to be told apart by its framing comes first.
    pub const ALL: [Self; 7] =
        [Self::RtlWmbus, Self::Rtl433, Self::Cul, Self::Im871a, Self::Amb8465, Self::Hex, Self::Bare];

    /// Returns its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RtlWmbus => "rtl_wmbus",
            Self::Rtl433 => "rtl_433",
            Self::Cul => "cul",
            Self::Im871a => "im871a",
            Self::Amb8465 => "amb8465",
            Self::Hex => "hex",
            Self::Bare => "rc1180",
        }
    }

    /// Returns whether it is a program that writes lines, not a stick on a port.
    pub const fn is_program(self) -> bool {
        matches!(self, Self::RtlWmbus | Self::Rtl433)
    }

    /// Returns whether it delivers lines of text.
    pub(super) const fn has_lines(self) -> bool {
        matches!(self, Self::RtlWmbus | Self::Rtl433 | Self::Cul | Self::Hex)
    }

    /// Returns the baud rate as it is shipped.
    pub const fn baud(self) -> u32 {
        match self {
            Self::Cul => 38_400,
            Self::Im871a => 57_600,
            Self::Bare => 19_200,
            Self::RtlWmbus | Self::Rtl433 | Self::Amb8465 | Self::Hex => 9600,
        }
    }

    /// Returns the receiver that delivers `bytes`: the one with the most telegrams.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let count = |receiver: Self| {
            let mut framing = Framing::new(receiver);
            let mut count = 0;
            framing.decode(bytes, &mut |found| count += u32::from(found.is_ok()));
            count
        };
        let mut best = (0, None);
        for receiver in Self::ALL {
            let found = count(receiver);
            if found > best.0 {
                best = (found, Some(receiver));
            }
        }
        match best.1 {
            // Its second mode has no framing of its own.
            Some(Self::Amb8465) if !binary::has_command(bytes) => Some(Self::Bare),
            receiver => receiver,
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Receiver {
    type Err = UnknownReceiver;

    fn from_str(text: &str) -> Result<Self, UnknownReceiver> {
        Self::ALL
            .into_iter()
            .find(|receiver| receiver.name() == text)
            .ok_or_else(|| UnknownReceiver(text.to_owned()))
    }
}

/// A word that names no receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownReceiver(String);

impl fmt::Display for UnknownReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Receiver::ALL.map(|receiver| format!("`{receiver}`")).join(", ");
        write!(f, "unknown receiver `{}`, expected one of {names}", self.0)
    }
}

impl std::error::Error for UnknownReceiver {}

/// Telegram as a receiver delivers it, without checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception<'a> {
    /// Position of its first byte in the stream.
    pub offset: u64,
    /// Bytes that it takes in the stream.
    pub len: usize,
    /// The telegram, from its length on.
    pub frame: &'a [u8],
    /// Form in which it has arrived.
    pub format: Format,
    /// Strength of the signal in dBm.
    pub rssi: Option<i16>,
}

/// Bytes that look like a telegram and are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreceived {
    /// Position of their first byte in the stream.
    pub offset: u64,
    /// Reason.
    pub reason: Reason,
}

/// Reader of what a receiver delivers.
#[derive(Clone, Debug)]
pub struct Framing {
    receiver: Receiver,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    taken: usize,
    /// Position of the buffer in the stream.
    offset: u64,
    /// Telegram that is lent out.
    frame: Vec<u8>,
    /// Whether the rest of a line that is too long is left out.
    skips_line: bool,
}

/// What the first bytes are.
enum Step {
    /// More bytes are needed.
    Wait,
    /// These bytes are nothing.
    Skip(usize),
    /// A telegram, which is in the buffer for it.
    Telegram { len: usize, format: Format, rssi: Option<i16> },
    /// A damaged one.
    Damaged { len: usize, reason: Reason },
}

impl Framing {
    /// A reader at the start of a stream.
    pub fn new(receiver: Receiver) -> Self {
        Self { receiver, buffer: Vec::new(), taken: 0, offset: 0, frame: Vec::new(), skips_line: false }
    }

    /// Takes bytes. [`next`](Self::next) returns what is in them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.offset += self.taken as u64;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that wait for the rest of a telegram.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Returns the next telegram; `None` if more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "it lends out its buffer")]
    pub fn next(&mut self) -> Option<Result<Reception<'_>, Unreceived>> {
        self.step(false)
    }

    /// Returns the next telegram of a stream that has ended or paused: what waits for more bytes gets none. `None` if
    /// nothing is left.
    pub fn rest(&mut self) -> Option<Result<Reception<'_>, Unreceived>> {
        self.step(true)
    }

    /// Reads all of `bytes`, and calls back for everything found.
    pub fn decode(&mut self, bytes: &[u8], found: &mut dyn FnMut(Result<Reception<'_>, Unreceived>)) {
        for chunk in bytes.chunks(MAX_WAITING / 2) {
            self.push(chunk);
            while let Some(result) = self.next() {
                found(result);
            }
        }
        while let Some(result) = self.rest() {
            found(result);
        }
    }

    fn step(&mut self, at_end: bool) -> Option<Result<Reception<'_>, Unreceived>> {
        loop {
            let waiting = &self.buffer[self.taken..];
            if waiting.is_empty() {
                return None;
            }
            self.frame.clear();
            let step = match self.receiver {
                Receiver::RtlWmbus | Receiver::Rtl433 | Receiver::Cul | Receiver::Hex => {
                    lines::step(self.receiver, waiting, at_end, &mut self.skips_line, &mut self.frame)
                }
                Receiver::Im871a => binary::im871a(waiting, &mut self.frame),
                Receiver::Amb8465 => binary::amb8465(waiting, &mut self.frame),
                Receiver::Bare => binary::bare(waiting, &mut self.frame),
            };
            let offset = self.offset + self.taken as u64;
            match step {
                Step::Wait if at_end && binary::is_telegram(self.receiver, waiting) => {
                    self.taken += 1;
                    return Some(Err(Unreceived { offset, reason: Reason::Length }));
                }
                Step::Wait if at_end => self.taken += 1,
                Step::Wait if waiting.len() > MAX_WAITING => self.taken += waiting.len() - MAX_WAITING,
                Step::Wait => return None,
                Step::Skip(len) => self.taken += len,
                Step::Telegram { len, format, rssi } => {
                    self.taken += len;
                    return Some(Ok(Reception { offset, len, frame: &self.frame, format, rssi }));
                }
                Step::Damaged { len, reason } => {
                    self.taken += len;
                    return Some(Err(Unreceived { offset, reason }));
                }
            }
        }
    }
}

/// Strength of the signal as chips of the CC1101 family state it, in dBm.
fn cc1101_dbm(byte: u8) -> i16 {
    i16::from(byte.cast_signed()) / 2 - 74
}
