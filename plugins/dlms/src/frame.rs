//! Frames of the line: HDLC, and long frames of wired M-Bus.

use crate::reject::Reason;

/// Checksum of HDLC, CRC-16/X-25, low byte first.
pub(crate) const X25: crc::Crc<u16, crc::Table<16>> =
    crc::Crc::<u16, crc::Table<16>>::new(&crc::CRC_16_IBM_SDLC);
/// Flag at both ends of an HDLC frame.
pub(crate) const FLAG: u8 = 0x7e;
/// Start byte of an M-Bus frame, which comes twice.
pub(crate) const MBUS_START: u8 = 0x68;
/// Last byte of an M-Bus frame.
const MBUS_END: u8 = 0x16;
/// Most bytes of an HDLC address.
const MAX_ADDRESS: usize = 4;
/// Least bytes of an HDLC frame between its flags: format, two addresses, control field, checksum.
const SHORTEST: usize = 7;

/// Result of looking for a frame at one place.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'a> {
    /// None begins here.
    Nothing,
    /// More bytes are needed to see whether one begins here.
    More,
    /// A frame begins here, and more bytes are needed.
    Begun,
    /// What begins like a frame of so many bytes is not a good one.
    Bad(Reason, usize),
    Frame(Frame<'a>),
}

/// Whole frame whose checksums are right.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame<'a> {
    /// Number of its bytes.
    pub(crate) len: usize,
    pub(crate) part: Part,
    /// Content.
    pub(crate) data: &'a [u8],
}

/// Place of a frame in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// HDLC numbers no segments. More may follow.
    Hdlc { more: bool },
    /// Segments of M-Bus are numbered from 0.
    Mbus { number: u8, last: bool },
}

/// Reads an HDLC frame of type 3 from after its opening flag up to its closing one (IEC 62056-46, clause 8.4): there are
/// no escaped bytes, and it ends where its length says.
pub(crate) fn hdlc(bytes: &[u8]) -> Found<'_> {
    let &[high, ref rest @ ..] = bytes else { return Found::More };
    if high & 0xf0 != 0xa0 {
        return Found::Nothing;
    }
    let &[low, ..] = rest else { return Found::More };
    let len = usize::from(high & 7) << 8 | usize::from(low);
    // The checksum of the header decides whether it is one, so that a false start is not waited for.
    let Some(control) = address(bytes, 2).and_then(|source| address(bytes, source)) else {
        return if bytes.len() < 2 + 2 * MAX_ADDRESS { Found::More } else { Found::Nothing };
    };
    let header = control + 1;
    if len < SHORTEST || header + 2 > len {
        return Found::Nothing;
    }
    let Some(check) = bytes.get(header..header + 2) else { return Found::More };
    let has_content = header + 2 < len;
    if has_content && !is_sum_of(check, &bytes[..header]) {
        return hdlc_without_header(bytes, header, len);
    }
    let Some(frame) = bytes.get(..len) else { return if has_content { Found::Begun } else { Found::More } };
    let (covered, check) = frame.split_at(len - 2);
    if !is_sum_of(check, covered) {
        return if has_content { Found::Bad(Reason::FrameCheck, len) } else { Found::Nothing };
    }
    match bytes.get(len) {
        None => Found::Begun,
        Some(&FLAG) => Found::Frame(Frame {
            len: len + 1,
            part: Part::Hdlc { more: high & 8 != 0 },
            data: if has_content { &covered[header + 2..] } else { &[] },
        }),
        Some(_) => Found::Bad(Reason::NoFlag, len),
    }
}

/// Judges what begins with a flag and has a wrong header: a damaged frame shows by the link layer after it.
fn hdlc_without_header(rest: &[u8], header: usize, len: usize) -> Found<'_> {
    match rest.get(header + 2..header + 5) {
        None => Found::More,
        Some(link) if *link == crate::wire::LLC => Found::Bad(Reason::HeaderCheck, len),
        Some(_) => Found::Nothing,
    }
}

/// Returns the end of the address that begins at `from`: its last byte has bit 0 set.
fn address(bytes: &[u8], from: usize) -> Option<usize> {
    let last = bytes.get(from..)?.iter().take(MAX_ADDRESS).position(|byte| byte & 1 == 1)?;
    Some(from + last + 1)
}

fn is_sum_of(check: &[u8], bytes: &[u8]) -> bool {
    X25.checksum(bytes).to_le_bytes() == check
}

/// Reads a long frame of wired M-Bus with a part of a DLMS message (IEC 62056-7-3).
///
/// Some meters put 256 or 257 bytes into a frame, and send the lowest eight bits of that as the length.
pub(crate) fn mbus(bytes: &[u8]) -> Found<'_> {
    let shown = &bytes[..bytes.len().min(7)];
    let (length, kind) = match *shown {
        [MBUS_START, length, again, MBUS_START, 0x53 | 0x73, _, kind @ 0..0x20] if length == again => {
            (usize::from(length), kind)
        }
        _ => return if is_mbus_begun(shown) { Found::More } else { Found::Nothing },
    };
    let length = if length < 4 { length + 256 } else { length };
    if length < 5 {
        return Found::Nothing;
    }
    let Some(frame) = bytes.get(4..4 + length + 2) else { return Found::Begun };
    let (content, end) = frame.split_at(length);
    let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if end != [sum, MBUS_END] {
        return Found::Bad(Reason::FrameSum, length + 6);
    }
    Found::Frame(Frame {
        len: length + 6,
        part: Part::Mbus { number: kind & 0x0f, last: kind & 0x10 != 0 },
        data: &content[5..],
    })
}

/// Returns whether these bytes may go on as an M-Bus frame.
fn is_mbus_begun(shown: &[u8]) -> bool {
    match *shown {
        [MBUS_START] | [MBUS_START, _] => true,
        [MBUS_START, length, again] => length == again,
        [MBUS_START, length, again, MBUS_START] => length == again,
        [MBUS_START, length, again, MBUS_START, control] => length == again && matches!(control, 0x53 | 0x73),
        [MBUS_START, length, again, MBUS_START, control, _] => {
            length == again && matches!(control, 0x53 | 0x73)
        }
        _ => false,
    }
}
