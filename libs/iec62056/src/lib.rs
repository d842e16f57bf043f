//! Text of IEC 62056-21 (D0), that of P1 ports included.
//!
//! ```text
//! bytes ──▶ decoder ── Telegram ──▶
//!           head, framing, data_line, dsmr: its parts
//! ```
//!
//! All of it does no I/O and has no clock. Two plugins read such text: `d0` from the line, and `dlms` from messages that
//! it decrypts.

mod anonymise;
mod characters;
mod crc16;
pub mod data_line;
pub mod decoder;
mod dsmr;
mod entry;
pub mod framing;
mod group;
pub mod head;
mod partial;
pub mod reject;
pub mod telegram;
pub mod wire;

pub use crate::{anonymise::anonymise, characters::begins_code, wire::MAX_TELEGRAM};
