//! What every telegram has, whatever language it is in.

use std::fmt;

use framework::{Decimal, Obis, Timestamp};

use crate::Protocol;

/// Finds telegrams in a stream of bytes that were read as 8N1. No I/O, no clock, no log.
///
/// Bytes go in by [`space`](Self::space) and [`filled`](Self::filled), telegrams come out of
/// [`next`](Self::next) until it is `None`. Where the chunks are cut makes no difference, and what is kept
/// is bounded.
pub trait Decoder: Send + 'static {
    /// Protocol that it reads.
    const PROTOCOL: Protocol;
    /// What `/health` calls [`Telegram::nature`].
    const NATURE: &'static str;
    /// A telegram, lent by the decoder.
    type Telegram<'a>: Telegram;
    /// Why bytes are no telegram: displayed, a clause such as "it has no end mark".
    type Reason: fmt::Display + fmt::Debug + PartialEq;

    /// Where the next bytes of the stream belong; not empty, if [`next`](Self::next) was called until it
    /// was `None`.
    fn space(&mut self) -> &mut [u8];
    /// The first `count` bytes of [`space`](Self::space) have been read.
    fn filled(&mut self, count: usize);
    /// The input ended, or paused for longer than a meter does inside a telegram.
    fn finish(&mut self);
    /// Forgets what is not complete: the line was opened anew.
    fn reset(&mut self);
    /// Has a telegram begun that is not complete yet?
    fn pending(&self) -> bool;
    /// The next telegram in the bytes so far; `None` when more are needed.
    fn next(&mut self) -> Option<Result<Self::Telegram<'_>, Rejected<Self::Reason>>>;

    /// Takes all of `bytes`, and calls back for everything found in them.
    #[expect(clippy::type_complexity, reason = "an associated type cannot shorten it")]
    fn push(
        &mut self,
        mut bytes: &[u8],
        found: &mut dyn FnMut(Result<Self::Telegram<'_>, Rejected<Self::Reason>>),
    ) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.filled(count);
            bytes = &bytes[count..];
            while let Some(result) = self.next() {
                found(result);
            }
        }
    }
}

/// Bytes that look like a telegram and must not be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected<R> {
    /// Position in the stream of the first byte.
    pub offset: u64,
    /// What is wrong.
    pub reason: R,
}

impl<R: fmt::Display> fmt::Display for Rejected<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<R: fmt::Debug + fmt::Display> std::error::Error for Rejected<R> {}

/// What a meter sends as one unit.
#[expect(clippy::len_without_is_empty, reason = "a telegram is never empty")]
pub trait Telegram {
    /// What the meter says it is.
    fn ident(&self) -> Option<&str>;
    /// Its registers, in the order of the telegram; a code may occur more than once.
    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>>;
    /// Position in the stream of its first byte.
    fn offset(&self) -> u64;
    /// How many bytes it has.
    fn len(&self) -> usize;
    /// How it was sent, in a word or a few: `7E1`.
    fn nature(&self) -> &'static str;
    /// Do checksums prove that this is what the meter sent? Then a new list of registers is no damage.
    fn proven(&self) -> bool;
}

/// One register of a telegram, as the meter sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// The code as sent: `1-0:1.8.0*255`, `F.F`.
    pub code: &'a str,
    /// The same as OBIS code, where it is one.
    pub obis: Option<Obis>,
    /// The value exactly as sent, leading zeros and blanks included; empty where the meter sends numbers
    /// in binary.
    ///
    /// A byte of 8N1 text that is no UTF-8 shows as `?`.
    pub value: &'a str,
    /// The unit as sent; empty where nothing follows the `*` of a data set, `None` where there is no `*`.
    pub unit: Option<&'a str>,
    /// The value as a number; `None` where it is none, or where nothing says what is counted.
    pub number: Option<Decimal>,
    /// When the meter took this value, where it says so.
    pub time: Option<RegisterTime<'a>>,
    /// The status word beside the value.
    pub status: Option<u64>,
    /// Further groups of a data set, with their brackets.
    pub groups: &'a str,
}

/// The time of one register by the meter's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterTime<'a> {
    /// As sent.
    pub sent: &'a str,
    /// The moment that this is; `None` where it is none.
    pub utc: Option<Timestamp>,
}

impl<'a> Register<'a> {
    /// A register with a code, and nothing more.
    pub fn new(code: &'a str, obis: Option<Obis>) -> Self {
        Self { code, obis, value: "", unit: None, number: None, time: None, status: None, groups: "" }
    }

    /// The texts in the further brackets: the time of a maximum demand, say.
    pub fn more(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.groups.split_terminator(')').map(|group| group.split_once('(').map_or(group, |(_, text)| text))
    }
}
