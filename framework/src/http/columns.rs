//! Answers of the journal in the form that clients plot: JSON with a list for each column, or CSV.

use std::io::Write as _;

use bytes::Bytes;
use serde::Serialize;
use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{readings::Described, reply};
use crate::{
    Decimal, Kind,
    journal::{Amount, Listed, Micros, Rollup, SECOND, Sample, SeriesName, utc},
    json,
};

/// Format of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

impl Format {
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(super) fn reply(self, body: Bytes) -> Response {
        let mut response = reply::json(StatusCode::OK, body);
        if self == Self::Csv {
            let csv = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
            response.headers_mut().insert(header::CONTENT_TYPE, csv);
        }
        response
    }
}

/// Members of an answer before its columns.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    section: &'a str,
    name: &'a str,
    unit: &'a str,
    obis: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<&'a str>,
    from: String,
    to: String,
}

/// Row of an answer.
pub(super) trait Row<const N: usize> {
    /// Names of the columns.
    const COLUMNS: [&str; N];

    fn cells(&self) -> [Cell; N];
}

/// Number, flag or time in a column.
pub(super) enum Cell {
    /// Unix milliseconds for a program, RFC 3339 for a table.
    Time(Micros),
    Exact(Decimal),
    /// Shortest decimal that reads back as the same number.
    Number(Option<f64>),
    Count(u64),
    Flag(bool),
}

impl Row<2> for Sample {
    const COLUMNS: [&str; 2] = ["time", "value"];

    fn cells(&self) -> [Cell; 2] {
        [Cell::Time(self.time), Cell::Exact(self.value)]
    }
}

impl Row<7> for (i64, Option<Rollup>) {
    const COLUMNS: [&str; 7] = ["time", "first", "last", "min", "max", "mean", "count"];

    fn cells(&self) -> [Cell; 7] {
        let number = |get: fn(&Rollup) -> f64| Cell::Number(self.1.as_ref().map(get));
        [
            Cell::Time(self.0.saturating_mul(SECOND)),
            number(|of| of.first),
            number(|of| of.last),
            number(|of| of.min),
            number(|of| of.max),
            number(|of| rounded(of.mean)),
            // A span without readings has the count 0, not `null`.
            Cell::Count(self.1.map_or(0, |of| of.count)),
        ]
    }
}

impl Row<6> for Amount {
    const COLUMNS: [&str; 6] = ["start", "end", "amount", "gap", "swap", "partial"];

    fn cells(&self) -> [Cell; 6] {
        [
            Cell::Time(self.start.saturating_mul(SECOND)),
            Cell::Time(self.end.saturating_mul(SECOND)),
            Cell::Number(self.amount.map(rounded)),
            Cell::Flag(self.gap),
            Cell::Flag(self.swap),
            Cell::Flag(self.partial),
        ]
    }
}

impl Cell {
    /// Appends the cell. Writing into memory cannot fail.
    fn write(&self, out: &mut Vec<u8>, format: Format) {
        let _ = match (self, format) {
            (Self::Time(time), Format::Json) => write!(out, "{}", time.div_euclid(1000)),
            (Self::Time(time), Format::Csv) => write!(out, "{}", utc(*time)),
            (Self::Exact(number), _) => write!(out, "{number}"),
            (Self::Number(Some(number)), _) if number.is_finite() => write!(out, "{number}"),
            (Self::Number(_), Format::Json) => write!(out, "null"),
            (Self::Number(_), Format::Csv) => Ok(()),
            (Self::Count(count), _) => write!(out, "{count}"),
            (Self::Flag(flag), _) => write!(out, "{flag}"),
        };
    }
}

impl<'a> Head<'a> {
    pub(super) fn new(name: &'a SeriesName, obis: &'a str, from: Micros, to: Micros) -> Self {
        let SeriesName { section, name, unit } = name;
        Self { section, name, unit, obis, step: None, per: None, zone: None, from: utc(from), to: utc(to) }
    }

    /// Returns the answer with these rows.
    pub(super) fn write<R: Row<N>, const N: usize>(&self, format: Format, rows: &[R]) -> Bytes {
        let mut out = Vec::with_capacity(256 + rows.len() * N * 12);
        match format {
            Format::Csv => {
                out.extend_from_slice(R::COLUMNS.join(",").as_bytes());
                for row in rows {
                    for (i, cell) in row.cells().iter().enumerate() {
                        out.push(if i > 0 { b',' } else { b'\n' });
                        cell.write(&mut out, format);
                    }
                }
                out.push(b'\n');
            }
            Format::Json => {
                json::write(&mut out, self);
                out.pop();
                for (column, name) in R::COLUMNS.iter().enumerate() {
                    let _ = write!(out, ",\"{name}\":[");
                    for (i, row) in rows.iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        row.cells()[column].write(&mut out, format);
                    }
                    out.push(b']');
                }
                out.push(b'}');
            }
        }
        out.into()
    }
}

/// Series in the list.
#[derive(Serialize)]
struct Series<'a> {
    section: &'a str,
    name: &'a str,
    unit: &'a str,
    obis: &'a str,
    counter: bool,
    meaning: Described<'a>,
    from: String,
    to: String,
}

impl<'a> From<&'a Listed> for Series<'a> {
    fn from(listed: &'a Listed) -> Self {
        let Listed { name: SeriesName { section, name, unit }, obis, meaning, from, to } = listed;
        Self {
            section,
            name,
            unit,
            obis,
            counter: matches!(meaning.kind, Kind::Counter | Kind::Net),
            meaning: Described::new(*meaning, unit),
            from: utc(*from),
            to: utc(*to),
        }
    }
}

/// Returns the list of all series, and the time since when every reading of them is kept.
pub(super) fn series(all: &[Listed], raw_from: Option<Micros>) -> Bytes {
    #[derive(Serialize)]
    struct List<'a> {
        series: Vec<Series<'a>>,
        raw_from: Option<String>,
    }
    let mut out = Vec::new();
    json::write(
        &mut out,
        &List { series: all.iter().map(Series::from).collect(), raw_from: raw_from.map(utc) },
    );
    out.into()
}

/// Rounds to six decimals, which removes the tail of a computed number.
fn rounded(number: f64) -> f64 {
    let rounded = (number * 1e6).round() / 1e6;
    // Adding zero removes the sign of a zero. A number too large for the product has no decimals anyway.
    if rounded.is_finite() { rounded + 0.0 } else { number }
}
