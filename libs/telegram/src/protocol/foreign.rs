//! Protocols that no plugin reads, recognized so that a message can name them.

use super::{Protocol, has_data_lines, has_lines};

/// Checksum of HDLC, CRC-16/X-25.
const HDLC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
/// Flag at both ends of an HDLC frame.
const FLAG: u8 = 0x7e;
/// Most bytes of an HDLC address.
const MAX_ADDRESS: usize = 4;
/// Tags of ciphered DLMS messages: with the global key, and with a dedicated one.
const CIPHERED: [u8; 2] = [0xdb, 0xdc];

/// Number of OBIS codes that is not a coincidence.
const CODES: usize = 2;

/// Returns the protocol that the bytes show, if it is one of these.
pub(super) fn recognize(bytes: &[u8]) -> Option<Protocol> {
    let frames = (0..bytes.len()).find_map(|at| frame(&bytes[at..]));
    frames.or_else(|| {
        if has_lines(bytes, |byte| byte & 0x7f, is_tic_line) {
            return Some(Protocol::Tic);
        }
        if has_codes(bytes) {
            return Some(Protocol::Dlms);
        }
        // Some adapters invert bytes, and not the signal.
        has_data_lines(bytes, |byte| !byte & 0x7f).then_some(Protocol::InvertedText)
    })
}

/// Recognizes the frame that begins with these bytes.
fn frame(bytes: &[u8]) -> Option<Protocol> {
    match bytes {
        [FLAG, 0xa0..=0xaf, ..] => is_hdlc(bytes).then_some(Protocol::Hdlc),
        [0x68, length, again, 0x68, rest @ ..] if length == again => mbus(usize::from(*length), rest),
        [0xe6, 0xe7, 0, 0x0f | 0xdb | 0xdc | 0xe0, ..] => Some(Protocol::Dlms),
        [0x0f, _, _, _, _, rest @ ..] => is_notification(rest).then_some(Protocol::Dlms),
        [tag, 8, rest @ ..] if CIPHERED.contains(tag) => is_ciphered(rest).then_some(Protocol::EncryptedP1),
        _ => None,
    }
}

/// Judges an HDLC frame by the checksum of its header: flag, format, two addresses, control field, checksum.
fn is_hdlc(frame: &[u8]) -> bool {
    let address = |from: usize| {
        let last = frame.get(from..)?.iter().take(MAX_ADDRESS).position(|byte| byte & 1 == 1)?;
        Some(from + last + 1)
    };
    let Some(control) = address(3).and_then(address) else { return false };
    match frame.get(1..control + 3) {
        Some([header @ .., low, high]) => HDLC.checksum(header) == u16::from_le_bytes([*low, *high]),
        _ => false,
    }
}

/// Judges an M-Bus frame of this length by what follows its second start byte: control field, address, the kind of its
/// content, the content, checksum, end byte. The content of DLMS is a part of a message, with its number.
fn mbus(length: usize, rest: &[u8]) -> Option<Protocol> {
    let &[_, _, kind, ..] = rest else { return None };
    if kind <= 0x1f {
        return Some(Protocol::DlmsOverMbus); // some meters send a wrong length
    }
    let (content, end) = rest.split_at_checked(length)?;
    let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    end.starts_with(&[sum, 0x16]).then_some(Protocol::Mbus)
}

/// Judges a ciphered message by what follows its tag: the sender's title, which begins with the maker's three letters,
/// the length, the security byte.
fn is_ciphered(rest: &[u8]) -> bool {
    let Some((title, rest)) = rest.split_at_checked(8) else { return false };
    let security = match rest {
        [0x82, _, _, security, ..] | [0x81, _, security, ..] | [0..=0x7f, security, ..] => *security,
        _ => return false,
    };
    title[..3].iter().all(u8::is_ascii_uppercase) && security & 0x30 != 0 && security & 0x0f <= 2
}

/// Judges a message without a frame by what follows its number: a time or none, and a list that soon has an OBIS code.
fn is_notification(rest: &[u8]) -> bool {
    let list = match rest {
        [0x09, 0x0c, 0x07, rest @ ..] | [0x0c, 0x07, rest @ ..] => rest.get(11..),
        [0, rest @ ..] => Some(rest),
        _ => None,
    };
    let Some([1 | 2, 1..=0x7f, items @ ..]) = list else { return false };
    let soon = &items[..items.len().min(24)];
    soon.windows(8).any(|item| matches!(item, [0x09, 0x06, .., 0xff]))
}

/// Returns whether a list has OBIS codes: the rest of a message whose start was missed. A meter that pushes once in ten
/// seconds is recognized at its first telegram, although the baud rate was found in the middle of it.
fn has_codes(bytes: &[u8]) -> bool {
    let is_code = |item: &&[u8]| matches!(item, [0x09, 0x06, 0 | 1, 0..=64, .., 0xff]);
    bytes.windows(8).filter(is_code).count() >= CODES
}

/// Recognizes a line of a French meter, `label value check`, by its check character (Enedis-NOI-CPT_54E).
fn is_tic_line(line: &[u8]) -> bool {
    let [content @ .., separator @ (b' ' | b'\t'), check] = line.strip_suffix(b"\r").unwrap_or(line) else {
        return false;
    };
    // In the standard mode it covers the second separator too.
    let last = if *separator == b'\t' { *separator } else { 0 };
    let sum = content.iter().fold(last, |sum, byte| sum.wrapping_add(*byte));
    *check == (sum & 0x3f) + 0x20
        && content.first().is_some_and(u8::is_ascii_uppercase)
        && content.contains(separator)
}
