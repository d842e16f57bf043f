//! Meters that send IEC 62056-21 text (D0), through an infrared head, a P1 port or over TCP.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ telegram: guard, names, batch
//!                               head, framing, open, data_line: its parts
//! ```
//!
//! All of it does no I/O and has no clock; only `request`, the dialogue with a meter that must be polled, has a
//! connection. The plugin's README is written for users.

mod anonymise;
mod characters;
mod crc16;
pub mod data_line;
pub mod decoder;
mod dsmr;
mod entry;
pub mod framing;
mod group;
mod head;
mod partial;
mod plugin;
pub mod reject;
mod request;
pub mod telegram;
mod wire;

pub use crate::{
    plugin::{Config, D0},
    wire::MAX_TELEGRAM,
};
