//! Which language a meter speaks, by the bytes alone.

use std::fmt;

/// What meters send over an optical head or a customer port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// IEC 62056-21 text, the P1 port's included.
    Text,
    /// SML, binary.
    Sml,
}

/// Recognizes a language in a stream, whether or not telegrams of it are whole.
#[derive(Debug, Default)]
pub struct Sniffer {
    /// The newest bytes.
    recent: Vec<u8>,
}

/// The start of an SML file (transport protocol version 1).
const SML_START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];
/// So many bytes are looked at: a few lines of text.
const WINDOW: usize = 1024;
/// So many data lines, one after the other, are no accident.
const LINES: usize = 3;
/// What a data line has at least: `1.8(0)`.
const SHORTEST_LINE: usize = 6;

impl Language {
    /// The plugin that reads it.
    pub fn plugin(self) -> &'static str {
        match self {
            Self::Text => "d0",
            Self::Sml => "sml",
        }
    }

    /// The language of `bytes` that were read as 8N1, if they show it.
    ///
    /// A whole ident line is not needed: a few data lines, or the start of an SML file, are enough.
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
                return Some(Self::Text);
            }
        }
        None
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "D0 text (IEC 62056-21)",
            Self::Sml => "SML",
        })
    }
}

impl Sniffer {
    /// More bytes came: the language, as soon as it shows.
    pub fn heard(&mut self, bytes: &[u8]) -> Option<Language> {
        self.recent.extend_from_slice(bytes);
        let old = self.recent.len().saturating_sub(WINDOW + bytes.len());
        self.recent.drain(..old);
        Language::of(&self.recent)
    }

    /// What was heard is forgotten.
    pub fn reset(&mut self) {
        self.recent.clear();
    }
}

/// `code(…)`, whatever the parity bits are.
fn is_data_line(line: &[u8]) -> bool {
    let text = |byte: &u8| byte & 0x7f;
    let printable = line.iter().all(|byte| matches!(text(byte), b' '..=b'~' | b'\r'));
    let first = line.first().map_or(0, text);
    let last = line.iter().map(text).rfind(|byte| *byte != b'\r');
    let code = line.iter().map(text).take_while(|byte| *byte != b'(');
    printable
        && line.len() >= SHORTEST_LINE
        && (first.is_ascii_digit() || matches!(first, b'C' | b'F' | b'L' | b'P'))
        && last == Some(b')')
        && code.clone().any(|byte| byte == b'.')
        && code.count() < line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_recognized() {
        let text = b"57.64*W)\r\n1-0:56.7.0*255(000015.64*W)\r\n1-0:96.5.0*255(001C0104)\r\n0-0:96.8.0*255(02FAB8BF)\r\n!\r\n";
        assert_eq!(Language::of(text), Some(Language::Text));
        let sent: Vec<u8> = text.iter().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect();
        assert_eq!(Language::of(&sent), Some(Language::Text));
        assert_eq!(Language::of(b"\0\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76"), Some(Language::Sml));
        for nothing in [&b""[..], b"1-0:56.7.0*255(000015.64*W)\r\nhello\r\n", &[0x80, 0xf8, 0, 0x1b, b'(']] {
            assert_eq!(Language::of(nothing), None);
        }
    }

    #[test]
    fn a_sniffer_hears_across_chunks_and_keeps_little() {
        let mut sniffer = Sniffer::default();
        let start = [b"noise".as_slice(), &SML_START].concat();
        let (last, first) = start.split_last().unwrap();
        for byte in first {
            assert_eq!(sniffer.heard(&[*byte]), None);
        }
        assert_eq!(sniffer.heard(&[*last]), Some(Language::Sml));
        sniffer.reset();
        for _ in 0..100 {
            assert_eq!(sniffer.heard(&[0xaa; 1000]), None);
        }
        assert!(sniffer.recent.len() <= 2 * WINDOW);
    }
}
