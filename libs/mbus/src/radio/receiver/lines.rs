//! Receivers that write lines of text.

use serde::Deserialize;

use super::{MAX_WAITING, Receiver, Step, cc1101_dbm};
use crate::radio::{frame::Format, reject::Reason};

/// Longest line.
const MAX_LINE: usize = 4096;
const _: () = assert!(MAX_LINE < MAX_WAITING);
/// Fields of a line of `rtl_wmbus`.
const FIELDS: usize = 8;

/// Reads the line at the start of `waiting`.
pub(super) fn step(
    receiver: Receiver,
    waiting: &[u8],
    at_end: bool,
    skips: &mut bool,
    frame: &mut Vec<u8>,
) -> Step {
    let Some(end) = memchr::memchr(b'\n', waiting).or(at_end.then_some(waiting.len())) else {
        return match waiting.len() {
            0..=MAX_LINE => Step::Wait,
            too_long => {
                *skips = true;
                Step::Skip(too_long)
            }
        };
    };
    let len = (end + 1).min(waiting.len());
    if std::mem::take(skips) || end > MAX_LINE {
        return Step::Skip(len);
    }
    let Ok(line) = std::str::from_utf8(&waiting[..end]) else { return Step::Skip(len) };
    let read = match receiver {
        Receiver::RtlWmbus => rtl_wmbus(line.trim(), frame),
        Receiver::Rtl433 => rtl_433(line.trim(), frame),
        Receiver::Cul => cul(line.trim(), frame),
        _ => hex_line(line.trim(), frame),
    };
    match read {
        None => Step::Skip(len),
        Some(Ok((format, rssi))) => Step::Telegram { len, format, rssi },
        Some(Err(reason)) => Step::Damaged { len, reason },
    }
}

/// Form and strength of a telegram that was read; `None`: the line is something else.
type Read = Option<Result<(Format, Option<i16>), Reason>>;

/// `T1;crc right;3-of-6 right;time;level;level;id;0xHEX`.
fn rtl_wmbus(line: &str, frame: &mut Vec<u8>) -> Read {
    let fields: Vec<&str> = line.splitn(FIELDS + 2, ';').collect();
    let [mode, is_crc_right, is_code_right, _, _, _, _, telegram, ..] = fields[..] else { return None };
    if !matches!(mode.as_bytes(), [b'A'..=b'Z', b'0'..=b'9']) {
        return None;
    }
    let bytes = unhex(telegram.strip_prefix("0x")?)?;
    if (is_crc_right, is_code_right) != ("1", "1") {
        return Some(Err(Reason::Checksum));
    }
    Some(stripped(bytes, frame).map(|format| (format, None)))
}

/// An object of `rtl_433 -F json`.
#[derive(Deserialize)]
struct Rtl433<'a> {
    #[serde(borrow)]
    model: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: Option<std::borrow::Cow<'a, str>>,
    rssi: Option<f64>,
}

fn rtl_433(line: &str, frame: &mut Vec<u8>) -> Read {
    let Rtl433 { model, data, rssi } =
        line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten()?;
    if model != "Wireless-MBus" {
        return None;
    }
    let bytes = unhex(&data?)?;
    Some(stripped(bytes, frame).map(|format| (format, rssi.map(|dbm| dbm.round() as i16))))
}

/// `b` and the bytes of format A, or `bY` and those of format B; then the bytes LQI and RSSI, if `X21` was set.
fn cul(line: &str, frame: &mut Vec<u8>) -> Read {
    let (format, digits) = match line.strip_prefix("bY") {
        Some(digits) => (Format::B, digits),
        None => (Format::A, line.strip_prefix('b')?),
    };
    let bytes = unhex(digits)?;
    let len = format.frame_len(*bytes.first()?);
    let rssi = match bytes.len().checked_sub(len) {
        Some(0) => None,
        Some(2) => Some(cc1101_dbm(bytes[len + 1])),
        _ => return Some(Err(Reason::Length)),
    };
    Some(format.unframe(&bytes[..len], frame).map(|()| (format, rssi)))
}

/// Nothing but digits, as other programs print a telegram, between bars or after `0x`.
fn hex_line(line: &str, frame: &mut Vec<u8>) -> Read {
    let line = line.trim_matches('|');
    let bytes = unhex(line.strip_prefix("0x").unwrap_or(line)).filter(|bytes| !bytes.is_empty())?;
    let format = Format::of(&bytes);
    Some(format.unframe(&bytes, frame).map(|()| (format, None)))
}

/// Takes a telegram whose checksums were checked and removed. Some programs leave those of format B in the length.
fn stripped(mut bytes: Vec<u8>, frame: &mut Vec<u8>) -> Result<Format, Reason> {
    let format = Format::of(&bytes);
    let counted = if bytes.len() > 126 { 4 } else { 2 };
    if format == Format::Bare
        && let Some(length) = bytes.first_mut()
        && let Some(reduced) = length.checked_sub(counted)
        && usize::from(reduced) + 1 == bytes.len()
    {
        bytes[0] = reduced;
    }
    format.unframe(&bytes, frame)?;
    Ok(format)
}

/// Reads hexadecimal digits, with blanks between bytes.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|char| !matches!(char, ' ' | '_'))
        .map(|char| Some(char.to_digit(16)? as u8))
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
