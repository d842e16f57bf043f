//! Meters that send IEC 62056-21 text (D0), through an infrared head, a P1 port or over TCP.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ meter: guard, names, batch
//!                            framing, head, open, line: what it is made of
//! ```
//!
//! All of it is pure: no port, clock, store or log. Only `request`, the talk with a meter that must be asked,
//! has a line. The plugin's README is written for users.

mod anonymise;
mod characters;
pub mod data_line;
pub mod decoder;
mod dsmr;
mod entry;
pub mod framing;
mod group;
mod head;
mod open;
mod plugin;
pub mod reject;
mod request;
pub mod telegram;
mod wire;

pub use crate::{
    plugin::{Config, D0},
    wire::MAX_TELEGRAM,
};
