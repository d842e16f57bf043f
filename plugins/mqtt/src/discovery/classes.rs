//! What a reading is to Home Assistant: device class, state class, unit, name.
//!
//! The classes and the units that fit them are those of Home Assistant's sensor entities
//! (developers.home-assistant.io, "Sensor entity"); an entity whose unit does not fit its class is refused there, so a
//! unit that only some versions take has no class here.

use framework::{Obis, Reading, Value};

/// How Home Assistant treats a sensor.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) device: Option<&'static str>,
    pub(crate) state: Option<&'static str>,
    /// As Home Assistant spells it.
    pub(crate) unit: Option<String>,
    /// Decimals that are shown.
    pub(crate) precision: Option<u8>,
    /// Of interest only where something is wrong.
    pub(crate) diagnostic: bool,
}

const MEASUREMENT: Option<&str> = Some("measurement");
/// A counter: a decrease is a new beginning.
const COUNTER: Option<&str> = Some("total_increasing");
/// A total that may fall.
const TOTAL: Option<&str> = Some("total");

/// Unit, device class, state class, decimals.
type Row = (&'static str, Option<&'static str>, Option<&'static str>, u8);

/// By unit, in Home Assistant's spelling.
const UNITS: &[Row] = &[
    ("Wh", Some("energy"), COUNTER, 0),
    ("kWh", Some("energy"), COUNTER, 3),
    ("MWh", Some("energy"), COUNTER, 3),
    ("J", Some("energy"), COUNTER, 0),
    ("kJ", Some("energy"), COUNTER, 0),
    ("MJ", Some("energy"), COUNTER, 1),
    ("GJ", Some("energy"), COUNTER, 3),
    ("varh", Some("reactive_energy"), COUNTER, 0),
    ("kvarh", Some("reactive_energy"), COUNTER, 3),
    ("VAh", None, COUNTER, 0),
    ("kVAh", None, COUNTER, 3),
    ("W", Some("power"), MEASUREMENT, 0),
    ("kW", Some("power"), MEASUREMENT, 3),
    ("MW", Some("power"), MEASUREMENT, 3),
    ("var", Some("reactive_power"), MEASUREMENT, 0),
    ("kvar", None, MEASUREMENT, 3),
    ("VA", Some("apparent_power"), MEASUREMENT, 0),
    ("kVA", None, MEASUREMENT, 3),
    ("V", Some("voltage"), MEASUREMENT, 1),
    ("A", Some("current"), MEASUREMENT, 2),
    ("Hz", Some("frequency"), MEASUREMENT, 2),
    ("m³", Some("volume"), COUNTER, 3),
    ("L", Some("volume"), COUNTER, 0),
    ("m³/h", Some("volume_flow_rate"), MEASUREMENT, 3),
    ("L/h", None, MEASUREMENT, 0),
    ("°C", Some("temperature"), MEASUREMENT, 1),
    // A difference of temperatures: of class `temperature` it would be converted as if it were one.
    ("K", None, MEASUREMENT, 1),
    ("bar", Some("pressure"), MEASUREMENT, 2),
    ("Pa", Some("pressure"), MEASUREMENT, 0),
    ("%", None, MEASUREMENT, 1),
    ("°", None, MEASUREMENT, 1),
    ("s", Some("duration"), None, 0),
    ("min", Some("duration"), None, 0),
    ("h", Some("duration"), None, 0),
    ("d", Some("duration"), None, 0),
];

/// Spellings of meters.
const SPELLINGS: &[(&str, &str)] = &[
    ("m3", "m³"),
    ("m^3", "m³"),
    ("m3/h", "m³/h"),
    ("m3ph", "m³/h"),
    ("l", "L"),
    ("l/h", "L/h"),
    ("lph", "L/h"),
    ("deg", "°"),
    ("ºC", "°C"),
];

/// The class of a reading.
pub(crate) fn class(reading: &Reading) -> Class {
    let diagnostic = Class { diagnostic: true, ..Class::default() };
    if matches!(reading.value, Value::Text(_)) {
        return diagnostic;
    }
    let Some(sent) = reading.unit.as_deref() else { return without_unit(reading) };
    let Some(&(unit, device, state, precision)) = known_unit(sent) else {
        return Class { unit: Some(sent.to_owned()), ..diagnostic };
    };
    let mut class =
        Class { device, state, unit: Some(unit.to_owned()), precision: Some(precision), diagnostic: false };
    if device == Some("volume") {
        class.device = volume(reading, unit);
    }
    if let Some(obis) = reading.obis {
        match obis.cde() {
            // Import less export.
            (c, 8, _) if device == Some("energy") && is_net(c) => class.state = TOTAL,
            // Of the last interval only.
            (_, 29, _) => class.state = None,
            _ => {}
        }
        if obis.history().is_some() {
            // A value of a month ago stays, and then leaps.
            class.state = None;
            class.diagnostic = true;
        }
    }
    class.diagnostic |= matches!(unit, "°" | "s" | "min" | "h" | "d");
    class
}

/// Sum of the phases, and the phases one by one.
fn is_net(c: u8) -> bool {
    matches!(c, 16 | 36 | 56 | 76)
}

fn without_unit(reading: &Reading) -> Class {
    let electrical = |obis: Obis| matches!(obis.medium(), None | Some(1));
    match reading.obis.filter(|obis| electrical(*obis)).map(Obis::cde) {
        Some((13 | 33 | 53 | 73, 7, 0)) => {
            Class { device: Some("power_factor"), state: MEASUREMENT, precision: Some(2), ..Class::default() }
        }
        // The plugin s0's.
        None if reading.name == "pulses" => Class { state: COUNTER, diagnostic: true, ..Class::default() },
        _ => Class { diagnostic: true, ..Class::default() },
    }
}

fn volume(reading: &Reading, unit: &str) -> Option<&'static str> {
    let medium = reading.obis.and_then(Obis::medium);
    let named = |word: &str| reading.name.to_ascii_uppercase().starts_with(word);
    if medium == Some(7) || named("GAS") {
        // Litres of gas are not taken by all versions.
        (unit == "m³").then_some("gas")
    } else if matches!(medium, Some(8 | 9)) || named("WATER") || named("WARM_WATER") {
        Some("water")
    } else {
        Some("volume")
    }
}

/// The unit in Home Assistant's spelling, where it knows it.
pub(crate) fn unit(sent: &str) -> Option<&'static str> {
    known_unit(sent).map(|(unit, ..)| *unit)
}

fn known_unit(sent: &str) -> Option<&'static Row> {
    let sent = sent.trim();
    let sent = SPELLINGS.iter().find(|(other, _)| *other == sent).map_or(sent, |(_, unit)| *unit);
    // Meters write `KWH` and `kVArh`; but a leading `m` and `M` differ by nine zeros.
    let alike =
        |unit: &str| unit.eq_ignore_ascii_case(sent) && unit.len() > 1 && !unit.starts_with(['m', 'M']);
    let exact = UNITS.iter().find(|(unit, ..)| *unit == sent);
    exact.or_else(|| UNITS.iter().find(|(unit, ..)| alike(unit)))
}

/// Beginnings of names that are words of the original program, and what they say.
const WORDS: &[(&str, &str)] = &[
    ("CURRENT_POWER_SUM", "Power"),
    ("CURRENT_POWER", "Power"),
    ("CURRENT_REACTIVE", "Reactive power"),
    ("CURRENT_APPARENT_POWER", "Apparent power"),
    ("MAX_POWER", "Maximum power"),
    ("POWER_FACTOR", "Power factor"),
    ("POWER_SUM", "Energy net"),
    ("POWER", "Energy"),
    ("REACTIVE", "Reactive energy"),
    ("METER_ID", "Meter ID"),
    ("EQUIPMENT_ID", "Equipment ID"),
    ("count", "Energy"),
];

/// What an entity is called, below the name of its device: `POWER_IMPORT_T1` is `Energy import T1`.
pub(crate) fn entity_name(reading: &str) -> String {
    let (mut text, rest) = WORDS
        .iter()
        .find_map(|(word, text)| {
            let rest = reading.strip_prefix(word)?;
            (rest.is_empty() || rest.starts_with('_')).then(|| ((*text).to_owned(), rest))
        })
        .unwrap_or((String::new(), reading));
    for word in rest.split('_').filter(|word| !word.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        let short =
            word.len() <= 3 && word.contains(|c: char| c.is_ascii_digit()) || matches!(word, "ID" | "N");
        match (short, text.is_empty()) {
            (true, _) => text.push_str(word),
            (false, false) => text.push_str(&word.to_lowercase()),
            (false, true) => {
                let mut letters = word.chars();
                text.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                text.push_str(&letters.as_str().to_lowercase());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
