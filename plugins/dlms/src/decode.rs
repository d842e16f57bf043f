//! `smartmeter decode`: telegrams with all that is known of them.

use framework::{DeviceTime, Reading, Value};
use telegram::{Decoded, DecodedReading, Decoder as _, Keys, Register, Telegram as _};

use crate::{
    decoder::{Decoder, Options},
    reject::{Reason, Rejected},
    telegram::{Content, Telegram},
};

/// Decodes a recording. Values without a code are called by their position; a number whose scale is not known has no
/// unit.
pub fn decode(bytes: &[u8], keys: &Keys, found: &mut dyn FnMut(Decoded)) {
    let mut decoder = Decoder::new(Options { keys: *keys, ..Options::default() });
    let mut each = |result: Result<Telegram<'_>, Rejected>| match result {
        Ok(telegram) => found(Decoded::Telegram {
            offset: telegram.offset(),
            ident: telegram.ident().map(str::to_owned),
            members: telegram.members(),
            readings: readings(&telegram),
        }),
        Err(rejected) => {
            let needs_key = matches!(rejected.reason, Reason::NoKey(_));
            let reason = rejected.to_string();
            found(Decoded::Rejected { offset: rejected.offset, reason, needs_key });
        }
    };
    decoder.push(bytes, &mut each);
    decoder.scanner().finish();
    while let Some(result) = decoder.next() {
        each(result);
    }
}

fn readings(telegram: &Telegram<'_>) -> Vec<DecodedReading> {
    match telegram.content() {
        Content::List { registers, .. } => {
            let decoded = |(position, reading): (Option<usize>, Reading)| {
                let member = match position {
                    Some(position) => ("position", Value::Number((position as u64).into())),
                    None => ("obis", Value::Text(reading.name.clone())),
                };
                DecodedReading { members: vec![member], reading }
            };
            registers.readings().map(decoded).collect()
        }
        Content::Text(text) => text.registers().map(|register| of_text(&register)).collect(),
    }
}

/// Returns a register of the text in a message, exactly as sent.
fn of_text(register: &Register<'_>) -> DecodedReading {
    let mut reading = Reading::text(register.code, register.value);
    if let Some(number) = register.number {
        reading.value = Value::Number(number);
    }
    reading.obis = register.obis;
    reading.unit = register.unit.filter(|unit| !unit.is_empty()).map(Into::into);
    reading.time = register.time.map(|time| DeviceTime { sent: time.sent.into(), utc: time.utc });
    reading.status = register.status;
    reading.more = register.more().map(Into::into).collect();
    DecodedReading { members: vec![("obis", Value::Text(register.code.into()))], reading }
}
