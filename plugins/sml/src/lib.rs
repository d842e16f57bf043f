//! Meters that send SML, through an infrared head or over TCP.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ meter: guard, names, batch
//!                            file, tlv, registers: what it is made of; quirks: what is wrong with it
//! ```
//!
//! All of it is pure: no port, clock, store or log. The plugin's README is written for users.

mod anonymise;
mod checksum;
pub mod decoder;
mod file;
mod plugin;
pub mod quirks;
mod registers;
pub mod reject;
mod server_id;
pub mod telegram;
mod tlv;
mod units;
mod wire;

pub use crate::{
    plugin::{Config, Sml},
    wire::MAX_TELEGRAM,
};
