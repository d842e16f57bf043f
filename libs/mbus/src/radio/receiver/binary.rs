//! Receivers that send bytes.

use super::{Receiver, Step, cc1101_dbm};
use crate::radio::{frame::Format, reject::Reason, telegram::is_plausible};

/// Checksum of an iM871A's messages.
pub(super) const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
/// First byte of its messages, and of those of an AMB8465.
pub(super) const IM871A_START: u8 = 0xA5;
pub(super) const AMB8465_START: u8 = 0xFF;
/// Endpoint and message of an iM871A that carry a telegram.
const TELEGRAM: (u8, u8) = (2, 3);
/// Flags of its messages: time stamp, strength and checksum follow.
const HAS_TIME: u8 = 2;
const HAS_RSSI: u8 = 4;
pub(super) const HAS_CRC: u8 = 8;
/// Command of an AMB8465 that carries a telegram.
const DATA: u8 = 0x03;

/// Returns whether an AMB8465 in command mode may have sent `bytes`.
pub(super) fn has_command(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, &[AMB8465_START, DATA]).is_some()
}

/// Returns whether `waiting` begins like a telegram that is not whole.
pub(super) fn is_telegram(receiver: Receiver, waiting: &[u8]) -> bool {
    match receiver {
        Receiver::Bare => is_plausible(waiting),
        Receiver::Im871a => waiting.starts_with(&[IM871A_START]),
        Receiver::Amb8465 => waiting.starts_with(&[AMB8465_START, DATA]) || is_plausible(waiting),
        _ => false,
    }
}

/// `A5`, flags and endpoint, message, length, telegram without its length, time stamp, strength, checksum.
pub(super) fn im871a(waiting: &[u8], frame: &mut Vec<u8>) -> Step {
    let [start, kind, message, length, rest @ ..] = waiting else {
        return if waiting[0] == IM871A_START { Step::Wait } else { Step::Skip(1) };
    };
    let (flags, endpoint) = (kind >> 4, kind & 0x0F);
    if *start != IM871A_START || !(1..=4).contains(&endpoint) {
        return Step::Skip(1);
    }
    let has = |flag: u8| flags & flag != 0;
    let time = usize::from(*length);
    let rssi = time + if has(HAS_TIME) { 4 } else { 0 };
    let crc = rssi + usize::from(has(HAS_RSSI));
    let end = crc + if has(HAS_CRC) { 2 } else { 0 };
    let is_telegram = (endpoint, *message) == TELEGRAM;
    // Telegrams have A5 inside of them, too: nothing marks it there.
    if is_telegram && rest.len() >= 10 && !is_plausible(&waiting[3..]) {
        return Step::Skip(1);
    }
    let Some(body) = rest.get(..end) else { return Step::Wait };
    let len = 4 + end;
    if has(HAS_CRC) && CRC.checksum(&waiting[1..4 + crc]).to_le_bytes() != body[crc..] {
        return if is_telegram { Step::Damaged { len: 1, reason: Reason::Checksum } } else { Step::Skip(1) };
    }
    if !is_telegram {
        return Step::Skip(len);
    }
    // The maker's manual: -100 dBm at 50, in steps of 8/15 dB.
    let dbm = |byte: u8| (f64::from(byte) * 80.0 / 150.0 - 100.0 - 4000.0 / 150.0).round() as i16;
    let rssi = has(HAS_RSSI).then(|| dbm(body[rssi]));
    match Format::Bare.unframe(&waiting[3..4 + time], frame) {
        Ok(()) => Step::Telegram { len, format: Format::Bare, rssi },
        Err(reason) => Step::Damaged { len: 1, reason },
    }
}

/// `FF`, command, length, telegram, strength, exclusive or of all before; or bare telegrams.
pub(super) fn amb8465(waiting: &[u8], frame: &mut Vec<u8>) -> Step {
    let [start, command, length, rest @ ..] = waiting else {
        return if waiting[0] == AMB8465_START { Step::Wait } else { bare(waiting, frame) };
    };
    // Commands have the bits of their answers in bit 7.
    if *start != AMB8465_START || command & 0x60 != 0 {
        return bare(waiting, frame);
    }
    let len = 4 + usize::from(*length);
    let Some(message) = waiting.get(..len) else {
        let is_telegram = *command != DATA || rest.len() < 11 || is_plausible(rest);
        return if is_telegram { Step::Wait } else { Step::Skip(1) };
    };
    if message.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
        return match *command == DATA && is_plausible(rest) {
            true => Step::Damaged { len: 1, reason: Reason::Checksum },
            false => Step::Skip(1),
        };
    }
    if *command != DATA {
        return Step::Skip(len);
    }
    let payload = &message[3..len - 1];
    let Some(frame_len) = payload.first().map(|length| usize::from(*length) + 1) else {
        return Step::Skip(len);
    };
    let rssi = match payload.len().checked_sub(frame_len) {
        Some(0) => None,
        Some(1) => Some(cc1101_dbm(payload[frame_len])),
        _ => return Step::Damaged { len, reason: Reason::Length },
    };
    match Format::Bare.unframe(&payload[..frame_len], frame) {
        Ok(()) => Step::Telegram { len, format: Format::Bare, rssi },
        Err(reason) => Step::Damaged { len, reason },
    }
}

/// A telegram with checksums, or without.
pub(super) fn bare(waiting: &[u8], frame: &mut Vec<u8>) -> Step {
    if waiting.len() < 12 {
        return Step::Wait;
    }
    if !is_plausible_start(waiting) {
        return Step::Skip(1);
    }
    let mut format = Format::of(waiting);
    // The first part of format B may not be whole yet, and then nothing tells it from a bare telegram.
    let len = format.frame_len(waiting[0]);
    if format == Format::Bare {
        if !is_plausible(waiting) {
            return Step::Skip(1);
        }
        if waiting.len() < len {
            return Step::Wait;
        }
        format = Format::of(&waiting[..len]);
    }
    let Some(bytes) = waiting.get(..len) else { return Step::Wait };
    match format.unframe(bytes, frame) {
        Ok(()) => Step::Telegram { len, format, rssi: None },
        Err(reason) => Step::Damaged { len, reason },
    }
}

/// Returns whether length and control byte are those of a telegram.
fn is_plausible_start(waiting: &[u8]) -> bool {
    let mut start = [0; 11];
    start.copy_from_slice(&waiting[..11]);
    // In format A the checksum of the first block stands where the CI does.
    start[10] = 0x7A;
    is_plausible(&start)
}
