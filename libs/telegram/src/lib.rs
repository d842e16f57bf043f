//! What all meters have in common that send telegrams over a line, whatever language they speak.
//!
//! ```text
//! Source ── bytes ──▶ Reader:  Decoder ── Telegram ──▶ Guard ──▶ Converter ── Batch ──▶
//!  (Line)                      of the plugin           plausible?  names: keys in /data
//! ```
//!
//! A plugin brings its [`Decoder`] and its configuration; [`Source`] does the rest: it opens the line, finds
//! the speed, asks a meter that does not speak by itself ([`Conversation`]), and says what is wrong in
//! words. Everything but [`Source`] is pure: no port, clock, store or log.

pub mod config;
mod convert;
mod decoder;
mod guard;
mod names;
mod protocol;
mod reader;
mod registry;
mod scanner;
mod source;

pub use crate::{
    convert::{Converter, decode},
    decoder::{Decoder, Register, RegisterTime, Rejected, Telegram},
    guard::{CONFIRMATIONS, DEFAULT_MAX_POWER, Guard, Implausible, MAX_LAYOUTS, What},
    names::{NAMES, name},
    protocol::{Protocol, Sniffer},
    reader::{Fault, Reader},
    registry::{AnonymiseFn, DecodeFn, Decoded, ProtocolRegistration, json_line, plugin_for, protocols},
    scanner::Scanner,
    source::{Answer, Conversation, NoAnswer, Settings, Source},
};

#[doc(hidden)]
pub use framework::inventory;
