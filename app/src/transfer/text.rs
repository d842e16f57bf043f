//! Rows of an export, as CSV or JSON lines.

use std::io;

use clap::ValueEnum;
use framework::{
    Decimal,
    journal::{Labels, Rollup},
    spreadsheet::guarded,
};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::{Serializer as _, ser::SerializeMap as _};
use serde_json::{Serializer, value::RawValue};

/// Columns of readings.
pub(super) const READING: [&str; 7] = ["time", "section", "name", "value", "unit", "obis", "set_from"];
/// Columns of roll-ups.
pub(super) const ROLLUP: [&str; 11] =
    ["time", "section", "name", "first", "last", "min", "max", "mean", "count", "unit", "obis"];
/// Columns of text; all others are numbers.
const TEXT: [&str; 5] = ["time", "section", "name", "unit", "obis"];

/// Decimals of a mean. Further digits are the rounding errors of a binary fraction.
const MEAN_SCALE: u8 = 6;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

/// Writer of an export.
pub(super) enum Export<W: io::Write> {
    Csv(Box<csv::Writer<W>>),
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
        Ok(Self::Csv(Box::new(csv)))
    }

    /// Writes a reading. `set_from` is the former value of a counter that was set.
    pub(super) fn reading(
        &mut self,
        labels: &Labels,
        time: i64,
        value: Decimal,
        set_from: Option<Decimal>,
    ) -> io::Result<()> {
        let Labels { section, name, unit, obis } = labels;
        let time = rfc3339(Timestamp::from_microsecond(time), Some(6));
        let set_from = set_from.map(|before| before.to_string()).unwrap_or_default();
        self.row(&READING, [&time, section, name, &value.to_string(), unit, obis, &set_from])
    }

    /// Writes a roll-up of the span that begins at `start`, in seconds since 1970.
    pub(super) fn rollup(&mut self, labels: &Labels, start: i64, rollup: &Rollup) -> io::Result<()> {
        let Labels { section, name, unit, obis } = labels;
        let time = rfc3339(Timestamp::from_second(start), None);
        let [first, last, min, max] = [rollup.first, rollup.last, rollup.min, rollup.max].map(float);
        let mean = Decimal::rounded(rollup.mean, MEAN_SCALE);
        let mean = mean.map_or_else(|| float(rollup.mean), |mean| mean.to_string());
        let count = rollup.count.to_string();
        self.row(&ROLLUP, [&time, section, name, &first, &last, &min, &max, &mean, &count, unit, obis])
    }

    fn row<const N: usize>(&mut self, columns: &[&str; N], cells: [&str; N]) -> io::Result<()> {
        match self {
            Self::Csv(csv) => {
                for (column, cell) in columns.iter().zip(cells) {
                    let cell = if TEXT.contains(column) { guarded(cell) } else { cell.into() };
                    csv.write_field(cell.as_bytes()).map_err(io_error)?;
                }
                csv.write_record(None::<&[u8]>).map_err(io_error)
            }
            Self::Jsonl(out) => {
                let mut serializer = Serializer::new(&mut *out);
                let mut object = serializer.serialize_map(None)?;
                for (column, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                    match TEXT.contains(column) {
                        true => object.serialize_entry(column, cell)?,
                        // As raw JSON, because a float would lose digits.
                        false => object.serialize_entry(column, serde_json::from_str::<&RawValue>(cell)?)?,
                    }
                }
                object.end()?;
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

fn rfc3339(time: Result<Timestamp, jiff::Error>, precision: Option<u8>) -> String {
    // No clock returns a time beyond the calendar: 1970 stands for it.
    let time = time.unwrap_or(Timestamp::UNIX_EPOCH);
    DateTimePrinter::new().precision(precision).timestamp_to_string(&time)
}

/// Returns the shortest digits that read back as `value`; 0 for infinity, which JSON lacks.
fn float(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "0".to_owned() }
}
