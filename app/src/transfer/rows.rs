//! Lines of CSV or JSON, on their way into the journal.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader};
use framework::{
    Decimal, Text,
    journal::{Imported, Labels},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{READING, ROLLUP};

/// In microseconds.
const DAY: i64 = 86_400_000_000;
/// The columns that there must be: the first four.
const REQUIRED: usize = 4;
/// A file with more columns than these is none of ours.
const COLUMNS: usize = 64;
/// The longest text that names a series.
const NAME: usize = 255;
const ROLLED_UP: &str = "this is an export of roll-ups, and only single readings can be imported: export with \
                         `--step raw`, or copy the database";

/// Reads one line after the other.
pub(super) struct Rows {
    now: Timestamp,
    language: Option<Language>,
    reader: Reader,
    /// The fields of a CSV line, one behind the other, and their ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

enum Language {
    Json,
    /// Where each of the columns `READING` stands.
    Csv([Option<usize>; READING.len()], usize),
}

/// A row as text, its members those of `READING`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    section: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Number<'a>,
    #[serde(borrow, default)]
    unit: Cow<'a, str>,
    #[serde(borrow, default)]
    obis: Cow<'a, str>,
    #[serde(borrow, default)]
    set_from: Option<Number<'a>>,
}

/// The digits of a number, as they stand there.
type Number<'a> = &'a RawValue;

impl Rows {
    /// `now`: nothing is taken that is dated more than a day later.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, language: None, reader: Reader::new(), fields: Vec::new(), ends: Vec::new() }
    }

    /// Reads a line; `None` for a header or an empty one.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Option<Imported>, String> {
        match self.row(line)? {
            Some(row) if row.time > self.now.as_microsecond().saturating_add(DAY) => {
                let time = Timestamp::from_microsecond(row.time).unwrap_or_default();
                Err(format!(
                    "`{time}` is more than a day ahead: this machine's clock says {:.0}\n\
                     hint: put the time right, or the clock; readings to come would be dated behind this one",
                    self.now
                ))
            }
            row => Ok(row),
        }
    }

    fn row(&mut self, line: &[u8]) -> Result<Option<Imported>, String> {
        let text = std::str::from_utf8(line).map_err(|_| "this is no text (UTF-8)")?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Ok(None);
        }
        match &self.language {
            None if text.trim_start().starts_with('{') => {
                self.language = Some(Language::Json);
                json(text).map(Some)
            }
            None => {
                self.split(text)?;
                self.language = Some(self.header()?);
                Ok(None)
            }
            Some(Language::Json) => json(text).map(Some),
            Some(Language::Csv(columns, count)) => {
                let (columns, count) = (*columns, *count);
                self.split(text)?;
                let found = self.ends.len();
                if found != count {
                    return Err(format!("expected {count} fields as in the header, found {found}"));
                }
                let field = |at: usize| columns.get(at).copied().flatten().map(|n| self.field(n)).transpose();
                let field = |at| field(at).map(Option::unwrap_or_default);
                let set_from = Some(field(6)?).filter(|text| !text.is_empty());
                reading(&[field(0)?, field(1)?, field(2)?, field(3)?, field(4)?, field(5)?], set_from)
                    .map(Some)
            }
        }
    }

    /// The end of the file.
    ///
    /// # Errors
    /// Where it was empty.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.language {
            None => {
                Err(format!("nothing is in it: expected a header (`{}`) or JSON lines", READING.join(",")))
            }
            Some(_) => Ok(()),
        }
    }

    /// Splits a line of CSV.
    fn split(&mut self, text: &str) -> Result<(), String> {
        self.fields.resize(text.len() + 2, 0);
        self.ends.resize(COLUMNS, 0);
        self.reader.reset();
        let (mut field, mut end, mut result) = (0, 0, ReadRecordResult::InputEmpty);
        // A record that does not end with its line has an open quote; one that ends before it, a lone CR.
        for part in [text.as_bytes(), b"\n"] {
            if result != ReadRecordResult::InputEmpty {
                break;
            }
            let (fields, ends) = (&mut self.fields[field..], &mut self.ends[end..]);
            let (found, read, written, ended) = self.reader.read_record(part, fields, ends);
            (field, end, result) = (field + written, end + ended, found);
            if read < part.len() && result == ReadRecordResult::Record {
                result = ReadRecordResult::End;
            }
        }
        self.ends.truncate(end);
        match result {
            ReadRecordResult::Record => Ok(()),
            ReadRecordResult::InputEmpty => Err("a quote is not closed on this line".to_owned()),
            ReadRecordResult::OutputEndsFull => Err(format!("more than {COLUMNS} fields are on this line")),
            ReadRecordResult::OutputFull | ReadRecordResult::End => Err("this is no line of CSV".to_owned()),
        }
    }

    fn field(&self, n: usize) -> Result<&str, String> {
        let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let bytes = self.ends.get(n).and_then(|end| self.fields.get(start..*end)).unwrap_or_default();
        // Quotes are single bytes: what is between them is text as the line is.
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| "this is no text (UTF-8)".to_owned())
    }

    fn header(&self) -> Result<Language, String> {
        let mut columns = [None; READING.len()];
        let list = || READING.map(|column| format!("`{column}`")).join(", ");
        for n in 0..self.ends.len() {
            let name = self.field(n)?;
            if ROLLUP.contains(&name) {
                return Err(ROLLED_UP.to_owned());
            }
            let Some(at) = READING.iter().position(|column| *column == name) else {
                return Err(format!("unknown column `{name}` in the header, expected {}", list()));
            };
            if columns[at].replace(n).is_some() {
                return Err(format!("the column `{name}` is there twice"));
            }
        }
        match READING.iter().zip(&columns).take(REQUIRED).find(|(_, place)| place.is_none()) {
            Some((missing, _)) => Err(format!("the header lacks `{missing}`, expected {}", list())),
            None => Ok(Language::Csv(columns, self.ends.len())),
        }
    }
}

fn json(text: &str) -> Result<Imported, String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        if ROLLUP.iter().any(|column| message.starts_with(&format!("unknown field `{column}`"))) {
            return ROLLED_UP.to_owned();
        }
        let message = message.split(" at line 1 ").next().unwrap_or_default();
        format!(
            "{message} (column {}); expected {{\"time\":\"…\",\"section\":\"…\",\"name\":\"…\",\"value\":…}}",
            error.column()
        )
    })?;
    let set_from = line.set_from.map(RawValue::get).filter(|text| *text != "null");
    let Line { time, section, name, value, unit, obis, .. } = &line;
    reading(&[time, section, name, value.get(), unit, obis], set_from)
}

/// Reads the members `READING`.
fn reading(members: &[&str; 6], set_from: Option<&str>) -> Result<Imported, String> {
    let [time, section, name, value, unit, obis] = *members;
    let moment =
        time.parse::<Timestamp>().ok().filter(|time| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
            format!(
                "`{time}` is no time: expected RFC 3339 from 1970 on, such as `2026-11-23T06:30:00.000000Z`"
            )
        })?;
    let label = |what: &str, text: &str, needed: bool| {
        let wrong = (needed && text.is_empty()) || text.len() > NAME || text.contains(char::is_control);
        if wrong {
            return Err(format!("the {what} must be 1 to {NAME} bytes of text"));
        }
        Ok(Text::from(text))
    };
    let number = |text: &str| {
        Decimal::parse(text.as_bytes()).ok_or_else(|| {
            format!("`{text}` is no number that can be kept: expected a decimal of at most 18 digits, such as `-12.5`")
        })
    };
    Ok(Imported {
        time: moment.as_microsecond(),
        labels: Labels {
            section: label("section", section, true)?,
            name: label("name", name, true)?,
            unit: label("unit", unit, false)?,
            obis: label("OBIS code", obis, false)?,
        },
        value: number(value)?,
        set_from: set_from.map(number).transpose()?,
    })
}
