//! Complete telegram, and its registers.

use framework::Value;
use telegram::{Member, Register};

use crate::{
    cipher::{Header, Proof, hex},
    clock::Clock,
    registers::Registers,
};

/// Framing of a telegram on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// HDLC frames.
    Hdlc,
    /// HDLC frames with the blocks of a general block transfer.
    HdlcBlocks,
    /// Long frames of wired M-Bus.
    Mbus,
    /// None: a ciphered message, as P1 ports send it.
    P1,
    /// None but the header of the link layer.
    Llc,
    /// None at all.
    Raw,
}

impl Framing {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hdlc => "hdlc",
            Self::HdlcBlocks => "hdlc+gbt",
            Self::Mbus => "mbus",
            Self::P1 => "p1",
            Self::Llc => "llc",
            Self::Raw => "raw",
        }
    }
}

/// What is known of a telegram beside its registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) framing: Framing,
    pub(crate) header: Option<Header>,
    pub(crate) proof: Proof,
    pub(crate) clock: Option<Clock>,
    /// It is text.
    pub(crate) is_text: bool,
    pub(crate) has_unscaled: bool,
}

/// Telegram, borrowed from the [`Decoder`](crate::decoder::Decoder) that found it.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    pub(crate) facts: Facts,
    pub(crate) content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    List { registers: &'a Registers, ident: Option<&'a str> },
    Text(iec62056::telegram::Telegram<'a>),
}

impl<'a> Telegram<'a> {
    /// Returns its framing on the line.
    pub fn framing(&self) -> Framing {
        self.facts.framing
    }

    /// Returns how it was protected.
    pub fn header(&self) -> Option<Header> {
        self.facts.header
    }

    /// Returns what proves that it is the sender's.
    pub fn proof(&self) -> Proof {
        self.facts.proof
    }

    /// Returns the time by the meter's clock, if it is known.
    pub fn clock(&self) -> Option<Clock> {
        self.facts.clock
    }

    pub(crate) fn content(&self) -> Content<'a> {
        self.content
    }
}

/// Registers of either content.
enum Either<A, B> {
    List(A),
    Text(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::List(list) => list.next(),
            Self::Text(text) => text.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::List(list) => list.size_hint(),
            Self::Text(text) => text.size_hint(),
        }
    }
}

impl<T, A: ExactSizeIterator<Item = T>, B: ExactSizeIterator<Item = T>> ExactSizeIterator for Either<A, B> {}

impl telegram::Telegram for Telegram<'_> {
    /// Returns the number of the meter, or the ident line of the text.
    fn ident(&self) -> Option<&str> {
        match &self.content {
            Content::List { ident, .. } => *ident,
            Content::Text(text) => text.ident(),
        }
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        match &self.content {
            Content::List { registers, .. } => Either::List(registers.iter()),
            Content::Text(text) => Either::Text(text.registers()),
        }
    }

    fn offset(&self) -> u64 {
        self.facts.offset
    }

    fn len(&self) -> usize {
        self.facts.len
    }

    fn variant(&self) -> &'static str {
        self.facts.framing.name()
    }

    /// Returns what is wanting: the check of the tag, and scales.
    fn quirks(&self) -> [Option<&'static str>; 2] {
        let unchecked = (self.facts.proof == Proof::Unchecked)
            .then_some("the tag is not checked: write `authentication_key`");
        let unscaled = self
            .facts
            .has_unscaled
            .then_some("some numbers have no scale and are shown as text: write `energy_unit`, `current_unit` or `voltage_unit`");
        [unchecked, unscaled]
    }

    fn members(&self) -> Vec<Member> {
        let text = |text: &str| Value::Text(text.into());
        let mut members = vec![("framing", text(self.facts.framing.name()))];
        if let Some(header) = self.facts.header {
            members.push(("system_title", text(&hex(&header.title))));
            members.push(("security_control", text(&hex(&[header.control]))));
            members.push(("frame_counter", Value::Number(header.counter.into())));
            members.push(("tag", text(self.facts.proof.name())));
        }
        let sent = self.registers().find_map(|register| match register.obis?.cde() {
            (1, 0, 0) => register.time,
            _ => None,
        });
        let time = self.facts.clock.map(|clock| clock.to_string());
        if let Some(time) = time.as_deref().or(sent.map(|time| time.sent)) {
            members.push(("timestamp", text(time)));
        }
        members
    }

    /// Returns whether a tag, a check sequence of 16 bits, or the CRC of its text proves it.
    fn is_checksummed(&self) -> bool {
        let text = matches!(&self.content, Content::Text(text) if text.is_checksummed());
        self.facts.proof == Proof::Verified
            || matches!(self.facts.framing, Framing::Hdlc | Framing::HdlcBlocks)
            || text
    }
}
