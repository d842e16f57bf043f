//! Files that people give to `smartmeter decode` and that are no recording of a line.

/// Bytes of a file that show what it is.
const ENOUGH: usize = 64 * 1024;
/// Lines that show whether a text is a table.
const LINES: usize = 5;

/// First bytes of files that are packed, and how they are unpacked.
const PACKED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "this is a gzip file: unpack it first, `gunzip --stdout FILE | smartmeter decode -`"),
    (b"BZh", "this is a bzip2 file: unpack it first, `bunzip2 --stdout FILE | smartmeter decode -`"),
    (b"\xfd7zXZ\0", "this is an xz file: unpack it first, `unxz --stdout FILE | smartmeter decode -`"),
    (
        b"\x28\xb5\x2f\xfd",
        "this is a zstd file: unpack it first, `unzstd --stdout FILE | smartmeter decode -`",
    ),
    (b"PK\x03\x04", "this is a zip archive: unpack it first, and give the file in it"),
];

/// First bytes of other files.
const OTHERS: [(&[u8], &str); 6] = [
    (b"SQLite format 3\0", "this is a database: `smartmeter export` reads a journal"),
    (b"%PDF-", "this is a PDF document"),
    (b"\x89PNG", "this is a picture"),
    (b"\xff\xd8\xff", "this is a picture"),
    (b"\x7fELF", "this is a program"),
    (b"Rar!", "this is a rar archive: unpack it first, and give the file in it"),
];

/// First bytes of captured packets: pcap in either order of bytes and either unit of time, and pcapng.
const CAPTURES: [&[u8]; 5] =
    [b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a"];

/// Returns what a file is whose first bytes tell that it is no recording, and what to do.
pub(super) fn file(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("the file is empty");
    }
    if CAPTURES.iter().any(|start| bytes.starts_with(start)) {
        return Some(
            "this is a capture of network packets (pcap): save the content of the connection alone, in Wireshark by \
             \"Follow TCP stream\" as raw bytes",
        );
    }
    let known = PACKED.iter().chain(&OTHERS).find(|(start, _)| bytes.starts_with(start));
    if let Some((_, what)) = known {
        return Some(what);
    }
    let start = bytes[..bytes.len().min(ENOUGH)].trim_ascii_start().to_ascii_lowercase();
    let is_page = [&b"<!doctype html"[..], b"<html"].iter().any(|tag| start.starts_with(tag));
    is_page.then_some("this is an HTML page: download the recording itself, not the page that shows it")
}

/// Returns what a text is that has no telegram.
pub(super) fn text(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(ENOUGH)];
    let is_character = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x80..);
    if start.is_empty() || !start.iter().all(is_character) {
        return None;
    }
    let text = String::from_utf8_lossy(start);
    if text.contains(char::REPLACEMENT_CHARACTER) && start.len() == bytes.len() {
        return None;
    }
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_hex = |line: &&str| {
        let digits = line.bytes().filter(|byte| !matches!(byte, b' ' | b':' | b','));
        digits.clone().count() >= 2 && digits.clone().all(|byte| byte.is_ascii_hexdigit())
    };
    let columns = |line: &str, separator| line.matches(separator).count();
    let is_table = [',', ';', '\t'].into_iter().any(|separator| {
        let count = lines.first().map_or(0, |line| columns(line, separator));
        count > 0 && lines.len() > 1 && lines.iter().take(LINES).all(|line| columns(line, separator) == count)
    });
    Some(match () {
        () if !lines.is_empty() && lines.iter().all(is_hex) => {
            "this is text with hexadecimal digits: make bytes of it, `xxd -r -p FILE | smartmeter decode -`"
        }
        () if text.trim_start().starts_with(['{', '[']) => {
            "this is JSON, not what a meter sends: `smartmeter import` reads exported readings"
        }
        () if is_table => {
            "this is a table (CSV), not what a meter sends: `smartmeter import` reads exported readings"
        }
        // A line that is read too fast gives one character again and again.
        () if !text.contains(char::is_whitespace) => return None,
        () => {
            "this is text without a telegram: expected the bytes of a line, such as `smartmeter record` writes"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_recording_is_called_what_it_is() {
        for (bytes, expected) in [
            (&b""[..], "the file is empty"),
            (b"\x1f\x8b\x08\0\0", "gzip"),
            (b"PK\x03\x04\x14", "zip archive"),
            (b"\xd4\xc3\xb2\xa1\x02\0", "pcap"),
            (b"\x0a\x0d\x0d\x0a\x1c", "pcap"),
            (b"SQLite format 3\0\x10", "database"),
            (b"\n <!DOCTYPE html><p>1-0:1.8.0*255(1*kWh)", "HTML page"),
        ] {
            assert!(file(bytes).is_some_and(|what| what.contains(expected)), "{expected}");
        }
        assert_eq!(file(b"/EBZ5DD32R06ETA_107\r\n"), None);
    }

    #[test]
    fn text_without_a_telegram_is_called_what_it_is_and_bytes_are_not() {
        for (bytes, expected) in [
            (&b"time,power\n2026-01-01,5\n2026-01-02,6\n"[..], "table (CSV)"),
            (b"a;b\n1;2\n", "table (CSV)"),
            (b"{\"power\": 5}\n", "JSON"),
            (b"7E A0 27 CF\n02 23 13\n", "hexadecimal digits"),
            (b"Dear meter,\nhow are you?\n", "text without a telegram"),
        ] {
            assert!(text(bytes).is_some_and(|what| what.contains(expected)), "{expected}");
        }
        assert_eq!(text(&[0x55, 0x00, 0x7e]), None);
        assert_eq!(text(&[0xf8, 0xf8, 0xf8]), None);
        assert_eq!(text(&[0x55; 1000]), None, "a line that is read too fast");
    }
}
