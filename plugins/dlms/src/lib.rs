//! Meters that push DLMS/COSEM, over a customer port, wired M-Bus, or an infrared head.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ telegram: guard, names, batch
//!                               search, frame, message: framing      cipher, counter: protection
//!                               notification, axdr, clock: data      list, positional, scales: meaning
//! ```
//!
//! All of it does no I/O and has no clock. The plugin's README is written for users.

mod anonymise;
mod axdr;
pub mod cipher;
mod clock;
pub mod counter;
mod decode;
pub mod decoder;
mod describe;
mod frame;
mod list;
mod maker;
mod message;
mod notification;
mod plugin;
mod positional;
mod registers;
pub mod reject;
pub mod scales;
mod search;
mod source;
pub mod telegram;
mod wire;

pub use crate::{
    clock::Clock,
    decode::decode,
    plugin::{Config, Dlms},
    wire::MAX_TELEGRAM,
};
