//! Check characters: right ones stay right, and wrong ones stay as wrong as they were.

use std::ops::Range;

use super::Text;
use crate::{
    crc16::Kind,
    framing::Framing,
    head::Head,
    wire::{ETX, STX},
};

/// Check characters of a text.
pub(super) struct Checks(Vec<Check>);

struct Check {
    covered: Range<usize>,
    /// Place of a block check character, or of hexadecimal digits.
    at: Range<usize>,
    /// Kind of a CRC; `None` for a block check character.
    crc: Option<Kind>,
}

impl Checks {
    pub(super) fn find(text: &Text) -> Self {
        let characters = &text.characters;
        let mut found = Vec::new();
        let (mut ident, mut stx) = (None, None);
        for line in text.lines() {
            let mut at = line.start;
            // The next ident line may follow the end mark at once.
            if let Some(mark) = end_mark(&characters[line.clone()]) {
                found.extend(ident.take().and_then(|ident| crc(characters, ident, at + mark)));
            }
            if let Some(slash) = Head::inside(&characters[line.clone()]) {
                ident = Some(line.start + slash);
                stx = None;
            }
            while at < line.end {
                match characters[at] {
                    // Inside a message it is damage.
                    STX if at == line.start || stx.is_none() => stx = Some(at + 1),
                    ETX => {
                        if let (Some(from), true) = (stx.take(), at + 1 < characters.len()) {
                            found.push(Check { covered: from..at + 1, at: at + 1..at + 2, crc: None });
                        }
                        at += 1; // the check character may look like anything
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        Self(found)
    }

    /// Adapts the check characters to what changed in `text` since it was `before`.
    pub(super) fn repair(self, before: &[u8], text: &mut Text) {
        for check in self.0 {
            let change = check.sum(before) ^ check.sum(&text.characters);
            if check.crc.is_some() {
                check.repair_crc(change, &mut text.characters);
            } else {
                let seven_bits = text.framing_at(check.at.start) != Framing::Eight;
                text.characters[check.at.start] ^= change as u8 & if seven_bits { 0x7f } else { 0xff };
            }
        }
    }
}

impl Check {
    /// Returns the CRC, or the XOR, of what it covers.
    fn sum(&self, characters: &[u8]) -> u16 {
        let covered = &characters[self.covered.clone()];
        match self.crc {
            Some(crc) => crc.checksum(covered),
            None => covered.iter().fold(0, |sum, byte| sum ^ u16::from(*byte)),
        }
    }

    fn repair_crc(&self, change: u16, characters: &mut [u8]) {
        let Range { start, mut end } = self.at;
        let Some(repaired) = number(&characters[start..end]).map(|given| given ^ change) else { return };
        // Some meters leave out leading zeros. Where there are more digits now, they take the place of a line end, which
        // nobody needs.
        let needed = 4 - repaired.leading_zeros() as usize / 4;
        while end - start < needed && matches!(characters.get(end), Some(b'\r' | b'\n')) {
            end += 1;
        }
        if end - start >= needed {
            let digits = &mut characters[start..end];
            let lower = digits.iter().any(u8::is_ascii_lowercase);
            let shown = if lower { format!("{repaired:04x}") } else { format!("{repaired:04X}") };
            digits.copy_from_slice(&shown.as_bytes()[4 - digits.len()..]);
        }
    }
}

/// Returns the place of the end mark: at the start of a line, or after its last bracket.
fn end_mark(line: &[u8]) -> Option<usize> {
    let after = line.iter().rposition(|byte| *byte == b')').map_or(0, |bracket| bracket + 1);
    (line.get(after) == Some(&b'!')).then_some(after)
}

/// Finds the CRC after the end mark at `mark`.
fn crc(characters: &[u8], ident: usize, mark: usize) -> Option<Check> {
    let digits = characters[mark + 1..].iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = mark + 1..mark + 1 + digits;
    let given = number(&characters[digits.clone()])?;
    let covered = ident..mark + 1;
    // One that is wrong is most likely the usual one.
    let crc = Kind::of(&characters[covered.clone()], given).unwrap_or_default();
    Some(Check { covered, at: digits, crc: Some(crc) })
}

fn number(digits: &[u8]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
