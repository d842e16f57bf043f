//! Answers of the journal in the form that clients plot: JSON with a list for each column, or CSV.

use std::{collections::HashMap, io::Write as _, sync::Arc};

use serde::{Serialize, Serializer};
use warp::{
    http::{HeaderValue, header},
    reply::Response,
};

use super::{
    chunks::{CHUNK, Chunks},
    readings::{Described, Place},
    reply,
};
use crate::{
    Decimal, Kind, KnownRole, Labels, Store,
    costs::Cost,
    journal::{Amount, Listed, Micros, ReadError, Rollup, SECOND, Sample, SeriesName, utc},
    json,
};

/// Cells of a column that are kept in memory until the columns before it are sent.
const CELLS: usize = 200_000;

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

    /// Declares that an answer has this format.
    pub(super) fn declare(self, response: Response) -> Response {
        let mut response = reply::as_json(response);
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<&'a str>,
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
    Exact(Option<Decimal>),
    /// Shortest decimal that reads back as the same number.
    Number(Option<f64>),
    Count(u64),
    Flag(bool),
}

impl Row<2> for Sample {
    const COLUMNS: [&str; 2] = ["time", "value"];

    fn cells(&self) -> [Cell; 2] {
        [Cell::Time(self.time), Cell::Exact(Some(self.value))]
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

impl Row<8> for (Amount, Cost) {
    const COLUMNS: [&str; 8] = ["start", "end", "amount", "gap", "swap", "partial", "cost", "cost_gap"];

    fn cells(&self) -> [Cell; 8] {
        let (amount, cost) = self;
        let [start, end, number, gap, swap, partial] = amount.cells();
        [start, end, number, gap, swap, partial, Cell::Exact(cost.shown()), Cell::Flag(cost.gap)]
    }
}

impl Cell {
    /// Appends the cell.
    fn write(&self, out: &mut Vec<u8>, format: Format) {
        match (self, format) {
            (Self::Time(time), Format::Json) => Decimal::from(time.div_euclid(1000)).write(out),
            (Self::Time(time), Format::Csv) => out.extend_from_slice(utc(*time).as_bytes()),
            (Self::Exact(Some(number)), _) => number.write(out),
            (Self::Number(Some(number)), _) if number.is_finite() => write_shortest(out, *number),
            (Self::Exact(None) | Self::Number(_), Format::Json) => out.extend_from_slice(b"null"),
            (Self::Exact(None) | Self::Number(_), Format::Csv) => {}
            (Self::Count(count), _) => Decimal::from(*count).write(out),
            (Self::Flag(flag), _) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        }
    }
}

/// Appends a column of numbers: a JSON list.
pub(super) fn numbers(out: &mut Vec<u8>, numbers: impl Iterator<Item = Option<f64>>) {
    list(out, numbers.map(|number| Cell::Number(number.map(rounded))));
}

/// Appends a column of exact numbers.
pub(super) fn decimals(out: &mut Vec<u8>, numbers: impl Iterator<Item = Option<Decimal>>) {
    list(out, numbers.map(Cell::Exact));
}

/// Appends a column of flags.
pub(super) fn flags(out: &mut Vec<u8>, flags: impl Iterator<Item = bool>) {
    list(out, flags.map(Cell::Flag));
}

/// Appends a column of times, which are in seconds since 1970.
pub(super) fn times(out: &mut Vec<u8>, seconds: impl Iterator<Item = i64>) {
    list(out, seconds.map(|second| Cell::Time(second.saturating_mul(SECOND))));
}

fn list(out: &mut Vec<u8>, cells: impl Iterator<Item = Cell>) {
    out.push(b'[');
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        cell.write(out, Format::Json);
    }
    out.push(b']');
}

/// Appends the shortest decimal that reads back as the same number, without an exponent.
fn write_shortest(out: &mut Vec<u8>, number: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number);
    if text.contains('e') {
        let _ = write!(out, "{number}"); // writing into memory cannot fail
    } else {
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
}

impl<'a> Head<'a> {
    pub(super) fn new(name: &'a SeriesName, obis: &'a str, from: Micros, to: Micros) -> Self {
        let SeriesName { section, name, unit } = name;
        let (from, to) = (utc(from), utc(to));
        Self { section, name, unit, obis, step: None, per: None, zone: None, currency: None, from, to }
    }

    /// Writes the answer with these rows, of which there are `about` so many. `each` visits them all in order, each time
    /// that it is called: JSON has one column after the other, and of a long one not all fit into memory.
    pub(super) fn write<R: Row<N>, const N: usize>(
        &self,
        out: &mut Chunks,
        format: Format,
        about: usize,
        each: impl Fn(&mut dyn FnMut(&R) -> bool) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if format == Format::Csv {
            out.buffer.extend_from_slice(R::COLUMNS.join(",").as_bytes());
            each(&mut |row| {
                for (i, cell) in row.cells().iter().enumerate() {
                    out.buffer.push(if i > 0 { b',' } else { b'\n' });
                    cell.write(&mut out.buffer, format);
                }
                out.goes_on()
            })?;
            out.buffer.push(b'\n');
            return Ok(());
        }
        json::write(&mut out.buffer, self);
        out.buffer.pop();
        let at_once = (CELLS / about.max(1)).clamp(1, N);
        for (group, names) in R::COLUMNS.chunks(at_once).enumerate() {
            let mut texts = vec![Text::default(); names.len() - 1];
            let mut first = true;
            let _ = write!(out.buffer, ",\"{}\":[", names[0]);
            each(&mut |row| {
                let cells = row.cells();
                let mut cells = cells[group * at_once..].iter();
                let later = texts.iter_mut().map(Text::last);
                for text in std::iter::once(&mut out.buffer).chain(later) {
                    if !first {
                        text.push(b',');
                    }
                    cells.next().into_iter().for_each(|cell| cell.write(text, format));
                }
                first = false;
                out.goes_on()
            })?;
            out.buffer.push(b']');
            for (name, text) in names[1..].iter().zip(texts) {
                let _ = write!(out.buffer, ",\"{name}\":[");
                for piece in text.0 {
                    out.buffer.extend_from_slice(&piece);
                    out.goes_on();
                }
                out.buffer.push(b']');
            }
        }
        out.buffer.push(b'}');
        Ok(())
    }
}

/// Column that is sent later: in pieces, as large blocks of memory would stay with the program.
#[derive(Clone, Default)]
struct Text(Vec<Vec<u8>>);

impl Text {
    /// Returns the piece that is being written.
    fn last(&mut self) -> &mut Vec<u8> {
        if self.0.last().is_none_or(|piece| piece.len() >= CHUNK) {
            self.0.push(Vec::with_capacity(CHUNK + 64));
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// What people call each source, and its role.
type Sources = HashMap<crate::Text, (Arc<Labels>, Option<KnownRole>)>;

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
    #[serde(flatten)]
    place: Place,
}

impl<'a> Series<'a> {
    fn new(listed: &'a Listed, sources: &Sources) -> Self {
        let Listed { name: SeriesName { section, name, unit }, obis, meaning, from, to } = listed;
        Self {
            section,
            name,
            unit,
            obis,
            counter: matches!(meaning.kind, Kind::Counter | Kind::Net),
            meaning: Described::new(*meaning, unit, Place::default()),
            from: utc(*from),
            to: utc(*to),
            place: sources
                .get(&**section)
                .map(|(labels, role)| Place::of(name, labels, *role))
                .unwrap_or_default(),
        }
    }
}

/// Writes the list of all series, and the time since when every reading of them is kept.
pub(super) fn series(out: &mut Chunks, all: &[Listed], store: &Store, raw_from: Option<Micros>) {
    #[derive(Serialize)]
    struct List<'a> {
        #[serde(serialize_with = "each")]
        series: (&'a [Listed], &'a Sources),
        raw_from: Option<String>,
    }
    fn each<S: Serializer>((all, sources): &(&[Listed], &Sources), serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|listed| Series::new(listed, sources)))
    }
    let sources =
        store.roles().into_iter().map(|(section, role)| (section.name.clone(), (section.labels(), role)));
    let sources = &sources.collect();
    // It fails only where the client has gone.
    let _ = serde_json::to_writer(out, &List { series: (all, sources), raw_from: raw_from.map(utc) });
}

/// Rounds to six decimals, which removes the tail of a computed number.
fn rounded(number: f64) -> f64 {
    let rounded = (number * 1e6).round() / 1e6;
    // Adding zero removes the sign of a zero. A number too large for the product has no decimals anyway.
    if rounded.is_finite() { rounded + 0.0 } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortest(number: f64) -> String {
        let mut out = Vec::new();
        write_shortest(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_the_shortest_decimals_without_an_exponent(number in proptest::num::f64::NORMAL) {
            let (text, usual) = (shortest(number), number.to_string());
            // Of two that are as near, either is right.
            proptest::prop_assert_eq!(text.parse(), Ok(number));
            proptest::prop_assert_eq!(text.len(), usual.len());
            proptest::prop_assert!(!text.contains('e'));
        }
    }

    #[test]
    fn whole_large_and_small_numbers_have_no_exponent_and_no_fraction() {
        for number in [0.0, -0.0, 1.0, -17.0, 230.5, 1e15, 1e16, 1e17, 1e300, 1e-4, 1e-5, 1e-7, 5e-324] {
            assert_eq!(shortest(number), number.to_string());
        }
    }
}
