//! Lines of a program, and the readings in them.
//!
//! | file | format |
//! |---|---|
//! | `json` | JSON objects, with unit and kind where the program states them |
//! | `influx` | InfluxDB line protocol |
//! | `number`, `time` | their numbers and times |

mod influx;
mod json;
mod number;
#[cfg(test)]
mod tests;
mod time;

use std::collections::HashMap;

use framework::{Reading, Timestamp};
use serde::Deserialize;

/// Maximum number of readings in a line, or in the output of a run.
pub(crate) const MAX_READINGS: usize = 1000;
/// Longest name of a reading, in bytes.
const MAX_NAME: usize = 128;
/// Longest text of a reading, in bytes.
const MAX_TEXT: usize = 1024;

/// Form of what a program writes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// JSON for this program.
    #[default]
    Json,
    /// InfluxDB line protocol.
    Influx,
    /// JSON of a program that was not written for this one.
    FlatJson,
}

/// A format, and what its names are made of.
#[derive(Debug, Clone)]
pub(crate) struct Parser {
    pub(crate) format: Format,
    /// Tags whose values are part of the names; `None`: all but `host`.
    pub(crate) tags: Option<Vec<String>>,
}

/// Readings of one line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its time, if it has one.
    pub(crate) time: Option<Timestamp>,
    /// Names may repeat: the scheduler keeps the first, and counts the others.
    pub(crate) readings: Vec<Reading>,
    /// What is wrong with readings that are left out.
    pub(crate) mistakes: Vec<String>,
}

impl Parser {
    /// Parses one line. One without content has no readings.
    ///
    /// # Errors
    /// Returns what is wrong, and what was expected.
    pub(crate) fn line(&self, line: &[u8]) -> Result<Line, String> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(Line::default());
        }
        let parsed = match self.format {
            Format::Json | Format::FlatJson => json::object(line, self),
            Format::Influx => text(line).and_then(|line| influx::line(line, self)),
        };
        parsed.and_then(Line::checked).map_err(|reason| format!("{reason}: `{}`", excerpt(line)))
    }

    /// Parses everything that a run wrote. JSON may stretch over several lines.
    ///
    /// # Errors
    /// Returns what is wrong, and what was expected.
    pub(crate) fn output(&self, output: &[u8]) -> Result<Line, String> {
        let lines = match self.format {
            Format::Json | Format::FlatJson => json::objects(output, self)?,
            Format::Influx => {
                output.split(|byte| *byte == b'\n').map(|line| self.line(line)).collect::<Result<_, _>>()?
            }
        };
        let mut all = Line::default();
        for line in lines {
            all.add_line(line)?;
        }
        all.checked()
    }

    /// Whether lines of one time belong together: `influx` has a line for each set of tags, and other programs one for
    /// each of several devices.
    pub(crate) fn joins_lines(&self) -> bool {
        self.format != Format::Json
    }
}

impl Line {
    /// Adds a reading.
    fn add(&mut self, reading: Reading) -> Result<(), String> {
        if self.readings.len() == MAX_READINGS {
            return Err(format!("more than {MAX_READINGS} readings: select those that are needed"));
        }
        self.readings.push(reading);
        Ok(())
    }

    /// Adds a later line of the same run. Its readings replace earlier ones of their names, and not each other.
    fn add_line(&mut self, line: Line) -> Result<(), String> {
        self.time = self.time.max(line.time);
        self.mistakes.extend(line.mistakes);
        let mut earlier: HashMap<_, _> =
            self.readings.iter().enumerate().rev().map(|(n, reading)| (reading.name.clone(), n)).collect();
        for reading in line.readings {
            match earlier.remove(&reading.name) {
                Some(n) => self.readings[n] = reading,
                None => self.add(reading)?,
            }
        }
        Ok(())
    }

    /// Returns the line, or the first mistake if it has nothing else.
    fn checked(self) -> Result<Self, String> {
        match self.mistakes.first() {
            Some(mistake) if self.readings.is_empty() => Err(mistake.clone()),
            _ => Ok(self),
        }
    }

    /// Adds the readings of a line of the same time. Returns that line if it is not one of the same time, or repeats a
    /// name.
    pub(crate) fn join(&mut self, line: Line) -> Option<Line> {
        let fits = self.readings.len() + line.readings.len() <= MAX_READINGS;
        let repeats = || {
            line.readings.iter().any(|reading| self.readings.iter().any(|other| other.name == reading.name))
        };
        if self.time != line.time || !fits || repeats() {
            return Some(line);
        }
        self.readings.extend(line.readings);
        self.mistakes.extend(line.mistakes);
        None
    }
}

/// Joins the parts of a name with `_`, and writes `_` for characters that URLs, topics and queries give a meaning to.
///
/// # Errors
/// Fails if the name is empty or too long.
fn name<'p>(parts: impl IntoIterator<Item = &'p str>) -> Result<String, String> {
    let mut name = String::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !name.is_empty() {
            name.push('_');
        }
        let is_plain = |char: char| char.is_alphanumeric() || "_-.:*".contains(char);
        name.extend(part.trim().chars().map(|char| if is_plain(char) { char } else { '_' }));
        if name.len() > MAX_NAME {
            return Err(format!("a name of more than {MAX_NAME} bytes, `{}`", excerpt(name.as_bytes())));
        }
    }
    if name.is_empty() { Err("a reading without a name".to_owned()) } else { Ok(name) }
}

/// Returns a text for a reading.
fn bounded(text: &str, name: &str) -> Result<(), String> {
    match text.len() <= MAX_TEXT {
        true => Ok(()),
        false => Err(format!("the text of `{name}` has more than {MAX_TEXT} bytes")),
    }
}

fn text(line: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(line).map_err(|_| "not valid UTF-8".to_owned())
}

/// Returns the beginning of what a program wrote, for messages: printable, and not long.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const LONGEST: usize = 100;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * LONGEST)]);
    let mut shown: String = text.trim_end().chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if shown.len() < bytes.trim_ascii_end().len() && text.chars().count() > LONGEST {
        shown.push('…');
    }
    // A message about JSON is full of quotes, which need no escape.
    shown.replace("\\\"", "\"").replace("\\'", "'")
}
