//! Texts for the log and `/health` that may quote what a device, a server or a client has sent.

use std::borrow::Cow;

/// Most characters of a text.
const LONGEST: usize = 1000;

/// Returns the text on one line: control characters are escaped, and what follows the 1000th character is left out.
///
/// A newline would forge a log line, and an escape sequence would reach the terminal of who reads it.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_special) && (text.len() <= LONGEST || text.chars().nth(LONGEST).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut room = LONGEST - 1;
    for char in text.chars() {
        let length = if is_special(char) { char.escape_debug().count() } else { 1 };
        if length > room {
            shown.push('…');
            break;
        }
        room -= length;
        if is_special(char) {
            shown.extend(char.escape_debug());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character begins a line, controls a terminal, or changes the direction of the text around it.
pub(crate) fn is_special(char: char) -> bool {
    let is_direction =
        matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || is_direction || matches!(char, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_on_its_line_and_has_a_thousand_characters_at_most() {
        let (full, long) = ("ä".repeat(1000), "ä".repeat(1001));
        let cut = format!("{}…", "ä".repeat(999));
        let (noise, escaped) = ("\n".repeat(1_000_000), format!("{}…", "\\n".repeat(499)));
        for (text, shown) in [
            ("`5x` is not 5 °C\\", "`5x` is not 5 °C\\"),
            ("a\r\nERROR b\t\u{1b}[31m\0", "a\\r\\nERROR b\\t\\u{1b}[31m\\0"),
            ("a\u{85}b\u{2028}c\u{202e}d", "a\\u{85}b\\u{2028}c\\u{202e}d"),
            (&full, &full),
            (&long, &cut),
            (&noise, &escaped),
        ] {
            let once = one_line(text);
            assert_eq!(once, shown);
            assert_eq!(one_line(&once), shown, "a second time changes nothing");
        }
    }
}
