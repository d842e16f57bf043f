//! Meters that send SML, through an infrared head or over TCP.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ telegram: guard, names, batch
//!                               file, tlv, registers: its parts; quirks: known faults of meters
//! ```
//!
//! All of it does no I/O and has no clock. The plugin's README is written for users.

mod anonymise;
mod checksum;
pub mod decoder;
mod file;
mod plugin;
pub mod quirks;
mod registers;
pub mod reject;
mod server_id;
mod sign;
pub mod telegram;
mod tlv;
mod wire;

pub use crate::{
    plugin::{Config, Sml},
    wire::MAX_TELEGRAM,
};
