//! Meters that send IEC 62056-21 text (D0), through an infrared head, a P1 port or over TCP.
//!
//! ```text
//! telegram::Source ── bytes ──▶ iec62056: decoder ── Telegram ──▶ telegram: guard, names, batch
//! ```
//!
//! All of it does no I/O and has no clock; only `request`, the dialogue with a meter that must be polled, has a
//! connection. The plugin's README is written for users.

mod plugin;
mod request;

pub use iec62056::{MAX_TELEGRAM, data_line, decoder, framing, reject, telegram};

pub use crate::plugin::{Config, D0};
