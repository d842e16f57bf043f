//! Sources of devices that send telegrams, whatever protocol they use.
//!
//! ```text
//! Source ── bytes ──▶ Reader:  Decoder ── Telegram ──▶ Guard ──▶ Converter ── Batch ──▶
//!  (Connection)                of the plugin           plausible?  names: keys in /data
//! ```
//!
//! A plugin brings its [`Decoder`] and its configuration. [`Source`] does the rest: it opens the port, finds the baud
//! rate, polls a meter that pushes nothing ([`Conversation`]), and explains faults. Everything but [`Source`] does no
//! I/O and has no clock. [`Keys`] open telegrams that are encrypted. [`register_protocol!`] tells the commands `decode`, `record` and `probe` about a protocol.

pub mod config;
mod convert;
mod decoder;
mod guard;
mod holding;
mod keys;
mod names;
mod protocol;
mod reader;
mod registry;
mod scanner;
mod source;
mod sub_meters;
mod units;

pub use crate::{
    convert::{Converter, decode},
    decoder::{Decoder, Register, RegisterTime, Rejected, Telegram},
    guard::{CONFIRMATIONS, Counters, DEFAULT_MAX_POWER, Guard, Held, Implausible, MAX_LAYOUTS, What},
    holding::Holding,
    keys::{InvalidKey, Key, Keys},
    names::{NAMES, name},
    protocol::{Protocol, Recognizer},
    reader::{Fault, Reader},
    registry::{
        AnonymiseFn, Anonymised, DecodeFn, Decoded, DecodedReading, DescribeFn, Description, Member,
        ProtocolRegistration, json_line, plugin_for, protocols,
    },
    scanner::Scanner,
    source::{Answer, Conversation, FOREIGN_LINES, Settings, Source, unopened},
    units::dlms_unit,
};

#[doc(hidden)]
pub use framework::inventory;
