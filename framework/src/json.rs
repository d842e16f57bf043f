//! The JSON of readings, in the shape that the original program's users know.
//!
//! Written by hand because numbers must keep the digits of the wire, which no float does.

use crate::{Batch, Reading, Timestamp, Value};

/// Appends `text` as a JSON string.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a value: a JSON number or string.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => number.write_to(out),
        Value::Text(text) => write_str(out, text),
    }
}

/// Appends a reading: an object where it has an OBIS code, else its bare value.
pub fn write_reading(out: &mut Vec<u8>, reading: &Reading) {
    let Some(obis) = reading.obis else {
        return write_value(out, &reading.value);
    };
    out.extend_from_slice(b"{\"OBIS_Code\":");
    write_str(out, &obis.reduced().to_string());
    if let Some(unit) = &reading.unit {
        out.extend_from_slice(b",\"unit\":");
        write_str(out, unit);
    }
    out.extend_from_slice(b",\"value\":");
    write_value(out, &reading.value);
    if !reading.more.is_empty() {
        out.extend_from_slice(b",\"more\":");
        write_list(out, &reading.more);
    }
    out.push(b'}');
}

/// Appends a list of strings.
pub fn write_list(out: &mut Vec<u8>, texts: &[crate::Text]) {
    out.push(b'[');
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_str(out, text);
    }
    out.push(b']');
}

/// Appends the members of a batch's section, without the braces around them: a caller may add more.
pub fn write_members(out: &mut Vec<u8>, batch: &Batch) {
    out.extend_from_slice(b"\"timestampUTC\":");
    write_str(out, &timestamp(batch.taken_at));
    for reading in &batch.readings {
        out.push(b',');
        write_str(out, &reading.name);
        out.push(b':');
        write_reading(out, reading);
    }
}

/// A moment as Python's `datetime.isoformat` writes it: `2020-02-06T21:37:51.607046+00:00`.
pub fn timestamp(at: Timestamp) -> String {
    format!("{:.6}", at.display_with_offset(jiff::tz::Offset::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Obis};

    #[test]
    fn a_section_has_the_shape_of_the_original() {
        let import = Reading::number("POWER_IMPORT", Decimal::parse(b"004457.15300000").unwrap())
            .obis(Obis::parse(b"1-0:1.8.0*255").unwrap())
            .unit("kWh");
        let batch = Batch {
            taken_at: "2020-02-06T21:37:51.607046Z".parse().unwrap(),
            readings: vec![
                import,
                Reading::number("count", Decimal::new(1_375_657, 2).unwrap()),
                Reading::text("id", "\"<x>\u{1}"),
            ],
        };
        let mut out = Vec::new();
        write_members(&mut out, &batch);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#""timestampUTC":"2020-02-06T21:37:51.607046+00:00","POWER_IMPORT":{"OBIS_Code":"1.8.0","unit":"kWh","value":4457.153},"count":13756.57,"id":"\"<x>\u0001""#
        );
    }
}
