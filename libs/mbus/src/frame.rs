//! Frames on the wire (EN 13757-2, clause 5: format class FT 1.2 of EN 60870-5-1).

/// First byte of a long frame, and the one after its two lengths.
const LONG: u8 = 0x68;
/// First byte of a short frame.
const SHORT: u8 = 0x10;
/// Last byte of a short and of a long frame.
const STOP: u8 = 0x16;
/// The acknowledgement: a frame of this single byte.
pub const ACK: u8 = 0xe5;
/// Most bytes of a frame.
pub const LONGEST: usize = 261;

/// Frame on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Acknowledgement of a command or of a selection.
    Ack,
    /// Frame without data: a master's request.
    Short {
        /// Control field.
        control: u8,
        /// Primary address.
        address: u8,
    },
    /// Frame with data.
    Long {
        /// Control field.
        control: u8,
        /// Primary address.
        address: u8,
        /// Control information: what the data are.
        ci: u8,
        /// Data after the CI field; none in a control frame.
        data: &'a [u8],
    },
}

impl Frame<'_> {
    /// Returns whether a meter sends it with data: RSP_UD, whatever its bits ACD and DFC say.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Long { control, .. } if control & 0xcf == 0x08)
    }
}

/// Result of a search for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame.
    Frame {
        /// The frame.
        frame: Frame<'a>,
        /// Position of its first byte.
        start: usize,
        /// Position after its last byte.
        end: usize,
    },
    /// A frame may begin here, and its end has not come yet. If no more bytes come, it was a false start: a search from
    /// the next byte on may find another frame inside.
    Incomplete {
        /// Position of its first byte.
        start: usize,
    },
    /// No frame, nor the beginning of one.
    Nothing,
}

/// Finds the first frame in `bytes`: noise, echoes that are cut, and false starts before it are skipped.
pub fn find(bytes: &[u8]) -> Found<'_> {
    for start in 0..bytes.len() {
        match at(&bytes[start..]) {
            Start::Frame { frame, len } => return Found::Frame { frame, start, end: start + len },
            Start::Incomplete => return Found::Incomplete { start },
            Start::False => {}
        }
    }
    Found::Nothing
}

/// Finds all frames in bytes after which no others come, with their positions.
pub fn all(bytes: &[u8]) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        loop {
            match find(&bytes[position..]) {
                Found::Frame { frame, start, end } => {
                    let at = position + start;
                    position += end;
                    return Some((at, frame));
                }
                Found::Incomplete { start } => position += start + 1,
                Found::Nothing => return None,
            }
        }
    })
}

/// Finds what looks like a long frame in `bytes`, of which no whole one begins there, and says why it is none. `all` are
/// the same bytes with those after them. Returns its position, the reason, and the length that it announces.
pub fn damaged(bytes: &[u8], all: &[u8]) -> Option<(usize, String, usize)> {
    let start = bytes.windows(4).position(
        |start| matches!(*start, [LONG, len, again, LONG] if len == again && len >= 3 && len != LONG),
    )?;
    let len = usize::from(bytes[start + 1]);
    let rest = all.get(start + 4..).unwrap_or_default();
    let reason = match rest.get(..len + 2) {
        None => format!("the frame announces {} bytes, and {} are left", len + 2, rest.len()),
        Some(&[.., stop]) if stop != STOP => {
            format!("the frame ends with {stop:02X} instead of {STOP:02X}")
        }
        Some(&[.., sum, _]) => {
            format!("the checksum is {sum:02X}, expected {:02X}", checksum(&rest[..len]))
        }
        Some(_) => return None,
    };
    Some((start, reason, len + 6))
}

enum Start<'a> {
    Frame { frame: Frame<'a>, len: usize },
    Incomplete,
    False,
}

/// Judges the first byte: whether a frame begins with it. Length, checksum and stop byte have to fit.
fn at(bytes: &[u8]) -> Start<'_> {
    match *bytes {
        [ACK, ..] => Start::Frame { frame: Frame::Ack, len: 1 },
        [SHORT, control, address, sum, STOP, ..] if control.wrapping_add(address) == sum => {
            Start::Frame { frame: Frame::Short { control, address }, len: 5 }
        }
        [SHORT, ref rest @ ..] if rest.len() < 4 => {
            let false_start =
                matches!(*rest, [control, address, sum] if control.wrapping_add(address) != sum);
            if false_start { Start::False } else { Start::Incomplete }
        }
        [LONG] => Start::Incomplete,
        [LONG, len, ..] if len < 3 => Start::False,
        [LONG, _] => Start::Incomplete,
        [LONG, len, again, ..] if len != again => Start::False,
        [LONG, _, _] => Start::Incomplete,
        [LONG, len, _, LONG, ref rest @ ..] => {
            let len = usize::from(len);
            let Some(&[.., sum, stop]) = rest.get(..len + 2) else { return Start::Incomplete };
            if stop != STOP || checksum(&rest[..len]) != sum {
                return Start::False;
            }
            let [control, address, ci, ref data @ ..] = rest[..len] else { return Start::False };
            Start::Frame { frame: Frame::Long { control, address, ci, data }, len: len + 6 }
        }
        _ => Start::False,
    }
}

/// Returns the sum of the bytes, modulo 256.
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
