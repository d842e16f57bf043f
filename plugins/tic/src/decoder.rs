//! From bytes to telegrams: finds them, and checks their groups. It does no I/O and has no clock.
//!
//! A telegram (Enedis-NOI-CPT_54E, clause 5.3) is a list of groups, one labelled value each:
//!
//! ```text
//! STX  LF label SP data SP check CR  …  ETX             historique, at 1200 baud
//! STX  LF label HT [stamp HT] data HT check CR  …  ETX  standard, at 9600 baud
//! ```
//!
//! The check has six bits: one damaged group of 64 passes. So a group must also have the parity of its characters, where
//! it is still there, a label of the paper, in the mode of the telegram, and data of its width and characters. A group
//! that is wrong is left out and reported; the others stay, as each proves itself.

use memchr::{memchr, memchr2, memchr3};
use telegram::{Protocol, Scanner};

use crate::{
    group::Group,
    labels::Mode,
    registers::{self, Extra},
    reject::{Flaw, Label, Reason, Rejected},
    telegram::Telegram,
    wire::{EOT, ETX, MAX_TELEGRAM, PARITY, STX},
};

/// Finds telegrams in a stream of bytes that were read as 8N1: with their parity bits, or without them.
#[derive(Debug)]
pub struct Decoder {
    /// Adds what is computed from the groups, and leaves out what contradicts them.
    completes: bool,
    input: Scanner,
    /// Text of the telegram, without parity bits.
    text: Vec<u8>,
    groups: Vec<Group>,
    extras: Vec<Extra>,
    /// Places of the labels of the telegram before, in its order.
    likely: Vec<usize>,
    /// Wrong groups with their positions, of which so many were reported.
    faults: Vec<(u64, Reason)>,
    reported: usize,
    /// A telegram that is lent out when its wrong groups are reported.
    ready: Option<Ready>,
}

/// Place of a telegram.
#[derive(Debug, Clone, Copy)]
struct Ready {
    offset: u64,
    len: usize,
    mode: Mode,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            completes: false,
            input: Scanner::new(MAX_TELEGRAM),
            text: Vec::new(),
            groups: Vec::new(),
            extras: Vec::new(),
            likely: Vec::new(),
            faults: Vec::new(),
            reported: 0,
            ready: None,
        }
    }
}

impl Decoder {
    /// A decoder for readings of a household. It adds the total of the tariffs' indexes and the states in status words,
    /// has plain English for words, and leaves out the number of the delivery point, and an apparent power that voltage
    /// and current contradict.
    pub fn completing() -> Self {
        Self { completes: true, ..Self::default() }
    }
}

impl telegram::Decoder for Decoder {
    const PROTOCOLS: &'static [Protocol] = &[Protocol::Tic];
    const CODE: &'static str = "label";
    const CHANGES_LINE: bool = true;
    const VARIANT: &'static str = "mode";
    type Telegram<'a> = Telegram<'a>;
    type Reason = Reason;

    fn scanner(&mut self) -> &mut Scanner {
        &mut self.input
    }

    fn is_part(reason: &Reason) -> bool {
        matches!(reason, Reason::Group { .. })
    }

    fn next(&mut self) -> Option<Result<Telegram<'_>, Rejected>> {
        loop {
            if let Some(&(offset, reason)) = self.faults.get(self.reported) {
                self.reported += 1;
                return Some(Err(Rejected { offset, reason }));
            }
            if let Some(ready) = self.ready.take() {
                return Some(Ok(self.telegram(ready)));
            }
            (self.reported, _) = (0, self.faults.clear());
            let Some(start) = self.input.begun else {
                if self.search() {
                    continue;
                }
                if self.input.is_finished() {
                    self.input.skip_rest();
                }
                return None;
            };
            if !self.scan(start) {
                return None;
            }
        }
    }
}

impl Decoder {
    /// Looks for the begin of a telegram; returns whether there is one.
    fn search(&mut self) -> bool {
        let at = self.input.at;
        let found = memchr2(STX, STX | PARITY, &self.input[at..]).map(|place| at + place);
        self.input.at = found.map_or(self.input.len(), |start| start + 1);
        if let Some(start) = found {
            self.input.begin(start);
            self.input.scanned = start + 1;
        }
        found.is_some()
    }

    /// Looks for the end of the telegram that began at `start`; returns whether it is done with.
    fn scan(&mut self, start: usize) -> bool {
        let (from, limit) = (self.input.scanned, start + MAX_TELEGRAM);
        let new = self.input.len().min(limit);
        let bytes = self.input.get(from..new).unwrap_or_default();
        let end = memchr3(ETX, EOT, EOT | PARITY, bytes);
        let again = memchr2(STX, STX | PARITY, &bytes[..end.unwrap_or(bytes.len())]);
        match (again.or(end).map(|place| from + place), again) {
            (Some(place), Some(_)) => self.cut(start, place),
            (Some(place), None) if self.input[place] == ETX => self.complete(start, place),
            (Some(place), None) => self.reject(start, place + 1, Reason::Aborted),
            (None, _) if new == limit => self.reject(start, start + 1, Reason::TooLong),
            (None, _) if self.input.is_finished() => {
                let len = self.input.len();
                self.cut(start, len);
                return true;
            }
            (None, _) => {
                self.input.scanned = new;
                return false;
            }
        }
        true
    }

    /// Gives a telegram up of which no more came than up to `end`.
    fn cut(&mut self, start: usize, end: usize) {
        let bytes = &self.input[start..end];
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let cooked = lines > 2 && !bytes.iter().any(|byte| byte & !PARITY == b'\r');
        match lines {
            // No group had begun: nothing is lost.
            0 => (self.input.begun, self.input.at) = (None, end),
            _ => self.reject(start, end, if cooked { Reason::Cooked } else { Reason::NoEnd }),
        }
    }

    /// Gives a telegram up; the next one may begin at `next`.
    fn reject(&mut self, start: usize, next: usize, reason: Reason) {
        self.faults.push((self.input.offset(start), reason));
        (self.input.begun, self.input.at) = (None, next);
    }

    /// Reads the groups between the begin at `start` and the end at `end`.
    fn complete(&mut self, start: usize, end: usize) {
        let raw = &self.input[start + 1..end];
        let is_damaged = parity(&self.input[start..end]);
        self.text.clear();
        self.text.extend(raw.iter().map(|byte| byte & !PARITY));
        self.groups.clear();
        let offset = self.input.offset(start);
        let mut list = List { mode: None, seen: 0, twice: 0, count: 0 };
        let (text, mut at) = (&self.text[..], 0);
        while let Some(&byte) = text.get(at) {
            // Some adapters put a carriage return before each line feed.
            if byte == b'\r' {
                at += 1;
                continue;
            }
            let from = if byte == b'\n' { at + 1 } else { at };
            let rest = &text[from..];
            let len = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (group, next) = (&rest[..len], from + len);
            at = next;
            if group.is_empty() && byte == b'\n' {
                continue;
            }
            let likely = self.likely.get(list.count).copied().unwrap_or_default();
            let found = if byte != b'\n' {
                Err(Flaw::NoStart)
            } else if text.get(next) != Some(&b'\r') {
                Err(Flaw::NoEnd)
            } else if is_damaged.is_some_and(|is_damaged| raw[from..next].iter().any(|b| is_damaged(*b))) {
                Err(Flaw::Parity)
            } else {
                Group::read(group, from, likely).and_then(|group| list.take(group))
            };
            match found {
                Ok(found) => {
                    match self.likely.get_mut(list.count) {
                        Some(likely) => *likely = found.label,
                        None => self.likely.push(found.label),
                    }
                    self.groups.push(found);
                }
                Err(flaw) => {
                    let end = memchr2(b' ', b'\t', group).unwrap_or(group.len());
                    let label = Label::new(&group[..end]);
                    self.faults.push((offset + 1 + from as u64, Reason::Group { label, flaw }));
                }
            }
            list.count += 1;
        }
        if list.twice > 0 {
            self.groups.retain(|group| list.twice >> group.label & 1 == 0);
        }
        (self.input.begun, self.input.at) = (None, end + 1);
        self.finish(Ready { offset, len: end + 1 - start, mode: list.mode.unwrap_or(Mode::Standard) });
    }

    /// Makes a telegram of the groups, if there are any.
    fn finish(&mut self, ready: Ready) {
        if !self.groups.is_empty() {
            self.extras.clear();
            if self.completes {
                registers::complete(
                    ready.mode,
                    &self.text,
                    &mut self.groups,
                    &mut self.extras,
                    |from, label, flaw| {
                        let offset = ready.offset + 1 + u64::from(from);
                        self.faults.push((offset, Reason::Group { label: Label::new(label), flaw }));
                    },
                );
            }
            self.ready = Some(ready);
            return;
        }
        let reason = match self.faults.first() {
            None => Reason::Empty,
            Some(_) if self.text.contains(&b'\n') && memchr(b'\r', &self.text).is_none() => Reason::Cooked,
            Some(&(_, Reason::Group { flaw, .. })) => Reason::NoGroup(flaw),
            Some(&(_, reason)) => reason,
        };
        self.faults.clear();
        self.faults.push((ready.offset, reason));
    }

    fn telegram(&self, Ready { offset, len, mode }: Ready) -> Telegram<'_> {
        Telegram {
            offset,
            len,
            mode,
            completed: self.completes,
            // Without parity bits it is ASCII.
            text: std::str::from_utf8(&self.text).unwrap_or_default(),
            groups: &self.groups,
            extras: &self.extras,
        }
    }
}

/// What is known of the telegram while its groups are read.
struct List {
    mode: Option<Mode>,
    /// Labels that occurred, and those that did twice, by their places.
    seen: u128,
    twice: u128,
    /// Number of groups.
    count: usize,
}

impl List {
    /// Takes a group that is right in itself.
    fn take(&mut self, group: Group) -> Result<Group, Flaw> {
        if *self.mode.get_or_insert(group.mode) != group.mode {
            return Err(Flaw::Mode(group.mode));
        }
        let bit = 1 << group.label;
        if self.seen & bit != 0 {
            self.twice |= bit;
            return Err(Flaw::Twice);
        }
        self.seen |= bit;
        Ok(group)
    }
}

/// Returns the test for damaged characters, if there are any among these.
///
/// On a line of 7E1 that is read as 8N1, the parity shows in bit 7. Many adapters remove it; a bit 7 is damage then.
fn parity(raw: &[u8]) -> Option<fn(u8) -> bool> {
    let (mut high, mut odd) = (0u32, 0u32);
    for chunk in raw.chunks(255) {
        let (mut high_here, mut odd_here) = (0u8, 0u8);
        for byte in chunk {
            high_here += byte >> 7;
            odd_here += is_odd_bit(*byte);
        }
        high += u32::from(high_here);
        odd += u32::from(odd_here);
    }
    // About half of the characters need a parity bit.
    if high > 0 && odd as usize * 4 < raw.len() {
        (odd > 0).then_some(|byte| is_odd_bit(byte) == 1)
    } else {
        (high > 0).then_some(|byte| byte & PARITY != 0)
    }
}

/// Returns 1 where the number of bits that are set is odd.
const fn is_odd_bit(byte: u8) -> u8 {
    let byte = byte ^ byte >> 4;
    let byte = byte ^ byte >> 2;
    (byte ^ byte >> 1) & 1
}
