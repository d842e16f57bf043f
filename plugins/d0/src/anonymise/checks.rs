//! Check characters: right ones stay right, and wrong ones stay as wrong as they were.

use std::ops::Range;

use super::Text;
use crate::{
    framing::Framing,
    head::Head,
    wire::{ETX, STX},
};

/// CRC of the P1 port, and that of HDLC, which some meters take for it.
const CRCS: [crc::Crc<u16>; 2] =
    [crc::Crc::<u16>::new(&crc::CRC_16_ARC), crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC)];

/// Check characters of a text, and the ranges that they cover.
pub(super) struct Checks(Vec<Check>);

enum Check {
    /// One character, and the sum (XOR) before anything changed.
    Bcc { covered: Range<usize>, at: usize, sum: u8 },
    /// Hexadecimal digits, the index of their CRC, and that CRC before anything changed.
    Crc { covered: Range<usize>, digits: Range<usize>, which: usize, crc: u16 },
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
                            let covered = from..at + 1;
                            let sum = sum(&characters[covered.clone()]);
                            found.push(Check::Bcc { covered, at: at + 1, sum });
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

    /// Adapts the check characters to the changes in `text`.
    pub(super) fn repair(self, text: &mut Text) {
        for check in self.0 {
            match check {
                Check::Bcc { covered, at, sum: before } => {
                    let change = before ^ sum(&text.characters[covered]);
                    let seven_bits = text.framing_at(at) != Framing::Eight;
                    text.characters[at] ^= if seven_bits { change & 0x7f } else { change };
                }
                Check::Crc { covered, digits, which, crc: before } => {
                    let change = before ^ CRCS[which].checksum(&text.characters[covered]);
                    let Some(given) = number(&text.characters[digits.clone()]) else { continue };
                    let repaired = given ^ change;
                    // Some meters leave out leading zeros. Where there are more digits now, they take the place of a
                    // line end, which nobody needs.
                    let needed = 4 - repaired.leading_zeros() as usize / 4;
                    let mut end = digits.end;
                    while end - digits.start < needed
                        && matches!(text.characters.get(end), Some(b'\r' | b'\n'))
                    {
                        end += 1;
                    }
                    if end - digits.start < needed {
                        continue;
                    }
                    let digits = &mut text.characters[digits.start..end];
                    let lower = digits.iter().any(u8::is_ascii_lowercase);
                    let shown = if lower { format!("{repaired:04x}") } else { format!("{repaired:04X}") };
                    let shown = &shown.as_bytes()[4 - digits.len()..];
                    digits.copy_from_slice(shown);
                }
            }
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
    let sums = CRCS.map(|crc| crc.checksum(&characters[covered.clone()]));
    // One that is wrong is most likely the usual one.
    let which = sums.iter().position(|sum| *sum == given).unwrap_or(0);
    Some(Check::Crc { covered, digits, which, crc: sums[which] })
}

fn number(digits: &[u8]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn sum(characters: &[u8]) -> u8 {
    characters.iter().fold(0, |sum, byte| sum ^ byte)
}
