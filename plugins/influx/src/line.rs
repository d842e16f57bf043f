//! Line protocol: `measurement,tag=value field=1.5,other=2 1700000000000000000`.
//!
//! Source: docs.influxdata.com, "Line protocol reference" of InfluxDB 1, 2 and 3. Numbers without a suffix are floats: a
//! register never changes its type, with whatever digits it comes.

use std::{collections::BTreeMap, io::Write as _};

use framework::{Decimal, Direction, Kind, Quantity, Reading, Record, Text, Unit, Value};

/// The tag with the source's name.
pub(crate) const SECTION: &str = "section";
/// What InfluxDB calls the timestamp: a field must not be called so.
const TIME: &str = "time";

/// What readings are called in the database.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// Their own names, but for those of this table: by section (empty: any) and name.
    Own(BTreeMap<Text, BTreeMap<Text, Text>>),
    /// Those of the original program, which wrote four readings only.
    Original,
}

impl Names {
    /// From `section/NAME` or `NAME`, and the field's name.
    pub(crate) fn own(fields: &BTreeMap<String, String>) -> Self {
        let mut table: BTreeMap<Text, BTreeMap<Text, Text>> = BTreeMap::new();
        for (reading, field) in fields {
            let (section, name) = reading.split_once('/').unwrap_or(("", reading));
            table.entry(section.into()).or_default().insert(name.into(), field.into());
        }
        Self::Own(table)
    }

    /// The field of a reading, and its value there; `None` where it is not written.
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

/// Returns the original program's field for a reading, and the value in its unit.
fn original(reading: &Reading, value: Decimal) -> Option<(&'static str, Decimal)> {
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

/// Writes records as lines.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    /// Measurement and tags whose keys come before `section`, ready to be written.
    head: Vec<u8>,
    /// The tags whose keys come behind it.
    tail: Vec<u8>,
    /// Names of tags.
    taken: Vec<String>,
    names: Names,
}

impl Lines {
    /// Lines of this measurement, each with these tags. Where readings have their own names, the source's is a tag too.
    pub(crate) fn new(measurement: &str, tags: &BTreeMap<String, String>, names: Names) -> Self {
        let mut taken: Vec<_> = tags.keys().cloned().collect();
        if matches!(names, Names::Own(_)) {
            taken.push(SECTION.to_owned());
        }
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        write_name(&mut head, measurement, b", ");
        // In the order of their keys: InfluxDB would sort them.
        for (key, value) in tags {
            let part = if key.as_str() < SECTION { &mut head } else { &mut tail };
            write_tag(part, key, value);
        }
        Self { head, tail, taken, names }
    }

    /// The readings that have another name here, by section (empty: any) and name.
    pub(crate) fn named(&self) -> Vec<(Text, Text)> {
        let Names::Own(table) = &self.names else { return Vec::new() };
        let of = |(section, names): (&Text, &BTreeMap<Text, Text>)| {
            names.keys().map(|name| (section.clone(), name.clone())).collect::<Vec<_>>()
        };
        table.iter().flat_map(of).collect()
    }

    /// Appends the line of a record, if it has a number that is written.
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
            // What two readings are called both, the first one is.
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

/// Appends a name, a backslash before each of `special`. What cannot be escaped everywhere becomes `_`: line breaks,
/// a backslash, which would escape what follows, and a quote, which for some readers begins a text.
fn write_name(out: &mut Vec<u8>, name: &str, special: &[u8]) {
    if name.is_empty() {
        out.push(b'_');
    }
    for (i, byte) in name.bytes().enumerate() {
        match byte {
            b'\\' | b'"' | 0..=31 | 127 => out.push(b'_'),
            // A line that begins so is a comment.
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
