//! Protocol of a stream, recognized by its bytes alone.

use std::fmt;

/// Protocol in which meters push telegrams over an optical head or a customer port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Text of IEC 62056-21, that of the P1 port included.
    Iec62056_21,
    /// SML, binary.
    Sml,
}

/// The start of an SML file (transport protocol version 1).
const SML_START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];
/// Number of data lines in a row that is not a coincidence.
const LINES: usize = 3;
/// Length of the shortest data line, `1.8(0)`.
const SHORTEST_LINE: usize = 6;

impl Protocol {
    /// Returns the protocol of `bytes` that were read as 8N1, if they show it.
    ///
    /// A few data lines, or the start of an SML file, are enough.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if memchr::memmem::find(bytes, &SML_START).is_some() {
            return Some(Self::Sml);
        }
        let mut lines = 0;
        for line in bytes.split(|byte| byte & 0x7f == b'\n') {
            lines = match line.trim_ascii_end() {
                line if is_data_line(line) => lines + 1,
                [] => lines,
                _ => 0,
            };
            if lines == LINES {
                return Some(Self::Iec62056_21);
            }
        }
        None
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iec62056_21 => "D0 text (IEC 62056-21)",
            Self::Sml => "SML",
        })
    }
}

/// Recognizes `code(…)`, with or without parity bits.
fn is_data_line(line: &[u8]) -> bool {
    let plain: Vec<u8> = line.iter().map(|byte| byte & 0x7f).collect();
    let line = plain.trim_ascii_end();
    let code = line.split(|byte| *byte == b'(').next().unwrap_or_default();
    line.len() >= SHORTEST_LINE
        && line.ends_with(b")")
        && matches!(code, [b'0'..=b'9' | b'C' | b'F' | b'L' | b'P', ..] if code.contains(&b'.'))
        && code.len() < line.len()
        && line.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_recognized() {
        let text = b"57.64*W)\r\n1-0:56.7.0*255(000015.64*W)\r\n1-0:96.5.0*255(001C0104)\r\n0-0:96.8.0*255(02FAB8BF)\r\n!\r\n";
        assert_eq!(Protocol::of(text), Some(Protocol::Iec62056_21));
        let sent: Vec<u8> = text.iter().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect();
        assert_eq!(Protocol::of(&sent), Some(Protocol::Iec62056_21));
        assert_eq!(Protocol::of(b"\0\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76"), Some(Protocol::Sml));
        for nothing in [&b""[..], b"1-0:56.7.0*255(000015.64*W)\r\nhello\r\n", &[0x80, 0xf8, 0, 0x1b, b'(']] {
            assert_eq!(Protocol::of(nothing), None);
        }
    }
}
