//! Discovery messages for Home Assistant.
//!
//! There are two forms (home-assistant.io, "MQTT", discovery messages): one message for a device with all its
//! components, or one for each entity. Both have the same node and object in their topics, so that Home Assistant takes
//! an entity of one form for that of the other.

use std::collections::BTreeMap;

use framework::{Arg, ArgKind, CommandSpec, Kind, Labels, Quantity, Reading, Route, Text, Value};
use serde_json::{Map, Value as Json, json};

use super::classes::{self, BINARY_SENSOR, Class};
use crate::{config::Discovery, topics::Topics};

/// Facts about a source for its announcement.
#[derive(Debug)]
pub(crate) struct Device<'a> {
    /// Identifier, as written by [`object`].
    pub(crate) id: &'a str,
    pub(crate) section: &'a str,
    /// Name for people.
    pub(crate) name: &'a str,
    /// What a person has said about the readings.
    pub(crate) labels: &'a Labels,
    /// The meter's number.
    pub(crate) number: Option<&'a str>,
    pub(crate) readings: Vec<&'a Reading>,
    pub(crate) commands: Vec<&'a CommandSpec>,
}

/// Home Assistant entity: its platform, the object of its topic, and its configuration.
struct Entity {
    platform: &'static str,
    object: String,
    config: Map<String, Json>,
}

impl Device<'_> {
    /// Returns the retained messages by topic.
    pub(crate) fn messages(&self, form: Discovery, topics: &Topics) -> BTreeMap<String, Vec<u8>> {
        let entities = self.entities(topics);
        let shared = self.shared(topics);
        match form {
            Discovery::Device => {
                let components: Map<String, Json> = entities
                    .into_iter()
                    .map(|Entity { platform, object, mut config }| {
                        config.insert("p".to_owned(), platform.into());
                        (object, Json::Object(config))
                    })
                    .collect();
                let mut message = shared;
                message.insert("cmps".to_owned(), Json::Object(components));
                BTreeMap::from([(topics.device(self.id), Json::Object(message).to_string().into_bytes())])
            }
            Discovery::Entity => entities
                .into_iter()
                .map(|Entity { platform, object, mut config }| {
                    config.extend(shared.clone());
                    let topic = topics.entity(platform, self.id, &object);
                    (topic, Json::Object(config).to_string().into_bytes())
                })
                .collect(),
            Discovery::Off => BTreeMap::new(),
        }
    }

    /// Returns the members that all entities share.
    fn shared(&self, topics: &Topics) -> Map<String, Json> {
        let availability =
            [topics.status(), topics.availability(self.section)].map(|topic| json!({"topic": topic}));
        let device = json!({"identifiers": [self.id], "name": self.name, "serial_number": self.number});
        members(json!({
            "dev": members(device),
            "o": {"name": "smartmeter", "sw": env!("CARGO_PKG_VERSION")},
            "availability": availability,
            "availability_mode": "all",
        }))
    }

    fn entities(&self, topics: &Topics) -> Vec<Entity> {
        let main = self.main_counter();
        let sensors = self.readings.iter().map(|reading| {
            let is_main = main.is_some_and(|main| main.name == reading.name);
            let name = match self.labels.reading(&reading.name).label {
                Some(label) => label.to_string(),
                None if is_main => classes::quantity_name(reading),
                None => classes::name(reading),
            };
            self.sensor(reading, name, topics)
        });
        let commands = self.commands.iter().filter_map(|spec| self.command(spec, topics));
        sensors.chain(commands).collect()
    }

    /// Returns the only counter of a physical quantity, if no OBIS code tells it apart: the one that a user looks for,
    /// whatever the plugin calls it.
    fn main_counter(&self) -> Option<&Reading> {
        let is_counter = |reading: &&&Reading| {
            let meaning = reading.meaning();
            reading.obis.is_none() && meaning.kind == Kind::Counter && meaning.quantity != Quantity::Other
        };
        let mut counters = self.readings.iter().filter(is_counter);
        counters.next().filter(|_| counters.next().is_none()).copied()
    }

    fn sensor(&self, reading: &Reading, name: String, topics: &Topics) -> Entity {
        let Class { platform, device, state, unit, precision, icon, diagnostic } = classes::class(reading);
        let object = object(&reading.name);
        let is_binary = platform == BINARY_SENSOR;
        let config = members(json!({
            "name": name,
            "unique_id": self.unique_id(&object),
            "state_topic": topics.state(self.section),
            "value_template": template(reading),
            "device_class": device,
            "state_class": state,
            "unit_of_measurement": unit,
            "suggested_display_precision": precision,
            "payload_on": is_binary.then_some("1"),
            "payload_off": is_binary.then_some("0"),
            "icon": icon,
            "entity_category": diagnostic.then_some("diagnostic"),
        }));
        Entity { platform, object, config }
    }

    /// Returns the entity for a command that a bare value calls: a button, or one with its argument's type.
    fn command(&self, spec: &CommandSpec, topics: &Topics) -> Option<Entity> {
        // Unique, as two digits follow each `-` in the object of a reading.
        let object = format!("command-{}", spec.name);
        let (platform, own) = match main_arg(spec)? {
            None => ("button", Json::Null),
            Some(arg) => of_argument(arg),
        };
        let mut config = members(json!({
            "name": classes::entity_name(&spec.name),
            "unique_id": self.unique_id(&object),
            "command_topic": topics.command(self.section, &spec.name),
            "entity_category": "config",
        }));
        config.extend(members(own));
        let shown = self.readings.iter().find(|reading| spec.shown_by.as_ref() == Some(&reading.name));
        if let Some(reading) = shown.filter(|_| platform != "button") {
            config.insert("state_topic".to_owned(), topics.state(self.section).into());
            config.insert("value_template".to_owned(), template(reading).into());
        }
        Some(Entity { platform, object, config })
    }

    fn unique_id(&self, object: &str) -> String {
        format!("{}_{object}", self.id)
    }
}

/// Returns the members of an object, without those that are null.
fn members(json: Json) -> Map<String, Json> {
    let Json::Object(mut members) = json else { return Map::new() };
    members.retain(|_, value| !value.is_null());
    members
}

/// Returns Home Assistant's template for a reading's value in the state. A missing value leaves the entity unchanged; a
/// text may have 255 characters there.
fn template(reading: &Reading) -> String {
    let name = reading.name.replace('\\', "\\\\").replace('\'', "\\'");
    match reading.value {
        Value::Number(_) => format!("{{{{ value_json['{name}'] | default('') }}}}"),
        Value::Text(_) => format!("{{{{ (value_json['{name}'] | default('') | string)[:255] }}}}"),
    }
}

/// Returns the argument that a bare value stands for, the only required one or else the only one; `Some(None)` if the
/// command needs no value, and `None` if a bare value cannot call it.
pub(crate) fn main_arg(spec: &CommandSpec) -> Option<Option<&Arg>> {
    let required: Vec<_> = spec.args.iter().filter(|arg| !arg.optional).collect();
    match (&required[..], &spec.args[..]) {
        ([arg], _) => Some(Some(arg)),
        ([], [arg]) => Some(Some(arg)),
        ([], _) => Some(None),
        _ => None,
    }
}

/// Limits of a number without limits: Home Assistant takes 1 to 100 otherwise.
const UNLIMITED: i32 = 1_000_000_000;

/// Returns the platform for an argument, and what its configuration needs.
fn of_argument(arg: &Arg) -> (&'static str, Json) {
    match arg.kind {
        ArgKind::Number | ArgKind::Integer => {
            let step = if arg.kind == ArgKind::Integer { json!(1) } else { json!(0.001) };
            let unit = arg.unit.as_deref().map(|unit| classes::unit(unit).unwrap_or(unit));
            let config = json!({
                "mode": "box",
                "min": arg.min.map_or(json!(-UNLIMITED), |min| json!(min)),
                "max": arg.max.map_or(json!(UNLIMITED), |max| json!(max)),
                "step": arg.step.map_or(step, |step| json!(step)),
                "unit_of_measurement": unit,
            });
            ("number", config)
        }
        // As in the state, which has 1 or 0 for them.
        ArgKind::Bool => ("switch", json!({"payload_on": "1", "payload_off": "0"})),
        ArgKind::Text if arg.choices.is_empty() => ("text", json!({"max": 255})),
        ArgKind::Text => ("select", json!({"options": arg.choices})),
    }
}

/// Encodes a name for a discovery topic. Each byte that is not allowed there becomes `-` and two hexadecimal digits, so
/// different names stay different.
pub(crate) fn object(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut object, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            object.push(char::from(byte));
        } else {
            // Writing into memory cannot fail.
            let _ = write!(object, "-{byte:02x}");
        }
        object
    })
}

/// Readings with the number of a meter, the best first.
const NUMBERS: [&str; 3] = ["METER_NUMBER", "METER_ID", "EQUIPMENT_ID"];

/// Returns the meter's number with its rank, 0 being the best. Only a selected reading may leave the LAN.
pub(crate) fn number(readings: &[Reading], route: &Route) -> Option<(usize, Text)> {
    let selected = NUMBERS.iter().enumerate().filter(|(_, name)| route.has_series(name));
    selected.into_iter().find_map(|(rank, name)| {
        let reading = readings.iter().find(|reading| reading.name == *name)?;
        let text = match &reading.value {
            Value::Text(text) => text.trim().into(),
            Value::Number(number) => Text::from(number.to_string()),
        };
        // Some meters send zeros if nobody has set a number.
        let says_something = text.contains(|c: char| c.is_alphanumeric() && c != '0');
        says_something.then_some((rank, text))
    })
}

#[cfg(test)]
mod tests;
