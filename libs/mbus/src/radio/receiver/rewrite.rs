//! Other telegrams in the place of those that a receiver has delivered.

use super::{
    Receiver,
    binary::{AMB8465_START, CRC, HAS_CRC, IM871A_START},
};

/// Digits in a row that may be a telegram.
const LEAST_DIGITS: usize = 16;
/// Digits in a row that may be the number of a meter without its leading zeros.
const LEAST_NUMBER: usize = 5;

/// Replaces the telegram `old` in the bytes `span` that a receiver has delivered for it by `new`, of the same length and
/// in the same frame format, and repairs the receiver's own checksum. Returns whether it was found.
///
/// The length of a telegram stays: a receiver that has removed checksums may count them all the same.
pub(crate) fn rewrite(receiver: Receiver, span: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let ([_, old @ ..], [_, new @ ..]) = (old, new) else { return false };
    if receiver.has_lines() {
        return rewrite_digits(span, old, new);
    }
    let start = match (receiver, &*span) {
        (Receiver::Im871a, [IM871A_START, ..]) | (Receiver::Amb8465, [AMB8465_START, ..]) => 4,
        _ => 1,
    };
    let Some(place) = span.get_mut(start..start + old.len()).filter(|place| **place == *old) else {
        return false;
    };
    place.copy_from_slice(new);
    match (receiver, &mut span[..]) {
        (Receiver::Im871a, [start, message @ .., c0, c1]) if (message[0] >> 4) & HAS_CRC != 0 => {
            debug_assert_eq!(*start, IM871A_START);
            [*c0, *c1] = CRC.checksum(message).to_le_bytes();
        }
        (Receiver::Amb8465, [AMB8465_START, message @ .., sum]) => {
            *sum = message.iter().fold(AMB8465_START, |sum, byte| sum ^ byte);
        }
        _ => {}
    }
    true
}

/// Replaces hexadecimal digits, between which blanks may stand.
fn rewrite_digits(line: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let nibbles =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect() };
    let (old, new) = (nibbles(old), nibbles(new));
    let digits: Vec<(usize, Option<u8>)> = line
        .iter()
        .enumerate()
        .filter(|(_, char)| !matches!(char, b' ' | b'_'))
        .map(|(place, char)| (place, char::from(*char).to_digit(16).map(|digit| digit as u8)))
        .collect();
    let is_old = |window: &&[(usize, Option<u8>)]| {
        window.iter().zip(&old).all(|((_, digit), old)| *digit == Some(*old))
    };
    let Some(found) = digits.windows(old.len()).find(is_old) else { return false };
    let has_capitals = found.iter().any(|(place, _)| line[*place].is_ascii_uppercase());
    for ((place, _), digit) in found.iter().zip(new) {
        let digit = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        line[*place] = if has_capitals { digit.to_ascii_uppercase() } else { digit };
    }
    true
}

/// Overwrites what a receiver has delivered and is no telegram: numbers may stand in what is damaged.
pub(crate) fn clear(receiver: Receiver, bytes: &mut [u8]) {
    if !receiver.has_lines() {
        return bytes.fill(0);
    }
    for digits in bytes.split_mut(|byte| !(byte.is_ascii_hexdigit() || matches!(byte, b' ' | b'_'))) {
        if digits.iter().filter(|byte| byte.is_ascii_hexdigit()).count() >= LEAST_DIGITS {
            digits.iter_mut().filter(|byte| byte.is_ascii_hexdigit()).for_each(|digit| *digit = b'0');
        }
    }
}

/// Replaces the number of a meter that a program has written beside a telegram, as digits. Returns the number of places.
pub(crate) fn rename(line: &mut [u8], old: u32, new: u32) -> usize {
    let (old, new) = (format!("{old:08x}"), format!("{new:08x}"));
    let (short, short_new) = (old.trim_start_matches('0'), new.trim_start_matches('0'));
    let (mut places, mut at) = (0, 0);
    while at < line.len() {
        let len = line[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (before, word) = line.split_at_mut(at);
        let word = &mut word[..len];
        let before = before.trim_ascii_end();
        let is_named =
            before.strip_suffix(b":").is_some_and(|name| name.trim_ascii_end().ends_with(b"\"id\""));
        let is_short = word.eq_ignore_ascii_case(short.as_bytes()) && (is_named || len >= LEAST_NUMBER);
        if len > 0 && (is_short || word.eq_ignore_ascii_case(old.as_bytes())) {
            // A number in JSON has no leading zeros.
            word.fill(if before.ends_with(b":") { b' ' } else { b'0' });
            let count = len.min(short_new.len());
            word[len - count..].copy_from_slice(&short_new.as_bytes()[short_new.len() - count..]);
            places += 1;
        }
        at += len.max(1);
    }
    places
}
