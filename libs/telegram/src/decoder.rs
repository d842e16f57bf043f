//! Interface of a protocol's decoder, and of the telegrams that it finds.

use std::fmt;

use framework::{Decimal, Kind, Obis, Timestamp};

use crate::{Member, Protocol, Scanner};

/// Finds telegrams in a stream of bytes that were read as 8N1. It does no I/O, and has no clock and no log.
///
/// Bytes go into its [`scanner`](Self::scanner), telegrams come out of [`next`](Self::next) until it returns `None`. It
/// makes no difference where the chunks are cut, and memory is bounded.
pub trait Decoder: Send + 'static {
    /// Protocols that it reads, the usual one first.
    const PROTOCOLS: &'static [Protocol];
    /// Member that has a register's code in the output of `smartmeter decode`. Where it is another one, the OBIS code has a
    /// member of its own.
    const CODE: &'static str = "obis";
    /// Whether such a meter may change to another line while it runs, so that noise and silence begin the search again.
    const CHANGES_LINE: bool = false;
    /// Name of [`Telegram::variant`] in `/health`.
    const VARIANT: &'static str;
    /// Telegram, lent by the decoder.
    type Telegram<'a>: Telegram;
    /// Reason why bytes are not a telegram; displayed, a clause such as "it has no end mark".
    type Reason: fmt::Display + fmt::Debug + PartialEq;

    /// Returns the part of the stream that is still needed.
    fn scanner(&mut self) -> &mut Scanner;

    /// Returns the next telegram in the bytes so far; `None` when more are needed.
    fn next(&mut self) -> Option<Result<Self::Telegram<'_>, Rejected<Self::Reason>>>;

    /// Returns whether the telegram that has begun proves itself by a checksum, so that it may go on after a pause that is
    /// longer than a meter makes inside a telegram. Some Wi-Fi bridges make one.
    fn outlasts_pauses(&self) -> bool {
        false
    }

    /// Returns whether such bytes can only be read with another configuration: a key is missing or wrong.
    fn is_misconfigured(_reason: &Self::Reason) -> bool {
        false
    }

    /// Returns whether only a part of a telegram is meant, which is left out of the telegram that follows.
    fn is_part(_reason: &Self::Reason) -> bool {
        false
    }

    /// Takes all of `bytes`, and calls back for everything found in them.
    #[expect(clippy::type_complexity, reason = "an associated type cannot shorten it")]
    fn push(
        &mut self,
        mut bytes: &[u8],
        found: &mut dyn FnMut(Result<Self::Telegram<'_>, Rejected<Self::Reason>>),
    ) {
        while !bytes.is_empty() {
            bytes = &bytes[self.scanner().take(bytes)..];
            while let Some(result) = self.next() {
                found(result);
            }
        }
    }
}

/// Bytes that look like a telegram and must not be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected<R> {
    /// Position of the first byte in the stream.
    pub offset: u64,
    /// Reason why they must not.
    pub reason: R,
}

impl<R: fmt::Display> fmt::Display for Rejected<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<R: fmt::Debug + fmt::Display> std::error::Error for Rejected<R> {}

/// One message of a meter.
#[expect(clippy::len_without_is_empty, reason = "a telegram is never empty")]
pub trait Telegram {
    /// Returns the identification that the meter sends.
    fn ident(&self) -> Option<&str>;
    /// Returns the registers in the order of the telegram; a code may occur more than once.
    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>>;
    /// Returns the position of the first byte in the stream.
    fn offset(&self) -> u64;
    /// Returns the number of bytes.
    fn len(&self) -> usize;
    /// Returns the variant of the protocol, in a word or a few: `7E1`.
    fn variant(&self) -> &'static str;
    /// Returns further peculiarities of the meter for `/health`, if there are any.
    fn quirks(&self) -> [Option<&'static str>; 2] {
        [None; 2]
    }
    /// Returns what else it tells of itself, for `smartmeter decode`: `system_title`, `frame_counter`.
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }
    /// Returns whether checksums cover all of it. A new list of registers is then not damage.
    fn is_checksummed(&self) -> bool;
}

/// One register of a telegram, as the meter sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// Code as sent: `1-0:1.8.0*255`, `F.F`.
    pub code: &'a str,
    /// The same as OBIS code, where it is one.
    pub obis: Option<Obis>,
    /// Value exactly as sent, leading zeros and blanks included; empty where the meter sends numbers in binary.
    ///
    /// A byte of 8N1 text that is not UTF-8 shows as `?`.
    pub value: &'a str,
    /// Unit as sent; empty where nothing follows the `*` of a data set, `None` where there is no `*`.
    pub unit: Option<&'a str>,
    /// Value as a number; `None` where it is not one, or where nothing tells what is counted.
    pub number: Option<Decimal>,
    /// Time at which the meter took this value, where it sends one.
    pub time: Option<RegisterTime<'a>>,
    /// Status word beside the value.
    pub status: Option<u64>,
    /// Further groups of a data set, with their brackets.
    pub groups: &'a str,
    /// Name in `/data`, where the plugin knows a better one than the code's.
    pub name: Option<&'static str>,
    /// Kind, where the plugin knows it and the code and the unit do not tell.
    pub kind: Option<Kind>,
}

/// Time of one register by the meter's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterTime<'a> {
    /// As sent.
    pub sent: &'a str,
    /// Moment that it stands for, if it is a valid one.
    pub utc: Option<Timestamp>,
}

impl<'a> Register<'a> {
    /// A register with nothing but a code.
    pub fn new(code: &'a str, obis: Option<Obis>) -> Self {
        Self {
            code,
            obis,
            value: "",
            unit: None,
            number: None,
            time: None,
            status: None,
            groups: "",
            name: None,
            kind: None,
        }
    }

    /// Returns the texts in the further brackets, such as the time of a maximum demand.
    pub fn more(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.groups.split_terminator(')').map(|group| group.split_once('(').map_or(group, |(_, text)| text))
    }
}
