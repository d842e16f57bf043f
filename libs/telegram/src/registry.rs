//! Registry of the protocols that the linked plugins read.

use framework::{
    Reading, inventory,
    json::{write, write_str},
};

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
    /// Keys of a section that make the plugin ask a silent meter, the usual ones first: `request = true`.
    pub asking: &'static [&'static str],
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
    let mut out = b"{\"protocol\":".to_vec();
    write_str(&mut out, kind);
    if let Some(ident) = ident {
        out.extend_from_slice(b",\"ident\":");
        write_str(&mut out, ident);
    }
    out.extend_from_slice(b",\"readings\":[");
    for (i, reading) in readings.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",{\"obis\":" } else { b"{\"obis\":" });
        write_str(&mut out, &reading.name);
        out.extend_from_slice(b",\"value\":");
        write(&mut out, &reading.value);
        if let Some(unit) = &reading.unit {
            out.extend_from_slice(b",\"unit\":");
            write_str(&mut out, unit);
        }
        if let Some(time) = &reading.time {
            out.extend_from_slice(b",\"timestamp\":");
            write_str(&mut out, &time.sent);
        }
        if let Some(status) = reading.status {
            out.extend_from_slice(format!(",\"status\":{status}").as_bytes());
        }
        if !reading.more.is_empty() {
            out.extend_from_slice(b",\"more\":");
            write(&mut out, &reading.more);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    out
}
