//! JSON of readings, in the shape that users of the original program know.

use serde::Serialize;

use crate::Timestamp;

/// Appends a value as JSON. Only for values that JSON can hold: readings, texts, lists of them.
pub fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(out, value);
}

/// Returns a moment as Python's `datetime.isoformat` writes it: `2020-02-06T21:37:51.607046+00:00`.
pub fn timestamp(at: Timestamp) -> String {
    format!("{:.6}", at.display_with_offset(jiff::tz::Offset::UTC))
}
