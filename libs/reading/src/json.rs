//! The JSON of readings, in the shape that the original program's users know.
//!
//! Written by hand because numbers must keep the digits of the wire, which no float does.

use std::io::Write as _;

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

/// The members that a reading's object may have, in their order.
pub const MEMBERS: [&str; 6] = ["OBIS_Code", "unit", "value", "timestampUTC", "status", "more"];

/// Appends a reading: an object where it has an OBIS code, else its bare value.
pub fn write_reading(out: &mut Vec<u8>, reading: &Reading) {
    if reading.obis.is_none() {
        return write_value(out, &reading.value);
    }
    let start = out.len();
    for member in MEMBERS {
        let before = out.len();
        out.push(if before == start { b'{' } else { b',' });
        write_str(out, member);
        out.push(b':');
        if !write_member(out, reading, member) {
            out.truncate(before);
        }
    }
    out.push(b'}');
}

/// Appends a member of a reading's object, if it has this one. A reading without an OBIS code has none.
pub fn write_member(out: &mut Vec<u8>, reading: &Reading, member: &str) -> bool {
    let Some(obis) = reading.obis else { return false };
    match member {
        "OBIS_Code" => write_str(out, &obis.reduced().to_string()),
        "unit" => return reading.unit.as_ref().map(|unit| write_str(out, unit)).is_some(),
        "value" => write_value(out, &reading.value),
        "timestampUTC" => {
            let utc = reading.time.as_ref().and_then(|time| time.utc);
            return utc.map(|utc| write_str(out, &timestamp(utc))).is_some();
        }
        "status" => return reading.status.map(|status| write_number(out, status)).is_some(),
        "more" if !reading.more.is_empty() => write_list(out, &reading.more),
        _ => return false,
    }
    true
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{number}");
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
