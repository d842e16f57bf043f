//! Protocol of a stream, recognized by its bytes alone.

mod foreign;
mod inverted;

use std::fmt;

use self::inverted::Inverted;

/// Protocol in which meters push telegrams over an optical head or a customer port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Text of IEC 62056-21, that of the P1 port included.
    Iec62056_21,
    /// SML, binary.
    Sml,
    /// DLMS/COSEM in HDLC frames (IEC 62056-46).
    Hdlc,
    /// DLMS/COSEM in M-Bus frames (EN 13757).
    DlmsOverMbus,
    /// DLMS/COSEM without frames.
    Dlms,
    /// Another M-Bus protocol.
    Mbus,
    /// M-Bus by radio, as a receiver delivers it.
    WirelessMbus,
    /// Télé-information client of French meters.
    Tic,
    /// Encrypted DLMS/COSEM without frames, as at some P1 ports.
    EncryptedP1,
    /// Text over a line whose signal is inverted.
    InvertedText,
}

/// The start of an SML file (transport protocol version 1).
const SML_START: [u8; 8] = [0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1];
/// Number of data lines in a row that is not a coincidence.
const LINES: usize = 3;
/// Newest bytes in which a protocol shows: a few lines of text.
const WINDOW: usize = 1024;
/// Length of the shortest data line, `1.8(0)`.
const SHORTEST_LINE: usize = 6;

impl Protocol {
    /// Returns the protocol of `bytes` that were read as 8N1, if they show it.
    ///
    /// A few data lines, or the start of an SML file or of another frame, are enough.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Recognizer::default().heard(bytes)
    }

    /// The same without text over an inverted line.
    fn of_upright(bytes: &[u8]) -> Option<Self> {
        if memchr::memmem::find(bytes, &SML_START).is_some() {
            return Some(Self::Sml);
        }
        let plain = |byte: u8| byte & 0x7f;
        if has_data_lines(bytes, plain) { Some(Self::Iec62056_21) } else { foreign::recognize(bytes) }
    }

    /// Returns the name of what a plugin for it reads.
    pub fn family(self) -> &'static str {
        match self {
            Self::Iec62056_21 | Self::InvertedText => "D0 text (IEC 62056-21)",
            Self::Sml => "SML",
            Self::Hdlc | Self::DlmsOverMbus | Self::Dlms | Self::EncryptedP1 => "DLMS/COSEM",
            Self::Mbus => "M-Bus",
            Self::WirelessMbus => "wireless M-Bus",
            Self::Tic => "TIC",
        }
    }

    /// Returns what a person can do about a protocol that no linked plugin reads.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Iec62056_21 | Self::Sml | Self::WirelessMbus => "write the plugin that reads it",
            Self::Hdlc | Self::DlmsOverMbus | Self::Dlms | Self::EncryptedP1 => {
                "this program was built without the plugin `dlms`, which reads it"
            }
            Self::Mbus => "this program was built without the plugin `mbus`, which reads it",
            Self::Tic => "this program was built without the plugin `tic`, which reads it",
            Self::InvertedText => {
                "use a cable or an adapter that inverts the signal, as a P1 port needs, or set the adapter to do so"
            }
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iec62056_21 => "D0 text (IEC 62056-21)",
            Self::Sml => "SML",
            Self::Hdlc => "DLMS/COSEM in HDLC frames",
            Self::DlmsOverMbus => "DLMS/COSEM over M-Bus",
            Self::Dlms => "DLMS/COSEM without frames",
            Self::Mbus => "M-Bus",
            Self::WirelessMbus => "wireless M-Bus",
            Self::Tic => "TIC, the text of French meters",
            Self::EncryptedP1 => "encrypted DLMS/COSEM, as some P1 ports do",
            Self::InvertedText => "D0 text (IEC 62056-21) with an inverted signal",
        })
    }
}

/// Recognizes the protocol of a stream while its bytes come.
#[derive(Debug)]
pub struct Recognizer {
    recent: Vec<u8>,
    inverted: [Inverted; 2],
}

impl Default for Recognizer {
    fn default() -> Self {
        Self { recent: Vec::new(), inverted: [false, true].map(Inverted::new) }
    }
}

impl Recognizer {
    /// Takes bytes that came. Returns the protocol of the newest ones, if they show it.
    pub fn heard(&mut self, bytes: &[u8]) -> Option<Protocol> {
        let old = self.recent.len().saturating_sub(WINDOW);
        self.recent.drain(..old);
        self.recent.extend_from_slice(bytes);
        if let Some(protocol) = Protocol::of_upright(&self.recent) {
            return Some(protocol);
        }
        let mut is_inverted = false;
        for inverted in &mut self.inverted {
            is_inverted |= bytes.iter().fold(false, |found, byte| found | inverted.take(*byte));
        }
        is_inverted.then_some(Protocol::InvertedText)
    }

    /// Returns whether the bytes so far may be text over an inverted line, though too few to be certain.
    pub fn may_be_inverted(&self) -> bool {
        self.inverted.iter().any(Inverted::is_plausible)
    }
}

/// Returns whether there are a few data lines in a row, once each byte is made a character.
fn has_data_lines(bytes: &[u8], character: impl Fn(u8) -> u8) -> bool {
    has_lines(bytes, character, |line| is_data_line(line.trim_ascii_end()))
}

/// Returns whether there are a few lines of a kind in a row, once each byte is made a character. Empty ones do not
/// count.
fn has_lines(bytes: &[u8], character: impl Fn(u8) -> u8, is_one: impl Fn(&[u8]) -> bool) -> bool {
    let text: Vec<u8> = bytes.iter().map(|byte| character(*byte)).collect();
    let mut lines = 0;
    text.split(|byte| *byte == b'\n').any(|line| {
        lines = match line {
            line if is_one(line) => lines + 1,
            line if line.trim_ascii_end().is_empty() => lines,
            _ => 0,
        };
        lines == LINES
    })
}

/// Recognizes `code(…)`.
fn is_data_line(line: &[u8]) -> bool {
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

    /// Text as an adapter receives it that does not invert the signal of a P1 port: the inverted stop bit is its start
    /// bit, and the inverted start bit of the next character its first bit.
    fn inverted(text: &[u8]) -> Vec<u8> {
        text.iter().map(|byte| !byte << 1 | 1).collect()
    }

    #[test]
    fn the_rest_of_a_dlms_list_whose_start_was_missed_is_recognized_by_its_codes() {
        let register = |c: u8| [0x02, 0x02, 0x09, 0x06, 1, 0, c, 8, 0, 0xff, 0x06, 0, 0, 0x12, 0x34];
        let rest = [&[0x12, 0x34][..], &register(1), &register(2)].concat();
        assert_eq!(Protocol::of(&rest), Some(Protocol::Dlms));
        assert_eq!(Protocol::of(&register(1)), None, "one code may be chance");
    }

    #[test]
    fn foreign_protocols_are_named_instead_of_misalignment() {
        let hdlc = [0x7e, 0xa0, 0x2a, 0x41, 0x08, 0x83, 0x13, 0x04, 0x13, 0xe6, 0xe7, 0x00, 0x0f];
        let long_address = {
            let mut frame = vec![0xa0, 0x75, 0xcf, 0x00, 0x02, 0x00, 0x23, 0x13];
            let sum = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC).checksum(&frame).to_le_bytes();
            frame.extend(sum);
            [&[0x00, 0x7e][..], &frame, &[0xe6, 0xe7, 0x00]].concat()
        };
        let mbus_dlms = [0x68, 0xfa, 0xfa, 0x68, 0x53, 0xff, 0x00, 0x01, 0x67, 0xdb, 0x08];
        let mbus = [0x68, 0x06, 0x06, 0x68, 0x08, 0x01, 0x72, 0x01, 0x02, 0x03, 0x81, 0x16];
        let ciphered = b"\xdb\x08XYZ\x01\x02\x03\x04\x05\x82\x01\x72\x30\0\0\x01";
        let short = b"\x07\xdb\x08XYZ\x01\x02\x03\x04\x05\x41\x21\0\0\x01";
        let text =
            b"/XYZ5\\P1\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(000123.456*kWh)\r\n1-0:1.7.0(00.301*kW)\r\n!\r\n";
        let signal = inverted(text);
        let llc = b"\xe6\xe7\0\x0f\x40\0\0\0\0\x01\x02\x02\x02";
        let bare = b"\x0f\x80\0\0\x01\x0c\x07\xea\x01\x0f\x04\x0c\0\0\xff\x80\0\0\x02\x04\x09\x06\x01\0\x01\x08\0\xff";
        let historic = b"\x02\nADCO 012345678901 E\r\nOPTARIF BASE 0\r\nBASE 001234567 '\r\n\x03";
        let standard = b"\x02\nADSC\t012345678901\t;\r\nVTIC\t02\tJ\r\nEAST\t001234567\t+\r\n\x03";
        let bytes: Vec<u8> = text.iter().map(|byte| !byte).collect();
        for (bytes, expected) in [
            (&hdlc[..], Protocol::Hdlc),
            (&long_address, Protocol::Hdlc),
            (&mbus_dlms, Protocol::DlmsOverMbus),
            (&mbus, Protocol::Mbus),
            (ciphered, Protocol::EncryptedP1),
            (short, Protocol::EncryptedP1),
            (&signal, Protocol::InvertedText),
            (&bytes, Protocol::InvertedText),
            (llc, Protocol::Dlms),
            (bare, Protocol::Dlms),
            (historic, Protocol::Tic),
            (standard, Protocol::Tic),
        ] {
            let inside = [b"\0\xffnoise".as_slice(), bytes].concat();
            assert_eq!(Protocol::of(&inside), Some(expected), "{}", bytes.escape_ascii());
            assert!(expected.advice().len() > 40);
        }
        for nothing in [
            &b"\x7e\xa0\x2a\x41\x08\x83\x13\x04\x14\xe6\xe7\0"[..],
            b"\x68\x06\x06\x68\x08\x01\x72\x01\x02\x03\x82\x16",
            b"haahaha, hooh, no frame",
            b"\xdb\x08abc\x01\x02\x03\x04\x05\x82\x01\x72\x30",
            b"\xdb\x08XYZ\x01\x02\x03\x04\x05\x82\x01\x72\x00",
        ] {
            assert_eq!(Protocol::of(nothing), None, "{}", nothing.escape_ascii());
            for end in 0..nothing.len() {
                assert_eq!(Protocol::of(&nothing[..end]), None);
            }
        }
    }
}
