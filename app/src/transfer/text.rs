//! Rows of an export, as CSV or JSON lines.

use std::io::Write as _;

use clap::ValueEnum;
use framework::{
    Decimal,
    journal::{Labels, Rollup},
    json,
};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// The columns of readings.
pub(super) const READING: [&str; 7] = ["time", "section", "name", "value", "unit", "obis", "set_from"];
/// Those of roll-ups that readings do not have.
pub(super) const ROLLUP: [&str; 6] = ["first", "last", "min", "max", "mean", "count"];

/// Decimals of a mean: the rest is the tail of a binary fraction.
const MEAN_SCALE: u8 = 6;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

impl Format {
    /// What comes before the rows.
    pub(super) fn header(self, rollups: bool) -> &'static [u8] {
        match (self, rollups) {
            (Self::Jsonl, _) => b"",
            (Self::Csv, false) => b"time,section,name,value,unit,obis,set_from\n",
            (Self::Csv, true) => b"time,section,name,first,last,min,max,mean,count,unit,obis\n",
        }
    }

    /// Appends a reading, or a counter's setting.
    pub(super) fn reading(
        self,
        out: &mut Vec<u8>,
        labels: &Labels,
        time: i64,
        value: Decimal,
        set_from: Option<Decimal>,
    ) {
        let mut row = Row::begin(self, out, Timestamp::from_microsecond(time), Some(6), labels);
        row.number("value", |out| value.write_to(out));
        row.text("unit", &labels.unit);
        row.text("obis", &labels.obis);
        match set_from {
            Some(before) => row.number("set_from", |out| before.write_to(out)),
            None => row.text("set_from", ""),
        }
        row.end();
    }

    /// Appends a roll-up of the span that begins at `start`, in seconds since 1970.
    pub(super) fn rollup(self, out: &mut Vec<u8>, labels: &Labels, start: i64, rollup: &Rollup) {
        let mut row = Row::begin(self, out, Timestamp::from_second(start), None, labels);
        for (name, value) in
            [("first", rollup.first), ("last", rollup.last), ("min", rollup.min), ("max", rollup.max)]
        {
            row.number(name, |out| float(out, value));
        }
        row.number("mean", |out| match Decimal::rounded(rollup.mean, MEAN_SCALE) {
            Some(mean) => mean.write_to(out),
            None => float(out, rollup.mean),
        });
        row.number("count", |out| {
            let _ = write!(out, "{}", rollup.count);
        });
        row.text("unit", &labels.unit);
        row.text("obis", &labels.obis);
        row.end();
    }
}

/// A row that is being written: its members in the order of the header.
struct Row<'a> {
    format: Format,
    out: &'a mut Vec<u8>,
}

impl<'a> Row<'a> {
    fn begin(
        format: Format,
        out: &'a mut Vec<u8>,
        time: Result<Timestamp, jiff::Error>,
        precision: Option<u8>,
        labels: &Labels,
    ) -> Self {
        let printer = DateTimePrinter::new().precision(precision);
        // A time beyond the calendar is none that a clock gave: 1970 stands for it.
        let time = printer.timestamp_to_string(&time.unwrap_or(Timestamp::UNIX_EPOCH));
        let mut row = Self { format, out };
        if format == Format::Jsonl {
            row.out.extend_from_slice(b"{\"time\":");
        }
        row.value(&time);
        row.text("section", &labels.section);
        row.text("name", &labels.name);
        row
    }

    /// A text; JSON lines lack an empty one.
    fn text(&mut self, name: &str, text: &str) {
        if self.format == Format::Jsonl && text.is_empty() {
            return;
        }
        self.name(name);
        self.value(text);
    }

    fn number(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        write(self.out);
    }

    fn name(&mut self, name: &str) {
        self.out.push(b',');
        if self.format == Format::Jsonl {
            json::write_str(self.out, name);
            self.out.push(b':');
        }
    }

    fn value(&mut self, text: &str) {
        match self.format {
            Format::Jsonl => json::write_str(self.out, text),
            // RFC 4180, 2.6 and 2.7
            Format::Csv if text.contains(['"', ',', '\r', '\n']) => {
                self.out.push(b'"');
                self.out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                self.out.push(b'"');
            }
            Format::Csv => self.out.extend_from_slice(text.as_bytes()),
        }
    }

    fn end(self) {
        self.out.extend_from_slice(if self.format == Format::Jsonl { b"}\n" } else { b"\n" });
    }
}

/// The shortest digits that read back as `value`; a JSON number has no infinity.
fn float(out: &mut Vec<u8>, value: f64) {
    let _ = if value.is_finite() { write!(out, "{value}") } else { write!(out, "0") };
}
