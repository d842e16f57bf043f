//! Rows of an import, from CSV or JSON lines.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    io,
};

use csv::{Reader, ReaderBuilder, StringRecord, Terminator, Trim};
use framework::{
    Decimal, Text, is_name,
    journal::{Imported, Labels},
    spreadsheet::unguarded,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{READING, ROLLUP};

/// Microseconds.
const DAY: i64 = 86_400_000_000;
/// Number of required columns, the first of `READING`.
const REQUIRED: usize = 4;
/// Maximum number of columns.
const MAX_COLUMNS: usize = 64;
/// Maximum bytes of a text that names a series.
const MAX_NAME: usize = 255;
const ROLLED_UP: &str = "this is an export of roll-ups, but only single readings can be imported: export with \
                         `--step raw`, or copy the database";

/// Parser of an import, one line after the other.
pub(super) struct Rows {
    now: Timestamp,
    /// `None` before the first line.
    format: Option<Format>,
    csv: Reader<Line>,
    fields: StringRecord,
}

enum Format {
    Json,
    /// Place of each of the columns `READING`, and the number of columns in the file.
    Csv([Option<usize>; READING.len()], usize),
}

/// Input of the CSV reader: one line at a time, so that an open quote cannot swallow the rest of the file.
#[derive(Default)]
struct Line(VecDeque<u8>);

impl io::Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

/// Row as text, with the members `READING`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
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

/// Digits of a number, as written.
type Number<'a> = &'a RawValue;

impl Rows {
    /// Creates a parser that rejects readings more than a day after `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        let mut csv = ReaderBuilder::new();
        csv.has_headers(false).flexible(true).trim(Trim::All).terminator(Terminator::Any(b'\n'));
        Self { now, format: None, csv: csv.from_reader(Line::default()), fields: StringRecord::new() }
    }

    /// Parses a line. Returns `None` for a header or an empty line.
    ///
    /// # Errors
    /// Returns a message with what was expected.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Option<Imported>, String> {
        match self.row(line)? {
            Some(row) if row.time > self.now.as_microsecond().saturating_add(DAY) => {
                let time = Timestamp::from_microsecond(row.time).unwrap_or_default();
                Err(format!(
                    "`{time}` is more than a day ahead: the clock of this machine is at {:.0}\n\
                     hint: correct the time or the clock; later readings would get times after this one",
                    self.now
                ))
            }
            row => Ok(row),
        }
    }

    fn row(&mut self, line: &[u8]) -> Result<Option<Imported>, String> {
        let text = std::str::from_utf8(line).map_err(|_| "not valid text (UTF-8)")?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Ok(None);
        }
        match &self.format {
            None if text.trim_start().starts_with('{') => {
                self.format = Some(Format::Json);
                json(text).map(Some)
            }
            None => {
                self.split(text)?;
                self.format = Some(self.header()?);
                Ok(None)
            }
            Some(Format::Json) => json(text).map(Some),
            Some(Format::Csv(columns, count)) => {
                let (columns, count) = (*columns, *count);
                self.split(text)?;
                let found = self.fields.len();
                if found != count {
                    return Err(format!("expected {count} fields as in the header, found {found}"));
                }
                let members = columns.map(|at| at.and_then(|at| self.fields.get(at)).unwrap_or_default());
                let [time, section, name, value, unit, obis, set_from] = members;
                let [section, name, unit, obis] = [section, name, unit, obis].map(unguarded);
                let set_from = Some(set_from).filter(|text| !text.is_empty());
                reading(&[time, section, name, value, unit, obis], set_from).map(Some)
            }
        }
    }

    /// Checks the end of the file.
    ///
    /// # Errors
    /// Fails if it was empty.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.format {
            None => {
                Err(format!("the file is empty: expected a header (`{}`) or JSON lines", READING.join(",")))
            }
            Some(_) => Ok(()),
        }
    }

    /// Splits a line of CSV into its fields.
    fn split(&mut self, text: &str) -> Result<(), String> {
        let not_csv = || "not a valid line of CSV".to_owned();
        if text.contains('\r') {
            return Err(not_csv());
        }
        let Line(line) = self.csv.get_mut();
        line.extend(text.as_bytes());
        line.push_back(b'\n');
        self.csv.read_record(&mut self.fields).map_err(|error| match error.kind() {
            csv::ErrorKind::Io(_) => "a quote is not closed on this line".to_owned(),
            _ => not_csv(),
        })?;
        if self.fields.len() > MAX_COLUMNS {
            return Err(format!("more than {MAX_COLUMNS} fields are on this line"));
        }
        Ok(())
    }

    fn header(&self) -> Result<Format, String> {
        let mut columns = [None; READING.len()];
        let list = || READING.map(|column| format!("`{column}`")).join(", ");
        for (n, name) in self.fields.iter().enumerate() {
            let Some(at) = READING.iter().position(|column| *column == name) else {
                if ROLLUP.contains(&name) {
                    return Err(ROLLED_UP.to_owned());
                }
                return Err(format!("unknown column `{name}` in the header, expected {}", list()));
            };
            if columns[at].replace(n).is_some() {
                return Err(format!("the header has the column `{name}` twice"));
            }
        }
        match READING.iter().zip(&columns).take(REQUIRED).find(|(_, place)| place.is_none()) {
            Some((missing, _)) => Err(format!("the header lacks `{missing}`, expected {}", list())),
            None => Ok(Format::Csv(columns, self.fields.len())),
        }
    }
}

fn json(text: &str) -> Result<Imported, String> {
    let row: Row<'_> = serde_json::from_str(text).map_err(|error| {
        let members = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text).unwrap_or_default();
        let is_rollup = |name: &str| ROLLUP.contains(&name) && !READING.contains(&name);
        if members.keys().any(|name| is_rollup(name)) {
            return ROLLED_UP.to_owned();
        }
        let (message, column) = (error.to_string(), error.column());
        let message = message.trim_end_matches(&format!(" at line 1 column {column}"));
        format!(
            "{message} (column {column}); expected {{\"time\":\"…\",\"section\":\"…\",\"name\":\"…\",\"value\":…}}"
        )
    })?;
    let set_from = row.set_from.map(RawValue::get).filter(|text| *text != "null");
    let Row { time, section, name, value, unit, obis, .. } = &row;
    reading(&[time, section, name, value.get(), unit, obis], set_from)
}

/// Checks that a configuration could have a source of this name, which a later start or a folder would refuse.
fn source_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        return Ok(());
    }
    Err(format!("`{name}` cannot be the name of a source: expected at most 64 letters, digits, `_` and `-`"))
}

/// Parses the members `READING`.
fn reading(members: &[&str; 6], set_from: Option<&str>) -> Result<Imported, String> {
    let [time, section, name, value, unit, obis] = *members;
    let moment =
        time.parse::<Timestamp>().ok().filter(|time| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
            format!(
                "`{time}` is not a valid time: expected RFC 3339 from 1970 on, such as `2026-11-23T06:30:00.000000Z`"
            )
        })?;
    let label = |what: &str, text: &str, needed: bool| {
        let wrong = (needed && text.is_empty()) || text.len() > MAX_NAME || text.contains(char::is_control);
        if wrong {
            return Err(format!("the {what} must be 1 to {MAX_NAME} bytes of text"));
        }
        Ok(Text::from(text))
    };
    let number = |text: &str| {
        Decimal::parse(text.as_bytes()).ok_or_else(|| {
            format!(
                "`{text}` is not a valid number: expected a decimal of at most 18 digits, such as `-12.5`"
            )
        })
    };
    Ok(Imported {
        time: moment.as_microsecond(),
        labels: Labels {
            section: label("section", section, true).and_then(|name| source_name(&name).map(|()| name))?,
            name: label("name", name, true)?,
            unit: label("unit", unit, false)?,
            obis: label("OBIS code", obis, false)?,
        },
        value: number(value)?,
        set_from: set_from.map(number).transpose()?,
    })
}
