//! Beginning of a telegram: an ident line, or STX and a data line.

use crate::{
    characters::begins_code,
    framing::Framing,
    reject::Excerpt,
    wire::{ETX, MAX_IDENT, STX},
};

/// Verdict on bytes that begin with `/` or STX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Too few bytes to tell.
    More,
    /// No beginning of a telegram: a request's echo `/?!`, a `/` in a text, a stray byte.
    Noise,
    /// An ident line with this number of characters.
    Ident(usize),
    /// STX and the beginning of a data line; this number of bytes shows the framing.
    Message(usize),
    /// An ident line that is too long or damaged.
    BadIdent(Excerpt),
}

impl Head {
    /// Judges `bytes`, parity bits still in them.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.first().is_some_and(|&byte| byte & 0x7f == STX) {
            Self::message(bytes)
        } else {
            Self::ident(bytes)
        }
    }

    /// Returns whether the whole `line` is an ident line, or the first line of a data message.
    pub fn is_line(line: &[u8]) -> bool {
        if line.first().is_some_and(|&byte| byte & 0x7f == STX) {
            line.get(1).is_some_and(|&byte| begins_code(byte & 0x7f))
        } else {
            matches!(Self::whole(line), Self::Ident(_))
        }
    }

    /// Returns the place inside `line` of an ident line that goes on to its end.
    pub fn inside(line: &[u8]) -> Option<usize> {
        let starts = (0..line.len()).filter(|&at| line[at] & 0x7f == b'/');
        starts.into_iter().find(|&at| matches!(Self::whole(&line[at..]), Self::Ident(_)))
    }

    /// Returns whether bytes without a line end are the beginning of an ident line, and more than a slash by chance.
    pub fn begins_ident(bytes: &[u8]) -> bool {
        bytes.len() > 3 && begins_ident(bytes)
    }

    fn message(bytes: &[u8]) -> Self {
        match bytes.get(1) {
            None => Self::More,
            Some(&byte) if !begins_code(byte & 0x7f) => Self::Noise,
            // ETX may end it without any line end.
            Some(_) => match end(bytes, |byte| matches!(byte, b'\r' | b'\n' | ETX)) {
                Some(end) => Self::Message(end),
                None if bytes.len() > MAX_IDENT => Self::Message(MAX_IDENT),
                None => Self::More,
            },
        }
    }

    fn ident(bytes: &[u8]) -> Self {
        if !begins_ident(bytes) {
            return Self::Noise;
        }
        match end(bytes, |byte| matches!(byte, b'\r' | b'\n')) {
            Some(end) => Self::whole(&bytes[..end]),
            None if bytes.len() > MAX_IDENT => Self::whole(bytes),
            None => Self::More,
        }
    }

    /// Judges `/`, maker, baud character and text (IEC 62056-21, clause 6.3.2).
    fn whole(line: &[u8]) -> Self {
        if !begins_ident(line) || line.len() < 5 {
            return Self::Noise;
        }
        // A CR is left here where the framing of the telegram before had another one.
        let blank = |byte: &u8| matches!(byte & 0x7f, b'\r' | b'\n' | 0);
        let end = line.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
        let mut depth = 0usize;
        for byte in &line[..end.min(MAX_IDENT)] {
            match byte & 0x7f {
                b'(' => depth += 1,
                // A slash in a text value: its bracket closes after it.
                b')' if depth == 0 => return Self::Noise,
                b')' => depth -= 1,
                b' '..=b'~' => {}
                _ => return Self::BadIdent(Excerpt::of(&line[..end.min(MAX_IDENT)])),
            }
        }
        if end > MAX_IDENT { Self::BadIdent(Excerpt::of(&line[..MAX_IDENT])) } else { Self::Ident(end) }
    }
}

/// Returns whether `bytes`, as far as they go, can begin an ident line. Three letters tell it from other slashes.
fn begins_ident(bytes: &[u8]) -> bool {
    bytes.iter().take(5).enumerate().all(|(place, byte)| match (place, byte & 0x7f) {
        (0, slash) => slash == b'/',
        (1..=3, letter) => letter.is_ascii_alphabetic(),
        // Heat meters leave it blank.
        (_, baud) => matches!(baud, b' '..=b'~'),
    })
}

fn end(bytes: &[u8], is_end: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.iter().take(MAX_IDENT + 1).position(|byte| is_end(byte & 0x7f))
}

/// Returns whether `byte` may begin a telegram, in any framing.
pub fn begins_telegram(byte: u8, forced: Option<Framing>) -> bool {
    let character = forced.map_or(byte & 0x7f, |framing| framing.character(byte));
    matches!(character, b'/' | STX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idents_of_all_kinds() {
        for ident in [
            "/EBZ5DD3BZ06ETA_107",
            "/ESY5Q3DA1004 V3.04",
            "/ISk5MT174-0001",
            "/ACE0\\3k260V01.18",
            "/SIEC2WR5",
            "/EMH5----eHZ-E0018E",
            "/SAT63511/?!",
            "/KAM MC",
            "/kam0MC",
            "/ABB@\\?!/x",
            "/ABC?x!",
            "/NWA-WARMTELINK",
            "/ABC5",
            "/ABC5Meter(2)",
        ] {
            let line = format!("{ident}\r\n1.8.0(1*kWh)\r\n");
            assert_eq!(Head::of(line.as_bytes()), Head::Ident(ident.len()), "{ident}");
            // In 7E1 as well.
            let sent: Vec<u8> = line.bytes().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect();
            assert_eq!(Head::of(&sent), Head::Ident(ident.len()), "{ident}");
        }
        assert_eq!(Head::of(b"/ABC5x\0\0\r\n"), Head::Ident(6));
    }

    #[test]
    fn other_slashes() {
        for noise in ["/?!\r\n", "/?12345678!\r\n", "//EBZ5\r\n", "/ABC\r\n", "/EB5\r\n", "/ABC!5/1EBZ)\r\n"]
        {
            assert_eq!(Head::of(noise.as_bytes()), Head::Noise, "{noise}");
        }
        assert_eq!(Head::of(b"/EBZ5DD3"), Head::More);
        assert_eq!(Head::of(b"/"), Head::More);
        assert!(matches!(Head::of(b"/EBZ5\x02DD3\r\n"), Head::BadIdent(_)));
        let longest = format!("/EBZ5{}\r", "a".repeat(96));
        assert_eq!(Head::of(longest.as_bytes()), Head::Ident(101));
        let too_long = format!("/EBZ5{}\r", "a".repeat(97));
        assert!(matches!(Head::of(too_long.as_bytes()), Head::BadIdent(_)));
        assert_eq!(Head::of(&too_long.as_bytes()[..101]), Head::More);
    }

    #[test]
    fn a_telegram_cut_off_is_followed_by_an_ident() {
        assert_eq!(Head::inside(b"1-0:1.8.0*255(0001/EBZ5DD3BZ06ETA_107"), Some(18));
        assert_eq!(Head::inside(b"1-0:1.8.0*255(00/1/EBZ5DD3"), Some(18));
        assert_eq!(Head::inside(b"1-0:0.0.0*255(/EBZ5DD3)"), None);
    }
}
