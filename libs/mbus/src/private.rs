//! Records that tell whose meter it is, and what overwrites them.

use std::ops::Range;

use crate::{Records, Value};

/// Quantities that tell whose meter it is.
const PRIVATE: [&str; 9] = [
    "fabrication_number",
    "enhanced_identification",
    "customer_location",
    "customer",
    "password",
    "access_code_user",
    "access_code_operator",
    "operator_data",
    "supplier_information",
];

/// Returns the places of such records in their data, each with the byte to fill it with. The maker's own data at the end
/// may hold a number, too.
pub fn private_places(mut records: Records<'_>) -> Vec<(Range<usize>, u8)> {
    let mut places = Vec::new();
    while let Some(Ok(record)) = records.next() {
        let end = records.position();
        let start = end - record.data.len();
        let is_private = PRIVATE.contains(&record.quantity);
        let is_text = is_private || record.quantity == "text_unit";
        match record.value {
            // The length comes before the characters.
            Value::Text(_) if is_text => places.push((start + 1..end, b'0')),
            Value::Digits(digits) if is_text => places.push((end - digits.len()..end, 0)),
            Value::Number(_) | Value::Bytes(_) if is_private => {
                let length = usize::from(record.head[0] & 15 == 13);
                places.push((start + length..end, 0));
            }
            _ => {}
        }
    }
    if let Some(data) = records.manufacturer_data().filter(|data| !data.is_empty()) {
        let end = records.position();
        places.push((end - data.len()..end, 0));
    }
    places
}
