//! Meters that send by radio (wireless M-Bus, OMS), heard by a stick on a port or by a program with an SDR receiver.
//!
//! ```text
//! input ── bytes ──▶ mbus::radio: Framing ── telegram ──▶ Decoder ── records ──▶ meters ── Batch ──▶
//!  program, port      of the receiver                      keys, counters    │    by name
//!                                                                            └──▶ strangers: /health
//! ```
//!
//! Everything but `input` and `source` does no I/O. The plugin's README is written for users.

mod config;
mod decode;
mod first_bytes;
mod input;
mod meters;
mod plugin;
mod source;
mod strangers;

pub use crate::{config::Config, plugin::Wmbus};
