//! French electricity meters, Linky and older ones, at their customer output: TIC, télé-information client.
//!
//! ```text
//! telegram::Source ── bytes ──▶ decoder ── Telegram ──▶ telegram: guard, names, batch
//!                               group, labels, stamp: its parts; registers, status: what is computed of them
//! ```
//!
//! All of it does no I/O and has no clock. The plugin's README is written for users.

mod anonymise;
pub mod decoder;
mod group;
pub mod labels;
mod plugin;
mod power;
mod registers;
pub mod reject;
mod stamp;
mod status;
pub mod telegram;
mod wire;

pub use crate::{
    plugin::{Config, Tic},
    wire::MAX_TELEGRAM,
};
