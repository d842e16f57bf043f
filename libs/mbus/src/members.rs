//! What a header and a record say, as named values: the output of `smartmeter decode`.

use reading::{Decimal, Reading, Text, Value as Named};

use crate::{Header, Record, Value, medium, naming};

/// Named value of a telegram or of a record.
pub type Member = (&'static str, Named);

fn text(text: impl Into<Text>) -> Named {
    Named::Text(text.into())
}

/// An integer that fits: storage numbers have 41 bits.
fn number(number: impl TryInto<i64>) -> Named {
    Named::Number(Decimal::from(number.try_into().unwrap_or(i64::MAX)))
}

/// Returns what a header says.
pub fn of_header(header: &Header) -> Vec<Member> {
    let mut members = Vec::new();
    if let Some(address) = header.address {
        members.push(("id", text(format!("{:08X}", address.id))));
        members.push(("manufacturer", text(address.manufacturer.to_string())));
        members.push(("version", number(address.version)));
        members.push(("medium", number(address.medium)));
        members.extend(medium::name(address.medium).map(|name| ("medium_name", text(name))));
    }
    members.extend(header.access.map(|access| ("access", number(access))));
    if let Some(status) = header.status {
        members.push(("status", number(status.0)));
        let flags: Vec<_> = status.flags().collect();
        if !flags.is_empty() {
            members.push(("status_flags", text(flags.join(", "))));
        }
    }
    members
}

/// Returns what a record says beside its value and its unit.
pub fn of_record(record: &Record<'_>) -> Vec<Member> {
    let mut members = vec![
        ("quantity", text(record.quantity)),
        ("function", text(record.function.as_str())),
        ("storage", number(record.storage)),
        ("tariff", number(record.tariff)),
        ("subunit", number(record.subunit)),
    ];
    if !record.qualifiers.is_empty() {
        let words: Vec<_> = record.qualifiers.into_iter().map(|qualifier| qualifier.to_string()).collect();
        members.push(("qualifiers", text(words.join(", "))));
    }
    if !record.manufacturer_vife.is_empty() {
        members.push(("manufacturer_vife", text(hex(record.manufacturer_vife))));
    }
    members
}

/// Returns a record's value and unit, exactly as sent, under its generic name; `None` if it has no value.
pub fn reading(record: &Record<'_>, device_type: Option<u8>) -> Option<Reading> {
    let name = naming::name(record, device_type);
    let reading = match record.value {
        Value::None | Value::Absent(_) => return None,
        Value::Number(number) => Reading::number(name, number),
        value => Reading::text(name, value.to_string()),
    };
    let unit = record.unit.to_string();
    Some(if unit.is_empty() { reading } else { reading.unit(unit) })
}

/// Returns bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    Value::Bytes(bytes).to_string()
}
