//! Home Assistant's view of a reading: device class, state class, unit, name.
//!
//! The classes and their units are those of Home Assistant's sensor entities (developers.home-assistant.io, "Sensor
//! entity"). It refuses an entity whose unit does not fit its class, so a unit that only newer versions accept has no
//! class here.

use framework::{Factor, Kind, Meaning, Medium, Quantity, Reading, Unit, Value};

/// Platform of a number or a text.
const SENSOR: &str = "sensor";
/// Platform of a state that is on or off.
pub(crate) const BINARY_SENSOR: &str = "binary_sensor";

/// Treatment of a sensor by Home Assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Platform.
    pub platform: &'static str,
    /// Device class.
    pub device: Option<&'static str>,
    /// State class.
    pub state: Option<&'static str>,
    /// Unit in Home Assistant's spelling.
    pub unit: Option<String>,
    /// Decimals that are displayed.
    pub precision: Option<u8>,
    /// Picture, where the class has none of its own that tells the readings apart.
    pub icon: Option<&'static str>,
    /// Whether the sensor is of interest only if something is wrong.
    pub diagnostic: bool,
}

impl Default for Class {
    fn default() -> Self {
        Self {
            platform: SENSOR,
            device: None,
            state: None,
            unit: None,
            precision: None,
            icon: None,
            diagnostic: false,
        }
    }
}

/// Returns the class of a reading.
pub fn class(reading: &Reading) -> Class {
    if matches!(reading.value, Value::Text(_)) {
        return Class { diagnostic: true, ..Class::default() };
    }
    if let Some(device) = fault_class(reading) {
        let platform = BINARY_SENSOR;
        return Class { platform, device: Some(device), diagnostic: true, ..Class::default() };
    }
    let meaning = reading.meaning();
    Class {
        platform: SENSOR,
        device: device_class(&meaning),
        state: match meaning.kind {
            // The only one that it takes for money.
            _ if meaning.quantity == Quantity::Money => Some("total"),
            Kind::Counter => Some("total_increasing"),
            Kind::Net => Some("total"),
            Kind::Gauge | Kind::Maximum => Some("measurement"),
            Kind::State => None,
        },
        unit: meaning.unit.map(spelling).or(reading.unit.as_deref()).map(str::to_owned),
        precision: match meaning.quantity {
            Quantity::PowerFactor => Some(2),
            _ => meaning.unit.map(precision),
        },
        icon: icon(&meaning),
        diagnostic: meaning.kind == Kind::State && meaning.quantity != Quantity::Money
            || matches!(meaning.quantity, Quantity::Angle | Quantity::Duration | Quantity::Other)
            || (meaning.unit.is_none() && meaning.quantity != Quantity::PowerFactor),
    }
}

/// Returns the class of a flag that is on while something is wrong: a meter on M-Bus has them in its status byte.
fn fault_class(reading: &Reading) -> Option<&'static str> {
    let is_flag = reading.kind == Some(Kind::State) && reading.unit.is_none();
    // Several meters of one source have their names before it.
    let is = |name: &str| {
        reading.name.strip_suffix(name).is_some_and(|meter| meter.is_empty() || meter.ends_with('_'))
    };
    match is_flag {
        true if is("low_battery") => Some("battery"),
        true if is("permanent_error") || is("temporary_error") => Some("problem"),
        _ => None,
    }
}

/// Returns the picture of energy and power that are not electrical: the class `energy` does not tell heat from cold.
fn icon(meaning: &Meaning) -> Option<&'static str> {
    if !matches!(meaning.quantity, Quantity::Energy | Quantity::Power) {
        return None;
    }
    match meaning.medium? {
        Medium::Heat => Some("mdi:radiator"),
        Medium::Cooling => Some("mdi:snowflake"),
        Medium::Gas => Some("mdi:meter-gas"),
        Medium::Electricity | Medium::Water => None,
    }
}

/// Returns the device class that fits both number and unit.
fn device_class(meaning: &Meaning) -> Option<&'static str> {
    let Some(unit) = meaning.unit else {
        return (meaning.quantity == Quantity::PowerFactor).then_some("power_factor");
    };
    Some(match (meaning.quantity, unit) {
        (Quantity::Energy, _) if meaning.kind == Kind::Gauge => "energy_storage",
        (Quantity::Energy, _) => "energy",
        (Quantity::ReactiveEnergy, Unit::VarHour | Unit::KilovarHour) => "reactive_energy",
        (Quantity::Power, Unit::Watt | Unit::Kilowatt | Unit::Megawatt) => "power",
        (Quantity::ReactivePower, Unit::Var) => "reactive_power",
        (Quantity::ApparentPower, Unit::VoltAmpere) => "apparent_power",
        (Quantity::Voltage, Unit::Volt | Unit::Millivolt) => "voltage",
        (Quantity::Current, Unit::Ampere | Unit::Milliampere) => "current",
        (Quantity::Frequency, _) => "frequency",
        (Quantity::Volume, _) if meaning.kind == Kind::Gauge => "volume_storage",
        (Quantity::Volume, _) => match meaning.medium {
            Some(Medium::Gas) if unit != Unit::CubicMetre => return None,
            Some(Medium::Gas) => "gas",
            Some(Medium::Water) => "water",
            _ => "volume",
        },
        (Quantity::VolumeFlow, Unit::CubicMetrePerHour | Unit::LitrePerMinute) => "volume_flow_rate",
        // A difference of temperatures has no class: as a temperature it would be converted wrongly.
        (Quantity::Temperature, _) => "temperature",
        (Quantity::Pressure, _) => "pressure",
        (Quantity::Humidity, _) => "humidity",
        (Quantity::Duration, _) => "duration",
        (Quantity::Money, _) => "monetary",
        _ => return None,
    })
}

/// Returns a unit in Home Assistant's spelling.
fn spelling(unit: Unit) -> &'static str {
    match unit {
        Unit::Litre => "L",
        Unit::LitrePerHour => "L/h",
        Unit::LitrePerMinute => "L/min",
        Unit::RelativeHumidity => "%",
        unit => unit.symbol(),
    }
}

/// Parses a unit, and returns it in Home Assistant's spelling.
pub(crate) fn unit(text: &str) -> Option<&'static str> {
    Unit::parse(text).map(spelling)
}

/// Returns the number of decimals to display: enough for a change of interest.
fn precision(unit: Unit) -> u8 {
    use Unit as U;
    match unit {
        U::WattHour | U::VarHour | U::VoltAmpereHour | U::Joule | U::Kilojoule => 0,
        U::Watt | U::Milliwatt | U::Var | U::VoltAmpere | U::Millivolt | U::Milliampere => 0,
        U::Litre | U::LitrePerHour | U::Pascal | U::Second | U::Minute | U::Hour | U::Day => 0,
        U::Volt | U::Megajoule | U::Celsius | U::Kelvin | U::Percent | U::RelativeHumidity | U::Degree => 1,
        U::LitrePerMinute | U::Hectopascal | U::Kilopascal | U::Millibar => 1,
        U::Ampere | U::AmpereHour | U::Hertz | U::Bar => 2,
        _ if unit.quantity() == Quantity::Money => 2,
        _ if unit.symbol().ends_with("/kWh") && unit.factor() == Factor::ONE => 4,
        _ => 3,
    }
}

/// Beginnings of the original program's names, and their words for people.
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
];

/// Returns the quantity of a reading as the name of its entity: `Energy`, or `Heat energy`.
pub(crate) fn quantity_name(reading: &Reading) -> String {
    of_medium(reading, entity_name(reading.meaning().quantity.as_str()))
}

/// Returns the name of a reading's entity below that of its device.
pub(crate) fn name(reading: &Reading) -> String {
    of_medium(reading, entity_name(&reading.name))
}

/// Adds the medium to the name of energy and power whose source states it, if it is heat or cold: one meter may count
/// both.
fn of_medium(reading: &Reading, name: String) -> String {
    let Meaning { quantity, medium, .. } = reading.meaning();
    let word = match reading.medium.and(medium) {
        Some(Medium::Heat) => "Heat",
        Some(Medium::Cooling) => "Cold",
        _ => return name,
    };
    let says_it = |text: &str| ["heat", "cold", "cool"].iter().any(|word| text.to_lowercase().contains(word));
    if !matches!(quantity, Quantity::Energy | Quantity::Power) || says_it(&name) {
        return name;
    }
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    format!("{word} {}{}", first.map_or_else(String::new, String::from), letters.as_str())
}

/// Returns the name of an entity below that of its device: `POWER_IMPORT_T1` becomes `Energy import T1`.
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
