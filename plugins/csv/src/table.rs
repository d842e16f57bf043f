//! Rows of one file.

use framework::{Reading, Record, Timestamp, Value, spreadsheet::guarded};
use jiff::{civil::Date, tz::TimeZone};

/// Way of writing rows.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    /// `1,5`, with `;` between the cells.
    pub(crate) decimal_comma: bool,
    /// Zone of days and times.
    pub(crate) zone: TimeZone,
}

/// Records of one source and one day.
#[derive(Debug)]
pub(crate) struct Table<'r> {
    pub(crate) source: &'r str,
    pub(crate) day: Date,
    records: Vec<&'r Record>,
}

impl<'r> Table<'r> {
    /// Sorts records into tables.
    pub(crate) fn all(records: &'r [Record], format: &Format) -> Vec<Self> {
        let mut tables = Vec::<Self>::new();
        for record in records {
            let (source, day) =
                (record.section.as_str(), format.zone.to_datetime(record.batch.taken_at).date());
            match tables.iter_mut().find(|table| table.source == source && table.day == day) {
                Some(table) => table.records.push(record),
                None => tables.push(Self { source, day, records: vec![record] }),
            }
        }
        tables
    }

    /// Returns the cells of its header: `time`, and each series with its unit.
    pub(crate) fn header(&self) -> Vec<String> {
        let mut header = vec!["time".to_owned()];
        for reading in self.records.iter().flat_map(|record| &record.batch.readings) {
            let title = title(reading);
            if !header.contains(&title) {
                header.push(title);
            }
        }
        header
    }

    /// Returns the cells of its rows below a header that has all of its series.
    pub(crate) fn rows(&self, header: &[String], format: &Format) -> impl Iterator<Item = Vec<String>> {
        self.records.iter().map(|record| {
            let mut cells = vec![String::new(); header.len()];
            cells[0] = format.time(record.batch.taken_at);
            for reading in &record.batch.readings {
                let title = title(reading);
                if let Some(at) = header.iter().position(|column| *column == title) {
                    cells[at] = format.value(&reading.value);
                }
            }
            cells
        })
    }
}

impl Format {
    /// Returns the separator of cells.
    pub(crate) fn separator(&self) -> u8 {
        if self.decimal_comma { b';' } else { b',' }
    }

    /// Returns a moment in local time, with its offset: `2026-11-23T08:52:59.168513+01:00`.
    fn time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Number(number) if self.decimal_comma => number.to_string().replace('.', ","),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => guarded(text).into_owned(),
        }
    }
}

/// Returns the header of a column: `POWER_IMPORT (kWh)`. It is one line, whatever the device calls it.
fn title(reading: &Reading) -> String {
    let name = guarded(&reading.name);
    let title = match &reading.unit {
        Some(unit) if !unit.is_empty() => format!("{name} ({unit})"),
        _ => name.into_owned(),
    };
    title.replace(char::is_control, " ")
}
