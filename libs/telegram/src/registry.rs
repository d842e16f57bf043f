//! Registry of the protocols that the linked plugins read.

use framework::{Reading, Value, inventory};
use serde::{Serialize, Serializer, ser::SerializeMap};
use transport::Line;

use crate::{Keys, Protocol};

/// Protocols of a linked plugin, for the commands `decode`, `record` and `probe`.
///
/// Submitted with [`register_protocol!`](crate::register_protocol).
#[derive(Debug, Clone, Copy)]
pub struct ProtocolRegistration {
    /// Kind of the plugin: `plugin = "…"` in the configuration.
    pub kind: &'static str,
    /// Protocols that it reads, the usual one first.
    pub protocols: &'static [Protocol],
    /// Decoder of recorded bytes: [`decode`](crate::decode), or one of its own.
    pub decode: DecodeFn,
    /// Describer of bytes that it may be unable to read.
    pub describe: Option<DescribeFn>,
    /// Remover of meter numbers from recorded bytes.
    pub anonymise: Option<AnonymiseFn>,
    /// Lines at which such meters push, the usual one first.
    pub lines: &'static [Line],
    /// Keys of a section that make the plugin poll a silent meter, the usual ones first: `request = true`.
    pub polling: &'static [&'static str],
}

/// Decodes a recording and calls back for everything found, in order.
pub type DecodeFn = fn(&[u8], &Keys, &mut dyn FnMut(Decoded));

/// Describes what bytes show without being decoded, with the keys that are known; `None` where they are of another
/// protocol.
pub type DescribeFn = fn(&[u8], &Keys) -> Option<Description>;

/// Overwrites meter numbers wherever they stand in a recording, and repairs the checksums that were right before.
/// Encrypted telegrams are decrypted, and encrypted again with [`Keys::PUBLIC`].
///
/// It fails, with a clause such as "3 telegrams are encrypted: give `--key`", where a number may remain.
pub type AnonymiseFn = fn(&[u8], &Keys) -> Result<Anonymised, String>;

/// Recording without meter numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Anonymised {
    /// Its bytes. There may be more or fewer of them than before.
    pub bytes: Vec<u8>,
    /// Number of places that were overwritten.
    pub places: usize,
}

/// Description of a protocol's bytes, which may be unreadable without a key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Description {
    /// What they are: "3 encrypted telegrams of a Landis+Gyr meter (DLMS/COSEM in HDLC frames, system title `LGZ…`)".
    pub what: String,
    /// Identification of the meter, as far as it is readable: its system title, its address.
    pub ident: Option<String>,
    /// Keys of the configuration that are missing, or wrong: `key`, `authentication_key`. They hold 32 hexadecimal digits.
    pub keys: &'static [&'static str],
    /// What to do, in a clause such as "encrypted: ask your grid operator for the key (GUEK) and write `key = "…"`".
    pub advice: Option<String>,
    /// Further lines of the section, where one receiver hears several meters: `receiver = "cul"`, and a comment for each
    /// meter. The places of the keys are among them.
    pub section: String,
}

/// Named value of a telegram or of a reading, in the output of `smartmeter decode`.
pub type Member = (&'static str, Value);

/// Something that a [`DecodeFn`] found.
#[derive(Debug)]
pub enum Decoded {
    /// A telegram that may be trusted.
    Telegram {
        /// Position of its first byte.
        offset: u64,
        /// Identification that the meter sends.
        ident: Option<String>,
        /// What else it tells of itself: `system_title`, `frame_counter`, an address.
        members: Vec<Member>,
        /// Registers as sent.
        readings: Vec<DecodedReading>,
    },
    /// Bytes that look like a telegram and must not be trusted.
    Rejected {
        /// Position of the first byte.
        offset: u64,
        /// Reason, in a clause such as "it has no end mark".
        reason: String,
        /// Whether it is a whole telegram that only lacks its key.
        needs_key: bool,
    },
}

/// Register of a decoded telegram.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedReading {
    /// What it is: `obis`, `label`, or `quantity` with `function`, `storage`, `tariff` and `subunit`.
    pub members: Vec<Member>,
    /// The register as sent; its name is its code.
    pub reading: Reading,
}

impl Anonymised {
    /// Anonymises with a function that keeps the length, and returns the number of places.
    pub fn in_place(bytes: &[u8], anonymise: fn(&mut [u8]) -> usize) -> Self {
        let mut bytes = bytes.to_vec();
        let places = anonymise(&mut bytes);
        Self { bytes, places }
    }
}

inventory::collect!(ProtocolRegistration);

/// Registers the protocol of a plugin, so that a program that links the plugin's crate finds it.
#[macro_export]
macro_rules! register_protocol {
    ($registration:expr) => {
        $crate::inventory::submit! { $registration }
    };
}

/// Returns all linked protocols in the order of their kinds.
pub fn protocols() -> Vec<&'static ProtocolRegistration> {
    let mut all: Vec<_> = inventory::iter::<ProtocolRegistration>().collect();
    all.sort_by_key(|registration| registration.kind);
    all
}

/// Returns the kind of the linked plugin that reads `protocol`.
pub fn plugin_for(protocol: Protocol) -> Option<&'static str> {
    protocols().iter().find(|registration| registration.protocols.contains(&protocol)).map(|found| found.kind)
}

/// Returns a telegram as one line of JSON, as `smartmeter decode` prints it: each register as sent.
pub fn json_line(
    kind: &str,
    ident: Option<&str>,
    members: &[Member],
    readings: &[DecodedReading],
) -> Vec<u8> {
    let line = TelegramLine { protocol: kind, ident, members, readings };
    // Writing into memory cannot fail.
    let mut out = serde_json::to_vec(&line).unwrap_or_default();
    out.push(b'\n');
    out
}

/// Telegram as JSON.
struct TelegramLine<'a> {
    protocol: &'a str,
    ident: Option<&'a str>,
    members: &'a [Member],
    readings: &'a [DecodedReading],
}

impl Serialize for TelegramLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("protocol", self.protocol)?;
        if let Some(ident) = self.ident {
            object.serialize_entry("ident", ident)?;
        }
        for (name, value) in self.members {
            object.serialize_entry(name, value)?;
        }
        object.serialize_entry("readings", self.readings)?;
        object.end()
    }
}

impl Serialize for DecodedReading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { members, reading } = self;
        let mut object = serializer.serialize_map(None)?;
        for (name, value) in members {
            object.serialize_entry(name, value)?;
        }
        object.serialize_entry("value", &reading.value)?;
        if let Some(unit) = &reading.unit {
            object.serialize_entry("unit", unit.as_str())?;
        }
        if let Some(time) = &reading.time {
            object.serialize_entry("timestamp", time.sent.as_str())?;
        }
        if let Some(status) = reading.status {
            object.serialize_entry("status", &status)?;
        }
        if !reading.more.is_empty() {
            object.serialize_entry("more", &reading.more)?;
        }
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use framework::Decimal;

    use super::*;

    #[test]
    fn a_decoded_telegram_has_its_members_and_those_of_its_readings() {
        let text = |text: &str| Value::Text(text.into());
        let number = |digits: &[u8]| Decimal::parse(digits).unwrap();
        let readings = [
            DecodedReading {
                members: vec![("label", text("EAST")), ("obis", text("1-0:1.8.0*255"))],
                reading: Reading::number("EAST", number(b"1234567.890")).unit("Wh"),
            },
            DecodedReading {
                members: vec![("quantity", text("fabrication_no"))],
                reading: Reading::text("a", "07"),
            },
        ];
        let members =
            [("system_title", text("4B464D1020000001")), ("frame_counter", Value::Number(7.into()))];
        let line = String::from_utf8(json_line("x", Some("/I"), &members, &readings)).unwrap();
        let expected = r#"{"protocol":"x","ident":"/I","system_title":"4B464D1020000001","frame_counter":7,"readings":[{"label":"EAST","obis":"1-0:1.8.0*255","value":1234567.89,"unit":"Wh"},{"quantity":"fabrication_no","value":"07"}]}"#;
        assert_eq!(line.trim_end(), expected);
    }
}
