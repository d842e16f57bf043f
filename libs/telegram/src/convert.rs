//! From telegrams to readings.

use std::collections::{HashMap, HashSet};

use framework::{Batch, DeviceTime, Reading, Text, Timestamp, Value};

use crate::{Decoded, Decoder, Register, Rejected, Telegram, names::Devices};

/// Converter of telegrams to batches; it remembers the names of the telegram before.
///
/// A register is called by its [name](crate::name), or by its code without medium and channel where it has none. A
/// counter of another meter is called by its medium: `GAS`. Names are unique: where two registers would have the same,
/// the later one is called by its code as sent, and by `code_2`, `code_3` … where that is taken too.
#[derive(Debug, Default)]
pub struct Converter {
    /// Code as sent and name, in the order of the telegram.
    layout: Vec<(Text, Text)>,
    devices: Devices,
}

impl Converter {
    /// Returns the readings of `telegram`, which was complete at `taken_at`.
    pub fn batch(&mut self, telegram: &impl Telegram, taken_at: Timestamp) -> Batch {
        let devices = Devices::of(telegram);
        let known = self.devices == devices
            && self.layout.len() == telegram.registers().len()
            && self
                .layout
                .iter()
                .zip(telegram.registers())
                .all(|((code, _), register)| code == register.code);
        if !known {
            self.layout = layout(telegram, &devices);
            self.devices = devices;
        }
        let named = self.layout.iter().zip(telegram.registers());
        let readings = named.map(|((_, name), register)| reading(name.clone(), &register, true)).collect();
        Batch { taken_at, readings }
    }
}

fn layout(telegram: &impl Telegram, devices: &Devices) -> Vec<(Text, Text)> {
    // The framework's own members of a section.
    let mut taken = HashSet::from([Text::new_static("timestampUTC"), Text::new_static("stale")]);
    let mut counts: HashMap<Text, u32> = HashMap::new();
    let mut unique = |register: &Register<'_>| -> Text {
        let Register { code, obis, .. } = *register;
        let known = obis.map(|obis| devices.name(obis).unwrap_or_else(|| obis.reduced().to_string().into()));
        for name in known.into_iter().chain([Text::new(code)]) {
            if taken.insert(name.clone()) {
                return name;
            }
        }
        loop {
            let count = counts.entry(code.into()).or_insert(1);
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
        // A star without a unit after it tells no more than no star.
        unit: register.unit.filter(|unit| !unit.is_empty()).map(Text::new),
        kind: None,
        time: register.time.map(|time| DeviceTime { sent: text(time.sent), utc: time.utc }),
        status: register.status,
        more: register.more().map(text).collect(),
    }
}

/// Decodes a recording: readings are called by their codes, and texts are exactly as sent.
pub fn decode<D: Decoder + Default>(bytes: &[u8], found: &mut dyn FnMut(Decoded)) {
    let mut decoder = D::default();
    let mut each = |result: Result<D::Telegram<'_>, Rejected<D::Reason>>| match result {
        Ok(telegram) => found(Decoded::Telegram {
            offset: telegram.offset(),
            ident: telegram.ident().map(str::to_owned),
            readings: telegram
                .registers()
                .map(|register| reading(register.code.into(), &register, false))
                .collect(),
        }),
        Err(rejected) => {
            found(Decoded::Rejected { offset: rejected.offset, reason: rejected.to_string() });
        }
    };
    decoder.push(bytes, &mut each);
    decoder.scanner().finish();
    while let Some(result) = decoder.next() {
        each(result);
    }
}
