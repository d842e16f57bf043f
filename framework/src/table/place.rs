//! Places in the configuration, down to a part of a text.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::{ConfigError, diagnostic::ConfigText};

/// Place of a mistake in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The value of a key.
    Key(&'static str),
    /// A value in a list or a table, from a key on: `registers[2].unit`. The first element is 0.
    Path(String),
    /// Bytes of the file: a part of a [`ConfigString`].
    Bytes(Range<usize>),
}

impl From<&'static str> for Place {
    fn from(key: &'static str) -> Self {
        Self::Key(key)
    }
}

impl From<String> for Place {
    fn from(path: String) -> Self {
        Self::Path(path)
    }
}

/// Step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Returns the steps of a path such as `registers[2].unit`.
pub(super) fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts.map(|part| match part.strip_suffix(']').and_then(|index| index.parse().ok()) {
        Some(index) => Step::Index(index),
        None => Step::Key(part),
    })
}

/// Text of the configuration that knows its place, so that a mistake inside of it is reported at its own line and
/// column: for keys whose values have a grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigString {
    text: String,
    /// As written in the file, with quotes; empty for a value from the command line.
    written: String,
    /// Start of `written` in the file.
    start: usize,
    /// Name of the file.
    file: String,
    line: usize,
    column: usize,
}

impl ConfigString {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the place of a part of the text, in bytes.
    pub fn place(&self, part: Range<usize>) -> Place {
        let (start, end) = (self.written_offset(part.start), self.written_offset(part.end));
        Place::Bytes(self.start + start..self.start + end.max(start))
    }

    /// Returns the file, line and column of an offset in the text, as in the reports of mistakes: `config.toml:12:34`.
    pub fn line_and_column(&self, offset: usize) -> String {
        let Self { file, .. } = self;
        let before = &self.written[..self.written_offset(offset)];
        let (line, column) = match before.rsplit_once('\n') {
            Some((lines, last)) => (self.line + 1 + lines.matches('\n').count(), last.chars().count() + 1),
            None => (self.line, self.column + before.chars().count()),
        };
        format!("{file}:{line}:{column}")
    }

    /// Returns a mistake in a part of the text.
    pub fn error(&self, part: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::section(message).at(self.place(part))
    }

    /// Returns the offset in the written text of one in the text: the quotes, and escapes such as `\u00e4`, are longer.
    fn written_offset(&self, offset: usize) -> usize {
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| self.written.starts_with(quote));
        let Some(quote) = quote else { return 0 };
        let mut at = quote.len();
        if quote.len() == 3 {
            // A newline after the quotes is not part of the text.
            let rest = &self.written[at..];
            at += rest.len() - rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')).unwrap_or(rest).len();
        }
        // A line that ends with a backslash goes on at the next text.
        let skip = |at: usize| match self.written[at..].strip_prefix('\\').filter(|_| quote.starts_with('"'))
        {
            Some(rest) if rest.starts_with(BLANKS) => {
                self.written.len() - rest.trim_start_matches(BLANKS).len()
            }
            _ => at,
        };
        for char in self.text.get(..offset).unwrap_or(&self.text).chars() {
            at = skip(at);
            at += width(&self.written[at..], char, quote.starts_with('"'));
        }
        skip(at)
    }

    /// Returns the parts of it from which its deserializer makes it.
    pub(super) fn parts(text: &str, at: Range<usize>, source: &ConfigText) -> [String; 6] {
        let (file, line, column) = source.position(at.start);
        let written = source.text.get(at.clone()).unwrap_or_default().to_owned();
        [text.to_owned(), written, at.start.to_string(), file, line.to_string(), column.to_string()]
    }
}

/// Blanks and line ends.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Returns the bytes that stand for a character at the start of a written text, which may have escapes.
fn width(written: &str, char: char, has_escapes: bool) -> usize {
    let width = match written.as_bytes() {
        [b'\\', b'x', ..] if has_escapes => 4,
        [b'\\', b'u', ..] if has_escapes => 6,
        [b'\\', b'U', ..] if has_escapes => 10,
        [b'\\', ..] if has_escapes => 2,
        // The file's line ends may be longer than those of the text.
        [b'\r', b'\n', ..] if char == '\n' => 2,
        _ => char.len_utf8(),
    };
    width.min(written.len())
}

impl fmt::Display for ConfigString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Name by which the deserializer of the configuration knows it.
pub(super) const CONFIG_STRING: &str = "$framework::ConfigString";

impl<'de> Deserialize<'de> for ConfigString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct(CONFIG_STRING, 6, Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = ConfigString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::pass::TEXT)
    }

    /// A text without a place, from another deserializer.
    fn visit_str<E: Error>(self, text: &str) -> Result<ConfigString, E> {
        let text = text.to_owned();
        Ok(ConfigString { text, written: String::new(), start: 0, file: String::new(), line: 1, column: 1 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ConfigString, A::Error> {
        let mut part = || parts.next_element::<String>()?.ok_or_else(|| A::Error::invalid_length(0, &self));
        let (text, written) = (part()?, part()?);
        let mut number = || part()?.parse::<usize>().map_err(A::Error::custom);
        let start = number()?;
        let file = part()?;
        let mut number = || part()?.parse::<usize>().map_err(A::Error::custom);
        Ok(ConfigString { text, written, start, file, line: number()?, column: number()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_text_is_found_in_what_was_written() {
        for (written, text, part, line, column) in [
            (r#""a + b""#, "a + b", "b", 3, 15),
            (r#"'a + b'"#, "a + b", "b", 3, 15),
            (r#""\u00e4\t+ b""#, "ä\t+ b", "b", 3, 21),
            (r#""ä + b""#, "ä + b", "b", 3, 15),
            ("\"\"\"\na +\n  b\"\"\"", "a +\n  b", "b", 5, 3),
            ("'''a +\r\n b'''", "a +\n b", "b", 4, 2),
            ("\"\"\"a + \\\n   b\"\"\"", "a + b", "b", 4, 4),
            ("\"\"\"a + \\\n   \\u0062 c\"\"\"", "a + b c", "c", 4, 11),
            (r"'a\t + b'", "a\\t + b", "b", 3, 17),
            ("", "a + b", "b", 3, 10),
        ] {
            let at = ConfigString {
                text: text.to_owned(),
                written: written.to_owned(),
                start: 100,
                file: "config.toml".to_owned(),
                line: 3,
                column: 10,
            };
            let offset = text.find(part).unwrap();
            let expected = format!("config.toml:{line}:{column}");
            assert_eq!(at.line_and_column(offset), expected, "{written}");
            if !written.is_empty() {
                let Place::Bytes(bytes) = at.place(offset..offset + 1) else { panic!("{written}") };
                assert!(
                    written[bytes.start - 100..].starts_with([part.chars().next().unwrap(), '\\']),
                    "{written}"
                );
            }
            // Also an offset that is none.
            at.line_and_column(1);
            at.line_and_column(1000);
        }
    }
}
