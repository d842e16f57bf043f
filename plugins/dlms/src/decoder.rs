//! From bytes to telegrams: finds frames, joins them, decrypts, reads. It does no I/O and has no clock.
//!
//! **Strict**: a telegram is accepted or rejected as a whole. Its frames must be whole and in order, its tag must be
//! right where there is one and a key for it, and its values must end where the message ends.

use telegram::{CONFIRMATIONS, Decoder as _, Keys, Protocol, Scanner, Telegram as _};

use crate::{
    axdr::{Dialect, Items},
    cipher::{CIPHERED, Cipher, Ciphered, Proof, Title},
    counter::FrameCounter,
    list::{self, Lists},
    message::{Joined, Message},
    notification::{self, NOTIFICATION},
    registers::Registers,
    reject::{Reason, Rejected},
    scales::{self, Scales},
    search::{Found, Search},
    telegram::{Content, Facts, Framing, Telegram},
    wire::MAX_TELEGRAM,
};

/// Knowledge of a meter.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keys of the meter.
    pub keys: Keys,
    /// Scales that the configuration states.
    pub scales: Scales,
    /// Whether some codes are written `06 09` in place of `09 06`; `None` goes by the name of the list.
    pub swapped_tags: Option<bool>,
    /// Frame counter of an earlier run.
    pub counter: FrameCounter,
}

/// Finds telegrams in a stream of bytes that were read with eight data bits.
#[derive(Debug)]
pub struct Decoder {
    options: Options,
    cipher: Cipher,
    input: Scanner,
    search: Search,
    message: Message,
    /// Decrypted message.
    plain: Vec<u8>,
    /// Sender whose messages the keys open, and the number of those in a row that they did not open since.
    opened: Option<(Title, u32)>,
    items: Items,
    lists: Lists,
    registers: Registers,
    /// Reader of the text in a message.
    text: iec62056::decoder::Decoder,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Decoder {
    /// A decoder for a meter of which this is known.
    pub fn new(options: Options) -> Self {
        Self {
            cipher: Cipher::new(options.keys),
            options,
            input: Scanner::new(MAX_TELEGRAM),
            search: Search::default(),
            message: Message::default(),
            plain: Vec::new(),
            opened: None,
            items: Items::default(),
            lists: Lists::default(),
            registers: Registers::default(),
            text: iec62056::decoder::Decoder::default(),
        }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOLS: &'static [Protocol] =
        &[Protocol::Hdlc, Protocol::DlmsOverMbus, Protocol::EncryptedP1, Protocol::Dlms];
    const VARIANT: &'static str = "framing";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    fn scanner(&mut self) -> &mut Scanner {
        &mut self.input
    }

    fn is_misconfigured(reason: &Reason) -> bool {
        matches!(reason, Reason::NoKey(_) | Reason::Tag(_) | Reason::WrongKey(_))
    }

    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        match self.step()? {
            Ok(facts) if facts.is_text => Some(self.text(facts)),
            Ok(facts) => Some(Ok(self.list(facts))),
            Err(rejected) => Some(Err(rejected)),
        }
    }
}

impl Decoder {
    /// Looks for the next telegram, and reads it.
    fn step(&mut self) -> Option<Result<Facts, Rejected>> {
        if self.input.begun.is_none() {
            self.message.clear(); // the port was opened again
        }
        loop {
            let start = self.input.begun;
            match self.search.next(&mut self.input) {
                Found::More => return None,
                Found::End => {
                    let start = self.input.begun.take();
                    let offset = start.map(|start| self.input.offset(start));
                    self.message.clear();
                    self.input.skip_rest();
                    return offset.map(|offset| Err(Rejected { offset, reason: Reason::NoEnd }));
                }
                Found::Rejected { at, next, reason } => {
                    let offset = self.input.offset(start.unwrap_or(at));
                    (self.input.begun, self.input.at) = (None, next);
                    self.message.clear();
                    return Some(Err(Rejected { offset, reason }));
                }
                Found::Frame { at, part, len, data } => {
                    let end = at + len;
                    let joined = self.message.join(part, &self.input[data]);
                    if start.is_none() {
                        self.input.begin(at);
                    }
                    let begun = start.unwrap_or(at);
                    match joined {
                        Joined::More if end - begun <= MAX_TELEGRAM => self.input.at = end,
                        Joined::More => return Some(Err(self.give_up(begun, end, Reason::TooLong))),
                        Joined::Ignored => (self.input.at, self.input.begun) = (end, start),
                        Joined::Whole(framing) => {
                            let offset = self.input.offset(begun);
                            (self.input.begun, self.input.at) = (None, end);
                            let read = self.judge(framing, offset, end - begun, true);
                            self.message.clear();
                            return Some(read.map_err(|reason| Rejected { offset, reason }));
                        }
                        // The message before is lost, and the frame is looked at again.
                        Joined::Another => return Some(Err(self.give_up(begun, at, Reason::Gap))),
                        Joined::Bad(reason) => return Some(Err(self.give_up(begun, end, reason))),
                    }
                }
                Found::Bare { at, is_boundary, framing, len, data } => {
                    let offset = self.input.offset(start.unwrap_or(at));
                    if start.is_some() {
                        (self.input.begun, self.input.at) = (None, at);
                        self.message.clear();
                        return Some(Err(Rejected { offset, reason: Reason::NoEnd }));
                    }
                    self.message.set(&self.input[data]);
                    let read = self.judge(framing, offset, len, is_boundary);
                    self.message.clear();
                    // What cannot be read may be a false start, and a good frame inside of it.
                    let is_whole = matches!(read, Ok(_) | Err(Reason::Replay { .. }));
                    self.input.at = if is_whole { at + len } else { at + 1 };
                    self.search.set_boundary(self.input.offset(at + len));
                    return Some(read.map_err(|reason| Rejected { offset, reason }));
                }
            }
        }
    }

    /// Gives up the message that began at `begun`; the search goes on at `next`.
    fn give_up(&mut self, begun: usize, next: usize, reason: Reason) -> Rejected {
        (self.input.begun, self.input.at) = (None, next);
        self.message.give_up();
        Rejected { offset: self.input.offset(begun), reason }
    }

    /// Reads the whole message. Where it has no frame, it must prove itself.
    fn judge(&mut self, framing: Framing, offset: u64, len: usize, is_framed: bool) -> Result<Facts, Reason> {
        let facts = self.read(framing, offset, len, is_framed);
        match facts {
            Ok(Facts { header: Some(header), is_text: false, .. })
            | Ok(Facts { header: Some(header), proof: Proof::Verified, .. }) => {
                self.opened = Some((header.title, 0));
            }
            // The keys opened messages of this meter, so they are right, unless the operator has changed them since.
            Err(Reason::Tag(header) | Reason::WrongKey(header)) => {
                let opened = self.opened.as_mut().filter(|(title, _)| *title == header.title);
                if let Some((_, unopened)) = opened.filter(|(_, unopened)| *unopened + 1 < CONFIRMATIONS) {
                    *unopened += 1;
                    return Err(Reason::Damaged(header));
                }
            }
            _ => {}
        }
        facts
    }

    fn read(&mut self, framing: Framing, offset: u64, len: usize, is_framed: bool) -> Result<Facts, Reason> {
        let message = self.message.bytes();
        let mut facts = Facts {
            offset,
            len,
            framing,
            header: None,
            proof: Proof::Plain,
            clock: None,
            is_text: false,
            has_unscaled: false,
        };
        match message.first() {
            Some(&CIPHERED) => {
                let ciphered = Ciphered::read(message)?;
                facts.header = Some(ciphered.header);
                facts.proof = self.cipher.open(ciphered, &mut self.plain)?;
            }
            _ => {
                self.plain.clear();
                self.plain.extend_from_slice(message);
            }
        }
        let header = facts.header;
        match (self.plain.first(), header) {
            (Some(b'/'), _) => {
                facts.is_text = true;
                if framing == Framing::Raw {
                    facts.framing = Framing::P1;
                }
                let scanner = self.text.scanner();
                scanner.reset();
                let mut rest = &self.plain[..];
                while !rest.is_empty() {
                    rest = &rest[scanner.take(rest)..];
                }
                scanner.finish();
            }
            (Some(&NOTIFICATION), _) if !is_framed && facts.proof != Proof::Verified => {
                return Err(Reason::Unproven);
            }
            (Some(&NOTIFICATION), _) => {
                let head = self.read_list()?;
                facts.clock = head.clock;
            }
            (_, Some(header)) if matches!(facts.proof, Proof::NoTag | Proof::Unchecked) => {
                return Err(Reason::WrongKey(header));
            }
            (Some(&kind), _) => return Err(Reason::Kind(kind)),
            (None, _) => return Err(Reason::Length),
        }
        if !facts.is_text {
            list::read(&self.plain, &self.items, self.options.scales, &mut self.lists, &mut self.registers);
            if self.registers.is_empty() {
                let is_alone = self.items.children(0).count() == 1;
                return Err(if is_alone { Reason::Alone } else { Reason::Empty });
            }
            facts.clock = self.registers.clock().or(facts.clock);
            facts.has_unscaled = self.registers.entries_mut().any(|(_, entry)| entry.is_unscaled);
            if let Some(header) = header {
                self.count(header)?;
            }
        }
        Ok(facts)
    }

    fn read_list(&mut self) -> Result<notification::Head, Reason> {
        let dialect = |swapped_tags| Dialect { swapped_tags };
        let first = dialect(self.options.swapped_tags == Some(true));
        let result = notification::read(&self.plain, first, &mut self.items);
        if result.is_err()
            && self.options.swapped_tags.is_none()
            && scales::may_have_swapped_tags(&self.plain)
        {
            return notification::read(&self.plain, dialect(true), &mut self.items);
        }
        result
    }

    /// Checks that the frame counter rises.
    fn count(&self, header: crate::cipher::Header) -> Result<(), Reason> {
        self.options
            .counter
            .take(header.title, header.counter)
            .map_err(|last| Reason::Replay { header, last })
    }

    fn list(&self, facts: Facts) -> Telegram<'_> {
        Telegram {
            facts,
            content: Content::List { registers: &self.registers, ident: self.registers.ident() },
        }
    }

    /// Returns the telegram of text in the message.
    fn text(&mut self, facts: Facts) -> Result<Telegram<'_>, Rejected> {
        let counter = &self.options.counter;
        let reject = |reason| Rejected { offset: facts.offset, reason };
        match self.text.next() {
            Some(Ok(text)) => {
                // Without a tag, the text must prove itself.
                if facts.proof != Proof::Verified && !text.is_checksummed() {
                    return Err(reject(Reason::Text));
                }
                if let Some(header) = facts.header {
                    let counted = counter.take(header.title, header.counter);
                    counted.map_err(|last| reject(Reason::Replay { header, last }))?;
                }
                Ok(Telegram { facts, content: Content::Text(text) })
            }
            _ => Err(reject(Reason::Text)),
        }
    }
}
