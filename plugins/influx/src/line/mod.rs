//! Line protocol: `measurement,tag=value field=1.5,other=2 1700000000000000000`.
//!
//! Source: docs.influxdata.com, "Line protocol reference" of InfluxDB 1, 2 and 3. Numbers without a suffix are floats,
//! so a field never changes its type, whatever digits a register has.

use std::{collections::BTreeMap, io::Write as _};

use framework::{Decimal, Direction, Kind, Quantity, Reading, Record, Text, Unit, Value};

/// Tag with the name of the source.
pub(crate) const SECTION: &str = "section";
/// InfluxDB's name of the timestamp, which no field may have.
const TIME: &str = "time";

/// Names of readings in the database.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// Their own names, except for those in this table, by source (empty: any) and name.
    Own(BTreeMap<Text, BTreeMap<Text, Text>>),
    /// Names of smartmeter.py, which wrote four readings only.
    Original,
}

impl Names {
    /// Parses the configuration: `source/NAME` or `NAME`, and the name of the field.
    pub(crate) fn own(fields: &BTreeMap<String, String>) -> Self {
        let mut table: BTreeMap<Text, BTreeMap<Text, Text>> = BTreeMap::new();
        for (reading, field) in fields {
            let (section, name) = reading.split_once('/').unwrap_or(("", reading));
            table.entry(section.into()).or_default().insert(name.into(), field.into());
        }
        Self::Own(table)
    }

    /// Returns the field of a reading and its value, or `None` if it is not written.
    fn field<'a>(&'a self, section: &str, reading: &'a Reading) -> Option<(&'a str, Decimal)> {
        let Value::Number(value) = reading.value else { return None };
        match self {
            Self::Own(table) => {
                let named = |section| table.get(section)?.get(&reading.name);
                let name = named(section).or_else(|| named("")).unwrap_or(&reading.name);
                Some((name, value))
            }
            Self::Original => original(reading, value),
        }
    }
}

/// Returns smartmeter.py's field for a reading, and the value in the unit of the field.
pub fn original(reading: &Reading, value: Decimal) -> Option<(&'static str, Decimal)> {
    let meaning = reading.meaning();
    if !meaning.live || meaning.phase.is_some() || meaning.tariff.is_some() {
        return None;
    }
    let (field, unit) = match (meaning.quantity, meaning.kind, meaning.direction) {
        (Quantity::Energy, Kind::Counter, Some(Direction::Import)) => ("total_import", Unit::KilowattHour),
        (Quantity::Energy, Kind::Counter, Some(Direction::Export)) => ("total_export", Unit::KilowattHour),
        (Quantity::Power, Kind::Gauge, Some(Direction::Net)) => ("current_import", Unit::Watt),
        // A pulse counter has no OBIS code.
        (Quantity::Energy, Kind::Counter, None) if reading.obis.is_none() => ("heatpump", Unit::KilowattHour),
        _ => return None,
    };
    match meaning.unit {
        Some(sent) => Some((field, sent.factor_to(unit)?.apply(value).decimal()?)),
        None => Some((field, value)),
    }
}

/// Writer of records as lines.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    /// Encoded measurement, and tags whose keys come before `section`.
    head: Vec<u8>,
    /// Encoded tags whose keys come after it.
    tail: Vec<u8>,
    /// Keys of all tags, which no field may have.
    taken: Vec<String>,
    names: Names,
}

impl Lines {
    /// Creates a writer. Each line has this measurement, these tags and, unless the names are smartmeter.py's, a tag
    /// with the source.
    pub(crate) fn new(measurement: &str, tags: &BTreeMap<String, String>, names: Names) -> Self {
        let mut taken: Vec<_> = tags.keys().cloned().collect();
        if matches!(names, Names::Own(_)) {
            taken.push(SECTION.to_owned());
        }
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        write_name(&mut head, measurement, b", ");
        // Sorted by key, which saves InfluxDB the work.
        for (key, value) in tags {
            let part = if key.as_str() < SECTION { &mut head } else { &mut tail };
            write_tag(part, key, value);
        }
        Self { head, tail, taken, names }
    }

    /// Returns the readings with another name in the database, by source (empty: any) and name.
    pub(crate) fn named(&self) -> Vec<(Text, Text)> {
        let Names::Own(table) = &self.names else { return Vec::new() };
        let of = |(section, names): (&Text, &BTreeMap<Text, Text>)| {
            names.keys().map(|name| (section.clone(), name.clone())).collect::<Vec<_>>()
        };
        table.iter().flat_map(of).collect()
    }

    /// Appends the line of a record, unless it has nothing to write.
    pub(crate) fn write(&self, out: &mut Vec<u8>, record: &Record) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        if matches!(self.names, Names::Own(_)) {
            write_tag(out, SECTION, &record.section);
        }
        out.extend_from_slice(&self.tail);
        out.push(b' ');
        let fields = out.len();
        let mut written = Vec::with_capacity(record.batch.readings.len());
        for reading in &record.batch.readings {
            let Some((name, value)) = self.names.field(&record.section, reading) else { continue };
            // The first of two readings with one name wins.
            if written.contains(&name) {
                continue;
            }
            written.push(name);
            if out.len() > fields {
                out.push(b',');
            }
            write_name(out, name, b",= ");
            if name == TIME || self.taken.iter().any(|tag| tag == name) {
                out.push(b'_');
            }
            out.push(b'=');
            value.write_to(out);
        }
        if written.is_empty() {
            return out.truncate(start);
        }
        // Writing into memory cannot fail.
        let _ = writeln!(out, " {}", record.batch.taken_at.as_nanosecond());
    }
}

fn write_tag(out: &mut Vec<u8>, key: &str, value: &str) {
    out.push(b',');
    write_name(out, key, b",= ");
    out.push(b'=');
    write_name(out, value, b",= ");
}

/// Appends a name, with a backslash before each of `special`. Characters that not every database can unescape become
/// `_`: line breaks, a backslash, which would escape the next character, and a quote, which may begin a text.
fn write_name(out: &mut Vec<u8>, name: &str, special: &[u8]) {
    if name.is_empty() {
        out.push(b'_');
    }
    for (i, byte) in name.bytes().enumerate() {
        match byte {
            b'\\' | b'"' | 0..=31 | 127 => out.push(b'_'),
            // At the beginning of a line it would start a comment.
            b'#' if i == 0 => out.push(b'_'),
            _ => {
                if special.contains(&byte) {
                    out.push(b'\\');
                }
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests;
