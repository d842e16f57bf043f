//! Times of the line (EN 13757-2, 5.5): most are bit times, so that they depend on the baud rate.

use std::time::Duration;

/// Bits of a character on the line: start bit, eight of the character, parity bit, stop bit.
const CHARACTER: u32 = 11;
/// Bit times within which an answer begins, beside [`ANSWER`].
const ANSWER_BITS: u32 = 330;
/// Time within which an answer begins, beside [`ANSWER_BITS`].
const ANSWER: Duration = Duration::from_millis(50);
/// Bit times without a character after which an answer has ended. The standard says 22.
const GAP_BITS: u32 = 33;
/// Bit times between an answer and the next request. The standard says 11 at least.
const PAUSE_BITS: u32 = 22;
/// Time that a converter on a serial port adds: those on USB gather bytes for 16 ms, and many isolate slowly.
pub(crate) const SERIAL_LATENCY: Duration = Duration::from_millis(300);
/// Time that a gateway in the network adds.
pub(crate) const TCP_LATENCY: Duration = Duration::from_secs(1);

/// Times of a line at a baud rate, behind a converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    baud: u32,
    latency: Duration,
    /// Time within which an answer begins, where the configuration says so.
    answer: Option<Duration>,
}

impl Timing {
    pub(crate) const fn new(baud: u32, latency: Duration, answer: Option<Duration>) -> Self {
        Self { baud, latency, answer }
    }

    /// Returns the same at another baud rate.
    pub(crate) const fn at(self, baud: u32) -> Self {
        Self { baud, ..self }
    }

    /// Returns the baud rate.
    pub(crate) const fn baud(self) -> u32 {
        self.baud
    }

    /// Returns the longest time from the end of a request to the first byte of the answer.
    pub(crate) fn answer(self) -> Duration {
        self.answer.unwrap_or_else(|| self.bits(ANSWER_BITS) + ANSWER + self.latency)
    }

    /// Returns the time without a byte after which nothing more of an answer comes.
    pub(crate) fn gap(self) -> Duration {
        self.bits(GAP_BITS) + self.latency / 2
    }

    /// Returns the pause before a request, during which late bytes are dropped.
    pub(crate) fn pause(self) -> Duration {
        self.bits(PAUSE_BITS)
    }

    /// Returns the time that so many characters take.
    pub(crate) fn characters(self, count: usize) -> Duration {
        self.bits(CHARACTER.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    fn bits(self, count: u32) -> Duration {
        Duration::from_secs(1) * count / self.baud.max(1)
    }
}
