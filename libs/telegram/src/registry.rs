//! Registry of the protocols that the linked plugins read.

use framework::{Reading, Text, Value, inventory};
use serde::Serialize;

use crate::Protocol;

/// Protocol of a linked plugin, for the commands `decode`, `record` and `probe`.
///
/// Submitted with [`register_protocol!`](crate::register_protocol).
#[derive(Debug, Clone, Copy)]
pub struct ProtocolRegistration {
    /// Kind of the plugin: `plugin = "…"` in the configuration.
    pub kind: &'static str,
    /// Protocol that it reads.
    pub protocol: Protocol,
    /// Decoder of recorded bytes: [`decode`](crate::decode).
    pub decode: DecodeFn,
    /// Remover of meter numbers from recorded bytes.
    pub anonymise: Option<AnonymiseFn>,
    /// Baud rates at which such meters push, the usual one first.
    pub bauds: &'static [u32],
    /// Keys of a section that make the plugin poll a silent meter, the usual ones first: `request = true`.
    pub polling: &'static [&'static str],
}

/// Decodes a recording and calls back for everything found, in order.
pub type DecodeFn = fn(&[u8], &mut dyn FnMut(Decoded));

/// Overwrites meter numbers wherever they stand in a recording, keeps its length, and repairs the checksums that were
/// right before. Returns the number of places that were overwritten.
pub type AnonymiseFn = fn(&mut [u8]) -> usize;

/// Something that a [`DecodeFn`] found.
#[derive(Debug)]
pub enum Decoded {
    /// A telegram that may be trusted.
    Telegram {
        /// Position of its first byte.
        offset: u64,
        /// Identification that the meter sends.
        ident: Option<String>,
        /// Registers as sent; their names are their codes.
        readings: Vec<Reading>,
    },
    /// Bytes that look like a telegram and must not be trusted.
    Rejected {
        /// Position of the first byte.
        offset: u64,
        /// Reason, in a clause such as "it has no end mark".
        reason: String,
    },
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
    protocols().iter().find(|registration| registration.protocol == protocol).map(|found| found.kind)
}

/// Returns a telegram as one line of JSON, as `smartmeter decode` prints it: each register by its code as sent.
pub fn json_line(kind: &str, ident: Option<&str>, readings: &[Reading]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        protocol: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ident: Option<&'a str>,
        readings: Vec<Register<'a>>,
    }
    #[derive(Serialize)]
    struct Register<'a> {
        obis: &'a str,
        value: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u64>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        more: &'a [Text],
    }
    let registers = readings.iter().map(|reading| Register {
        obis: &reading.name,
        value: &reading.value,
        unit: reading.unit.as_deref(),
        timestamp: reading.time.as_ref().map(|time| time.sent.as_str()),
        status: reading.status,
        more: &reading.more,
    });
    let line = Line { protocol: kind, ident, readings: registers.collect() };
    // Writing into memory cannot fail.
    let mut out = serde_json::to_vec(&line).unwrap_or_default();
    out.push(b'\n');
    out
}
