//! Anonymisation of a recording: overwrites the numbers of the meter and of the delivery point with zeros.

use std::collections::BTreeSet;

use crate::wire::{PARITY, check};

/// Labels of numbers with their separators, and the number of their digits.
const NUMBERS: [(&[u8], usize); 3] = [(b"ADCO ", 12), (b"ADSC\t", 12), (b"PRM\t", 14)];
/// Least number of digits that are looked for everywhere: fewer may be the same by accident.
const LEAST: usize = 8;

/// Overwrites meter numbers everywhere in `recording`, and repairs the check characters that were right. Returns the
/// number of places that were overwritten.
pub(crate) fn anonymise(recording: &mut [u8]) -> usize {
    let text: Vec<u8> = recording.iter().map(|byte| byte & !PARITY).collect();
    let mut secrets = BTreeSet::new();
    let mut count = 0;
    for (label, width) in NUMBERS {
        for at in memchr::memmem::find_iter(&text, label) {
            let from = at + label.len();
            let len = text[from..].iter().take(width).take_while(|byte| byte.is_ascii_digit()).count();
            let to = from + len;
            if len >= LEAST {
                secrets.insert(text[from..to].to_vec());
            }
            let repaired = repaired(&text[at..], label, len);
            count += usize::from(overwrite(&mut recording[from..to]));
            if let Some(check) = repaired {
                // The check character has parity where the label has it.
                let has_parity = recording[at..from].iter().any(|byte| byte & PARITY != 0);
                let parity = if has_parity && check.count_ones() % 2 == 1 { PARITY } else { 0 };
                recording[to + 1] = check | parity;
            }
        }
    }
    for secret in secrets {
        let text: Vec<u8> = recording.iter().map(|byte| byte & !PARITY).collect();
        for at in memchr::memmem::find_iter(&text, &secret) {
            count += usize::from(overwrite(&mut recording[at..at + secret.len()]));
        }
    }
    count
}

/// Writes zeros, whose parity bit is 0; returns whether there was anything else.
fn overwrite(digits: &mut [u8]) -> bool {
    let is_new = digits.iter().any(|byte| *byte != b'0');
    digits.fill(b'0');
    is_new
}

/// Returns the check character of a group with zeros for `len` digits, if it was right before.
fn repaired(group: &[u8], label: &[u8], len: usize) -> Option<u8> {
    let (content, rest) = group.split_at_checked(label.len() + len)?;
    let [separator, given, b'\r', ..] = *rest else { return None };
    let last = *label.last()?;
    let covered = if last == b'\t' { u32::from(separator) } else { 0 };
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let was_right = separator == last && check(sum(content) + covered) == given;
    was_right.then(|| check(sum(label) + len as u32 * u32::from(b'0') + covered))
}
