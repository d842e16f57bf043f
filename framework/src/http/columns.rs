//! Answers of the journal in the form that clients plot: JSON with a list for each column, or CSV.

use std::io::Write as _;

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde::Serialize;
use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{readings::Described, reply};
use crate::{
    Kind,
    journal::{Amount, History, Listed, Micros, Per, Points, SECOND, SeriesName, utc},
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

/// Members that all answers about a series have.
pub(super) struct Answer<'a> {
    pub(super) name: &'a SeriesName,
    pub(super) obis: &'a str,
    pub(super) from: Micros,
    pub(super) to: Micros,
}

/// Column: its name, and a function that writes its cell of a row.
type Column<'a, R> = (&'static str, &'a dyn Fn(&mut Vec<u8>, &R, Format));

impl Answer<'_> {
    /// Returns the numbers of a series.
    pub(super) fn history(&self, format: Format, history: &History) -> Bytes {
        let head = [("step", history.step.word())];
        match &history.points {
            Points::Raw(samples) => self.write(
                format,
                &head,
                samples,
                &[
                    ("time", &|out, sample, format| time(out, sample.time, format)),
                    ("value", &|out, sample, _| sample.value.write_to(out)),
                ],
            ),
            Points::Rollups(spans) => self.write(
                format,
                &head,
                spans,
                &[
                    ("time", &|out, span, format| time(out, span.0.saturating_mul(SECOND), format)),
                    ("first", &|out, span, format| number(out, span.1.map(|of| of.first), format)),
                    ("last", &|out, span, format| number(out, span.1.map(|of| of.last), format)),
                    ("min", &|out, span, format| number(out, span.1.map(|of| of.min), format)),
                    ("max", &|out, span, format| number(out, span.1.map(|of| of.max), format)),
                    ("mean", &|out, span, format| number(out, span.1.map(|of| rounded(of.mean)), format)),
                    // A span without readings has the count 0, not `null`.
                    ("count", &|out, span, _| text(out, span.1.map_or(0, |of| of.count))),
                ],
            ),
        }
    }

    /// Returns the consumption of a counter.
    pub(super) fn consumption(&self, format: Format, per: Per, zone: &TimeZone, amounts: &[Amount]) -> Bytes {
        let head = [("per", per.word()), ("zone", zone.iana_name().unwrap_or("local"))];
        let columns: [Column<'_, Amount>; 6] = [
            ("start", &|out, of, format| time(out, of.start.saturating_mul(SECOND), format)),
            ("end", &|out, of, format| time(out, of.end.saturating_mul(SECOND), format)),
            ("amount", &|out, of, format| number(out, of.amount.map(rounded), format)),
            ("gap", &|out, of, _| text(out, of.gap)),
            ("swap", &|out, of, _| text(out, of.swap)),
            ("partial", &|out, of, _| text(out, of.partial)),
        ];
        self.write(format, &head, amounts, &columns)
    }

    fn write<R>(
        &self,
        format: Format,
        head: &[(&str, &str)],
        rows: &[R],
        columns: &[Column<'_, R>],
    ) -> Bytes {
        let mut out = Vec::with_capacity(256 + rows.len() * columns.len() * 12);
        match format {
            Format::Csv => {
                let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
                out.extend_from_slice(names.join(",").as_bytes());
                out.push(b'\n');
                for row in rows {
                    for (i, (_, cell)) in columns.iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        cell(&mut out, row, format);
                    }
                    out.push(b'\n');
                }
            }
            Format::Json => {
                out.push(b'{');
                members(&mut out, self.name, self.obis);
                let (from, to) = (utc(self.from), utc(self.to));
                for (name, word) in head.iter().chain(&[("from", &*from), ("to", &*to)]) {
                    member(&mut out, name, word);
                }
                for (name, cell) in columns {
                    let _ = write!(out, ",\"{name}\":[");
                    for (i, row) in rows.iter().enumerate() {
                        if i > 0 {
                            out.push(b',');
                        }
                        cell(&mut out, row, format);
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

/// Appends the members that name a series.
fn members(out: &mut Vec<u8>, name: &SeriesName, obis: &str) {
    out.extend_from_slice(b"\"section\":");
    json::write(out, &name.section);
    for (key, word) in [("name", &*name.name), ("unit", &*name.unit), ("obis", obis)] {
        member(out, key, word);
    }
}

/// Appends a further member that is a string. Writing into memory cannot fail, here and below.
fn member(out: &mut Vec<u8>, name: &str, word: &str) {
    let _ = write!(out, ",\"{name}\":");
    json::write(out, word);
}

/// Appends a time: Unix milliseconds for a program, RFC 3339 for a table.
fn time(out: &mut Vec<u8>, time: Micros, format: Format) {
    match format {
        Format::Json => text(out, time.div_euclid(1000)),
        Format::Csv => text(out, utc(time)),
    }
}

/// Appends the shortest decimal that reads back as the same number.
fn number(out: &mut Vec<u8>, number: Option<f64>, format: Format) {
    match number.filter(|number| number.is_finite()) {
        Some(number) => text(out, number),
        None if format == Format::Json => out.extend_from_slice(b"null"),
        None => {}
    }
}

fn text(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// Rounds to six decimals, which removes the tail of a computed number.
fn rounded(number: f64) -> f64 {
    let rounded = (number * 1e6).round() / 1e6;
    // Adding zero removes the sign of a zero. A number too large for the product has no decimals anyway.
    if rounded.is_finite() { rounded + 0.0 } else { number }
}
