//! Readings, and batches of them.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{Decimal, Kind, Meaning, Medium, Obis, json::timestamp};

/// Short text: up to 23 bytes are stored without an allocation, longer ones are shared.
pub use smol_str::SmolStr as Text;

/// Moment in UTC.
pub use jiff::Timestamp;

/// Value of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Number with every digit that the device sent.
    Number(Decimal),
    /// Any other value: a meter number, a status word, a damaged number.
    Text(Text),
}

/// Named value with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Name in `/data`, unique within its batch: `POWER_IMPORT`, `count`.
    pub name: Text,
    /// Code of the register, if the device names its registers by OBIS.
    pub obis: Option<Obis>,
    /// The value.
    pub value: Value,
    /// The unit as the device wrote it (`kWh`, `KWh`); `None` where it sent none.
    pub unit: Option<Text>,
    /// Behaviour over time, where the source states it; `None` where unit and OBIS code tell.
    pub kind: Option<Kind>,
    /// Medium that the meter counts, where the source states it; `None` where OBIS code, unit and name tell.
    pub medium: Option<Medium>,
    /// Time at which the device took this value, if it sends one for this value: a gas meter's is an hour old.
    pub time: Option<DeviceTime>,
    /// Status word of the register, if it has one.
    pub status: Option<u64>,
    /// Further values beside this one, in the device's order: the time of a maximum demand, for example.
    pub more: Vec<Text>,
}

/// Time of the device's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTime {
    /// As sent.
    pub sent: Text,
    /// Moment that it stands for; `None` if it is not a valid one.
    pub utc: Option<Timestamp>,
}

impl Reading {
    /// A number whose behaviour over time its unit and OBIS code tell.
    pub fn number(name: impl Into<Text>, value: impl Into<Decimal>) -> Self {
        Self::new(name.into(), Value::Number(value.into()), None)
    }

    /// A counter: it rises, and a fall is a new beginning.
    pub fn counter(name: impl Into<Text>, value: impl Into<Decimal>) -> Self {
        Self::new(name.into(), Value::Number(value.into()), Some(Kind::Counter))
    }

    /// A counter that may run backwards: import minus export.
    pub fn net(name: impl Into<Text>, value: impl Into<Decimal>) -> Self {
        Self::new(name.into(), Value::Number(value.into()), Some(Kind::Net))
    }

    /// A number that rises and falls: a power, a temperature.
    pub fn gauge(name: impl Into<Text>, value: impl Into<Decimal>) -> Self {
        Self::new(name.into(), Value::Number(value.into()), Some(Kind::Gauge))
    }

    /// A text.
    pub fn text(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self::new(name.into(), Value::Text(value.into()), None)
    }

    /// A state that is on or off: 1 or 0.
    pub fn flag(name: impl Into<Text>, on: bool) -> Self {
        Self::new(name.into(), Value::Number(i32::from(on).into()), Some(Kind::State))
    }

    fn new(name: Text, value: Value, kind: Option<Kind>) -> Self {
        Self {
            name,
            obis: None,
            value,
            unit: None,
            kind,
            medium: None,
            time: None,
            status: None,
            more: Vec::new(),
        }
    }

    /// Returns what the value means: by its stated kind and medium, its unit and its OBIS code.
    pub fn meaning(&self) -> Meaning {
        let meaning = Meaning::of(&self.name, self.unit.as_deref(), self.obis).stated(self.kind, self.medium);
        match self.value {
            Value::Text(_) => Meaning { kind: self.kind.unwrap_or(Kind::State), ..meaning },
            Value::Number(_) => meaning,
        }
    }

    /// Sets the unit.
    pub fn unit(mut self, unit: impl Into<Text>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// States the medium that the meter counts: a heat meter's energy is heat, its volume no drinking water.
    pub fn medium(mut self, medium: Medium) -> Self {
        self.medium = Some(medium);
        self
    }

    /// Sets the OBIS code.
    pub fn obis(mut self, code: Obis) -> Self {
        self.obis = Some(code);
        self
    }
}

/// All readings of one moment: one telegram, one poll of a sensor. It is delivered whole or not at all.
///
/// Rules that a source keeps. The scheduler mends a batch that breaks them, counts it in `/health`, and logs the first of
/// each kind:
///
/// | rule | otherwise |
/// |---|---|
/// | a name is a text of 1 to 128 bytes, and none of `timestampUTC` and `stale` | the reading is left out |
/// | names are unique | the first reading counts |
/// | there are at most 1000 readings | the first ones count |
/// | a text has at most 1024 bytes | the reading is left out |
/// | a unit is a text of at most 32 bytes | the reading has no unit |
/// | `taken_at` is at most a day old, at most a minute ahead, and not before that of the last batch | the time of arrival |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Time at which the device's message was complete.
    pub taken_at: Timestamp,
    /// Readings in the device's order; names are unique.
    pub readings: Vec<Reading>,
}

impl Batch {
    /// Returns a batch taken now.
    pub fn now(readings: Vec<Reading>) -> Self {
        Self { taken_at: Timestamp::now(), readings }
    }

    /// Returns the reading called `name`.
    pub fn get(&self, name: &str) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.name == name)
    }
}

/// A JSON number with every digit, or a string.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// As in `/data`: an object where it has an OBIS code, else its bare value.
impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(obis) = self.obis else { return self.value.serialize(serializer) };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("OBIS_Code", &obis.reduced())?;
        if let Some(unit) = &self.unit {
            object.serialize_entry("unit", unit.as_str())?;
        }
        object.serialize_entry("value", &self.value)?;
        if let Some(utc) = self.time.as_ref().and_then(|time| time.utc) {
            object.serialize_entry("timestampUTC", &timestamp(utc))?;
        }
        if let Some(status) = self.status {
            object.serialize_entry("status", &status)?;
        }
        if !self.more.is_empty() {
            object.serialize_entry("more", &self.more)?;
        }
        object.end()
    }
}

/// As in `/data`: the time, and each reading by its name.
impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("timestampUTC", &timestamp(self.taken_at))?;
        for reading in &self.readings {
            object.serialize_entry(reading.name.as_str(), reading)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Quantity, Unit};

    #[test]
    fn a_batch_has_the_shape_of_the_original_program() {
        let import = Reading::number("POWER_IMPORT", Decimal::parse(b"004457.15300000").unwrap())
            .obis(Obis::parse(b"1-0:1.8.0*255").unwrap())
            .unit("kWh");
        let utc = "2020-02-06T21:00:00Z".parse().ok();
        let gas = Reading {
            time: Some(DeviceTime { sent: "200206220000W".into(), utc }),
            status: Some(7),
            more: vec!["a".into(), "b".into()],
            ..Reading::number("GAS", 5).obis(Obis::parse(b"0-1:24.2.1").unwrap())
        };
        let batch = Batch {
            taken_at: "2020-02-06T21:37:51.607046Z".parse().unwrap(),
            readings: vec![
                import,
                gas,
                Reading::counter("count", Decimal::new(1_375_657, 2).unwrap()).unit("kWh"),
                Reading::text("id", "\"<x>\u{1}"),
            ],
        };
        assert_eq!(
            serde_json::to_string(&batch).unwrap(),
            r#"{"timestampUTC":"2020-02-06T21:37:51.607046+00:00","POWER_IMPORT":{"OBIS_Code":"1.8.0","unit":"kWh","value":4457.153},"GAS":{"OBIS_Code":"24.2.1","value":5,"timestampUTC":"2020-02-06T21:00:00.000000+00:00","status":7,"more":["a","b"]},"count":13756.57,"id":"\"<x>\u0001"}"#
        );
    }

    #[test]
    fn a_stated_kind_holds_whatever_unit_and_code_tell() {
        let rain = Reading::counter("rain", 5).unit("mm").meaning();
        assert_eq!((rain.kind, rain.quantity, rain.unit), (Kind::Counter, Quantity::Other, None));
        let stored = Reading::gauge("stored", 5).unit("kWh ").meaning();
        assert_eq!((stored.kind, stored.unit), (Kind::Gauge, Some(Unit::KilowattHour)));
        let net = Reading::net("balance", -5).unit("kWh").meaning();
        assert_eq!(net.kind, Kind::Net);
        assert_eq!(Reading::flag("open", true).meaning().kind, Kind::State);
        assert_eq!(Reading::text("energy", "5x").unit("kWh").meaning().kind, Kind::State);
        assert_eq!(Reading::number("energy", 5).unit("kWh").meaning().kind, Kind::Counter);
    }

    #[test]
    fn a_stated_medium_holds_whatever_name_and_unit_tell() {
        let meaning = |reading: Reading| {
            let meaning = reading.meaning();
            (meaning.quantity, meaning.kind, meaning.medium)
        };
        let energy = Reading::number("energy", 5).unit("kWh");
        assert_eq!(meaning(energy.clone()), (Quantity::Energy, Kind::Counter, None));
        for medium in [Medium::Heat, Medium::Cooling, Medium::Gas] {
            let energy = energy.clone().medium(medium);
            assert_eq!(meaning(energy), (Quantity::Energy, Kind::Counter, Some(medium)));
        }
        let volume = Reading::number("water_volume", 5).unit("m3");
        assert_eq!(meaning(volume.clone()), (Quantity::Volume, Kind::Counter, Some(Medium::Water)));
        assert_eq!(meaning(volume.medium(Medium::Heat)).2, Some(Medium::Heat), "a heat meter's own water");
        let flow = Reading::number("flow_temperature", 5).unit("°C").medium(Medium::Heat);
        assert_eq!(meaning(flow), (Quantity::Temperature, Kind::Gauge, Some(Medium::Heat)));
        let last_month = Reading { kind: Some(Kind::State), ..energy.medium(Medium::Heat) };
        assert_eq!(meaning(last_month), (Quantity::Energy, Kind::State, Some(Medium::Heat)));
    }

    #[test]
    fn what_a_source_calls_a_state_of_a_measured_quantity_is_not_live() {
        let live = |reading: Reading, kind| Reading { kind, ..reading }.meaning().live;
        let energy = || Reading::number("energy", 5).unit("kWh");
        let power = || Reading::number("subscribed_power", 9).unit("kVA");
        let temperature = || Reading::number("flow_temperature", 60).unit("°C");
        for reading in [energy(), power(), temperature()] {
            assert!(live(reading.clone(), None), "{}", reading.name);
            assert!(!live(reading.clone(), Some(Kind::State)), "{}: a limit, or of the past", reading.name);
            assert!(!live(reading.clone(), Some(Kind::Maximum)), "{}: an extreme", reading.name);
        }
        assert!(live(energy(), Some(Kind::Net)) && live(energy(), Some(Kind::Gauge)));
        assert!(Reading::flag("open", true).meaning().live, "a contact is open now");
        let running = Reading::number("on_time", 5).unit("h");
        assert!(live(running, Some(Kind::State)), "a duration has no other kind");
        assert!(
            Reading::text("state", "open").unit("kWh").meaning().live,
            "a text is what the device says now"
        );
    }
}
