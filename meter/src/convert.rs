//! From telegrams to readings.

use std::collections::{HashMap, HashSet};

use framework::{Batch, Decoded, Reading, Text, Timestamp, Value};

use crate::{
    decoder::Decoder,
    names,
    reject::Rejected,
    telegram::{Register, Telegram},
};

/// Makes batches of telegrams; remembers the names of the telegram before.
///
/// A register is called by its [name](names::name), or by its code without medium and channel where it
/// has none. Names are unique: when two registers would be called the same, the later one is called by
/// its code as sent, and by `code_2`, `code_3` … where that is taken too.
#[derive(Debug, Default)]
pub struct Converter {
    /// Code as sent and name, in the order of the telegram.
    layout: Vec<(Text, Text)>,
}

impl Converter {
    /// The readings of `telegram`, which was complete at `taken_at`.
    pub fn batch(&mut self, telegram: &Telegram<'_>, taken_at: Timestamp) -> Batch {
        let known = self.layout.len() == telegram.registers().len()
            && self
                .layout
                .iter()
                .zip(telegram.registers())
                .all(|((code, _), register)| code == register.code);
        if !known {
            self.layout = layout(telegram);
        }
        let named = self.layout.iter().zip(telegram.registers());
        let readings = named.map(|((_, name), register)| reading(name.clone(), &register, true)).collect();
        Batch { taken_at, readings }
    }
}

fn layout<'a>(telegram: &Telegram<'a>) -> Vec<(Text, Text)> {
    // The framework's own members of a section.
    let mut taken = HashSet::from([Text::new_static("timestampUTC"), Text::new_static("stale")]);
    let mut counts: HashMap<&'a str, u32> = HashMap::new();
    let mut unique = |register: &Register<'a>| -> Text {
        let Register { code, obis, .. } = *register;
        let known = obis.map(|obis| names::name(obis).unwrap_or_else(|| obis.reduced().to_string().into()));
        for name in known.into_iter().chain([Text::new(code)]) {
            if taken.insert(name.clone()) {
                return name;
            }
        }
        loop {
            let count = counts.entry(code).or_insert(1);
            *count += 1;
            let name = Text::from(format!("{code}_{count}"));
            if taken.insert(name.clone()) {
                return name;
            }
        }
    };
    telegram.registers().map(|register| (Text::new(register.code), unique(&register))).collect()
}

fn reading(name: Text, register: &Register<'_>, trim: bool) -> Reading {
    let text = |text: &str| Text::new(if trim { text.trim_ascii() } else { text });
    Reading {
        name,
        obis: register.obis,
        value: register.number.map_or_else(|| Value::Text(text(register.value)), Value::Number),
        // A star without a unit behind it says no more than no star.
        unit: register.unit.filter(|unit| !unit.is_empty()).map(Text::new),
        more: register.more().map(text).collect(),
    }
}

/// Decodes a recording for `smartmeter decode`: readings are called by their codes as sent, texts are
/// exactly as sent.
pub fn decode(bytes: &[u8], found: &mut dyn FnMut(Decoded)) {
    let mut decoder = Decoder::default();
    let mut each = |result: Result<Telegram<'_>, Rejected>| match result {
        Ok(telegram) => found(Decoded::Telegram {
            offset: telegram.offset(),
            ident: telegram.ident().map(str::to_owned),
            readings: telegram
                .registers()
                .map(|register| reading(register.code.into(), &register, false))
                .collect(),
        }),
        Err(rejected) => {
            found(Decoded::Rejected { offset: rejected.offset, reason: rejected.reason.to_string() });
        }
    };
    decoder.push(bytes, &mut each);
    decoder.finish();
    while let Some(result) = decoder.next() {
        each(result);
    }
}

#[cfg(test)]
mod tests {
    use framework::Decimal;

    use super::*;

    fn batches(text: &str) -> Vec<Batch> {
        let mut converter = Converter::default();
        let mut batches = Vec::new();
        Decoder::default().push(text.as_bytes(), &mut |found| {
            batches.push(converter.batch(&found.unwrap(), Timestamp::UNIX_EPOCH));
        });
        batches
    }

    fn names(text: &str) -> Vec<String> {
        batches(text)[0].readings.iter().map(|reading| reading.name.to_string()).collect()
    }

    #[test]
    fn readings_have_names_values_and_units() {
        let text = "/ABC5x\r\n1-0:0.0.0*255(  42 )\r\n1-0:1.8.0*255(000012.50*kWh)\r\n1.6.0(1.5*kW)(2401010000 )()\r\n!\r\n";
        let batch = &batches(text)[0];
        assert_eq!(batch.get("METER_NUMBER").unwrap().value, Value::Text("42".into()));
        let import = batch.get("POWER_IMPORT").unwrap();
        assert_eq!(import.value, Value::Number(Decimal::new(1250, 2).unwrap()));
        assert_eq!(import.unit.as_deref(), Some("kWh"));
        assert_eq!(import.obis.unwrap().to_string(), "1-0:1.8.0*255");
        assert_eq!(batch.get("MAX_POWER_IMPORT").unwrap().more, ["2401010000", ""]);
    }

    #[test]
    fn names_are_unique() {
        let text = "/ABC5x\r\n1-0:1.8.0*255(1*kWh)\r\n1.8.0(2*kWh)\r\n1-0:1.8.0*255(3*kWh)\r\n1-0:1.8.0*255(4*kWh)\r\n\
                    stale(x)\r\n1-0:96.50.0*1(a)\r\n0-0:96.50.0*1(b)\r\nF(0)\r\nF(1)\r\n1-0:1.8.0*255(5*kWh)\r\n!\r\n";
        assert_eq!(
            names(text),
            [
                "POWER_IMPORT",
                "1.8.0",
                "1-0:1.8.0*255",
                "1-0:1.8.0*255_2",
                "stale_2",
                "96.50.0*1",
                "0-0:96.50.0*1",
                "F",
                "F_2",
                "1-0:1.8.0*255_3",
            ]
        );
    }

    #[test]
    fn the_names_follow_a_changed_layout() {
        let full = "/ABC5x\r\n1.8.0(1*kWh)\r\n2.8.0(2*kWh)\r\n!\r\n";
        let short = "/ABC5x\r\n2.8.0(2*kWh)\r\n!\r\n";
        let batches = batches(&[full, short, full].concat());
        let names: Vec<Vec<_>> =
            batches.iter().map(|b| b.readings.iter().map(|r| r.name.as_str()).collect()).collect();
        assert_eq!(
            names,
            [
                vec!["POWER_IMPORT", "POWER_EXPORT"],
                vec!["POWER_EXPORT"],
                vec!["POWER_IMPORT", "POWER_EXPORT"]
            ]
        );
    }

    #[test]
    fn recordings_are_decoded_as_sent() {
        let mut found = Vec::new();
        decode(b"noise/ABC5x\r\n0.0.0( 42)\r\n1.8.0(01*kWh)\r\n!/ABC5x\r\n1.8.0(0", &mut |decoded| {
            found.push(decoded)
        });
        let [
            Decoded::Telegram { offset: 5, ident: Some(ident), readings },
            Decoded::Rejected { offset, reason },
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!(ident, "/ABC5x");
        assert_eq!(readings[0], Reading::text("0.0.0", " 42").obis(readings[0].obis.unwrap()));
        assert_eq!((readings[1].name.as_str(), readings[1].unit.as_deref()), ("1.8.0", Some("kWh")));
        assert_eq!((*offset, reason.as_str()), (41, "it has no end mark `!`"));
    }
}
