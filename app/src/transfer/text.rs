//! Rows of an export, as CSV or JSON lines.

use std::{borrow::Cow, io};

use clap::ValueEnum;
use framework::{
    Decimal,
    journal::{Labels, Rollup},
};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// Columns of readings.
pub(super) const READING: [&str; 7] = ["time", "section", "name", "value", "unit", "obis", "set_from"];
/// Columns of roll-ups.
pub(super) const ROLLUP: [&str; 11] =
    ["time", "section", "name", "first", "last", "min", "max", "mean", "count", "unit", "obis"];

/// Decimals of a mean. Further digits are the rounding errors of a binary fraction.
const MEAN_SCALE: u8 = 6;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

/// Writer of an export.
pub(super) enum Export<W: io::Write> {
    Csv(csv::Writer<W>),
    Jsonl(W),
}

impl<W: io::Write> Export<W> {
    /// Writes the header, if the format has one.
    pub(super) fn new(format: Format, out: W, columns: &[&str]) -> io::Result<Self> {
        if format == Format::Jsonl {
            return Ok(Self::Jsonl(out));
        }
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(columns).map_err(io_error)?;
        Ok(Self::Csv(csv))
    }

    /// Writes a reading. `set_from` is the former value of a counter that was set.
    pub(super) fn reading(
        &mut self,
        labels: &Labels,
        time: i64,
        value: Decimal,
        set_from: Option<Decimal>,
    ) -> io::Result<()> {
        let set_from = set_from.map_or(Cell::from(""), |before| Cell::Number(before.to_string()));
        let [time, section, name, unit, obis] = shared(labels, Timestamp::from_microsecond(time), Some(6));
        self.row(&READING, [time, section, name, Cell::Number(value.to_string()), unit, obis, set_from])
    }

    /// Writes a roll-up of the span that begins at `start`, in seconds since 1970.
    pub(super) fn rollup(&mut self, labels: &Labels, start: i64, rollup: &Rollup) -> io::Result<()> {
        let [time, section, name, unit, obis] = shared(labels, Timestamp::from_second(start), None);
        let [first, last, min, max] =
            [rollup.first, rollup.last, rollup.min, rollup.max].map(|value| Cell::Number(float(value)));
        let mean = Decimal::rounded(rollup.mean, MEAN_SCALE);
        let mean = Cell::Number(mean.map_or_else(|| float(rollup.mean), |mean| mean.to_string()));
        let count = Cell::Number(rollup.count.to_string());
        self.row(&ROLLUP, [time, section, name, first, last, min, max, mean, count, unit, obis])
    }

    fn row<const N: usize>(&mut self, columns: &[&str; N], cells: [Cell<'_>; N]) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.write_record(cells.iter().map(Cell::text)).map_err(io_error),
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, &Object(columns, &cells))?;
                out.write_all(b"\n")
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.flush(),
            Self::Jsonl(out) => out.flush(),
        }
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Returns time, section, name, unit and OBIS code.
fn shared(labels: &Labels, time: Result<Timestamp, jiff::Error>, precision: Option<u8>) -> [Cell<'_>; 5] {
    // No clock returns a time beyond the calendar: 1970 stands for it.
    let time = time.unwrap_or(Timestamp::UNIX_EPOCH);
    let time = DateTimePrinter::new().precision(precision).timestamp_to_string(&time);
    let Labels { section, name, unit, obis } = labels;
    [
        Cell::Text(time.into()),
        section.as_str().into(),
        name.as_str().into(),
        unit.as_str().into(),
        obis.as_str().into(),
    ]
}

/// Returns the shortest digits that read back as `value`; 0 for infinity, which JSON lacks.
fn float(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "0".to_owned() }
}

/// Field of a row.
enum Cell<'a> {
    Text(Cow<'a, str>),
    /// Digits of a number.
    Number(String),
}

impl Cell<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(digits) => digits,
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            // As raw JSON, because a float would lose digits.
            Self::Number(digits) => {
                serde_json::from_str::<&RawValue>(digits).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

/// JSON object of a row, without its empty members.
struct Object<'a>(&'a [&'a str], &'a [Cell<'a>]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1).filter(|(_, cell)| !cell.text().is_empty()))
    }
}
