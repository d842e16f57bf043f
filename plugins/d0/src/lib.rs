//! Meters that push IEC 62056-21 text (D0, mode D), through an infrared head or over TCP.
//!
//! ```text
//!          source ── bytes ──▶ decoder ── Telegram ──▶ guard ──▶ convert ── Batch ──▶
//! framing, head, open, line: what the decoder is made of        names: keys in /data
//! ```
//!
//! Everything but `source` is pure: no port, clock, store or log. The plugin's README is written for users.

mod characters;
pub mod convert;
pub mod decoder;
pub mod framing;
pub mod guard;
mod head;
pub mod line;
pub mod names;
mod open;
mod plugin;
pub mod reject;
mod source;
pub mod telegram;

pub use crate::{
    convert::decode,
    plugin::{Config, D0},
};
