//! Records as readings: a generic name for each quantity, what it means, and whose it is.
//!
//! A name is the quantity, followed by whatever tells the record from the plain one:
//!
//! | record | name |
//! |---|---|
//! | energy, now | `energy` |
//! | tariff 2, subunit 1 | `energy_tariff2_subunit1` |
//! | the value of the due date (storage number 1) | `energy_storage1` |
//! | highest flow temperature | `flow_temperature_max` |
//! | voltage of L1 | `voltage_l1` |
//! | energy with a VIFE of the maker's | `energy_maker_12` |
//! | a second one that is the same | `energy_2` |

use std::{collections::HashSet, fmt::Write as _};

use reading::{Kind, Medium, Obis, Reading, Text};

use crate::{Function, Header, Record, Status, Unit, Value, drivers, medium};

/// Namer of the readings of one meter's telegram.
#[derive(Debug)]
pub struct Namer {
    /// Prefix of all names: `kitchen_`, where several meters are one source.
    prefix: String,
    header: Header,
    taken: HashSet<Text>,
    readings: Vec<Reading>,
}

impl Namer {
    /// A namer for the telegrams of a meter with this header. Names begin with that of the meter, if it has one.
    pub fn new(meter: Option<&str>, header: Header) -> Self {
        let prefix = meter.map(|meter| format!("{meter}_")).unwrap_or_default();
        Self { prefix, header, taken: HashSet::new(), readings: Vec::new() }
    }

    /// Adds a record. One without a value adds nothing.
    pub fn add(&mut self, record: &Record<'_>) {
        let Some(mut reading) = reading(record, self.device_type()) else { return };
        let driver = self.header.address.and_then(|address| drivers::line(address, &reading.name));
        if let Some(line) = driver {
            reading.name = line.becomes.into();
            if let Some(unit) = line.unit {
                reading.unit = Some(unit.into());
            }
        }
        reading.name = self.unique(&reading.name);
        self.readings.push(reading);
    }

    /// Adds the status of the meter: a flag for each bit of the standard, and the whole byte.
    pub fn add_status(&mut self, status: Status) {
        let flags = [("low_battery", 0x04), ("permanent_error", 0x08), ("temporary_error", 0x10)];
        for (name, bit) in flags {
            let name = self.unique(name);
            self.readings.push(Reading::flag(name, status.0 & bit != 0));
        }
        let name = self.unique("status");
        self.readings.push(Reading { kind: Some(Kind::State), ..Reading::number(name, u32::from(status.0)) });
    }

    /// Returns the readings in the order of the telegram.
    pub fn into_readings(self) -> Vec<Reading> {
        self.readings
    }

    fn device_type(&self) -> Option<u8> {
        self.header.address.map(|address| address.medium)
    }

    fn unique(&mut self, name: &str) -> Text {
        let mut text = Text::from(format!("{}{name}", self.prefix));
        let mut count = 1;
        while !self.taken.insert(text.clone()) {
            count += 1;
            text = format!("{}{name}_{count}", self.prefix).into();
        }
        text
    }
}

/// Returns the name of a record, without a number for a second one.
pub fn name(record: &Record<'_>, device_type: Option<u8>) -> String {
    let mut name = match record.unit {
        Unit::Text(text) if record.quantity == "text_unit" => slug(text.chars()),
        _ => record.quantity.to_owned(),
    };
    let is_electricity = device_type == Some(2);
    for qualifier in record.qualifiers {
        let word = qualifier.to_string();
        name.push('_');
        name.push_str(match &*word {
            "positive" if is_electricity => "import",
            "negative" if is_electricity => "export",
            word => word,
        });
    }
    // Writing into a string cannot fail.
    if !record.manufacturer_vife.is_empty() {
        name.push_str("_maker_");
        for byte in record.manufacturer_vife {
            let _ = write!(name, "{byte:02x}");
        }
    }
    if record.function != Function::Instantaneous {
        let _ = write!(name, "_{}", record.function);
    }
    let numbers = [
        ("tariff", u64::from(record.tariff)),
        ("subunit", u64::from(record.subunit)),
        ("storage", record.storage),
    ];
    for (word, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
        let _ = write!(name, "_{word}{number}");
    }
    name
}

/// Returns the letters and digits of a unit as a name: `cust. ID` is `cust_id`.
fn slug(text: impl Iterator<Item = char>) -> String {
    let mut slug = String::new();
    for character in text {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() { "text_unit".to_owned() } else { slug.to_owned() }
}

fn reading(record: &Record<'_>, device_type: Option<u8>) -> Option<Reading> {
    let name = name(record, device_type);
    let number = match record.value {
        Value::Number(number) => number,
        Value::None | Value::Absent(_) => return None,
        value => return Some(Reading::text(name, &*value.to_string().trim().replace('\0', ""))),
    };
    // A number per hour or per pulse is not one of its quantity.
    let changes_unit = changes_unit(record);
    let sent = record.unit.to_string();
    let larger = for_people(sent.trim()).filter(|_| !changes_unit);
    let (number, unit) = larger
        .and_then(|(unit, power)| Some((number.shifted(-power)?, unit)))
        .unwrap_or((number, sent.trim()));
    let mut reading = Reading { kind: kind(record), ..Reading::number(name, number) };
    if !unit.is_empty() && !changes_unit {
        reading.unit = Some(unit.into());
        reading.medium = device_type.and_then(|device_type| medium_of(record, device_type));
        reading.obis = device_type.filter(|_| record.is_current()).and_then(|kind| obis(record, kind));
    }
    Some(reading)
}

/// Returns the unit in which people know an energy, and by how many powers of ten it is larger. The tables of the
/// standard have Wh and J only; the unit of a register must not change with its exponent.
fn for_people(unit: &str) -> Option<(&'static str, i32)> {
    match unit {
        "Wh" => Some(("kWh", 3)),
        "J" => Some(("MJ", 6)),
        _ => None,
    }
}

/// Returns whether the qualifiers make another unit of it: per hour, per pulse.
fn changes_unit(record: &Record<'_>) -> bool {
    record.qualifiers.into_iter().any(|qualifier| qualifier.changes_unit())
}

/// Behaviour over time, where the unit does not tell it.
fn kind(record: &Record<'_>) -> Option<Kind> {
    let is_of_another_time = record.qualifiers.into_iter().any(|qualifier| qualifier.is_of_another_time());
    match record.function {
        Function::Maximum | Function::Minimum if record.storage == 0 => return Some(Kind::Maximum),
        Function::Maximum | Function::Minimum | Function::Error => return Some(Kind::State),
        Function::Instantaneous => {}
    }
    if record.storage > 0 || is_of_another_time || changes_unit(record) {
        return Some(Kind::State);
    }
    let counts = matches!(
        record.quantity,
        "energy" | "reactive_energy" | "apparent_energy" | "volume" | "mass" | "hca_units"
    );
    match (counts, record.manufacturer_vife) {
        (true, []) => Some(Kind::Counter),
        // What only the maker knows need not count up.
        (true, _) => Some(Kind::State),
        (false, _) => None,
    }
}

/// Medium of a value: that of the meter, unless it counts the pulses of another one.
fn medium_of(record: &Record<'_>, device_type: u8) -> Option<Medium> {
    let is_input = record.subunit > 0 && record.quantity == "volume";
    medium::of(device_type).filter(|_| !is_input)
}

/// Code of an electricity register, which says its direction, phase and tariff. It is not on the wire, and stated only
/// where the record leaves no doubt.
fn obis(record: &Record<'_>, device_type: u8) -> Option<Obis> {
    if device_type != 2 || record.subunit > 0 || !record.manufacturer_vife.is_empty() {
        return None;
    }
    let (mut export, mut import, mut phase, mut others) = (false, false, 0, false);
    for qualifier in record.qualifiers {
        match (&*qualifier.to_string(), qualifier.phase()) {
            ("positive", _) => import = true,
            ("negative", _) => export = true,
            (_, Some(conductor @ 1..=3)) => phase = conductor,
            _ => others = true,
        }
    }
    if others || (import && export) {
        return None;
    }
    let direction = if export { 2 } else { 1 };
    let (c, d) = match record.quantity {
        "energy" => (direction, 8),
        "reactive_energy" => (direction + 2, 8),
        "power" if import || export => (direction, 7),
        "power" => (16, 7),
        "current" => (11, 7),
        "voltage" => (12, 7),
        "frequency" if phase == 0 => (14, 7),
        _ => return None,
    };
    let tariff = u8::try_from(record.tariff).ok().filter(|tariff| d == 8 || *tariff == 0)?;
    let c = if phase > 0 { c + 20 * phase } else { c };
    Obis::parse(format!("1-0:{c}.{d}.{tariff}").as_bytes())
}
