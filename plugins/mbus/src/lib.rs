//! Meters on a wired M-Bus, behind a level converter or a gateway in the network.
//!
//! ```text
//! source ── a meter that is due ──▶ readout ── a request ──▶ exchange ── bytes ──▶ line
//!   │                                  selection, parts, repeats    echo, noise      port
//!   └── its turn on the bus ──▶ bus: one port, one queue, whatever the number of sources
//! ```
//!
//! Frames and records are those of [`mbus`], which does no I/O. The plugin's README is written for users.

mod anonymise;
mod bus;
mod config;
mod decode;
mod exchange;
mod line;
mod meter;
mod plugin;
mod readout;
mod search;
mod source;
#[cfg(test)]
mod tests;
mod timing;

pub use crate::{
    config::Config,
    plugin::Mbus,
    search::{FoundMeter, SearchStep, search},
};
